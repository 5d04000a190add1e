"""The unmodified official CLI logs in and gets SSH certificates."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.harness.official_cli import TOKEN, Cli

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.official_cli,
    pytest.mark.holds_secret("file */.upsun-cli/*", reason="the official CLI keeps its session there"),
]

CERTIFICATE = ".upsun-cli/.session/sess-cli-default/ssh/id_ed25519-cert.pub"


def test_a_login_with_a_token_that_is_piped_in(cli: Cli, tmp_path: Path) -> None:
    stdin = f"{TOKEN}\n{TOKEN}\n"
    done = cli("auth:api-token-login", stdin=stdin, UPSUN_CLI_TOKEN=None, SHELL_INTERACTIVE="1")
    assert done.code == 0, done.err
    paths = [one.path for one in done.requests]
    assert {"/oauth2/token", "/ssh", "/users/me"} <= set(paths)
    certificate = tmp_path / ".upsun-cli/.session/sess-cli-default/ssh/id_ed25519-cert.pub"
    assert certificate.read_text().startswith("ssh-ed25519-cert-v01@openssh.com ")


def test_a_login_with_an_invalid_token_never_succeeds(cli: Cli) -> None:
    done = cli("auth:api-token-login", stdin="wrong-one\n" * 5, UPSUN_CLI_TOKEN=None, SHELL_INTERACTIVE="1")
    assert done.code != 0
    assert "Invalid API token" in done.err
    assert {one.path for one in done.requests} == {"/oauth2/token"}
    assert {one.status for one in done.requests} == {400}
    assert "wrong-one" not in json.dumps(cli.simulator.request_log())


def test_auth_info_shows_the_machine_user(cli: Cli) -> None:
    done = cli("auth:info", "--refresh", "--format=plain")
    assert done.code == 0, done.err
    assert "update-bot@example.invalid" in done.out
    assert [one.path for one in done.requests] == ["/oauth2/token", "/users/me"]


def test_a_certificate_is_issued_and_kept(cli: Cli, tmp_path: Path) -> None:
    first = cli("ssh-cert:load", "--yes")
    assert (first.code, first.posts) == (0, ["/ssh"]), first.err
    second = cli("ssh-cert:load", "--yes")
    assert (second.code, second.posts) == (0, []), "the certificate agrees with the token and is kept"
    assert "access-id@platform.sh" in cli("ssh-cert:info").out


def test_an_invalid_token_gets_neither_user_nor_certificate(cli: Cli) -> None:
    for words in (("auth:info", "--refresh"), ("ssh-cert:load", "--yes")):
        done = cli(*words, UPSUN_CLI_TOKEN="wrong-one")
        assert (done.code, done.posts) == (1, []), done.err
        assert "Invalid API token" in done.err


def test_a_login_is_refused_where_the_token_is_in_the_environment_or_nobody_types(cli: Cli) -> None:
    stdin = f"{TOKEN}\n{TOKEN}\n"
    for done in (cli("auth:api-token-login", stdin=stdin), cli("auth:api-token-login", UPSUN_CLI_TOKEN=None)):
        assert (done.code, done.requests) == (1, []), done.err


def test_ssh_keygen_reads_the_certificate_that_the_official_cli_stored(cli: Cli, tmp_path: Path) -> None:
    assert cli("ssh-cert:load", "--yes").code == 0
    info = cli("ssh-cert:info").out
    words = [shutil.which("ssh-keygen") or "", "-L", "-f", str(tmp_path / CERTIFICATE)]
    read = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert "ssh-ed25519-cert-v01@openssh.com user certificate" in read
    assert cli.simulator.request_log()["certificates"][0]["user"] in read
    assert "valid_before" in info
    assert "key_type: ssh-ed25519-cert-v01@openssh.com" in info


def test_a_certificate_without_two_minutes_left_is_asked_for_again(cli: Cli) -> None:
    cli.simulator.change(ssh_certificate_seconds=100)
    assert cli("ssh-cert:load", "--yes").posts == ["/ssh"]
    cli.simulator.change(ssh_certificate_seconds=3600)
    assert cli("ssh-cert:load", "--yes").posts == ["/ssh"]
    assert cli("ssh-cert:load", "--yes").posts == []
    assert cli("ssh-cert:load", "--yes", "--new").posts == ["/ssh"]


@pytest.mark.parametrize(
    ("refusal", "code", "message"),
    [
        ("step-up", 3, "The API token may need to be re-created"),
        ("forbidden", 6, "Permission denied"),
    ],
)
def test_a_token_made_without_mfa_is_refused_where_mfa_is_required(
    cli: Cli, refusal: str, code: int, message: str
) -> None:
    cli.simulator.change(mfa_required=True, mfa_refusal=refusal)
    for words in (("ssh-cert:load", "--yes"), ("backup:list",)):
        done = cli(*words)
        assert done.code == code, done.err
        assert message in " ".join(done.err.split())
    cli.simulator.change(token_mfa=True)
    cli.simulator.expire_bearers()
    done = cli("ssh-cert:load", "--yes")
    assert (done.code, "Multi-factor authentication: verified" in done.err) == (0, True), done.err
