"""Commands on a machine whose network settings cannot be used: the variable is named, and the exit code is 78."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness.api_client import Misbehaving, answer
from tests.harness.sources import SOURCES

NOWHERE = "http://127.0.0.1:1"
JOBS = '[agent]\nstate = "{}"\n[jobs.nightly]\nschedule = "* * * * *"\n[[jobs.nightly.steps]]\nbackup = {{}}\n'
PLACE = {
    "UPSUN_CLI_TOKEN": "canary-api-token",
    "UPSUN_CLI_API_URL": NOWHERE,
    "UPSUN_CLI_AUTH_URL": NOWHERE,
    "PLATFORM_PROJECT": "abcdefgh1234z",
    "PLATFORM_BRANCH": "main",
    "PLATFORM_ENVIRONMENT_TYPE": "production",
}
COMMANDS = ("token check", "token list", "check --phase runtime", "tick", "ssh load --no-include")


def said(command: str, tmp_path: Path, *, more: str = "", **variables: str) -> tuple[int, str]:
    """The exit code of a command and everything that it wrote; ``more`` stands in the job file under [agent]."""
    config = tmp_path / "agent.toml"
    config.write_text(JOBS.format(tmp_path / "state").replace("[jobs.nightly]\n", f"{more}\n[jobs.nightly]\n"))
    words = command.split()
    place = {"PATH": os.environ["PATH"], "PYTHONPATH": SOURCES, "HOME": str(tmp_path), **PLACE, **variables}
    done = subprocess.run(
        [sys.executable, "-m", "upsun_agent", *words, "--config", str(config)],
        cwd=tmp_path,
        env=place,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    text = done.stdout + done.stderr
    assert "Traceback" not in text
    assert "unexpected" not in text
    return done.returncode, text


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ALL_PROXY", "socks4://127.0.0.1:9"),
        ("HTTP_PROXY", "ftp://127.0.0.1:9"),
        ("https_proxy", "tcp://127.0.0.1:9"),
        ("UPSUN_CLI_API_URL", "http://api.example.invalid"),
        ("UPSUN_CLI_AUTH_URL", "https://auth.example.invalid/?x=1"),
        ("UPSUN_CLI_API_URL", "https://api.example.invalid"),
        ("UPSUN_CLI_AUTH_URL", "https://auth.example.invalid"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_by_every_command(
    tmp_path: Path, command: str, variable: str, value: str
) -> None:
    code, text = said(command, tmp_path, **{variable: value})
    assert code == 78, text
    assert variable in text
    assert "status.upsun.com" not in text


@pytest.mark.parametrize("command", COMMANDS)
def test_a_foreign_host_hears_nothing_until_the_job_file_names_it(
    tmp_path: Path, misbehaving: Callable[..., Misbehaving], command: str
) -> None:
    proxy = misbehaving(lambda connection, _: connection.sendall(answer("403 Forbidden", b"no")))
    foreign = {"UPSUN_CLI_API_URL": "https://api.example.invalid", "UPSUN_CLI_AUTH_URL": "https://auth.example.invalid"}
    foreign |= {"HTTPS_PROXY": proxy.url, "UPSUN_AGENT_ALLOW_HTTP": "1"}
    assert said(command, tmp_path, **foreign)[0] == 78
    assert proxy.connections == 0
    hosts = 'api-hosts = ["api.example.invalid", "auth.example.invalid"]'
    code, text = said(command, tmp_path, **foreign, more=hosts)
    assert (code == 78, proxy.connections > 0) == (False, True), text
    assert all(b"example.invalid:443" in each for each in proxy.heard)


@pytest.mark.parametrize("command", ["token check", "check --phase runtime", "tick"])
def test_authorities_that_cannot_be_read_are_named(tmp_path: Path, command: str) -> None:
    secure = {"UPSUN_CLI_API_URL": "https://127.0.0.1:1", "UPSUN_CLI_AUTH_URL": "https://127.0.0.1:1"}
    code, text = said(command, tmp_path, SSL_CERT_FILE="/nowhere/authorities.pem", **secure)
    assert code == 78, text
    assert "SSL_CERT_FILE" in text


@pytest.mark.parametrize("junk", ["localhost,::1,fe80::/10", "[::1]", "foo:abc"])
def test_hosts_without_a_proxy_that_are_odd_are_no_error(tmp_path: Path, junk: str) -> None:
    code, text = said("token check", tmp_path, NO_PROXY=junk, SSL_CERT_FILE="/nowhere")
    assert code == 69
    assert "cannot connect to 127.0.0.1:1" in text


def test_a_run_waits_for_a_setting_and_nothing_is_sent_meanwhile(tmp_path: Path) -> None:
    assert said("tick", tmp_path, ALL_PROXY="ftp://127.0.0.1:9")[0] == 78
    _, text = said("status", tmp_path)
    assert "in flight" in text
    assert "ALL_PROXY" in text
