"""Readers change nothing: the journal is opened read-only, and where there is none, none is made."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from pathlib import Path

import pytest
from upsun_agent.errors import StateNotWritable
from upsun_agent.journal.directory import prepare, reading, reading_if_any
from upsun_agent.journal.sqlite import SqliteJournal
from upsun_agent.journal.state import MountState

IDENTITY = ("p", "main", "app")


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    SqliteJournal(str(tmp_path), IDENTITY).close()
    before = {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in tmp_path.iterdir()}
    for look in (reading, reading_if_any):
        with look(MountState(str(tmp_path)), IDENTITY) as journal:
            assert journal.rows() == []
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                journal._db.execute("DELETE FROM runs")  # type: ignore[attr-defined]
    assert {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in tmp_path.iterdir()} == before


def test_where_nothing_has_run_every_list_is_empty_and_nothing_is_made(tmp_path: Path) -> None:
    with reading_if_any(MountState(str(tmp_path / "state")), IDENTITY) as journal:
        lists = [journal.rows(), journal.latest("step-done"), journal.tallies(), journal.cursors(), journal.events("r")]
        assert [list(each) for each in lists] == [[]] * 5
        assert (journal.written("r"), journal.claimed(), journal.notes(""), journal.copied([])) == ([], {}, {}, [])
        assert (journal.cursor("j"), journal.noted("k"), journal.last_tick(), journal.ticks()) == (None, None, None, 0)
    assert list(tmp_path.iterdir()) == []


def test_a_transaction_that_a_killed_process_left_is_rolled_back_for_a_reader(tmp_path: Path) -> None:
    SqliteJournal(str(tmp_path), IDENTITY).close()
    whole = {name: (tmp_path / name).read_bytes() for name in ("journal.sqlite",)}
    db = sqlite3.connect(tmp_path / "journal.sqlite", isolation_level=None)
    db.execute("PRAGMA cache_spill = 1")
    db.execute("PRAGMA cache_size = 1")
    db.execute("BEGIN IMMEDIATE")
    for number in range(2000):
        db.execute("INSERT INTO notes (key, value) VALUES (?, ?)", (f"k{number}", "x" * 500))
    left = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    db.execute("ROLLBACK")
    db.close()
    for name, data in left.items():
        (tmp_path / name).write_bytes(data)
        (tmp_path / name).chmod(0o600)
    assert len(left["journal.sqlite-journal"]) > 0
    assert left["journal.sqlite"] != whole["journal.sqlite"]
    with reading(MountState(str(tmp_path)), IDENTITY) as journal:
        assert journal.notes("k") == {}


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EACCES])
def test_a_directory_that_cannot_be_closed_is_closed_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    closed, refused = os.close, []

    def close(file: int) -> None:
        is_directory = stat.S_ISDIR(os.fstat(file).st_mode)
        closed(file)
        if is_directory:
            refused.append(file)
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "close", close)
    SqliteJournal(str(tmp_path), IDENTITY).close()
    with reading(MountState(str(tmp_path)), IDENTITY) as journal:
        assert journal.rows() == []
    assert refused


def test_a_directory_that_cannot_be_looked_at_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = os.fstat

    def fstat(file: int) -> os.stat_result:
        found = looked_at(file)
        if stat.S_ISDIR(found.st_mode):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return found

    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", fstat)
        with pytest.raises(StateNotWritable, match="cannot be examined"):
            prepare(str(tmp_path))
