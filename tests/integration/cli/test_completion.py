"""``completion``: what a real bash offers at the tab key, from the script alone."""

from __future__ import annotations

import os
import pty
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest
from upsun_agent.cli.completion import DIRECTORY, SHELLS, script_of
from upsun_agent.cli.main import build, commands

from tests.harness.agent_process import COMMAND
from tests.harness.cli_app import App
from tests.harness.sources import REPOSITORY, SOURCES

ASKED = """\
source <(upsun-agent completion bash)
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
handler=$(complete -p upsun-agent | sed 's/.* -F \\([^ ]*\\) .*/\\1/')
"$handler" upsun-agent "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}" 2>/dev/null
[ ${#COMPREPLY[@]} -eq 0 ] || printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def shell(app: App, tmp_path: Path) -> dict[str, str]:
    """The variables of a shell that has the command on its PATH."""
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "upsun-agent"
    script.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(SOURCES)} exec {shlex.join(COMMAND)} "$@"\n')
    script.chmod(0o755)
    environ = app.agent.environment(PYTHONPATH=None)
    return {**environ, "PATH": f"{tmp_path / 'bin'}:{environ['PATH']}"}


def offered(shell: dict[str, str], place: Path, *words: str) -> set[str]:
    """What bash is given to offer for the last of these words."""
    call = ["/bin/bash", "--norc", "-c", ASKED, "bash", *words]
    found = subprocess.run(call, cwd=place, env=shell, check=True, capture_output=True, text=True, timeout=60)
    assert found.stderr == ""
    return set(found.stdout.split())


LINES: dict[str, tuple[list[str], set[str]]] = {
    "a command": (["val"], {"validate"}),
    "a family": (["token", ""], {"check", "list"}),
    "a command of a family": (["setup", "ma"], {"machine-user"}),
    "an option": (["token", "check", "--s"], {"--stdin"}),
    "an option after another's value": (["setup", "token", "--visible-build", "true", "--rot"], {"--rotate"}),
    "a choice": (["check", "--phase", ""], {"build", "runtime"}),
    "a job": (["run", "ni"], {"nightly"}),
    "a job after an option": (["run", "--wait", "ni"], {"nightly"}),
    "a run by its job": (["show", "nigh"], {"nightly"}),
    "a file": (["check", "--config", "elsew"], {"elsewhere.toml"}),
    "a program": (["ssh", "exec", "--", "ssh-keyge"], {"ssh-keygen"}),
    "a program's file": (["ssh", "exec", "--", "cat", "elsew"], {"elsewhere.toml"}),
    "a fault by its name": (["rehearse", "nightly", "--fault", "site-"], {"site-down"}),
    "a second fault": (["rehearse", "nightly", "--fault", "site-down", "--fault", "backup-f"], {"backup-fails"}),
    "nothing": (["token", "check", "--stdin", "x"], set()),
}


@pytest.mark.parametrize("what", LINES)
def test_bash_is_offered(app: App, shell: dict[str, str], what: str) -> None:
    words, expected = LINES[what]
    (app.directory / "elsewhere.toml").touch()
    assert offered(shell, app.directory, "upsun-agent", *words) == expected


def test_every_command_is_offered(app: App, shell: dict[str, str]) -> None:
    assert offered(shell, app.directory, "upsun-agent", "") == {name.split()[0] for name in commands()}


def test_jobs_come_from_the_job_file_that_counts(app: App, shell: dict[str, str]) -> None:
    named = app.directory / "named.toml"
    named.write_text('[jobs.weekly]\nschedule = "@weekly"\n')
    other = {**shell, "UPSUN_AGENT_CONFIG": str(named)}
    assert offered(other, app.directory, "upsun-agent", "run", "") == {"weekly"}
    missing = {**shell, "UPSUN_AGENT_CONFIG": "/nowhere.toml"}
    assert offered(missing, app.directory, "upsun-agent", "run", "") == set()


def test_the_tab_key_completes_the_line(app: App, shell: dict[str, str]) -> None:
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        ["/bin/bash", "--norc", "--noprofile", "-i"],
        cwd=app.directory,
        env={**shell, "TERM": "dumb", "PS1": "ready> "},
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
    )
    os.close(follower)
    try:
        os.write(leader, b"source <(upsun-agent completion bash); echo lo''aded\n")
        assert "loaded" in _shown(leader, "loaded")
        os.write(leader, b"upsun-agent tok\tche\t--he\t\n")
        shown = _shown(leader, "usage: upsun-agent token check")
        assert "upsun-agent token check --help" in shown
    finally:
        process.kill()
        process.wait(30)
        os.close(leader)


def _shown(leader: int, words: str) -> str:
    seen, until = "", time.monotonic() + 30
    while words not in seen and time.monotonic() < until:
        seen += os.read(leader, 65536).decode()
    assert words in seen, seen
    return seen


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_printed_as_it_lies_in_the_package_and_needs_no_library(app: App, shell: str) -> None:
    text = (DIRECTORY / script_of(shell)).read_text()
    assert app.call("completion", shell).out == text
    assert app.call("completion", shell, "--json").document == {"shell": shell, "script": text}
    for name in commands():
        assert name.split()[-1] in text
    probe = (
        "import sys; from upsun_agent.cli.main import run; run(['completion', 'zsh']); sys.exit('shtab' in sys.modules)"
    )
    call = [sys.executable, "-c", probe]
    assert subprocess.run(call, cwd=REPOSITORY, check=False, stdout=subprocess.DEVNULL).returncode == 0


def test_an_unknown_shell_is_a_usage_error(app: App) -> None:
    said = app.call("completion", "fish")
    assert said.code == 64
    assert "bash" in said.err
    assert "fish" not in build().format_help()
