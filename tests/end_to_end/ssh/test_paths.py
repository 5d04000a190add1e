"""Directories with every odd character: a real ssh, git and rsync go through with them, or they are refused by name."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.ssh.test_real_sshd import Desk, desk, tool  # noqa: F401  the fixture

NAMES = {
    "plain": "ssh",
    "a space": "my ssh dir",
    "a tab": "my\tssh",
    "a percent sign and hex": "feature%2Flogin",
    "a percent sign at the end": "100%",
    "two percent signs": "a%%b",
    "a token": "a%h%d%u",
    "a single quote": "it's mine",
    "two single quotes": "''",
    "double quotes": 'a"b"c',
    "brackets": "a[b]c",
    "an open bracket": "a[b",
    "a backslash": "a\\b",
    "a backslash at the end": "a\\",
    "two backslashes": "a\\\\b",
    "a backslash and a quote": 'a\\"b',
    "a star": "a*b",
    "a question mark": "a?b",
    "braces": "a{b,c}d",
    "a dollar sign": "a$HOME",
    "a hash": "a #b",
    "an equals sign": "=a=b",
    "a tilde": "~root",
    "a comma and a semicolon": "a,b;c",
    "an exclamation mark": "!a",
    "a backtick": "a`id`b",
    "not ASCII": "é ü 日本",
    "all of it": "é '\"%2F\\ [*]? #=$~",
}


@pytest.fixture
def neighbours(tmp_path: Path) -> Path:
    """A directory whose name is as any other."""
    place = tmp_path / "places"
    place.mkdir()
    return place


#: The names of every day and the hardest ones; with ``UPSUN_SOAK=1`` all of them.
TRIED = (
    "plain", "a space", "two percent signs", "a token", "a single quote", "double quotes", "an open bracket",
    "a backslash and a quote", "a star", "a dollar sign", "not ASCII", "all of it",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES if os.environ.get("UPSUN_SOAK") == "1" else TRIED)
def test_ssh_git_and_rsync_go_through(desk: Desk, tmp_path: Path, neighbours: Path, name: str) -> None:  # noqa: F811  a fixture
    directory = neighbours / NAMES[name]
    changes = {"UPSUN_AGENT_SSH": str(directory), "TMPDIR": str(tmp_path)}
    exports = desk.agent("ssh", "env", **changes)
    assert exports.returncode == 0, exports.stderr
    read = desk.run("ssh", "-F", str(directory / "whole"), "-G", desk.server.login)
    assert read.returncode == 0, read.stderr
    login, port = desk.server.login, desk.server.port
    desk.run("git", "init", "-q", "--bare", "-b", "main", str(tmp_path / "repository.git"))
    script = (
        f"{exports.stdout}ssh -F {shlex.quote(str(directory / 'whole'))} {login} echo by ssh && "
        f"git clone -q ssh://{login}:{port}{tmp_path}/repository.git {tmp_path}/clone && "
        f'echo by rsync > {tmp_path}/x && RSYNC_RSH="$RSYNC_RSH -p {port}" rsync {tmp_path}/x {login}:{tmp_path}/y && '
        f"cat {tmp_path}/y"
    )
    done = desk.run("dash", "-c", script, **changes)
    assert done.stdout == "by ssh\nby rsync\n", done.stderr + desk.server.log()
    executed = desk.go("ssh", login, "echo by exec", **changes)
    assert executed.stdout == "by exec\n", executed.stderr
    assert (directory / "known_hosts").read_text(), "the host is remembered there and nowhere else"
    assert not (desk.home / ".ssh" / "known_hosts").exists()
    assert [path.name for path in neighbours.iterdir()] == [NAMES[name].partition("/")[0]]


@pytest.mark.parametrize("name", ["a${HOME}b", "a\nb", "a\rb", "a\x1bb", b"a\xffb"])
def test_what_no_configuration_can_hold_is_refused(desk: Desk, tmp_path: Path, name: str | bytes) -> None:  # noqa: F811
    directory = os.path.join(os.fsencode(tmp_path), os.fsencode(name))
    done = desk.agent("ssh", "load", UPSUN_AGENT_SSH=os.fsdecode(directory))
    assert done.returncode == 78, done.stderr
    assert "UPSUN_AGENT_SSH" in done.stderr
    assert not os.path.exists(directory)
    assert desk.asked == 0


@pytest.mark.parametrize("home", [b"h\xff", b"h\nh", b"h${X}", b"h%h", b"h'\"[h"])
def test_a_home_that_no_configuration_can_hold_is_passed_over(desk: Desk, tmp_path: Path, home: bytes) -> None:  # noqa: F811
    directory = os.path.join(os.fsencode(tmp_path), home)
    os.makedirs(os.path.join(directory, b".ssh"))
    with open(os.path.join(directory, b".ssh", b"config"), "w") as file:
        file.write(f"Host 127.0.0.1\n  Port {desk.server.port}\n")
    done = desk.agent("ssh", "load", HOME=os.fsdecode(directory), TMPDIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    options = ("-p", str(desk.server.port))
    through = desk.go("ssh", *options, desk.server.login, "echo x", HOME=os.fsdecode(directory), TMPDIR=str(tmp_path))
    assert through.stdout == "x\n", through.stderr


@pytest.mark.parametrize("name", ['a"b', "it's", "a[b]", "a\\b", "a b", "é"])
def test_the_user_s_configuration_takes_it_in_and_still_serves_every_host(tmp_path: Path, name: str) -> None:
    from upsun_agent.access.ssh import configuration
    from upsun_agent.access.ssh.keyring import Keyring
    from upsun_agent.platform.private_directory import PrivateDirectory

    home = tmp_path / "home"
    home.mkdir()
    keyring = Keyring(PrivateDirectory([str(tmp_path / name)], "X"))
    configuration.write_configuration(keyring, {"HOME": str(home)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(configuration, "home_of_ssh", lambda: str(home))
        taken = configuration.include(keyring, {"HOME": str(home)})
    assert taken is not None
    for host, ours in (("ssh.eu-5.platform.sh", True), ("example.com", False)):
        done = subprocess.run([tool("ssh"), "-F", taken[0], "-G", host], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert (str(tmp_path / name) in done.stdout.replace("%%", "%")) == ours


@pytest.mark.parametrize("pinned", ["pins ${X}", "pins\nx"])
def test_a_file_of_pinned_keys_that_cannot_be_named_is_refused(desk: Desk, pinned: str) -> None:  # noqa: F811
    done = desk.agent("ssh", "load", UPSUN_AGENT_KNOWN_HOSTS=f"{desk.home}/{pinned}")
    assert done.returncode == 78
    assert "UPSUN_AGENT_KNOWN_HOSTS" in done.stderr


@pytest.mark.parametrize(
    "pattern", ["!*", "a b", "*\nProxyCommand touch x", "a,b", "'", '"', "-x", "*#", "%h", "${HOME}", "=x"]
)
def test_a_pattern_that_is_not_one_host_is_refused(desk: Desk, pattern: str) -> None:  # noqa: F811
    done = desk.agent("ssh", "load", UPSUN_CLI_SSH_DOMAIN_WILDCARD=pattern)
    assert done.returncode == 78, done.stderr
    assert "UPSUN_CLI_SSH_DOMAIN_WILDCARD is not a valid host pattern" in done.stderr


@pytest.mark.parametrize("pattern", ["*", "*.example.com", "127.0.0.1", "a?b_c-d.e", "::1"])
def test_a_pattern_of_hosts_is_one_for_the_real_ssh(tmp_path: Path, pattern: str) -> None:
    from upsun_agent.access.ssh import configuration
    from upsun_agent.access.ssh.keyring import Keyring
    from upsun_agent.platform.private_directory import PrivateDirectory

    keyring = Keyring(PrivateDirectory([str(tmp_path / "ssh")], "X"))
    whole = configuration.write_configuration(keyring, {configuration.WILDCARD: pattern})
    host = pattern.replace("*", "x").replace("?", "x")
    done = subprocess.run([tool("ssh"), "-F", whole, "-G", host], capture_output=True, text=True, check=True)
    assert f"identityfile {tmp_path}/ssh/id_ed25519\n" in done.stdout
    if pattern != "*":
        other = subprocess.run([tool("ssh"), "-F", whole, "-G", "other"], capture_output=True, text=True, check=True)
        assert f"{tmp_path}/ssh/id_ed25519" not in other.stdout


def test_a_relative_file_of_pinned_keys_is_the_one_of_the_command_and_not_of_where_ssh_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from upsun_agent.access.ssh import configuration
    from upsun_agent.access.ssh.keyring import Keyring
    from upsun_agent.platform.private_directory import PrivateDirectory

    monkeypatch.chdir(tmp_path)
    keyring = Keyring(PrivateDirectory([str(tmp_path / "ssh")], "X"))
    whole = configuration.write_configuration(keyring, {configuration.PINNED: "my pins%h"})
    (tmp_path / "elsewhere").mkdir()
    done = subprocess.run(
        [tool("ssh"), "-F", whole, "-G", "x.upsun.com"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path / "elsewhere",
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("userknownhostsfile"))
    assert line.replace('"', "").replace("%%", "%") == f"userknownhostsfile {tmp_path}/my pins%h"
