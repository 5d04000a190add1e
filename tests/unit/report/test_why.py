"""Why a slot ran, waits, was skipped or missed, in one paragraph."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from upsun_agent.cli.why import _moment, _run_of, _slot
from upsun_agent.config import parse
from upsun_agent.engine.due import Slot
from upsun_agent.errors import UsageError
from upsun_agent.journal.sqlite import SqliteJournal
from upsun_agent.model.job import Job, StepPlan
from upsun_agent.platform.container import Container
from upsun_agent.report.why import Evidence, explain
from upsun_agent.runtime.tick import run_tick
from upsun_agent.schedule import Schedule
from upsun_simulator.rehearsal.play import Rehearsal

DUE = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
JOB = Job("nightly", (StepPlan("backup", {}),), schedule="0 3 * * *")
SLOT = Slot(DUE, "2026-03-02T03:00")
BLANK = Evidence(JOB, SLOT, DUE + timedelta(hours=1), here=True, environment_type="production")

TEXT = """\
[jobs.nightly]
schedule = "0 3 * * *"
{more}
[[jobs.nightly.steps]]
backup = {{ retries = 0 }}
"""


class Played:
    """A few nights of the job, its journal kept."""

    def __init__(self, directory: Path, faults: Sequence[str] = (), more: str = "") -> None:
        job_file = parse(TEXT.format(more=more))
        container = Container("runtime", project="abcdefgh1234z", environment="main", app="app")
        start = DUE - timedelta(hours=1)
        self.rehearsal = Rehearsal(job_file, job_file.job("nightly"), container, faults, start)
        self.site = self.rehearsal.tick_context(str(directory), io.StringIO(), None)
        self.directory = directory
        run_tick(self.site)

    def tick_at(self, moment: datetime) -> None:
        self.rehearsal.manual_clock.set(moment)
        run_tick(self.site)

    def explain(self, slot: Slot = SLOT) -> str:
        journal = SqliteJournal(str(self.directory), self.site.container.identity)
        try:
            run, events = _run_of(journal, self.rehearsal.job, slot)
        finally:
            journal.close()
        now = self.rehearsal.clock.now()
        known = replace(BLANK, job=self.rehearsal.job, slot=slot, now=now, run=run, events=tuple(events), last_tick=now)
        return explain(known)


def test_a_run_that_succeeded_says_when_and_with_which_backup(tmp_path: Path) -> None:
    night = Played(tmp_path)
    night.tick_at(DUE + timedelta(minutes=4))
    night.tick_at(DUE + timedelta(minutes=9))
    text = night.explain()
    assert "was opened at 03:04:00 UTC, 4 min late" in text
    assert "proved restorable" in text
    assert text.endswith("It succeeded at 03:09:00 UTC.")


def test_a_run_that_failed_says_why_and_what_helps(tmp_path: Path) -> None:
    night = Played(tmp_path, ["backup-fails"])
    night.tick_at(DUE)
    night.tick_at(DUE + timedelta(minutes=5))
    text = night.explain()
    assert "on time" in text
    assert "It failed at 03:05:00 UTC: step 1 of 1 (backup)" in text
    assert "Remedy: read its log" in text


def test_a_run_in_flight_says_what_it_waits_for(tmp_path: Path) -> None:
    night = Played(tmp_path)
    night.tick_at(DUE)
    assert "It is in flight at step 1 (backup): backup: activity" in night.explain()


def test_obstacles_on_the_way_are_told_once(tmp_path: Path) -> None:
    night = Played(tmp_path, ["POST */backup cut-before"])
    for minutes in range(0, 30, 5):
        night.tick_at(DUE + timedelta(minutes=minutes))
    text = night.explain()
    assert text.count("no usable answer") == 1
    assert "That request had no effect, so it was sent again." in text


def test_slots_that_passed_during_downtime_are_explained_one_by_one(tmp_path: Path) -> None:
    night = Played(tmp_path)
    night.tick_at(DUE + timedelta(days=3, hours=12))
    for days in range(4):
        slot = Slot(DUE + timedelta(days=days), f"2026-03-{2 + days:02d}T03:00")
        text = night.explain(slot)
        assert "was missed with 3 others: no tick ran within 6 h of it" in text, text
        assert "A tick recorded that at 2026-03-05 15:00 UTC." in text


def test_a_skipped_slot_says_what_was_in_the_way(tmp_path: Path) -> None:
    night = Played(tmp_path, more='timeout = "48h"')
    night.rehearsal.simulator.change(backup_seconds=90_000)
    night.tick_at(DUE)
    night.tick_at(DUE + timedelta(days=1))
    text = night.explain(Slot(DUE + timedelta(days=1), "2026-03-03T03:00"))
    assert "was skipped: the previous run of the job was still in flight" in text


@pytest.mark.parametrize(
    ("known", "words"),
    [
        (replace(BLANK, here=False, environment_type="staging"), "does not run here: the job only runs on production"),
        (replace(BLANK, now=DUE - timedelta(hours=1)), "is not due yet"),
        (BLANK, "no tick has ever run on this state"),
        (replace(BLANK, last_tick=DUE - timedelta(minutes=5)), "The next tick opens it"),
        (
            replace(BLANK, last_tick=DUE - timedelta(minutes=5), now=DUE + timedelta(hours=9)),
            "It will be recorded as missed",
        ),
        (replace(BLANK, last_tick=DUE + timedelta(minutes=5)), "no tick has handled slots of this job yet"),
        (
            replace(BLANK, last_tick=DUE + timedelta(minutes=5), cursor=DUE + timedelta(minutes=5)),
            "it was due before this journal, or this schedule of the job, existed",
        ),
        (
            replace(BLANK, job=replace(JOB, overlap="wait"), last_tick=DUE + timedelta(minutes=5), in_flight="run-1"),
            "waits until run-1 is over",
        ),
    ],
)
def test_a_slot_without_a_run_is_explained(known: Evidence, words: str) -> None:
    assert words in explain(known)


PARIS = replace(JOB, timezone="Europe/Paris")
NOON = datetime(2026, 3, 2, 11, 0, tzinfo=UTC)  # 12:00 in Paris


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        (None, NOON),
        ("11:30", datetime(2026, 3, 2, 10, 30, 59, tzinfo=UTC)),
        ("12:30", datetime(2026, 3, 1, 11, 30, 59, tzinfo=UTC)),
        ("2026-02-28", datetime(2026, 2, 28, 22, 59, 59, tzinfo=UTC)),
        ("2026-02-28T03:12", datetime(2026, 2, 28, 2, 12, 59, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_in_the_jobs_own_zone(text: str | None, moment: datetime) -> None:
    assert _moment(text, PARIS, NOON) == moment


@pytest.mark.parametrize("text", ["yesterday", "25:00", "2026-13-01", "0001-01-01T00:00", "99999-01-01"])
def test_a_time_that_is_none_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        _moment(text, PARIS, NOON)


def test_the_slot_meant_is_the_last_at_or_before_the_time() -> None:
    schedule = Schedule("0 3 * * 1", "Europe/Paris")
    assert _slot(schedule, NOON) == Slot(datetime(2026, 3, 2, 2, 0, tzinfo=UTC), "2026-03-02T03:00")
    assert _slot(schedule, NOON - timedelta(days=1)) == Slot(
        datetime(2026, 2, 23, 2, 0, tzinfo=UTC), "2026-02-23T03:00"
    )
    rare = Schedule("0 3 29 2 *", "UTC")
    assert _slot(rare, datetime(2026, 3, 1, tzinfo=UTC)) is None
