"""History is forgotten by age and by count, a run in flight never, and what is kept stays whole."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from upsun_agent.journal.sqlite import SqliteJournal
from upsun_agent.limits import HISTORY_AGE
from upsun_agent.model import events as ev
from upsun_agent.model.job import Job, StepPlan

from tests.harness.stage import START, Stage

JOB = Job("nightly", (StepPlan("backup", {}),))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    found = SqliteJournal(str(tmp_path), ("p", "main", "app"))
    yield found
    found.close()


def add(journal: SqliteJournal, name: str, when: datetime, *, close: bool = True) -> str:
    """A run of that moment, with an activity, closed or in flight."""
    run = f"nightly@{name}"
    opened = ev.RunOpened(
        at=when, run=run, environment="main", slot=name, due_at=when, trigger=ev.Trigger.SCHEDULE, job=JOB.to_json()
    )
    assert journal.open_run(opened)
    journal.append(run, ev.IntentRecorded(at=when, step=0, attempt=1, server_at=when, head=None))
    journal.append(run, ev.RequestAccepted(at=when, step=0, activity=f"act-{name}", backup=None))
    if close:
        journal.append(run, ev.RunClosed(at=when, outcome=ev.RunOutcome.SUCCEEDED, message=""))
    return run


def names(journal: SqliteJournal) -> set[str]:
    return {row.slot or "" for row in journal.rows(most=100_000)}


def test_runs_beyond_the_age_are_forgotten_with_their_events_and_activities(journal: SqliteJournal) -> None:
    for days in range(10):
        add(journal, f"d{days}", START - timedelta(days=days))
    assert journal.prune(START - timedelta(days=4), 100) == 5
    assert names(journal) == {"d0", "d1", "d2", "d3", "d4"}
    assert journal.events("nightly@d5") == []
    assert len(journal.events("nightly@d4")) == 4
    assert set(journal.claimed()) == {f"act-d{days}" for days in range(5)}
    assert journal.prune(START - timedelta(days=4), 100) == 0


def test_the_oldest_of_too_many_are_forgotten(journal: SqliteJournal) -> None:
    for days in range(10):
        add(journal, f"d{days}", START - timedelta(days=days))
    assert journal.prune(START - timedelta(days=400), 3) == 7
    assert names(journal) == {"d0", "d1", "d2"}
    assert journal.prune(START - timedelta(days=400), 3) == 0


def test_a_run_in_flight_is_never_forgotten(journal: SqliteJournal) -> None:
    add(journal, "old", START - timedelta(days=900), close=False)
    for days in range(5):
        add(journal, f"d{days}", START - timedelta(days=days))
    assert journal.prune(START, 1) == 4
    assert names(journal) == {"old", "d0"}
    assert len(journal.events("nightly@old")) == 3


def test_so_many_at_once_that_it_takes_no_time(journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("upsun_agent.journal.sqlite.PRUNED_AT_ONCE", 10)
    for number in range(15):
        add(journal, f"n{number}", START - timedelta(days=500, minutes=number))
    assert journal.prune(START, 1000) == 10
    assert names(journal) == {f"n{number}" for number in range(5)}, "the oldest first"
    assert journal.prune(START, 1000) == 5
    assert names(journal) == set()


def test_a_tick_that_has_work_forgets_what_is_too_old_and_no_slot_comes_again(stage: Stage) -> None:
    stage.at(START).tick()
    journal = SqliteJournal(str(stage.directory), stage.container.identity)
    add(journal, "2019-01-01T02:30", START - timedelta(seconds=HISTORY_AGE + 60))
    journal.close()
    for _ in range(60):
        stage.later(minutes=30).tick()
    kept = [row.slot for row in stage.rows()]
    assert "2019-01-01T02:30" not in kept
    assert len(kept) == len(set(kept)) >= 1
    assert stage.backups_asked == len(kept)
