"""Facts beside the events: kept, replaced, taken away, and in one transaction with the events they belong to."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.engine import events as ev
from agent.engine.job import Job, StepPlan
from agent.journal.sqlite import SqliteJournal

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


@pytest.fixture
def journal(tmp_path: Path) -> SqliteJournal:
    return SqliteJournal(str(tmp_path), ("p", "main", "app"))


def opened(run: str) -> ev.RunOpened:
    job = Job("j", (StepPlan("backup"),))
    return ev.RunOpened(
        at=NOW, run=run, environment="main", slot=run, due_at=NOW, trigger="schedule", job=job.to_json()
    )


def test_a_note_is_kept_replaced_and_taken_away(journal: SqliteJournal) -> None:
    journal.note("k", "one")
    journal.note("k", "two")
    assert journal.noted("k") == "two"
    journal.note("k", None)
    assert journal.noted("k") is None


def test_notes_are_written_with_the_events_or_not_at_all(journal: SqliteJournal) -> None:
    assert journal.open_run(opened("a"), notes={"with-opening": "1"})
    journal.append("a", ev.Warned(at=NOW, message="x"), notes={"with-event": "2", "with-opening": None})
    assert journal.notes("with-") == {"with-event": "2"}
    with pytest.raises(TypeError):
        journal.append(
            "a", ev.Warned(at=NOW, message="x"), ev.Warned(at=NOW, message=object()), notes={"with-lost": "3"}
        )  # type: ignore[arg-type]
    assert journal.notes("with-lost") == {}
    assert len(journal.events("a")) == 2


def test_a_run_that_exists_already_leaves_no_notes(journal: SqliteJournal) -> None:
    assert journal.open_run(opened("a"))
    assert not journal.open_run(opened("a"), notes={"late": "1"})
    assert journal.noted("late") is None
