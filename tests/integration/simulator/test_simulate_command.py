"""`upsun-agent simulate` as another process, with its tokens, its authority and its control requests."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from contextlib import closing, contextmanager
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from upsun_simulator.faults import DOCS

from tests.harness.sources import SOURCES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE = 30


@contextmanager
def simulate(home: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "upsun_agent", "simulate", "--port", "0", *words],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONUNBUFFERED": "1", "PYTHONPATH": SOURCES},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)


def _document(stream: IO[str]) -> Any:
    """The first JSON document of a stream that stays open."""
    text = ""
    for line in stream:
        text += line
        if line == "}\n":
            break
    return json.loads(text)


def _post(url: str, path: str, body: str, **headers: str) -> Any:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE)
    with closing(connection):
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
    assert answer.status < 300, text
    return json.loads(text)


def _bearer(url: str, token: str) -> str:
    form = urlencode({"client_id": "upsun-cli", "grant_type": "api_token", "api_token": token})
    answer = _post(url, "/oauth2/token", form, **{"Content-Type": "application/x-www-form-urlencoded"})
    return str(answer["access_token"])


def _control(told: dict[str, Any], path: str, wishes: dict[str, Any]) -> Any:
    headers = {"Simulator-Secret": told["control_secret"], "Content-Type": "application/json"}
    return _post(told["url"], path, json.dumps(wishes), **headers)


def _act(told: dict[str, Any], do: str, **wishes: Any) -> Any:
    return _control(told, "/_simulator/act", {"do": do, **wishes})["result"]


def test_it_tells_the_owners_token_and_its_authority(tmp_path: Path) -> None:
    file = tmp_path / "authority.pub"
    with simulate(tmp_path, "--json", "--authority", str(file)) as process:
        assert process.stdout
        told = _document(process.stdout)
        url = told["url"]
        assert told["ssh_authority"].startswith("ssh-ed25519 ")
        assert file.read_text().strip() == told["ssh_authority"]
        body = {"email": "bot@example.com", "role": "viewer", "permissions": [{"type": "staging", "role": "admin"}]}
        path = f"/projects/{told['variables']['PLATFORM_PROJECT']}/invitations"
        bearer = _bearer(url, told["owner_token"])
        assert _post(url, path, json.dumps(body), Authorization=f"Bearer {bearer}")["state"] == "pending"
        # What a test in another process does with it.
        bot = _act(told, "accept-invitation", email="bot@example.com")
        assert _act(told, "set-permissions", permissions=["admin"], user=bot) is None
        assert _act(told, "add-token", token="token-of-the-bot", user=bot, mfa=True)
        assert _bearer(url, "token-of-the-bot")
        assert _act(told, "add-user", email="x@example.com") != bot
        assert _act(told, "add-variable", name="A", value="1") is None
        assert _act(told, "remove-variable", name="A") is None
        assert _act(told, "rotate-authority") is None
        assert _act(told, "revoke-certificates") is None


def test_it_says_the_same_in_plain_words(tmp_path: Path) -> None:
    with simulate(tmp_path, "--set", "owner_token=the-boss") as process:
        assert process.stdout
        lines = [process.stdout.readline() for _ in range(8)]
        url = lines[0].split()[4]
        told = {"url": url, "control_secret": lines[5].strip().removeprefix("export UPSUN_SIMULATOR_SECRET=")}
        assert _act(told, "add-variable", name="A", value="1") is None, "the secret that it prints is the one it takes"
    assert "UPSUN_CLI_TOKEN=the-boss" in lines[3]
    assert "ssh-ed25519 " in lines[7]


def test_an_authority_that_cannot_be_written_ends_it(tmp_path: Path) -> None:
    with simulate(tmp_path, "--authority", str(tmp_path / "no" / "such" / "place")) as process:
        assert process.wait(PATIENCE) == 73
        assert process.stderr
        assert "cannot be written" in process.stderr.read()


def test_the_help_explains_every_kind_of_fault(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "upsun_agent", "simulate", "--help"]
    variables = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "COLUMNS": "120", "PYTHONPATH": SOURCES}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True, timeout=PATIENCE)
    for name, explained in DOCS.items():
        assert f"{name:<22}{explained}" in done.stdout


def test_behaviours_that_are_lists_are_taken_as_json(tmp_path: Path) -> None:
    words = ("--set", 'failing_commands=["push=3"]', "--set", "activity_lag_seconds=5", "--json")
    with simulate(tmp_path, *words) as process:
        assert process.stdout is not None
        told = _document(process.stdout)
        assert _control(told, "/_simulator/scenario", {"failing_commands": []}) == {"changed": ["failing_commands"]}
