"""A journal that is lost as a whole is damage and no fresh start: no slot runs twice, paused jobs stay paused."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from upsun_agent.engine.fold import fold
from upsun_agent.errors import StateNotWritable
from upsun_agent.journal.damage import JournalDamaged
from upsun_agent.journal.directory import reading, reading_if_any
from upsun_agent.journal.fleet import fleet
from upsun_agent.journal.state import MountState
from upsun_agent.platform.paths import SIDECAR
from upsun_agent.runtime.session import open_session
from upsun_agent.runtime.suspension import pause_job, resume, suspension

from tests.harness.stage import RUN, SLOT, START, TWO_JOBS, Stage

HEADER = b"SQLite format 3\x00\x10\x00\x01\x01\x00\x40\x20\x20"


def header_alone(path: Path) -> None:
    """A sound database without a table: only its header says that it is one."""
    path.unlink()
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE x (y)")
    db.execute("DROP TABLE x")
    db.commit()
    db.close()
    assert path.stat().st_size >= 4096
    assert path.read_bytes().startswith(HEADER[:16])


def emptied(path: Path) -> None:
    os.truncate(path, 0)


LOSSES: dict[str, Callable[[Path], None]] = {
    "no bytes": emptied,
    "missing": Path.unlink,
    "a header alone": header_alone,
}


def pause(stage: Stage, job: str) -> None:
    site = stage.site()
    with open_session(site) as session:
        pause_job(session.journal, job, "paused by hand", site.clock.now())
    site.client.close()


def ran(stage: Stage) -> list[tuple[str, str | None]]:
    return [(row.job, row.outcome) for row in stage.rows()]


def set_aside_lines(stage: Stage) -> list[str]:
    return [line["reason"] for line in stage.logged() if line["event"] == "journal-set-aside"]


@pytest.mark.parametrize("loss", LOSSES)
def test_a_lost_journal_runs_no_slot_of_this_minute_again_and_no_paused_job(
    make: Callable[..., Stage], loss: str
) -> None:
    stage = make(TWO_JOBS)
    stage.at(START).tick()
    pause(stage, "held")
    stage.at(SLOT + timedelta(seconds=5)).tick()
    assert sorted(ran(stage)) == [("held", "skipped"), ("look", "succeeded")]
    LOSSES[loss](stage.directory / "journal.sqlite")
    stage.later(seconds=20).tick()
    assert ran(stage) == [], "both slots of this minute were judged before"
    (line,) = set_aside_lines(stage)
    assert "journal.sqlite" in line
    assert next(each for each in stage.logged() if each["event"] == "journal-set-aside")["level"] == "error"
    assert len(stage.set_aside()) == (loss != "missing")
    stage.later(seconds=20).tick()
    assert ran(stage) == [], "and the next tick of the minute knows it too"
    stage.at(SLOT + timedelta(days=1)).tick()
    assert sorted(ran(stage)) == [("held", "skipped"), ("look", "succeeded")]
    assert len(set_aside_lines(stage)) == 1


def files_of(stage: Stage) -> list[str]:
    return sorted(path.name for path in stage.directory.iterdir())


@pytest.mark.parametrize("left", ["last-tick", "tick.lock", SIDECAR, "agent.log"])
def test_one_file_that_is_left_tells_of_the_loss(make: Callable[..., Stage], left: str) -> None:
    stage = make(TWO_JOBS)
    stage.at(START).tick()
    pause(stage, "held")
    stage.at(SLOT + timedelta(seconds=5)).tick()
    (stage.directory / "agent.log").write_text(stage.log.getvalue())
    for name in files_of(stage):
        if name != left:
            (stage.directory / name).unlink()
    stage.later(seconds=20).tick()
    assert ("look", "succeeded") not in ran(stage)
    assert len(set_aside_lines(stage)) == 1
    if left == SIDECAR:
        stage.at(SLOT + timedelta(days=1)).tick()
        assert sorted(ran(stage)) == [("held", "skipped"), ("look", "succeeded")]


@pytest.mark.parametrize("lost", ["last-tick", "tick.lock", SIDECAR, "journal.sqlite-journal"])
def test_a_sound_journal_needs_no_other_file(make: Callable[..., Stage], lost: str) -> None:
    stage = make(TWO_JOBS)
    stage.at(START).tick()
    pause(stage, "held")
    stage.at(SLOT + timedelta(seconds=5)).tick()
    (stage.directory / lost).unlink()
    stage.later(minutes=5).tick()
    assert sorted(ran(stage)) == [("held", "skipped"), ("look", "succeeded")]
    assert set_aside_lines(stage) == []
    assert (stage.directory / SIDECAR).exists()


def test_the_first_tick_ever_in_an_empty_directory_runs_the_slot_of_its_minute(make: Callable[..., Stage]) -> None:
    stage = make(TWO_JOBS)
    stage.directory.mkdir(parents=True)
    stage.at(SLOT + timedelta(seconds=5)).tick()
    assert sorted(ran(stage)) == [("held", "succeeded"), ("look", "succeeded")]
    assert set_aside_lines(stage) == []


@pytest.mark.parametrize("left", [(), ("tick.lock",), ("tick.lock", "journal.sqlite")])
def test_what_a_first_tick_leaves_that_is_killed_early_is_no_loss(
    make: Callable[..., Stage], left: tuple[str, ...]
) -> None:
    stage = make(TWO_JOBS)
    stage.directory.mkdir(parents=True)
    for name in left:
        (stage.directory / name).touch()
    stage.at(SLOT + timedelta(seconds=5)).tick()
    assert sorted(ran(stage)) == [("held", "succeeded"), ("look", "succeeded")]
    assert set_aside_lines(stage) == []


@pytest.mark.parametrize("loss", LOSSES)
def test_a_run_in_flight_that_is_lost_is_closed_and_told(stage: Stage, loss: str) -> None:
    stage.at(START).tick()
    stage.at(SLOT).tick()
    assert [row.run for row in stage.rows(open_only=True)] == [RUN]
    LOSSES[loss](stage.directory / "journal.sqlite")
    report = stage.later(seconds=20).tick()
    assert report.exit_code() == 1
    run = fold(stage.events(RUN))
    assert run.closed is not None
    assert (run.closed.outcome, run.closed.failure) == ("failed", "lost")
    assert "activities" in run.closed.remedy
    (line,) = (each for each in stage.logged() if each["event"] == "run-closed")
    assert (line["run"], line["level"]) == (RUN, "error")
    stage.later(minutes=5).tick()
    assert (stage.backups_asked, stage.updates_asked) == (1, 0)
    stage.at(SLOT + timedelta(days=1)).ticks()
    assert stage.rows()[0].outcome == "succeeded"


def test_a_damaged_journal_keeps_the_pauses_too(make: Callable[..., Stage]) -> None:
    stage = make(TWO_JOBS)
    stage.at(START).tick()
    pause(stage, "held")
    (stage.directory / "journal.sqlite").write_bytes(b"garbage" * 5000)
    stage.at(SLOT).tick()
    stage.at(SLOT + timedelta(days=1)).tick()
    assert sorted(ran(stage)) == [("held", "skipped"), ("look", "succeeded")]


@pytest.mark.parametrize("table", ["events", "runs", "activities", "cursors", "notes", "idle_hint"])
def test_a_journal_that_lost_a_table_is_damage_and_the_same_tick_works_on(
    make: Callable[..., Stage], table: str
) -> None:
    stage = make(TWO_JOBS)
    stage.at(START).tick()
    pause(stage, "held")
    db = sqlite3.connect(stage.directory / "journal.sqlite")
    db.execute(f"DROP TABLE {table}")
    db.commit()
    db.close()
    stage.at(SLOT + timedelta(seconds=5)).tick()
    (line,) = set_aside_lines(stage)
    assert f"lost its tables {table}" in line
    stage.at(SLOT + timedelta(days=1)).tick()
    assert sorted(ran(stage)) == [("held", "skipped"), ("look", "succeeded")]


def test_a_job_that_was_resumed_is_not_held_after_a_loss(make: Callable[..., Stage]) -> None:
    stage = make(TWO_JOBS)
    stage.at(START).tick()
    pause(stage, "held")
    site = stage.site()
    with open_session(site) as session:
        assert resume(session.journal, "held")
    assert not (stage.directory / SIDECAR).exists()
    emptied(stage.directory / "journal.sqlite")
    stage.at(SLOT).tick()
    stage.at(SLOT + timedelta(days=1)).tick()
    assert sorted(ran(stage)) == [("held", "succeeded"), ("look", "succeeded")]


def test_a_job_that_was_suspended_by_its_failures_stays_so(make: Callable[..., Stage]) -> None:
    stage = make(TWO_JOBS.replace('"true"', '"false"').replace("[jobs.held]", "[jobs.held]\nsuspend-after = 1"))
    stage.at(START).tick()
    stage.at(SLOT).tick()
    (stage.directory / "journal.sqlite").unlink()
    stage.at(SLOT + timedelta(hours=1)).tick()
    with reading(MountState(str(stage.directory)), stage.container.identity) as journal:
        assert suspension(journal, "held") is not None
        assert suspension(journal, "look") is None


def test_holds_are_for_their_own_environment_alone_and_for_nobody_else_to_read(make: Callable[..., Stage]) -> None:
    stage = make(TWO_JOBS)
    stage.at(START).tick()
    pause(stage, "held")
    file = stage.directory / SIDECAR
    assert file.stat().st_mode & 0o777 == 0o600
    assert json.loads(file.read_text())["identity"] == ["abcdefgh1234z", "main", "app"]
    (stage.directory / "journal.sqlite").unlink()
    stage.with_container(app="worker").at(SLOT + timedelta(days=1)).tick()
    stage.at(SLOT + timedelta(days=2)).tick()
    assert sorted(ran(stage)) == [("held", "succeeded"), ("look", "succeeded")]


@pytest.mark.parametrize("content", [b"", b"no JSON", b"[" * 100_000, b'{"version": 1}', b'{"version": 2}', b"null"])
def test_holds_that_do_not_read_stop_nothing(make: Callable[..., Stage], content: bytes) -> None:
    stage = make(TWO_JOBS)
    stage.at(START).tick()
    (stage.directory / "journal.sqlite").unlink()
    (stage.directory / SIDECAR).write_bytes(content)
    stage.at(SLOT).tick()
    stage.at(SLOT + timedelta(days=1)).tick()
    assert sorted(ran(stage)) == [("held", "succeeded"), ("look", "succeeded")]


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"\xff\xfe{", b"{}", b" " * 5_000_000, b'{"version": 1, "identity": 7']
)
def test_a_loss_says_that_the_pauses_cannot_be_read(make: Callable[..., Stage], content: bytes) -> None:
    stage = make(TWO_JOBS)
    stage.at(START).tick()
    pause(stage, "held")
    (stage.directory / "journal.sqlite").unlink()
    (stage.directory / SIDECAR).write_bytes(content)
    stage.at(SLOT).tick()
    (line,) = set_aside_lines(stage)
    assert "sidecar.json cannot be read: jobs that were paused are not paused any more" in line


def test_a_loss_beside_a_sidecar_that_reads_says_nothing_of_it(make: Callable[..., Stage]) -> None:
    stage = make(TWO_JOBS)
    stage.at(START).tick()
    pause(stage, "held")
    (stage.directory / "journal.sqlite").unlink()
    stage.at(SLOT).tick()
    (line,) = set_aside_lines(stage)
    assert "cannot be read" not in line


@pytest.mark.parametrize("kind", ["file", "link to itself", "link to nothing", "fifo"])
def test_a_state_that_is_no_directory_is_refused_by_ticks_and_looks_alike(
    make: Callable[..., Stage], kind: str
) -> None:
    stage = make(TWO_JOBS)
    place = stage.directory.parent / f"place-{stage.directory.name}"
    if kind == "file":
        place.write_text("")
    elif kind == "fifo":
        os.mkfifo(place)
    else:
        place.symlink_to(place if kind == "link to itself" else place / "nothing")
    stage.directory = place
    with pytest.raises(StateNotWritable, match="is not a directory"):
        stage.at(START).tick()
    for look in (reading, reading_if_any):
        with (
            pytest.raises(StateNotWritable, match="is not a directory"),
            look(MountState(str(place)), stage.container.identity),
        ):
            pass


@pytest.mark.parametrize("loss", LOSSES)
def test_a_command_that_only_looks_says_the_loss_and_hides_nothing_from_the_next_tick(
    make: Callable[..., Stage], loss: str
) -> None:
    stage = make(TWO_JOBS)
    stage.at(START).tick()
    stage.at(SLOT + timedelta(seconds=5)).tick()
    LOSSES[loss](stage.directory / "journal.sqlite")
    before = {name: (stage.directory / name).read_bytes() for name in files_of(stage) if "-journal" not in name}
    for look in (reading, reading_if_any):
        with pytest.raises(JournalDamaged), look(MountState(str(stage.directory)), stage.container.identity):
            pass
    with pytest.raises(JournalDamaged), fleet(MountState(str(stage.directory))) as found:
        found.members()
    after = {name: (stage.directory / name).read_bytes() for name in files_of(stage) if "-journal" not in name}
    assert after == before
    stage.later(seconds=20).tick()
    assert ran(stage) == []
    assert len(set_aside_lines(stage)) == 1


def test_old_journals_that_were_set_aside_are_deleted_beyond_the_newest(stage: Stage) -> None:
    stage.at(START).tick()
    for day in range(1, 60, 6):
        for kind in ("foreign", "damaged"):
            name = stage.directory / f"journal.sqlite.{kind}-{START - timedelta(days=day):%Y%m%dT%H%M%SZ}"
            name.write_bytes(b"x")
            name.with_name(f"{name.name}-journal").write_bytes(b"x")
    (stage.directory / "journal.sqlite.foreign-notes.txt").write_text("somebody's own")
    stage.with_container(app="worker").later(minutes=5).tick()
    kept = [name for name in stage.set_aside() if not name.endswith(("-journal", ".txt"))]
    assert len([name for name in kept if ".foreign-" in name]) == 6, "five younger than 30 days, and the one of now"
    assert len([name for name in kept if ".damaged-" in name]) == 5
    beside = [name for name in stage.set_aside() if name.endswith("-journal")]
    assert len(beside) == 10
    assert (stage.directory / "journal.sqlite.foreign-notes.txt").exists()


def test_two_journals_set_aside_within_a_second_are_both_kept(stage: Stage) -> None:
    stage.at(START).tick()
    stage.with_container(app="worker").tick()
    stage.with_container(app="app").tick()
    stage.with_container(app="worker").tick()
    assert len(stage.set_aside()) == 3


@pytest.mark.parametrize("name", ["journal.sqlite", "last-tick", "tick.lock"])
@pytest.mark.parametrize("code", [errno.EIO, errno.EACCES, errno.ENOSPC])
def test_a_look_at_a_file_that_fails_is_no_proof_that_the_file_is_gone(
    make: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch, name: str, code: int
) -> None:
    stage = make()
    stage.at(START).tick()
    real = os.lstat

    def fails(path: str, **rest: Any) -> os.stat_result:
        if str(path).endswith(f"/{name}"):
            raise OSError(code, os.strerror(code), path)
        return real(path, **rest)

    with monkeypatch.context() as patch:
        patch.setattr(os, "lstat", fails)
        with pytest.raises(StateNotWritable, match="cannot be examined"):
            stage.at(SLOT).tick()
    assert not [each for each in os.listdir(stage.directory) if "damaged" in each]
    stage.at(SLOT).ticks()
    assert [row.outcome for row in stage.rows()] == ["succeeded"], "the slot is run, and once"
