"""Files of the state that are links, FIFOs, devices, another user's, or crafted: every command ends, and says why."""
# ruff: noqa: S608  the statements are put together from the test's own words

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from upsun_agent.doctor import local
from upsun_agent.errors import StateNotWritable
from upsun_agent.journal.connect import SUPER_JOURNAL, connect
from upsun_agent.journal.damage import JournalDamaged
from upsun_agent.journal.directory import prepare
from upsun_agent.journal.sqlite import SqliteJournal
from upsun_agent.log.file import LogFile
from upsun_agent.platform.paths import mark_tick, tick_trace

from tests.harness.container import IDENTITY, Container
from tests.harness.sources import REPOSITORY

NAMES = (
    "last-tick",
    "tick.lock",
    "sidecar.json",
    "job-file.json",
    "journal.sqlite",
    *(f"journal.sqlite-{end}" for end in ("journal", "wal", "shm")),
)
LOOKS = (("status",), ("history",), ("why", "nightly"), ("report", "--html", "-"), ("check",))
ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="NOT CHECKED: only root can lay what is another user's")


def link(path: Path) -> None:
    target = path.parent.parent / "target"
    target.write_text("precious")
    path.symlink_to(target)


def dangling(path: Path) -> None:
    path.symlink_to(path.parent.parent / "nothing")


def in_a_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # an address is short
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)


def device(path: Path) -> None:
    os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 5))  # /dev/zero never ends


def others(path: Path) -> None:
    path.write_text("")
    os.chown(path, 12345, 12345)


KINDS: dict[str, tuple[Callable[[Path], None], str]] = {
    "link": (link, "a symbolic link"),
    "dangling link": (dangling, "a symbolic link"),
    "FIFO": (os.mkfifo, "a FIFO"),
    "socket": (in_a_socket, "a socket"),
    "directory": (os.mkdir, "a directory"),
    "device": (device, "a device"),
    "another user's": (others, "another user"),
}


def laid(kind: str, path: Path) -> str:
    """Put it there; returns what is to be said of it."""
    if kind in {"device", "another user's"} and os.geteuid() != 0:
        pytest.skip("NOT CHECKED: only root can lay that")
    path.unlink(missing_ok=True)
    lay, words = KINDS[kind]
    lay(path)
    return words


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", KINDS)
def test_no_file_of_the_state_is_used_that_is_not_a_regular_file_of_ours(tmp_path: Path, kind: str, name: str) -> None:
    state = tmp_path / "state"
    prepare(str(state))
    words = laid(kind, state / name)
    with pytest.raises(StateNotWritable, match=f"state/{name} cannot be used: it .*{words}"):
        prepare(str(state))
    assert not (tmp_path / "nothing").exists(), "nothing was made behind a dangling link"
    assert kind != "link" or (tmp_path / "target").read_text() == "precious"


@pytest.mark.parametrize("name", ["last-tick", "journal.sqlite", "journal.sqlite-journal", "journal.sqlite-wal"])
def test_a_tick_on_a_fifo_ends_and_says_what_lies_there(container: Container, name: str) -> None:
    laid("FIFO", container.state / name)
    result = container.agent("tick")
    assert result.code == 73
    assert f"{container.state}/{name} cannot be used: it is a FIFO, not a regular file" in result.err
    assert container.asked("backup") == 0


@pytest.mark.parametrize("name", ["journal.sqlite", "journal.sqlite-journal"])
def test_commands_that_look_end_on_a_fifo_too(container: Container, name: str) -> None:
    laid("FIFO", container.state / name)
    for command in LOOKS:
        result = container.agent(*command)
        assert result.code == 73, command
        assert f"{name} cannot be used: it is a FIFO" in result.said, command


def test_an_idle_tick_follows_no_link_and_waits_for_no_fifo(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    laid("link", tmp_path / "state/last-tick")
    mark_tick(f"{tmp_path}/state", 5)
    assert (tmp_path / "target").read_text() == "precious"
    laid("FIFO", tmp_path / "state/last-tick")
    mark_tick(f"{tmp_path}/state", 5)
    assert tick_trace(f"{tmp_path}/state") == (None, 0)


def test_a_trace_with_a_second_name_elsewhere_is_written_anew(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "elsewhere").write_text("precious")
    os.link(tmp_path / "elsewhere", tmp_path / "state/last-tick")
    mark_tick(f"{tmp_path}/state", 5)
    assert (tmp_path / "elsewhere").read_text() == "precious"
    assert tick_trace(f"{tmp_path}/state") == (5, 1)


def view_for_table(db: sqlite3.Connection) -> None:
    db.execute("DROP TABLE runs")
    columns = "x AS run, x AS job, x AS slot, x AS due_at, x AS opened_at, NULL AS closed_at, NULL AS outcome"
    db.execute(f"CREATE VIEW runs AS {ENDLESS} SELECT {columns} FROM n")


def view_for_glance(db: sqlite3.Connection) -> None:
    db.execute("DROP TABLE idle_hint")
    db.execute(
        f"CREATE VIEW idle_hint AS {ENDLESS}"
        " SELECT x AS project, x AS environment, x AS app, x AS text, x AS next_due FROM n WHERE x < 0"
    )


def trigger(db: sqlite3.Connection) -> None:
    functions = ", ".join(f"pragma_function_list f{number}" for number in range(6))
    db.execute(f"CREATE TRIGGER slow AFTER INSERT ON notes BEGIN SELECT count(*) FROM {functions}; END")


def other_table(db: sqlite3.Connection) -> None:
    db.execute("DROP TABLE cursors")
    db.execute("CREATE TABLE cursors (job TEXT PRIMARY KEY, schedule TEXT, until REAL, more AS (hex(zeroblob(9))))")


def odd_index(db: sqlite3.Connection) -> None:
    db.execute("CREATE INDEX odd ON notes (hex(value))")


CRAFTED = (view_for_table, view_for_glance, trigger, other_table, odd_index)


@pytest.mark.parametrize("craft", CRAFTED)
def test_a_journal_with_what_is_not_the_agents_is_refused_by_looks_and_set_aside_by_a_tick(
    container: Container, craft: Callable[[sqlite3.Connection], None]
) -> None:
    db = sqlite3.connect(container.state / "journal.sqlite")
    craft(db)
    db.commit()
    db.close()
    for command in LOOKS:
        result = container.agent(*command)
        assert result.code == 73 or command[0] == "check", command
        assert "holds objects that the agent did not create" in result.said, command
    assert container.agent("tick").code == 0
    assert list(container.state.glob("journal.sqlite.damaged-*"))
    assert container.agent("status").code == 0


def test_a_sparse_file_of_a_terabyte_is_set_aside(container: Container) -> None:
    os.truncate(container.state / "journal.sqlite", 0)
    os.truncate(container.state / "journal.sqlite", 2**40)
    for command in LOOKS[:4]:
        assert container.agent(*command).code == 73, command
    assert container.agent("tick").code == 0
    assert list(container.state.glob("journal.sqlite.damaged-*"))


def test_a_rollback_file_that_names_a_file_elsewhere_is_damage(tmp_path: Path) -> None:
    SqliteJournal(str(tmp_path), IDENTITY).close()
    victim = tmp_path / "victim"
    victim.write_bytes(b"")
    name = os.fsencode(victim)
    page = (1).to_bytes(4, "big") + name + len(name).to_bytes(4, "big") + (sum(name) % 2**32).to_bytes(4, "big")
    head = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + b"\0" * 12 + (512).to_bytes(4, "big") + (4096).to_bytes(4, "big")
    (tmp_path / "journal.sqlite-journal").write_bytes(head.ljust(512, b"\0") + page + SUPER_JOURNAL)
    with pytest.raises(JournalDamaged, match="names a file elsewhere"):
        connect(str(tmp_path))
    assert victim.exists()


def test_a_statement_without_end_is_broken_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SqliteJournal(str(tmp_path), IDENTITY).close()
    db, watch = connect(str(tmp_path))
    monkeypatch.setattr("upsun_agent.journal.connect.STATEMENT_BUDGET", 0.05)
    with pytest.raises(StateNotWritable, match="did not answer within"), watch.bounded():
        db.execute(f"{ENDLESS} SELECT count(*) FROM n")
    db.close()


CHILD = f"""
import sys
from upsun_agent.cli.boundary import guarded
from upsun_agent.journal.connect import connect
def endless():
    db, watch = connect(sys.argv[1])
    print("at work", flush=True)
    with watch.bounded():
        db.execute({ENDLESS + " SELECT count(*) FROM n"!r})
sys.exit(guarded(endless, wants_json=False, keeps_journal=True, clean=str))
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_is_heard_while_a_statement_runs(tmp_path: Path, number: signal.Signals, code: int) -> None:
    SqliteJournal(str(tmp_path), IDENTITY).close()
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], cwd=REPOSITORY, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"at work\n"
    child.send_signal(number)
    child.communicate(timeout=15)
    assert child.returncode == code


def test_what_is_made_is_for_this_user_only_and_an_open_journal_is_tightened(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        prepare(f"{tmp_path}/above/state")
        SqliteJournal(f"{tmp_path}/above/state", IDENTITY).close()
    finally:
        os.umask(mask)
    journal = tmp_path / "above/state/journal.sqlite"
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "above", tmp_path / "above/state", journal)]
    assert modes == [0o700, 0o700, 0o600]
    journal.chmod(0o644)
    SqliteJournal(f"{tmp_path}/above/state", IDENTITY).close()
    assert stat.S_IMODE(journal.stat().st_mode) == 0o600


def test_check_says_which_directory_and_files_others_may_enter_or_write(tmp_path: Path) -> None:
    SqliteJournal(str(tmp_path), IDENTITY).close()
    (tmp_path / "journal.sqlite").chmod(0o666)
    said = {}
    for mode in (0o700, 0o755, 0o770, 0o777):
        tmp_path.chmod(mode)
        found = list(local.state(str(tmp_path), IDENTITY, datetime.now(UTC)))
        said[mode] = " ".join(each.message for each in found if each.name == "state files")
        assert "journal.sqlite is readable or writable by other users (mode 666)" in said[mode]
    assert "other users may enter" not in said[0o700]
    assert "(mode 755)" in said[0o755]
    assert all(f"is writable by other users (mode {mode:o})" in said[mode] for mode in (0o770, 0o777))


@needs_root
def test_a_directory_of_another_users_is_refused_and_check_says_so(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    os.chown(state, 12345, 12345)
    with pytest.raises(StateNotWritable, match="belongs to another user"):
        prepare(str(state))
    found = list(local.state(str(state), IDENTITY, datetime.now(UTC)))
    assert any(each.level == "fail" and "belongs to another user" in each.message for each in found)


@pytest.mark.parametrize("kind", KINDS)
def test_a_log_file_that_is_not_ours_loses_its_lines_and_nothing_else(tmp_path: Path, kind: str) -> None:
    (tmp_path / "state").mkdir()
    laid(kind, tmp_path / "state/agent.log")
    log = LogFile(f"{tmp_path}/state/agent.log")
    log.append('{"event": "run-opened"}')
    log.close()
    assert kind != "link" or (tmp_path / "target").read_text() == "precious"
    assert not (tmp_path / "nothing").exists()
