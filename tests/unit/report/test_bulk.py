"""What reading costs: as many questions to the journal for forty jobs as for two, and what they answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from upsun_agent.journal.sqlite import SqliteJournal
from upsun_agent.report.bulk import BulkReader
from upsun_agent.report.history import look_back
from upsun_agent.report.html_page import page
from upsun_agent.report.metrics import measure
from upsun_agent.report.snapshot import snapshot
from upsun_agent.runtime.context import ReadContext
from upsun_agent.runtime.suspension import pause_job

from tests.harness.past_runs import NOW, Ledger

OUTCOMES = ("succeeded", "failed", "missed", "skipped", "cancelled", None)


def ledger_of(directory: Path, jobs: int) -> Ledger:
    """Jobs with schedules of their own, each with six runs that ended in every way."""
    text = "".join(
        f'[jobs.job-{n}]\nschedule = "{n} 3 * * *"\n[[jobs.job-{n}.steps]]\nbackup = {{}}\n' for n in range(jobs)
    )
    ledger = Ledger(str(directory), text=text)
    for number, name in enumerate(ledger.job_file.jobs):
        for age, outcome in enumerate(OUTCOMES):
            ledger.run(name, NOW - timedelta(days=6 - age, minutes=number), outcome)
        if number % 2:
            pause_job(ledger.journal, name, "paused", NOW)
    return ledger


class Counting:
    """A journal that counts what it is asked."""

    def __init__(self, journal: SqliteJournal) -> None:
        self._journal = journal
        self.asked: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        self.asked[name] += 1
        return getattr(self._journal, name)


READERS: dict[str, Callable[[ReadContext, Any], object]] = {
    "status": snapshot,
    "page": lambda context, journal: page(look_back(context, journal, 30)),
    "metrics": measure,
}


@pytest.mark.parametrize("name", READERS)
def test_the_journal_is_asked_as_often_for_forty_jobs_as_for_two(tmp_path: Path, name: str) -> None:
    asked = []
    for jobs in (2, 40):
        ledger = ledger_of(tmp_path / str(jobs), jobs)
        journal = Counting(ledger.journal)
        READERS[name](ledger.context, journal)
        asked.append(journal.asked)
    assert asked[0] == asked[1]
    assert asked[0].total() < 20


def test_the_reader_answers_as_the_journal_does(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path, 7)
    journal, reader = ledger.journal, BulkReader(ledger.journal)
    for job in (*ledger.job_file.jobs, "unknown"):
        assert list(reader.rows(job=job, most=4)) == list(journal.rows(job=job, most=4))
        assert reader.cursor(job) == journal.cursor(job)
    assert list(reader.rows(open_only=True, most=3)) == list(journal.rows(open_only=True, most=3))
    assert list(reader.rows(most=9)) == list(journal.rows(most=9))
