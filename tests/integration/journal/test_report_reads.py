"""What reports read: the newest events of a kind, and how many runs ended how, whatever was forgotten."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from upsun_agent.journal import Journal
from upsun_agent.journal.sqlite import SqliteJournal
from upsun_agent.limits import PRUNED_AT_ONCE
from upsun_agent.model import events as ev
from upsun_agent.model.job import Job, StepPlan

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
NEVER = NOW - timedelta(days=4000)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    found = SqliteJournal(str(tmp_path), ("p", "main", "app"))
    yield found
    found.close()


def add(journal: Journal, number: int, *, job: str = "nightly", outcome: str | None = "succeeded") -> str:
    """A run of that hour that took as many seconds as its number."""
    at, run = NOW + timedelta(hours=number), f"{job}@{number}"
    plan = Job(job, (StepPlan("backup", {}),))
    opened = ev.RunOpened(
        at=at, run=run, environment="main", slot=str(number), due_at=at, trigger=ev.Trigger.SCHEDULE, job=plan.to_json()
    )
    assert journal.open_run(opened)
    journal.append(
        run, ev.StepDone(at=at, step=0, outcome=ev.StepOutcome.DONE, message="", detail={"backup": f"b{number}"})
    )
    if outcome:
        end = at + timedelta(seconds=number)
        journal.append(run, ev.RunClosed(at=end, outcome=outcome, message=""))  # type: ignore[arg-type]
    return run


def numbers(journal: Journal) -> dict[tuple[str, str], tuple[int, float, datetime]]:
    return {(each.job, each.outcome): (each.runs, each.seconds, each.since) for each in journal.tallies()}


def test_the_latest_events_of_a_kind_come_newest_first_with_their_runs(journal: SqliteJournal) -> None:
    for number in range(5):
        add(journal, number)
        add(journal, number, job="hourly")
    found = journal.latest("step-done", job="nightly", most=2)
    assert [(run, event.detail["backup"]) for run, event in found] == [("nightly@4", "b4"), ("nightly@3", "b3")]  # type: ignore[attr-defined]
    assert [run for run, _ in journal.latest("step-done", most=3)] == ["hourly@4", "nightly@4", "hourly@3"]
    assert journal.latest("step-failed") == []
    assert journal.latest("step-done", job="weekly") == []


def test_runs_are_counted_by_job_and_outcome_and_those_in_flight_are_not(journal: SqliteJournal) -> None:
    for number in range(1, 4):
        add(journal, number)
    add(journal, 7, outcome=ev.RunOutcome.FAILED)
    add(journal, 9, job="hourly", outcome=None)
    assert numbers(journal) == {
        ("nightly", "failed"): (1, 7.0, NOW + timedelta(hours=7)),
        ("nightly", "succeeded"): (3, 6.0, NOW + timedelta(hours=1)),
    }


def test_the_numbers_stay_when_runs_are_forgotten(journal: SqliteJournal) -> None:
    for number in range(20):
        add(journal, number, outcome=ev.RunOutcome.FAILED if number % 5 == 0 else ev.RunOutcome.SUCCEEDED)
    before = numbers(journal)
    for keep in (15, 15, 8, 1):
        journal.prune(NEVER, keep)
        assert numbers(journal) == before
    assert len(journal.rows()) == 1
    add(journal, 20)
    assert numbers(journal)["nightly", "succeeded"][0] == before["nightly", "succeeded"][0] + 1


def test_one_prune_forgets_no_more_than_its_bound_and_counts_what_it_forgot(journal: SqliteJournal) -> None:
    for number in range(PRUNED_AT_ONCE + 10):
        add(journal, number)
    assert journal.prune(NEVER, 1) == PRUNED_AT_ONCE
    assert numbers(journal)["nightly", "succeeded"][0] == PRUNED_AT_ONCE + 10


@pytest.mark.parametrize("text", ["", "x", "1 2", "nan 1 1", "1 inf 1", "1 2 3 4"])
def test_damaged_numbers_of_forgotten_runs_cost_their_count_and_no_more(
    journal: SqliteJournal, tmp_path: Path, text: str
) -> None:
    for number in range(4):
        add(journal, number)
    journal.prune(NEVER, 2)
    journal.note("forgotten:nightly:succeeded", text)
    assert numbers(journal)["nightly", "succeeded"][0] == 2
    journal.prune(NEVER, 1)
    assert numbers(journal)["nightly", "succeeded"][0] == 2


def test_rows_that_nobody_wrote_are_counted_without_a_complaint(journal: SqliteJournal, tmp_path: Path) -> None:
    add(journal, 1)
    db = sqlite3.connect(tmp_path / "journal.sqlite")
    db.execute("UPDATE runs SET opened_at = 'noon', outcome = 7, closed_at = NULL")
    db.commit()
    db.close()
    assert [(each.outcome, each.runs) for each in journal.tallies()] == [("7", 1)]
    assert journal.prune(NOW + timedelta(days=9), 1) in {0, 1}
