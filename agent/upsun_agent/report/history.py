"""The runs of the last days for the HTML page, by job; the newest with their events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

from msgspec import Struct
from msgspec.structs import replace

from upsun_agent.engine.due import Slot
from upsun_agent.engine.run import Run
from upsun_agent.errors import NotFound
from upsun_agent.journal import JournalReader, RunRow
from upsun_agent.limits import HISTORY_RUNS, REPORT_COMING, REPORT_MISSED, REPORT_RUNS
from upsun_agent.model import events as ev
from upsun_agent.model.events import NEVER_RAN
from upsun_agent.model.job import Job
from upsun_agent.report.bulk import BulkReader
from upsun_agent.report.reading import runs_of
from upsun_agent.report.snapshot import Snapshot, coming_slots, snapshot
from upsun_agent.runtime.context import ReadContext
from upsun_agent.schedule import schedule_of

COMING_OF_JOB = 4  # next slots of one job: an hourly job must not hide a nightly one


class Story(Struct, frozen=True):
    """A run with its events."""

    #: The row of the run.
    row: RunRow
    #: The run; None if its events do not add up.
    run: Run | None
    #: The events of the run.
    events: tuple[ev.Event, ...]
    #: What is wrong with the events; empty if nothing.
    wrong: str


class Past(Struct, frozen=True):
    """What a page is made from.

    ``rows`` are the runs opened in the last ``days``, newest first; ``older`` is how many more there are. ``missed``
    names every slot of the batches of slots that were missed or left out, by run. ``zones`` are the time zones of jobs.
    """

    #: How everything stands.
    seen: Snapshot
    #: How many days back it goes.
    days: int
    #: The runs that were opened in these days, newest first.
    rows: tuple[RunRow, ...]
    #: How many older runs there are.
    older: int
    #: The runs that are told in full, newest first.
    stories: tuple[Story, ...]
    #: The names of the slots that a run stands for, by run.
    missed: Mapping[str, tuple[str, ...]]
    #: The next slots, with their jobs.
    coming: tuple[tuple[Job, Slot], ...]
    #: The time zone of each job, by name.
    zones: Mapping[str, str]

    @property
    def since(self) -> datetime:
        """The start of the period."""
        return self.seen.now - timedelta(days=self.days)

    def of(self, job: str) -> list[RunRow]:
        """Return the job's runs, newest first."""
        return [row for row in self.rows if row.job == job]

    def counts(self, rows: Iterable[RunRow]) -> Counter[str]:
        """Return the number of slots and manual runs by outcome, ``in flight`` without one."""
        counts: Counter[str] = Counter()
        for row in rows:
            counts[row.outcome or "in flight"] += len(self.missed.get(row.run, ())) or 1
        return counts

    @property
    def jobs(self) -> list[str]:
        """The jobs in the job file, then those that are only in the journal."""
        named = [standing.job.name for standing in self.seen.jobs]
        return [*named, *sorted({row.job for row in self.rows} - set(named))]


def look_back(context: ReadContext, journal: JournalReader, days: int, job: str | None = None) -> Past:
    """Read what the page shows.

    Args:
        context: the container, job file and clock.
        journal: the journal to read.
        days: the length of the period.
        job: only this job; None for all.

    Raises:
        NotFound: neither the job file nor the journal has the job.
    """
    reader = BulkReader(journal)
    seen = snapshot(context, journal, reader)
    every = reader.rows(job=job, most=HISTORY_RUNS * 2)
    if job is not None:
        seen = replace(
            seen,
            jobs=tuple(each for each in seen.jobs if each.job.name == job),
            flights=tuple(each for each in seen.flights if each.run.job.name == job),
        )
        if not every and not seen.jobs:
            raise NotFound(f"there is no job '{job}'", remedy=f"the jobs are: {', '.join(context.job_file.jobs)}")
    since = seen.now - timedelta(days=days)
    rows = tuple(row for row in every if row.opened_at >= since)
    zones = {standing.job.name: standing.job.timezone for standing in seen.jobs}
    return Past(
        seen=seen,
        days=days,
        rows=rows,
        older=len(every) - len(rows),
        stories=tuple(Story(row, *told) for row, told in runs_of(journal, rows[:REPORT_RUNS])),
        missed=dict(_missed(context, journal, rows)),
        coming=_coming(context, reader, seen),
        zones=zones,
    )


def _missed(context: ReadContext, journal: JournalReader, rows: Sequence[RunRow]) -> list[tuple[str, tuple[str, ...]]]:
    found = []
    batches = [
        row for word in sorted(NEVER_RAN) for row in islice((row for row in rows if row.outcome == word), REPORT_MISSED)
    ]
    for row, (run, _, _) in runs_of(journal, batches):
        schedule = schedule_of(context.container, run.job) if run is not None else None
        if run is None or run.closed is None or schedule is None:
            continue
        count = run.closed.detail.get("count", 1)
        first = run.closed.detail.get("first")
        if not isinstance(count, int) or count <= 1 or not isinstance(first, str):
            continue
        earliest = max(row.due_at - timedelta(days=400), datetime(1970, 1, 2, tzinfo=UTC))
        slots = schedule.between(max(earliest, _day_before(first, earliest)), row.due_at)
        found.append((row.run, tuple(slot.name for slot in slots[-count:])))
    return found


def _day_before(name: str, otherwise: datetime) -> datetime:
    """Return a time before the slot with this name in every zone; ``otherwise`` if the name is not valid."""
    try:
        return datetime.fromisoformat(name).replace(tzinfo=UTC) - timedelta(days=2)
    except (ValueError, OverflowError):
        return otherwise


def _coming(context: ReadContext, reader: BulkReader, seen: Snapshot) -> tuple[tuple[Job, Slot], ...]:
    """Return the next slots of all jobs: only jobs whose own next slot is among the first can have any."""
    known = [(each.job, each.coming.due_at) for each in seen.jobs if each.coming is not None]
    first = {job.name for job, _ in sorted(known, key=lambda each: each[1])[:REPORT_COMING]}
    found = [
        (job, slot)
        for job, _ in known
        if job.name in first
        for slot in islice(coming_slots(context, reader, job, seen.now), COMING_OF_JOB)
    ]
    return tuple(sorted(found, key=lambda each: each[1].due_at)[:REPORT_COMING])
