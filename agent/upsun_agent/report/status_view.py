"""How everything stands, as the document of ``status``; and the parts that other documents share with it."""

from __future__ import annotations

from datetime import datetime

from upsun_agent.engine.due import Slot
from upsun_agent.model.durations import seconds
from upsun_agent.report.document import Count, Moment, Seconds, SlotName, View
from upsun_agent.report.run_views import RowView, RunView, row_view, run_view
from upsun_agent.report.snapshot import Changed, JobStanding, Proof, Snapshot
from upsun_agent.runtime.suspension import state_word


class SlotView(View, frozen=True, kw_only=True):
    """A coming slot."""

    #: The slot by its local time, in the job's zone.
    slot: SlotName
    #: When it is due.
    due_at: Moment
    #: The time until then, in seconds.
    in_s: float


class ProofView(View, frozen=True, kw_only=True):
    """The last backup that a run proved restorable."""

    #: Its name.
    backup: str
    #: The environment that it is a backup of.
    environment: str
    #: The run that proved it.
    run: str
    #: When the backup was made.
    created_at: Moment
    #: When it was proved.
    proved_at: Moment
    #: The time since it was made, in seconds.
    age_s: Seconds


class ChangedView(View, frozen=True, kw_only=True):
    """What a commit changed in lock files."""

    #: The run that made the commit.
    run: str
    #: The commit.
    commit: str
    #: What it changed, in one sentence.
    summary: str
    #: When that was read.
    at: Moment


class JobView(View, frozen=True, kw_only=True):
    """A job of the job file."""

    #: Its name.
    job: str
    #: Why and since when a person paused it; null if nobody did.
    paused: str | None
    #: Why and since when failures suspended it; null if they did not.
    suspended: str | None
    #: Whether it runs on this type of environment.
    here: bool
    #: The cron expression; null if it only runs by hand.
    schedule: str | None
    #: The job's time zone.
    timezone: str
    #: Its next slot; null if there is none.
    next: SlotView | None
    #: The last backup that it proved; null if there is none.
    proved_backup: ProofView | None
    #: The newest runs, at most ten.
    runs: list[RowView]
    #: What its last commit changed in lock files; null if that is not known.
    changed: ChangedView | None


class StatusView(View, frozen=True, kw_only=True):
    """How everything stands."""

    #: The project's id; null if it is not known.
    project: str | None
    #: The environment's id; null if it is not known.
    environment: str | None
    #: The type of the environment; null if it is not known.
    environment_type: str | None
    #: Where the state is: a directory, or the name of a database.
    state: str
    #: The variable that holds the API token; null if none of those that the agent reads is set.
    token_variable: str | None
    #: Why nothing acts on the state, where it was moved; null if it is in use.
    unused: str | None
    #: When this was read.
    at: Moment
    #: When the last tick was; null if there was none.
    last_tick: Moment | None
    #: Since when no tick could ask whether a restore put the state back; null if the last one could.
    unsure_since: Moment | None
    #: What is later than now in the state, by a clock that was ahead.
    ahead: list[str]
    #: How many ticks there were on this state.
    ticks: Count
    #: The jobs, in the order of the job file.
    jobs: list[JobView]
    #: The open runs.
    in_flight: list[RunView]
    #: The last proved backup of each environment.
    proved_backups: list[ProofView]


def snapshot_view(seen: Snapshot, token_variable: str | None) -> StatusView:
    """Return the document of ``status``, with the variable that holds the API token."""
    container = seen.container
    return StatusView(
        project=container.project,
        environment=container.environment,
        environment_type=container.environment_type,
        state=seen.state,
        token_variable=token_variable,
        unused=seen.unused or None,
        at=seen.now,
        last_tick=seen.ticked,
        unsure_since=seen.unsure,
        ahead=list(seen.ahead),
        ticks=seen.ticks,
        jobs=[_job_view(standing, seen.now) for standing in seen.jobs],
        in_flight=[run_view(flight.run, flight.events) for flight in seen.flights],
        proved_backups=[_proof_view(proof, seen.now) for proof in seen.proofs.values()],
    )


def _job_view(standing: JobStanding, now: datetime) -> JobView:
    job, slot, proof = standing.job, standing.slot, standing.proof
    paused, suspended = paused_or_suspended(standing.suspension)
    return JobView(
        job=job.name,
        paused=paused,
        suspended=suspended,
        here=standing.here,
        schedule=job.schedule,
        timezone=job.timezone,
        next=slot_view(slot, now) if slot else None,
        proved_backup=_proof_view(proof, now) if proof else None,
        runs=[row_view(row, standing.slots.get(row.run, 1)) for row in standing.rows],
        changed=_changed_view(standing.changed),
    )


def _changed_view(changed: Changed | None) -> ChangedView | None:
    if changed is None:
        return None
    return ChangedView(run=changed.run, commit=changed.commit, summary=changed.text, at=changed.at)


def _proof_view(proof: Proof, now: datetime) -> ProofView:
    """Return a proved backup and its age."""
    return ProofView(
        backup=proof.backup,
        environment=proof.environment,
        run=proof.run,
        created_at=proof.created_at,
        proved_at=proof.proved_at,
        age_s=seconds(proof.age(now)),
    )


def paused_or_suspended(suspension: str | None) -> tuple[str | None, str | None]:
    """Return why a job is paused, and why it is suspended; at most one of them is not None."""
    if suspension is None:
        return None, None
    return (suspension, None) if state_word(suspension) == "paused" else (None, suspension)


def slot_view(slot: Slot, now: datetime) -> SlotView:
    """Return a slot, and the time until it is due."""
    return SlotView(slot=slot.name, due_at=slot.due_at, in_s=seconds(slot.due_at - now))
