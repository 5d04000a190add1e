"""The certificate in use: real sshd, ssh, git, rsync, scp and sftp; expired, revoked, and at the wrong host."""

from __future__ import annotations

import base64
import os
import pwd
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from upsun_simulator import Scenario, Simulator, SystemClock, serve

from tests.harness.needs import program
from tests.harness.sources import SOURCES
from tests.harness.sshd import Server

TOKEN = "canary-api-token-1234567890"
TOOLS = ("sshd", "ssh", "scp", "sftp", "rsync", "git", "ssh-keygen")


def tool(name: str) -> str:
    return program(name, "SSH certificates")


@dataclass
class Desk:
    """Somebody with the agent, a token and a home, and a server to go to."""

    home: Path
    server: Server
    simulator: Simulator
    variables: dict[str, str]

    def run(self, *command: str, **changes: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command,
            env={**self.variables, **changes},
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
        assert TOKEN not in done.stdout + done.stderr
        assert "PRIVATE KEY" not in done.stdout + done.stderr
        return done

    def agent(self, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, "-m", "upsun_agent", *arguments, **changes)

    def go(self, *command: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """Run the command with the certificate."""
        return self.agent("ssh", "exec", "--", *command, **changes)

    @property
    def asked(self) -> int:
        """How many certificates were asked for."""
        return len([each for each in self.simulator.request_log()["requests"] if each["path"] == "/ssh"])

    @property
    def directory(self) -> Path:
        return self.home / ".local" / "state" / "upsun-agent" / "ssh"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    for name in TOOLS:
        tool(name)
    simulator = Simulator(Scenario(token=TOKEN, ssh_principals=("upsun-agent-test",)), SystemClock())
    home, place = tmp_path / "home", tmp_path / "sshd"
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    place.mkdir()
    server = Server(place, simulator, tool("sshd"))
    server.start()
    (home / ".ssh" / "config").write_text(f"Host 127.0.0.1\n  Port {server.port}\n")
    try:
        with serve(simulator) as api:
            variables = {
                "PATH": os.environ["PATH"],
                "HOME": str(home),
                "PYTHONPATH": SOURCES,
                "UPSUN_CLI_API_URL": api.url,
                "UPSUN_CLI_AUTH_URL": api.url,
                "UPSUN_CLI_TOKEN": TOKEN,
                "UPSUN_CLI_SSH_DOMAIN_WILDCARD": "127.0.0.1",
                "GIT_CONFIG_GLOBAL": "/dev/null",
            }
            yield Desk(home, server, simulator, variables)
    finally:
        server.stop()


def test_ssh_scp_sftp_rsync_and_git_go_through_with_one_certificate(desk: Desk, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (desk.home / "a.txt").write_text("hello\n")
    done = desk.go("ssh", desk.server.login, "echo come in; env")
    assert done.returncode == 0, done.stderr + desk.server.log()
    assert done.stdout.startswith("come in\n")
    assert desk.go("scp", "-q", "a.txt", f"{desk.server.login}:{there}/scp.txt").returncode == 0
    assert desk.go("rsync", "-a", "a.txt", f"{desk.server.login}:{there}/rsync.txt").returncode == 0
    (desk.home / "batch").write_text(f"put a.txt {there}/sftp.txt\n")
    assert desk.go("sftp", "-q", "-b", "batch", desk.server.login).returncode == 0
    assert {path.name: path.read_text() for path in there.iterdir()} == dict.fromkeys(
        ("scp.txt", "rsync.txt", "sftp.txt"), "hello\n"
    )
    repository = there / "repository.git"
    desk.run("git", "init", "-q", "--bare", "-b", "main", str(repository))
    url = f"ssh://{desk.server.login}{repository}"
    assert desk.go("git", "clone", "-q", url, "clone").returncode == 0
    commit = "git checkout -q -b main && echo 1 > f && git add f && git -c user.name=a -c user.email=a@b commit -qm x"
    assert desk.run("sh", "-c", f"cd clone && {commit}").returncode == 0
    pushed = desk.go("git", "-C", "clone", "push", "-q", "origin", "main")
    assert pushed.returncode == 0, pushed.stderr
    assert "x" in desk.run("git", "-C", str(repository), "log", "--oneline", "main").stdout
    assert desk.asked == 1, "one certificate for all of it"


@pytest.mark.parametrize("home", [None, "", "/proc/self"], ids=["writable", "unset", "read-only"])
def test_the_variables_of_ssh_env_serve_git_and_rsync_of_a_shell(desk: Desk, tmp_path: Path, home: str | None) -> None:
    """Where HOME is read-only or unset everything lies in the temporary directory."""
    repository, port = tmp_path / "repository.git", desk.server.port
    desk.run("git", "init", "-q", "--bare", str(repository))
    agent, login = f"{shlex.quote(sys.executable)} -m upsun_agent", desk.server.login
    script = (
        f'eval "$({agent} ssh env)" && git clone -q ssh://{login}:{port}{repository} {tmp_path}/clone && '
        f'echo x > {tmp_path}/x && RSYNC_RSH="$RSYNC_RSH -p {port}" rsync {tmp_path}/x {login}:{tmp_path}/y && '
        f"cat {tmp_path}/y"
    )
    changes = {"TMPDIR": str(tmp_path)} | ({} if home is None else {"HOME": home})
    done = desk.run(shutil.which("dash") or "sh", "-c", script, **changes)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "x\n"
    directory = desk.directory if home is None else tmp_path / f"upsun-agent-ssh-{os.geteuid()}"
    assert (directory / "id_ed25519-cert.pub").exists()


def test_plain_ssh_works_after_ssh_load_where_home_is_writable(desk: Desk) -> None:
    """ssh takes the home of the password file: in a mount name space of our own that is the test's."""
    user = pwd.getpwuid(os.geteuid())
    line = f"{user.pw_name}:x:{user.pw_uid}:{user.pw_gid}::{desk.home}:/bin/sh\n"
    (desk.home / "passwd").write_text(line + "nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n")
    inside = [tool("bwrap"), "--dev-bind", "/", "/", "--ro-bind", str(desk.home / "passwd"), "/etc/passwd"]
    agent = f"{shlex.quote(sys.executable)} -m upsun_agent"
    script = f"{agent} ssh load && {agent} ssh load && ssh {desk.server.login} echo plain"
    done = desk.run(*inside, "--", "sh", "-c", script)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("plain\n")
    assert "New certificate" in done.stdout
    assert "ssh, git, rsync and scp use the certificate" in done.stdout
    assert "The present certificate is valid" in done.stdout
    written = (desk.home / ".ssh" / "config").read_text()
    assert written.count("# BEGIN: upsun-agent") == 1
    assert f"Port {desk.server.port}" in written, "what stood there stays"
    assert desk.asked == 1


def test_a_home_that_ssh_does_not_look_into_is_left_alone(desk: Desk) -> None:
    before = (desk.home / ".ssh" / "config").read_text()
    done = desk.agent("ssh", "load")
    assert done.returncode == 0
    assert 'eval "$(upsun-agent ssh env)"' in done.stdout
    assert (desk.home / ".ssh" / "config").read_text() == before


def test_an_expired_certificate_is_refused_by_the_server_and_renewed_by_the_agent(desk: Desk) -> None:
    assert desk.go("ssh", desk.server.login, "true").returncode == 0
    certificate = desk.directory / "id_ed25519-cert.pub"
    expired = ["ssh-keygen", "-q", "-s", str(desk.home / "ca"), "-I", "x", "-n", "upsun-agent-test", "-V", "-2h:-1h"]
    desk.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(desk.home / "ca"))
    authority = desk.server.directory / "authority.pub"
    authority.write_text(authority.read_text() + (desk.home / "ca.pub").read_text())
    certificate.unlink()
    assert desk.run(*expired, str(desk.directory / "id_ed25519.pub")).returncode == 0
    plain = desk.run("ssh", "-F", str(desk.directory / "whole"), "-o", "BatchMode=yes", desk.server.login, "true")
    assert plain.returncode == 255
    assert "expired" in desk.server.log()
    assert desk.go("ssh", desk.server.login, "true").returncode == 0
    assert desk.asked == 2


def test_a_revoked_certificate_is_refused_until_a_new_one_is_loaded(desk: Desk) -> None:
    assert desk.go("ssh", desk.server.login, "true").returncode == 0
    serial = desk.agent("ssh", "load", "--json").stdout.split('"serial": ')[1].split(",")[0]
    desk.server.revoke(f"serial: {serial}\n")
    assert desk.go("ssh", "-o", "BatchMode=yes", desk.server.login, "true").returncode == 255
    assert "revoked" in desk.server.log().lower()
    assert desk.agent("ssh", "load", "--new").returncode == 0
    assert desk.go("ssh", desk.server.login, "true").returncode == 0


def test_a_host_with_another_key_than_before_is_refused(desk: Desk) -> None:
    assert desk.go("ssh", desk.server.login, "true").returncode == 0
    desk.server.stop()
    desk.server.new_host_key()
    desk.server.start()
    done = desk.go("ssh", desk.server.login, "true")
    assert done.returncode == 255
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in done.stderr


def test_with_pinned_host_keys_an_unknown_host_is_refused_at_first_sight(desk: Desk) -> None:
    pins = desk.home / "pins"
    pins.write_text("")
    refused = desk.go("ssh", "-o", "BatchMode=yes", desk.server.login, "true", UPSUN_AGENT_KNOWN_HOSTS=str(pins))
    assert refused.returncode == 255
    public = (desk.server.directory / "host.pub").read_text()
    pins.write_text(f"[127.0.0.1]:{desk.server.port} {public}")
    assert desk.go("ssh", desk.server.login, "true", UPSUN_AGENT_KNOWN_HOSTS=str(pins)).returncode == 0


def test_a_server_that_does_not_trust_the_authority_lets_nobody_in(desk: Desk) -> None:
    desk.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(desk.home / "other"))
    (desk.server.directory / "authority.pub").write_text((desk.home / "other.pub").read_text())
    assert desk.go("ssh", "-o", "BatchMode=yes", desk.server.login, "true").returncode == 255


def test_the_token_and_the_key_stay_where_they_belong(desk: Desk) -> None:
    done = desk.go("sh", "-c", "env; cat /proc/$PPID/cmdline", PLATFORMSH_CLI_TOKEN=f"{TOKEN}\n")
    assert done.returncode == 0
    assert "CLI_TOKEN" not in done.stdout, "the token goes on under no name"
    assert "GIT_SSH_COMMAND=ssh -F " in done.stdout
    assert desk.go("ssh", desk.server.login, "true").returncode == 0
    assert (desk.directory / "known_hosts").exists()
    key = (desk.directory / "id_ed25519").read_text().split("\n")[2]
    for path in desk.home.rglob("*"):
        if path.is_file() and path.name != "id_ed25519":
            assert key not in path.read_text(errors="replace"), path
            assert TOKEN not in path.read_text(errors="replace"), path
    assert {oct(path.stat().st_mode & 0o777) for path in desk.directory.iterdir()} == {"0o600"}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("ssh", "exec"), 64, "no command to run"),
        (("ssh", "exec", "--"), 64, "no command to run"),
        (("ssh", "exec", "--", "no-such-command"), 78, "there is no command"),
        (("ssh", "dance"), 64, "there is no command 'dance'"),
    ],
)
def test_calls_that_do_not_fit(desk: Desk, arguments: tuple[str, ...], code: int, words: str) -> None:
    done = desk.agent(*arguments)
    assert done.returncode == code
    assert words in done.stderr


def test_without_a_token_or_with_a_wrong_one_nothing_is_made(desk: Desk) -> None:
    assert desk.agent("ssh", "load", UPSUN_CLI_TOKEN="").returncode == 77
    wrong = desk.agent("ssh", "load", UPSUN_CLI_TOKEN="wrong-token-123")
    assert wrong.returncode == 77
    assert "not accepted" in wrong.stderr
    assert not (desk.directory / "id_ed25519-cert.pub").exists()


def test_a_clock_that_is_hours_off_is_said(tmp_path: Path) -> None:
    from upsun_agent.access.ssh.keyring import Keyring
    from upsun_agent.errors import BadReply
    from upsun_agent.platform.private_directory import PrivateDirectory

    from tests.harness.ssh_authority import Authority

    past = Authority(now=datetime.now(UTC) - timedelta(hours=3))
    with pytest.raises(BadReply, match="not now") as caught:
        Keyring(PrivateDirectory([str(tmp_path / "ssh")], "X")).hold(past.certify, "me", datetime.now(UTC))
    assert "clock" in caught.value.remedy


def test_what_ssh_exec_starts_gets_no_variable_that_holds_the_token(desk: Desk) -> None:
    coded = base64.b64encode(f'{{"a": "{TOKEN}"}}'.encode()).decode()
    changes = {"ALIAS": TOKEN, "DSN": f"https://x:{TOKEN}@h/", "PLATFORM_VARIABLES": coded, "SAFE": "yes"}
    done = desk.go("env", **changes)
    names = {line.partition("=")[0] for line in done.stdout.splitlines()}
    assert {"SAFE", "GIT_SSH_COMMAND"} <= names
    assert names.isdisjoint({"UPSUN_CLI_TOKEN", "ALIAS", "DSN", "PLATFORM_VARIABLES"})
