"""How everything stands at one moment: jobs, runs in flight, proved backups, ticks. Read once, shown in many ways."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Protocol

from upsun_agent.clock import Clock
from upsun_agent.config import JobFile
from upsun_agent.engine.due import Slot
from upsun_agent.engine.fold import InconsistentEvents, Run, fold
from upsun_agent.journal import Journal, RunRow
from upsun_agent.journal.codec import EventUnreadable
from upsun_agent.journal.move_marks import marked
from upsun_agent.limits import HISTORY_RUNS
from upsun_agent.model import events as ev
from upsun_agent.model.job import Job
from upsun_agent.platform.container import Container
from upsun_agent.records import dataclass, field
from upsun_agent.report.batches import slots_of
from upsun_agent.report.reading import run_of
from upsun_agent.runtime.clock_repair import UNSURE, ahead, last_tick
from upsun_agent.runtime.slots import Judge
from upsun_agent.runtime.suspension import suspension
from upsun_agent.schedule import Schedule

FLYING_MOST = 100  # runs in flight that are looked at: a job has one at a time
RUNS_OF_JOB = 10  # of each job that are looked at
FEW_STEPS = 20  # finished steps in which the last proved backup nearly always is


class Place(Protocol):
    """Where and when: what a command's context and a tick's site have in common."""

    @property
    def container(self) -> Container:
        """Where we run."""

    @property
    def job_file(self) -> JobFile:
        """The jobs."""

    @property
    def directory(self) -> str:
        """Where the state is: a directory, or the name of a database."""

    @property
    def clock(self) -> Clock:
        """The time."""

    def schedule(self, job: Job) -> Schedule | None:
        """The job's schedule; None for one that runs by hand only."""


@dataclass(frozen=True, slots=True)
class Proof:
    """A backup that a run proved restorable, and of which environment it is."""

    backup: str
    environment: str
    run: str
    proved_at: datetime
    created_at: datetime

    def age(self, now: datetime) -> timedelta:
        """How old the backup is, by the platform's word on when it was made."""
        return max(now - self.created_at, timedelta())


@dataclass(frozen=True, slots=True)
class Flight:
    """A run that is not over, with its events."""

    run: Run
    events: tuple[ev.Event, ...]


@dataclass(frozen=True, slots=True)
class JobStanding:
    """How one job stands: whether it runs here, why it is held back, its coming slot, its last runs and backup.

    ``slots`` says of runs that stand for several slots for how many.
    """

    job: Job
    here: bool
    held: str | None
    slot: Slot | None
    rows: tuple[RunRow, ...]
    proof: Proof | None
    slots: Mapping[str, int] = field(default_factory=dict)

    @property
    def last(self) -> RunRow | None:
        """Its last run."""
        return next(iter(self.rows), None)

    @property
    def coming(self) -> Slot | None:
        """The slot that will be run here, if nothing changes."""
        return self.slot if self.here and self.held is None else None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How everything stands at ``now``. ``proofs`` are the last proved backups by environment.

    ``unused`` says why nothing acts on this state, where it was moved; ``ahead`` what a clock that was ahead left
    in it; ``unsure`` since when no tick could make sure that it is of the present.
    """

    now: datetime
    container: Container
    directory: str
    ticked: datetime | None
    ticks: int
    jobs: tuple[JobStanding, ...]
    flights: tuple[Flight, ...]
    proofs: Mapping[str, Proof]
    unused: str = ""
    ahead: tuple[str, ...] = ()
    unsure: datetime | None = None

    @property
    def environment(self) -> str:
        """The environment's id, or that none is known."""
        return self.container.environment or "no environment"


def snapshot(place: Place, journal: Journal) -> Snapshot:
    """Look at everything once."""
    now = place.clock.now()
    environment = place.container.environment or ""
    jobs = tuple(_standing(place, journal, job, now) for job in place.job_file.jobs.values())
    found = [job.proof for job in jobs] + [last_proof(journal, environment)]
    proofs: dict[str, Proof] = {}
    for proof in sorted((each for each in found if each is not None), key=lambda each: each.created_at):
        proofs[proof.environment] = proof
    flights = []
    for row in journal.rows(open_only=True, most=FLYING_MOST):
        events = tuple(journal.events(row.run))
        flights.append(Flight(fold(events), events))
    return Snapshot(
        now=now,
        container=place.container,
        directory=place.directory,
        ticked=last_tick(journal),
        ticks=journal.ticks(),
        jobs=jobs,
        flights=tuple(flights),
        proofs=proofs,
        unused=str(marked(journal, place.directory) or ""),
        ahead=tuple(ahead(journal, now)),
        unsure=_moment(journal.noted(UNSURE)),
    )


def _standing(place: Place, journal: Journal, job: Job, now: datetime) -> JobStanding:
    schedule, kind = place.schedule(job), place.container.environment_type
    judge = Judge(job, schedule, journal, place.container.environment or "") if schedule else None
    rows = tuple(journal.rows(job=job.name, most=RUNS_OF_JOB))
    return JobStanding(
        job=job,
        here=kind is None or kind in job.environment_types,
        held=suspension(journal, job.name),
        slot=next(judge.coming(now), None) if judge else None,
        rows=rows,
        proof=last_proof(journal, place.container.environment or "", job.name),
        slots=slots_of(journal, rows),
    )


def last_proof(journal: Journal, environment: str, job: str | None = None) -> Proof | None:
    """The last backup that a run of the job (of any job) proved; None where there is none in the journal.

    A step that proved a backup of another environment than ``environment`` says so in its evidence.
    """
    for most in (FEW_STEPS, HISTORY_RUNS):
        done = journal.latest("step-done", job=job, most=most)
        for run, event in done:
            if isinstance(event, ev.StepDone) and event.detail.get("backup"):
                where = str(event.detail.get("environment") or environment)
                made = _moment(event.detail.get("created_at")) or event.at
                return Proof(str(event.detail["backup"]), where, run, event.at, made)
        if len(done) < most:
            break
    return None


def _moment(value: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def story_of(journal: Journal, run: str) -> tuple[Run | None, tuple[ev.Event, ...], str]:
    """A run with its events; where they make no sense, no run but what is wrong with it."""
    try:
        found, events = run_of(journal, run)
        return found, tuple(events), ""
    except (InconsistentEvents, EventUnreadable) as error:
        return None, (), f"the journal of this run makes no sense: {error}"
