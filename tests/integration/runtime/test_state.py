"""State that is somebody else's, damaged, too new, or cannot be used: named, and never guessed at."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from upsun_agent.errors import StateNotWritable
from upsun_agent.journal import sqlite as journals
from upsun_agent.journal.codec import EventUnreadable
from upsun_agent.journal.damage import JournalDamaged, JournalTooNew
from upsun_agent.journal.tables import SCHEMA_VERSION
from upsun_agent.platform.paths import tick_trace

from tests.harness.stage import JOB, RUN, SLOT, START, Stage


def write(stage: Stage, statement: str, *values: Any) -> None:
    """Change the journal behind the agent's back."""
    db = sqlite3.connect(stage.directory / "journal.sqlite")
    db.execute(statement, values)
    db.commit()
    db.close()


def in_flight(stage: Stage) -> Path:
    """A journal with a run in flight; its file."""
    stage.at(START).tick()
    stage.at(SLOT).tick()
    assert stage.rows(open_only=True)
    return stage.directory / "journal.sqlite"


# --- foreign ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "elsewhere", [{"environment": "staging"}, {"project": "zyxwvuts4321a"}, {"app": "worker"}], ids=str
)
def test_a_journal_that_came_with_a_cloned_mount_is_set_aside_and_not_acted_on(
    stage: Stage, elsewhere: dict[str, str]
) -> None:
    in_flight(stage)
    asked = (stage.backups_asked, stage.updates_asked)
    stage.with_container(**elsewhere).later(minutes=5).tick()
    (aside,) = stage.set_aside()
    assert aside.startswith("journal.sqlite.foreign-")
    assert stage.rows() == []
    assert (stage.backups_asked, stage.updates_asked) == asked
    db = sqlite3.connect(stage.directory / aside)
    assert db.execute("SELECT run FROM runs").fetchall() == [(RUN,)], "what it held is kept"
    db.close()


def test_the_slot_of_the_minute_in_which_a_foreign_journal_is_found_is_not_run(stage: Stage) -> None:
    in_flight(stage)
    stage.with_container(app="worker").later(seconds=30).tick()
    assert stage.rows() == []


def test_back_in_its_own_environment_a_journal_begins_anew(stage: Stage) -> None:
    in_flight(stage)
    stage.with_container(app="worker").later(minutes=5).tick()
    stage.with_container(app="app").later(minutes=5).tick()
    assert len(stage.set_aside()) == 2
    stage.at(SLOT + timedelta(days=1)).ticks()
    assert stage.rows()[0].outcome == "succeeded"


# --- damaged ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", [0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.99])
def test_a_truncated_journal_is_set_aside_and_work_goes_on(stage: Stage, part: float) -> None:
    file = in_flight(stage)
    data = file.read_bytes()
    file.write_bytes(data[: max(17, int(len(data) * part))])
    stage.later(minutes=5).tick()
    assert len(stage.set_aside()) == 1
    assert stage.updates_asked == 0
    stage.at(SLOT + timedelta(days=1)).ticks()
    assert stage.rows()[0].outcome == "succeeded"


@pytest.mark.parametrize("data", [b"garbage" * 5000, b"\x00" * 8192, b"SQLite format 3\x00" + b"\xff" * 8192])
def test_a_journal_of_garbage_is_set_aside_as_it_was(stage: Stage, data: bytes) -> None:
    in_flight(stage).write_bytes(data)
    stage.later(minutes=5).tick()
    (aside,) = stage.set_aside()
    assert (stage.directory / aside).read_bytes() == data
    assert stage.updates_asked == 0


def test_an_empty_journal_file_beside_a_last_tick_is_set_aside(stage: Stage) -> None:
    in_flight(stage).write_bytes(b"")
    stage.later(minutes=5).tick()
    assert len(stage.set_aside()) == 1
    assert [(row.run, row.outcome) for row in stage.rows()] == [(RUN, "failed")], "what was in flight is lost"
    assert (stage.backups_asked, stage.updates_asked) == (1, 0)
    stage.at(SLOT + timedelta(days=1)).ticks()
    assert stage.rows()[0].outcome == "succeeded"


def test_a_garbled_page_anywhere_costs_at_most_one_tick_and_repeats_nothing(make: Callable[..., Stage]) -> None:
    refusals = []
    pages = len(in_flight(make()).read_bytes()) // 4096
    for page in range(pages):
        stage = make()
        file = in_flight(stage)
        data = bytearray(file.read_bytes())
        data[page * 4096 : (page + 1) * 4096] = b"\xff" * 4096
        file.write_bytes(data)
        refused = 0
        for moment in (SLOT + timedelta(minutes=5), SLOT + timedelta(days=1), SLOT + timedelta(days=2)):
            stage.at(moment)
            for _ in range(6):
                try:
                    stage.tick()
                except JournalDamaged:
                    refused += 1
                    assert stage.set_aside(), f"page {page}: or every tick to come would be refused"
                stage.later(minutes=5)
        refusals.append(refused)
        assert stage.rows()[0].outcome == "succeeded", f"page {page}"
        for kind in ("backup", "source-operation"):
            nights = [each["created_at"][:10] for each in stage.activities(kind)]
            assert len(nights) == len(set(nights)), f"page {page}: {kind} twice in a night"
    assert set(refusals) == {0, 1}


def test_what_a_crash_left_to_be_rolled_back_goes_with_the_journal_it_belongs_to(stage: Stage) -> None:
    file = in_flight(stage)
    file.write_bytes(b"garbage" * 1000)
    rollback = file.with_name("journal.sqlite-journal")
    rollback.write_bytes(b"garbage too")
    stage.later(minutes=5).tick()
    assert rollback.read_bytes() == b"", "the new journal's own"
    assert [(row.run, row.outcome) for row in stage.rows()] == [(RUN, "failed")], "it was in flight, and is told"


def test_events_that_do_not_add_up_close_the_run_and_the_tick_fails(stage: Stage) -> None:
    in_flight(stage)
    write(stage, "DELETE FROM events WHERE kind = 'intent-recorded'")
    stage.reseal()
    report = stage.later(minutes=5).tick()
    assert report.exit_code() == 1
    (row,) = stage.rows()
    assert row.outcome == "failed"
    assert any(line["event"] == "run-closed" and line["failure"] == "journal" for line in stage.logged())
    stage.later(minutes=5).tick()
    assert (stage.backups_asked, stage.updates_asked) == (1, 0)


@pytest.mark.parametrize("value", ["", "garbage", "nan x", "9e999 someone", "\x00"])
def test_a_lease_that_makes_no_sense_is_nobodys(stage: Stage, value: str) -> None:
    in_flight(stage)
    write(stage, "INSERT OR REPLACE INTO notes VALUES ('lease', ?)", value)
    stage.later(minutes=5).tick()
    assert stage.updates_asked == 1


@pytest.mark.parametrize("column", ["due_at", "opened_at"])
@pytest.mark.parametrize("value", ["soon", 9e99, float("inf")])
def test_a_moment_that_is_none_is_damage(stage: Stage, column: str, value: object) -> None:
    in_flight(stage)
    write(stage, f"UPDATE runs SET {column} = ?", value)  # noqa: S608  a word of this table
    stage.later(minutes=5)
    with pytest.raises(JournalDamaged):
        stage.tick()
    stage.later(minutes=5).tick()
    assert stage.updates_asked == 0


@pytest.mark.parametrize("text", ["99999999999999999999", "-99999999999999999999", "253402300800"])
def test_a_trace_of_the_last_tick_that_is_no_moment_stops_no_tick(stage: Stage, text: str) -> None:
    in_flight(stage)
    (stage.directory / "last-tick").write_text(f"{text}\n")
    stage.later(minutes=5).tick()
    assert stage.updates_asked == 1


def test_a_trace_of_the_last_tick_that_is_garbage_is_mended_by_the_next(stage: Stage) -> None:
    in_flight(stage)
    trace = stage.directory / "last-tick"
    trace.write_text("garbage " * 9)
    stage.later(minutes=5).tick()
    assert tick_trace(str(stage.directory)) == (int(stage.manual_clock.now().timestamp()), 1)


# --- of another version -------------------------------------------------------------------------------------


def test_a_journal_with_a_newer_schema_is_refused_and_left_alone(stage: Stage) -> None:
    file = in_flight(stage)
    write(stage, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    before = file.read_bytes()
    stage.later(minutes=5)
    with pytest.raises(JournalTooNew, match="has schema 2") as refused:
        stage.tick()
    assert refused.value.exit_code == 73
    assert file.read_bytes() == before
    assert stage.set_aside() == []
    assert stage.updates_asked == 0


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("step-postponed", '{"at": "2026-03-02T03:00:00+00:00"}'),
        ("request-accepted", '{"at": "2026-03-02T03:00:00+00:00"}'),
        ("request-accepted", '{"at": "2026-03-02T03:00:00+00:00", "step": 0, "activity": 7}'),
        ("request-accepted", '{"at": "2026-03-02T03:00:00", "step": 0, "activity": "a"}'),
        ("request-accepted", '{"at": "2026-03-02T03:00:00+00:00", "step": 0, "activity": "a", "new": 1}'),
        ("request-accepted", "no JSON"),
        ("request-accepted", "[" * 100_000),
    ],
)
def test_an_event_that_does_not_read_is_refused_and_nothing_is_asked_for(stage: Stage, kind: str, data: str) -> None:
    in_flight(stage)
    write(stage, "UPDATE events SET kind = ?, data = ? WHERE kind = 'request-accepted'", kind, data[:120_000])
    stage.reseal()
    stage.later(minutes=5)
    with pytest.raises(EventUnreadable, match=kind) as refused:
        stage.tick()
    assert refused.value.exit_code == 73
    assert refused.value.remedy
    assert (stage.backups_asked, stage.updates_asked) == (1, 0)


# --- places that cannot be used -----------------------------------------------------------------------------


def refused(stage: Stage, directory: Path | str) -> str:
    """What a tick with that state directory says; nothing may have been asked for."""
    stage.directory = Path(directory)
    stage.at(SLOT)
    with pytest.raises(StateNotWritable) as error:
        stage.tick()
    assert error.value.exit_code == 73
    assert stage.simulator.requests == []
    return str(error.value)


def test_a_state_directory_that_is_a_file_is_refused(stage: Stage, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    assert "is not a directory" in refused(stage, file)
    assert "cannot be created: Not a directory" in refused(stage, file / "below")


def test_a_state_directory_where_nothing_can_be_made_is_refused(stage: Stage) -> None:
    assert re.search(r"/proc/\S+ cannot be created", refused(stage, "/proc/upsun-agent"))
    assert "/proc/self/fdinfo/tick.lock cannot be opened" in refused(stage, "/proc/self/fdinfo")


def test_a_missing_parent_is_made(stage: Stage) -> None:
    stage.directory = stage.directory / "a" / "b"
    stage.at(START).tick()
    assert (stage.directory / "journal.sqlite").exists()
    assert (stage.directory.stat().st_mode & 0o077) == 0


@pytest.mark.parametrize("name", ["journal.sqlite", "tick.lock"])
def test_a_directory_in_the_place_of_a_file_is_refused(stage: Stage, name: str) -> None:
    (stage.directory / name).mkdir(parents=True)
    stage.at(SLOT)
    with pytest.raises(StateNotWritable) as error:
        stage.tick()
    assert error.value.exit_code == 73
    assert stage.simulator.requests == []


# --- what is on disk when a request leaves ------------------------------------------------------------------


def test_the_intent_is_committed_before_its_request_reaches_the_platform(stage: Stage) -> None:
    seen: list[tuple[str, list[str]]] = []

    def watched(wsgi: Callable[..., Any]) -> Callable[..., Any]:
        def app(environ: dict[str, Any], start_response: Any) -> Any:
            if environ["REQUEST_METHOD"] == "POST" and "/oauth2/" not in environ["PATH_INFO"]:
                db = sqlite3.connect(stage.directory / "journal.sqlite")
                rows = db.execute("SELECT kind FROM events WHERE kind != 'wait-begun' ORDER BY seq").fetchall()
                db.close()
                seen.append((environ["PATH_INFO"].rpartition("/")[2], [row[0] for row in rows]))
            return wsgi(environ, start_response)

        return app

    stage.wrap = watched
    stage.play()
    assert [name for name, _ in seen] == ["backup", "source-operation"]
    assert [events[-1] for _, events in seen] == ["intent-recorded", "intent-recorded"]
    assert [events.count("intent-recorded") for _, events in seen] == [1, 2]
    assert seen[1][1].count("step-done") == 1, "the proof is on disk before the update is asked for"


def test_a_journal_that_cannot_take_the_intent_means_no_request(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.at(START).tick()
    real = journals.SqliteJournal.append

    def full(self: journals.SqliteJournal, run: str, event: Any, **settings: Any) -> None:
        if event.kind == "intent-recorded":
            raise StateNotWritable("disk full")
        real(self, run, event, **settings)

    monkeypatch.setattr(journals.SqliteJournal, "append", full)
    stage.at(SLOT)
    with pytest.raises(StateNotWritable):
        stage.tick()
    assert stage.backups_asked == 0
    monkeypatch.undo()
    closed = stage.later(minutes=5).ticks().closed
    assert closed is not None
    assert closed.outcome == "succeeded"


def test_an_answer_that_the_journal_could_not_take_is_found_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.at(START).tick()
    real = journals.SqliteJournal.append

    def full(self: journals.SqliteJournal, run: str, *events: Any, **settings: Any) -> None:
        if any(event.kind == "request-accepted" for event in events):
            raise StateNotWritable("disk full")
        real(self, run, *events, **settings)

    monkeypatch.setattr(journals.SqliteJournal, "append", full)
    stage.at(SLOT)
    with pytest.raises(StateNotWritable):
        stage.tick()
    monkeypatch.undo()
    closed = stage.later(minutes=5).ticks().closed
    assert closed is not None
    assert closed.outcome == "succeeded"
    assert (stage.backups_asked, stage.updates_asked) == (1, 1)


def test_the_job_file_is_not_written_to_and_nothing_but_the_state_is_left_behind(stage: Stage) -> None:
    stage.play()
    names = {path.name for path in stage.directory.iterdir()}
    assert names == {"journal.sqlite", "journal.sqlite-journal", "tick.lock", "last-tick"}
    assert stage.jobs == JOB
