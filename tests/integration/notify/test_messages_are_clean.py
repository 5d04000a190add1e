"""Secrets in what commands print and what the platform says: never whole, never in part, wherever it is cut.

The commands are real processes; what they print is looked for in the journal's file, in the log, in what ``show`` and
``logs`` print and in what a receiver gets.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.agent_process import TOKEN
from tests.harness.container import Container, due_container
from tests.harness.receivers import Receiver

PASSWORD = "Zq8vT2mW9xK4rB7nL3pD6sH1"
BODY = [
    "MIIEowIBAAKCAQEAz7Kj3x1Q5canaryCANARYcanary0123456789abcdefghijk",
    "Qm9keU9mQUtleVRoYXRJc0N1dEF0SXRzSGVhZA0123",
]
KEY = "\n".join(["-----BEGIN RSA PRIVATE KEY-----", *(BODY * 14), "-----END RSA PRIVATE KEY-----"])
BEARER = "zyxwvuts12345678ZYXWVUTS90rqponmlk"
HOOK = '[notify.hook]\nwebhook = { url-variable = "HOOK" }\n[notify.chat]\nslack = { url-variable = "CHAT" }\n'


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Container]:
    entries = {"database": [{"username": "main", "host": "db.internal", "password": PASSWORD}]}
    blob = base64.b64encode(json.dumps(entries).encode()).decode()
    with due_container(tmp_path) as container:
        container.agent.variables |= {"PLATFORM_RELATIONSHIPS": blob, "SECRET": PASSWORD, "KEY": KEY, "BEARER": BEARER}
        yield container


def everything(place: Container, shell: str, ear: Receiver) -> str:
    """Run the job by hand, and return whatever was written or said of it anywhere."""
    jobs = Path(place.agent.home, "agent.toml")
    step = f'command = {{ shell = {json.dumps(shell)}, changes = false, within = "20s" }}'
    jobs.write_text(
        f'{HOOK}[agent]\nstate = "{place.state}"\nlog-file = true\n[jobs.look]\n[[jobs.look.steps]]\n{step}\n'
    )
    hooks = {"HOOK": f"{ear.url}/canary-hook-path", "CHAT": f"{ear.url}/canary-chat-path"}
    calls = [("run", "look"), ("tick",), ("show", "look", "--json"), ("logs", "look")]
    said = [place.agent(*call, **hooks).said for call in calls]
    files = [path.read_bytes().decode("utf-8", "replace") for path in place.state.iterdir() if path.is_file()]
    return "\n".join([*said, *files, *(each.text for each in ear.requests)])


def assert_nothing_of(secret: str, said: str, least: int = 6) -> None:
    """No part of the secret, of that many characters, was said."""
    found = {secret[at : at + least] for at in range(len(secret) - least + 1) if secret[at : at + least] in said}
    assert not found


PRINTED = {
    "as it is": "printf '%s' \"$SECRET\"",
    "coloured": "printf '\\033[1m%s' $(echo $SECRET | fold -w 8); printf '\\033[0m'",
    "with 8-bit colours": "printf '\\2331m%s' $(echo $SECRET | fold -w 8)",
    "around a title": "printf '%s\\033]0;title\\007%s' $(echo $SECRET | fold -w 12)",
    "around a sequence that another one interrupts": "printf '%s\\033[1\\033[0m;31m%s' $(echo $SECRET | fold -w 12)",
    "with nulls": "printf '%s\\000' $(echo $SECRET | fold -w 8)",
    "written over": "printf '%s\\bx\\b' $(echo $SECRET | fold -w 1)",
    "in base64": "printf 'u:%s\\n' $SECRET | base64",
}


CUTS = [(way, 0) for way in PRINTED] + [("as it is", 3980), ("as it is", 262_120), ("coloured", 3985)]


@pytest.mark.parametrize(("way", "after"), CUTS)
def test_nothing_of_a_password_is_left_wherever_the_output_is_cut(
    place: Container, ear: Receiver, way: str, after: int
) -> None:
    shell = f"printf 'conn '; {PRINTED[way]}; printf ' '; head -c {after} /dev/zero | tr '\\0' x; exit 3"
    said = everything(place, shell, ear)
    assert "exit code 3" in said
    assert len(ear.requests) == 2
    assert_nothing_of(PASSWORD, said)


@pytest.mark.parametrize("after", [2400, 261_000, 262_000])
def test_nothing_of_a_key_is_left_where_its_beginning_is_cut_off(place: Container, ear: Receiver, after: int) -> None:
    said = everything(place, f"printenv KEY; head -c {after} /dev/zero | tr '\\0' x; echo; echo the end; exit 3", ear)
    assert "the end" in said
    for line in BODY:
        assert_nothing_of(line, said, 10)


@pytest.mark.parametrize("after", [3980, 262_120])
def test_nothing_of_a_bearer_is_left_where_its_header_is_cut_off(place: Container, ear: Receiver, after: int) -> None:
    shell = f"printf 'Authorization: Bearer %s ' $BEARER; head -c {after} /dev/zero | tr '\\0' x; echo; exit 3"
    assert_nothing_of(BEARER, everything(place, shell, ear))


def test_what_a_command_says_last_stays(place: Container, ear: Receiver) -> None:
    shell = "seq 1 100000; printf '\\033[31merror:\\033[0m the table is locked\\n\\tby nobody\\n'; exit 3"
    said = everything(place, shell, ear)
    assert "error: the table is locked" in said
    assert "99999" in said


def test_a_coloured_token_in_the_platform_s_log_is_hidden_whatever_pieces_it_comes_in(place: Container) -> None:
    place.tick_until_done()
    half = len(TOKEN) // 2
    pieces = [
        f"coloured {TOKEN[:4]}\x1b[1;31m{TOKEN[4:]}\x1b[0m\n",
        f"titled {TOKEN[:half]}\x1b]0;a ti",
        f"tle\x07{TOKEN[half:]}\n",
        f"eight bits {TOKEN[:7]}\x9b1",
        f"m{TOKEN[7:]} end\n",
        f"{TOKEN[:-3]}\u200b{TOKEN[-3:]}\n",
    ]
    body = "\n".join(json.dumps({"_id": str(number), "data": {"message": said}}) for number, said in enumerate(pieces))
    place.simulator.add_fault(f"GET */log json x9 body={body}")
    said = place.agent("logs", "nightly", "--platform")
    lines = [json.loads(line) for line in said.out.splitlines()]
    told = [line["message"] for line in lines if line["event"] == "activity-log"]
    assert told[:4] == ["coloured [hidden]", "titled [hidden]", "eight bits [hidden] end", "[hidden]"]
    assert_nothing_of(TOKEN[7:], said.out, 8)


def test_a_refusal_that_quotes_a_secret_far_behind_is_cut_after_it_is_hidden(place: Container) -> None:
    """The bound of a message falls into the password: the half before it is not told either."""
    message = f"{'x' * 485} {PASSWORD[:5]}\x1b[0m{PASSWORD[5:]}"
    place.simulator.add_fault(f"POST */backup json x9 status=400 body={json.dumps({'message': message})}")
    place.tick_until_done()
    said = place.agent("show", "nightly").said
    assert "xxxxx" in said
    assert_nothing_of(PASSWORD, said, 5)
