"""The log in a file: whole lines from many processes, renamed by size, whatever the disk does."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from upsun_agent.limits import LOG_LINE_MOST
from upsun_agent.log.file import LogFile
from upsun_agent.log.lines import Redaction, make_log

from tests.harness.sources import REPOSITORY


def files(directory: Path) -> list[Path]:
    return sorted(directory.glob("agent.log*"))


def lines(directory: Path) -> list[str]:
    return [line for file in files(directory) for line in file.read_text().splitlines()]


def test_it_is_renamed_by_size_and_the_oldest_goes(tmp_path: Path) -> None:
    log = LogFile(str(tmp_path / "agent.log"), most=1000, keep=2)
    for number in range(100):
        log.append(f"line {number:03d} {'x' * 90}")
    log.close()
    assert [file.name for file in files(tmp_path)] == ["agent.log", "agent.log.1", "agent.log.2"]
    assert all(file.stat().st_size <= 1000 for file in files(tmp_path))
    assert (tmp_path / "agent.log").read_text().splitlines()[-1].startswith("line 099")
    newest = [
        line.split()[1]
        for name in (".2", ".1", "")
        for line in (tmp_path / f"agent.log{name}").read_text().splitlines()
    ]
    assert newest == [f"{number:03d}" for number in range(100 - len(newest), 100)], "in order, none missing"


def test_processes_that_append_at_once_lose_no_line(tmp_path: Path) -> None:
    code = (
        "import sys; from upsun_agent.log.file import LogFile\n"
        f"log = LogFile({str(tmp_path / 'agent.log')!r}, most=20_000, keep=60)\n"
        "for n in range(300): log.append(f'{sys.argv[1]} {n:04d} ' + 'x' * 150)\n"
    )
    started = [subprocess.Popen([sys.executable, "-c", code, name], cwd=REPOSITORY) for name in "abcd"]
    assert [process.wait(60) for process in started] == [0] * 4
    found = sorted(line[:6] for line in lines(tmp_path))
    assert found == sorted(f"{name} {number:04d}" for name in "abcd" for number in range(300))


def test_a_kill_in_the_middle_leaves_whole_lines_and_a_file_that_goes_on(tmp_path: Path) -> None:
    code = (
        "from upsun_agent.log.file import LogFile\n"
        f"log = LogFile({str(tmp_path / 'agent.log')!r}, most=2_000, keep=3)\n"
        "n = 0\nwhile True: log.append(f'line {n} ' + 'x' * 100); n += 1\n"
    )
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY)
        until = time.monotonic() + 20
        while len(files(tmp_path)) < 4:
            assert time.monotonic() < until
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait(20)
    log = LogFile(str(tmp_path / "agent.log"), most=2_000, keep=3)
    log.append("after all")
    log.close()
    assert (tmp_path / "agent.log").read_text().splitlines()[-1] == "after all"
    assert all(line == "after all" or line.endswith("x" * 100) for line in lines(tmp_path))


def test_a_half_line_that_a_full_disk_left_is_ended_first(tmp_path: Path) -> None:
    (tmp_path / "agent.log").write_text('{"half": "li')
    log = LogFile(str(tmp_path / "agent.log"))
    log.append("whole")
    log.close()
    assert lines(tmp_path) == ['{"half": "li', "whole"]


@pytest.mark.parametrize("call", ["open", "write", "fstat", "rename"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS])
def test_no_trouble_of_the_disk_reaches_the_tick(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    log = LogFile(str(tmp_path / "agent.log"), most=50)
    log.append("before" + "x" * 40)

    def fails(*_: Any, **__: Any) -> Any:
        raise OSError(number, "no")

    with monkeypatch.context() as patch:
        patch.setattr(f"upsun_agent.log.file.os.{call}", fails)
        log.append("lost" + "x" * 40)
    log.append("after")
    log.close()
    assert "after" in lines(tmp_path)


def test_without_locks_it_is_renamed_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_: Any) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr("upsun_agent.log.file.fcntl.flock", unsupported)
    log = LogFile(str(tmp_path / "agent.log"), most=50)
    for number in range(3):
        log.append(f"{number}" + "x" * 40)
    log.close()
    assert len(files(tmp_path)) == 3


def test_while_another_renames_a_line_goes_to_the_end_of_the_old_file(tmp_path: Path) -> None:
    import fcntl

    path = tmp_path / "agent.log"
    path.write_text("x" * 60 + "\n")
    with path.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        log = LogFile(str(path), most=50)
        log.append("meanwhile")
        log.close()
    assert [file.name for file in files(tmp_path)] == ["agent.log"]
    assert lines(tmp_path)[-1] == "meanwhile"


def test_a_link_or_a_pipe_in_its_place_is_not_followed_or_waited_for(tmp_path: Path) -> None:
    secret = tmp_path / "elsewhere"
    secret.write_text("untouched")
    (tmp_path / "agent.log").symlink_to(secret)
    LogFile(str(tmp_path / "agent.log")).append("line")
    assert secret.read_text() == "untouched"
    os.mkfifo(tmp_path / "pipe")
    LogFile(str(tmp_path / "pipe")).append("line")


@pytest.mark.parametrize(
    "line", ['{"a": "' + "x" * LOG_LINE_MOST + '"}', "x" * (LOG_LINE_MOST + 1), "[1" + ",1" * LOG_LINE_MOST + "]"]
)
def test_a_line_without_end_is_cut_to_json_that_says_so(tmp_path: Path, line: str) -> None:
    log = LogFile(str(tmp_path / "agent.log"))
    log.append(line)
    log.close()
    (kept,) = lines(tmp_path)
    assert json.loads(kept)["cut"] is True
    assert len(kept) < LOG_LINE_MOST


def test_the_file_hears_what_is_info_whatever_the_terminal_hears(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token = "canary-token-1234567890"
    log = make_log(Redaction([token]), level="error", readable=True, file=LogFile(str(tmp_path / "agent.log")))
    log.info("run-opened", run=token)
    log.error("trouble", message="bad")
    log.debug("never")
    events = [json.loads(line) for line in lines(tmp_path)]
    assert [each["event"] for each in events] == ["run-opened", "trouble"]
    assert events[0]["run"] == "[hidden]"
    shown = capsys.readouterr().err
    assert "trouble" in shown
    assert "run-opened" not in shown
