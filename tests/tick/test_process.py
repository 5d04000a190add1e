"""Commands as real processes: bounded in time and output, without the token, and nothing of them is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent.limits import COMMAND_OUTPUT_MOST
from agent.process import run

CANARY = "canary-api-token-1234567890"


def test_a_command_runs_without_a_shell_and_its_words_are_kept() -> None:
    ended = run(("echo", "$HOME;", "a  b"), None, 10, {}, ())
    assert (ended.exit_code, ended.output) == (0, "$HOME; a  b")


def test_a_shell_text_ends_at_its_first_failure() -> None:
    ended = run("echo one; false; echo two", None, 10, {}, ())
    assert (ended.exit_code, ended.output) == (1, "one")


def test_variables_are_passed_and_the_token_is_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("UPSUN_CLI_TOKEN", CANARY)
    ended = run("env; pwd", str(tmp_path), 10, {"MINE": "yes"}, ("UPSUN_CLI_TOKEN",))
    assert "MINE=yes" in ended.output
    assert ended.output.endswith(str(tmp_path))
    assert CANARY not in ended.output


def test_output_is_bounded_to_its_end_and_cannot_block() -> None:
    ended = run((sys.executable, "-c", "print('x' * 5_000_000); print('the end')"), None, 30, {}, ())
    assert ended.exit_code == 0
    assert len(ended.output) <= COMMAND_OUTPUT_MOST
    assert ended.output.endswith("the end")


def test_what_a_terminal_obeys_is_not_kept() -> None:
    assert "\x1b" not in run(("printf", r"\033[31mred\007"), None, 10, {}, ()).output


@pytest.mark.parametrize("stubborn", ["", "trap '' TERM; "])
def test_a_command_is_killed_with_all_its_children_when_its_time_is_up(stubborn: str, tmp_path: Path) -> None:
    note = tmp_path / "children"
    began = time.monotonic()
    ended = run(f"{stubborn}sleep 100 & echo $! $$ > {note}; wait; sleep 100", None, 1, {}, ())
    assert ended.exit_code is None
    assert time.monotonic() - began < 10
    for pid in note.read_text().split():
        _assert_gone(int(pid))


def test_a_child_that_keeps_the_pipe_open_is_not_waited_for_and_dies(tmp_path: Path) -> None:
    note = tmp_path / "child"
    ended = run(f"sleep 100 & echo $! > {note}; echo done", None, 20, {}, ())
    assert (ended.exit_code, ended.output) == (0, "done")
    assert ended.seconds < 10
    _assert_gone(int(note.read_text()))


@pytest.mark.parametrize(
    ("command", "code"), [(("/nowhere/at/all",), 127), (("/etc/passwd",), 126), (("a\x00b",), 127), ("exit 7", 7)]
)
def test_what_cannot_run_says_so_by_its_exit_code(command: tuple[str, ...] | str, code: int) -> None:
    assert run(command, None, 10, {}, ()).exit_code == code


def test_a_directory_that_is_not_there_is_said() -> None:
    ended = run(("true",), "/nowhere/at/all", 10, {}, ())
    assert ended.exit_code == 127
    assert ended.output == "the directory /nowhere/at/all: No such file or directory"


def test_sigterm_of_the_agent_ends_the_command_within_two_seconds(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = (
        "from agent.site import ended_by_sigterm, Terminated\nfrom agent.process import run\n"
        "try:\n"
        "    with ended_by_sigterm():\n"
        f"        run('echo $$ > {note}; sleep 100', None, 40, {{}}, ())\n"
        "except Terminated:\n    raise SystemExit(143)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": os.getcwd()})
    end = time.monotonic() + 20
    while not (note.exists() and note.read_text().strip()) and time.monotonic() < end:
        time.sleep(0.05)
    child.send_signal(signal.SIGTERM)
    assert child.wait(10) == 143
    _assert_gone(int(note.read_text()))


def _assert_gone(pid: int) -> None:
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return
        if state == "Z":
            return
        time.sleep(0.05)
    raise AssertionError(f"process {pid} is still there")
