"""The snapshot: jobs, runs in flight, proved backups and ticks at one time, read once for all reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice

from msgspec import Struct, field

from upsun_agent.engine.due import Slot
from upsun_agent.engine.fold import fold
from upsun_agent.engine.run import Run
from upsun_agent.journal import JournalReader, RunRow
from upsun_agent.journal.codec import decode
from upsun_agent.journal.move_marks import marked
from upsun_agent.journal.notes import UNSURE_SINCE, moment_of
from upsun_agent.model import events as ev
from upsun_agent.model.job import Job
from upsun_agent.platform.container import Container
from upsun_agent.report.batches import slots_of
from upsun_agent.report.bulk import BulkReader
from upsun_agent.report.reading import written_of
from upsun_agent.runtime.clock_repair import ahead, last_tick
from upsun_agent.runtime.context import ReadContext
from upsun_agent.runtime.slots import Judge
from upsun_agent.runtime.suspension import suspensions
from upsun_agent.schedule import schedule_of

OPEN_MOST = 100  # runs in flight that are read: a job has one at a time
CHANGES_LOOKED_AT = 20  # events that tell what a commit changed: more commits are old news
RUNS_OF_JOB = 10  # runs of each job that are read


class Proof(Struct, frozen=True):
    """A backup that a run proved."""

    #: The name of the backup.
    backup: str
    #: The id of the environment that it is a backup of.
    environment: str
    #: The run that verified it.
    run: str
    #: When it was verified.
    proved_at: datetime
    #: When the backup was made; None if the platform did not say.
    created_at: datetime

    def age(self, now: datetime) -> timedelta:
        """Return the age of the backup, from the platform's time of its creation."""
        return max(now - self.created_at, timedelta())


class Flight(Struct, frozen=True):
    """A run in flight."""

    #: The run.
    run: Run
    #: Its events.
    events: tuple[ev.Event, ...]


class Changed(Struct, frozen=True):
    """What a commit changed in lock files, in a sentence."""

    #: The id of the run that made the commit.
    run: str
    #: The commit.
    commit: str
    #: What it changed.
    text: str
    #: When that was read.
    at: datetime


class JobStanding(Struct, frozen=True):
    """How one job stands at the moment of the snapshot."""

    #: The job.
    job: Job
    #: Whether it runs on this type of environment.
    here: bool
    #: Why it is suspended or paused; None if it is not.
    suspension: str | None
    #: The next slot; None if there is none.
    slot: Slot | None
    #: The last runs, newest first.
    rows: tuple[RunRow, ...]
    #: The last verified backup; None if there is none.
    proof: Proof | None
    #: How many slots a run stands for, for runs that stand for several.
    slots: Mapping[str, int] = field(default_factory=dict)
    #: What the job's last commit changed in lock files; None if that is not known.
    changed: Changed | None = None

    @property
    def last(self) -> RunRow | None:
        """The job's last run; None if it has not run."""
        return next(iter(self.rows), None)

    @property
    def coming(self) -> Slot | None:
        """The next slot that will run here, if nothing changes; None without one."""
        return self.slot if self.here and self.suspension is None else None


class Snapshot(Struct, frozen=True):
    """How all jobs and runs stand at one moment."""

    #: When this was read.
    now: datetime
    #: Where the agent runs.
    container: Container
    #: Where the state is kept, as the job file calls it.
    state: str
    #: When the last tick was; None if there was none.
    ticked: datetime | None
    #: How many ticks there were.
    ticks: int
    #: The jobs, in the order of the job file.
    jobs: tuple[JobStanding, ...]
    #: The open runs.
    flights: tuple[Flight, ...]
    #: The last verified backup of each environment, by its id.
    proofs: Mapping[str, Proof]
    #: Why nothing acts on this state; empty if it is in use.
    unused: str = ""
    #: What a clock that was ahead left in the state.
    ahead: tuple[str, ...] = ()
    #: Since when no tick could verify that the state is current; None if the last one could.
    unsure: datetime | None = None

    @property
    def environment(self) -> str:
        """The environment's id, or that none is known."""
        return self.container.environment or "no environment"


def snapshot(context: ReadContext, journal: JournalReader, reader: BulkReader | None = None) -> Snapshot:
    """Return how everything stands.

    Args:
        context: where and when.
        journal: what is looked at.
        reader: what reads it in bulk, for callers that go on reading with it.
    """
    now, reader = context.clock.now(), reader or BulkReader(journal)
    environment = context.container.environment or ""
    proved = last_proofs(journal, environment)
    jobs = _standings(context, reader, proved, now)
    found = [*(job.proof for job in jobs), *islice(proved.values(), 1)]
    proofs: dict[str, Proof] = {}
    for proof in sorted((each for each in found if each is not None), key=lambda each: each.created_at):
        proofs[proof.environment] = proof
    flights = []
    for _, written in written_of(journal, reader.rows(open_only=True, most=OPEN_MOST)):
        events = tuple(decode(*each) for each in written)
        flights.append(Flight(fold(events), events))
    return Snapshot(
        now=now,
        container=context.container,
        state=str(context.state),
        ticked=last_tick(journal),
        ticks=journal.ticks(),
        jobs=jobs,
        flights=tuple(flights),
        proofs=proofs,
        unused=str(marked(journal, str(context.state)) or ""),
        ahead=tuple(ahead(journal, now)),
        unsure=moment_of(journal.noted(UNSURE_SINCE)),
    )


def _standings(
    context: ReadContext, reader: BulkReader, proofs: Mapping[str, Proof], now: datetime
) -> tuple[JobStanding, ...]:
    kind, jobs, journal = context.container.environment_type, context.job_file.jobs, reader.journal
    suspended = suspensions(journal)
    rows = {name: tuple(reader.rows(job=name, most=RUNS_OF_JOB)) for name in jobs}
    slots = slots_of(journal, [row for each in rows.values() for row in each])
    changed = _changed(journal)
    return tuple(
        JobStanding(
            job=job,
            here=job.runs_on(kind),
            suspension=suspended.get(name),
            slot=next(iter(coming_slots(context, reader, job, now)), None),
            rows=rows[name],
            proof=proofs.get(name),
            slots={row.run: slots[row.run] for row in rows[name] if row.run in slots},
            changed=changed.get(name),
        )
        for name, job in jobs.items()
    )


def _changed(journal: JournalReader) -> dict[str, Changed]:
    """Return what the last commit of each job changed, by job, as far as the newest events tell."""
    found: dict[str, Changed] = {}
    for run, event in journal.latest(ev.ChangesRead.kind, most=CHANGES_LOOKED_AT):
        if isinstance(event, ev.ChangesRead):
            found.setdefault(run.partition("@")[0], Changed(run, event.head, event.message, event.at))
    return found


def coming_slots(context: ReadContext, reader: BulkReader, job: Job, now: datetime) -> Iterator[Slot]:
    """Yield the slots of the job that ticks will run, as far as is known; none for a job that runs by hand only.

    Args:
        context: what the report works with.
        reader: reads the journal.
        job: the job.
        now: the present, in UTC.
    """
    schedule = schedule_of(context.container, job)
    if schedule is not None:
        yield from Judge(job, schedule, reader, context.container.environment or "").coming(now)


def last_proofs(journal: JournalReader, environment: str) -> dict[str, Proof]:
    """Return the last backup that each job proved, by job, the one proved last first.

    Args:
        journal: what is looked at.
        environment: the id of this environment. A step that proved a backup of another one says so in its evidence.
    """
    found = {}
    for job, run, event in journal.last_proofs():
        proof = _proof(run, event, environment)
        if proof is not None:
            found[job] = proof
    return found


def _proof(run: str, event: ev.Event, environment: str) -> Proof | None:
    if not isinstance(event, ev.StepDone) or not event.detail.get("backup"):
        return None
    where = str(event.detail.get("environment") or environment)
    made = moment_of(str(event.detail.get("created_at"))) or event.at
    return Proof(str(event.detail["backup"]), where, run, event.at, made)
