"""A run as its events make it: ``fold`` is the only way from facts to state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, assert_never

from msgspec import Struct, field
from msgspec.structs import replace

from upsun_agent.engine.bounds import CLOCK_AHEAD
from upsun_agent.model import events as ev
from upsun_agent.model.job import Job, StepPlan


class Phase(StrEnum):
    """Where a step stands."""

    #: No request is under way.
    READY = "ready"
    #: A request may have been made; what became of it is not known.
    INTENDED = "intended"
    #: The platform refused the request for good.
    REFUSED = "refused"
    #: The activity is known.
    ACCEPTED = "accepted"
    #: It reached its end.
    DONE = "done"
    #: It failed.
    FAILED = "failed"


class InconsistentEvents(ValueError):
    """The events cannot have been written by the agent in this order."""


class Step(Struct, frozen=True):
    """Where one step of a run stands."""

    #: The index of the step in the run, from 0; rollback steps come after the job's steps.
    index: int
    #: The step as the job defines it.
    plan: StepPlan
    #: Where the step stands.
    phase: Phase = Phase.READY
    #: How many requests or commands were begun.
    attempts: int = 0
    #: How many requests are known to have had no effect.
    voids: int = 0
    #: How many retries were planned.
    retries: int = 0
    #: When the first attempt began; None before it.
    began_at: datetime | None = None
    #: The request whose effect is not known yet; None if there is none.
    intent: ev.IntentRecorded | None = None
    #: When the step may go on; None if it need not wait.
    again_at: datetime | None = None
    #: A stable word for what it waits for until ``again_at``; empty if it does not wait.
    again_on: str = ""
    #: The id of the step's activity; None if it has none.
    activity: str | None = None
    #: When the activity or the command ended (the agent's clock); None before that.
    ended_at: datetime | None = None
    #: The name of the backup that the step makes; None if it makes none.
    backup: str | None = None
    #: The head commit before the request; None if that is not known.
    head: str | None = None
    #: How the step ended; None if it has not ended or failed.
    outcome: ev.StepOutcome | None = None
    #: The kind of failure; None if it did not fail.
    failure: str | None = None
    #: What happened last, in words.
    message: str = ""
    #: What helps; empty if there is nothing to do.
    remedy: str = ""
    #: The evidence of a step that is done.
    detail: Mapping[str, Any] = field(default_factory=dict)
    #: How the command ended; None if none has ended.
    command: ev.CommandEnded | None = None
    #: What a person decided; None if nobody has.
    approval: ev.ApprovalGiven | None = None
    #: Whether an earlier attempt may have had an effect.
    asked_before: bool = False
    #: When the step was done or failed; None before that.
    over_at: datetime | None = None
    #: an answer about this step that is not believed yet; None where the last answer was followed
    recheck: ev.RecheckPlanned | None = None

    @property
    def is_touched(self) -> bool:
        """What it asks for was done, or may have been, with whatever result."""
        return self.asked_before or self.activity is not None or self.intent is not None

    @property
    def over(self) -> bool:
        """Nothing more happens to this step."""
        return self.phase in {Phase.DONE, Phase.FAILED}

    @property
    def is_uncertain(self) -> bool:
        """Return whether the step failed while nobody knows whether its request took effect, or how it ended."""
        asked = self.intent is not None or self.activity is not None
        unjudged = self.ended_at is None or self.failure in {"unknown", "timeout", "step-timeout"}
        return self.phase == Phase.FAILED and asked and unjudged

    @property
    def is_passed_over(self) -> bool:
        """It failed, and the job says that later steps run all the same."""
        return self.phase == Phase.FAILED and self.plan.settings.get("on-failure") == "continue"


class Run(Struct, frozen=True):
    """A job in a slot (or asked for by hand), as far as it has come."""

    #: The id of the run.
    id: str
    #: The id of the environment that the run is about.
    environment: str
    #: The job as it was when the run was opened.
    job: Job
    #: The local wall-clock name of the slot; None for a manual run.
    slot: str | None
    #: When the slot fell due; for a manual run, when it was asked for.
    due_at: datetime
    #: Whether a schedule or a person asked for it.
    trigger: ev.Trigger
    #: When the run was opened.
    opened_at: datetime
    #: The job's steps, followed by its rollback steps.
    steps: tuple[Step, ...]
    #: A stable word for what the run waits for; None if it does not wait.
    waits_on: str | None = None
    #: The same, in words.
    wait_message: str = ""
    #: What was recorded for people, in order.
    warnings: tuple[str, ...] = ()
    #: The event that began the rollback; None if there is none.
    rollback: ev.TakeBackBegun | None = None
    #: The event that ended the run; None while it is open.
    closed: ev.RunClosed | None = None

    @property
    def main_steps(self) -> tuple[Step, ...]:
        """The job's steps proper."""
        return self.steps[: len(self.job.steps)]

    @property
    def take_back_steps(self) -> tuple[Step, ...]:
        """The job's ``on-failure`` steps; they begin only after TakeBackBegun."""
        return self.steps[len(self.job.steps) :]

    @property
    def begun(self) -> bool:
        """The run has, or may have, touched the platform.

        It has not by a request that was refused for now, nor by one that is known to have had no effect.
        """
        return any(step.phase != Phase.READY or step.retries for step in self.steps)

    @property
    def current(self) -> Step | None:
        """The first step that is not over: of the job's steps, or of taking back once that has begun."""
        steps = self.main_steps if self.rollback is None else self.take_back_steps
        return next((step for step in steps if not step.over), None)

    @property
    def current_since(self) -> datetime:
        """Since when the current step is the current one."""
        begun = self.opened_at if self.rollback is None else self.rollback.at
        return max([begun, *(step.over_at for step in self.steps if step.over_at is not None)])

    @property
    def proved_backup(self) -> str | None:
        """The name of the backup of the run's own environment that was proved in this run, if any."""
        return self.backup_of(self.environment)

    def backup_of(self, environment: str) -> str | None:
        """The name of the latest backup of an environment that a backup step of this run proved, if any."""
        step = self.proof_of(environment)
        return str(step.detail["backup"]) if step is not None else None

    def proof_of(self, environment: str) -> Step | None:
        """The latest step of this run that proved a backup of the environment, if any."""
        proofs = [
            step
            for step in self.steps
            if step.plan.kind == "backup"
            and step.phase == Phase.DONE
            and step.detail.get("backup")
            and step.plan.environment(self.environment) == environment
        ]
        return proofs[-1] if proofs else None


def fold(events: Iterable[ev.Event]) -> Run:
    """The run that these events, oldest first, add up to.

    Raises:
        InconsistentEvents: the first event opens no run, or a later one does not fit what came before.
    """
    run: Run | None = None
    for event in events:
        if run is None:
            if not isinstance(event, ev.RunOpened):
                raise InconsistentEvents(f"a run begins with {event.kind}, not with run-opened")
            run = _opened(event)
        else:
            run = apply(run, event)
    if run is None:
        raise InconsistentEvents("a run without events")
    return run


def _opened(event: ev.RunOpened) -> Run:
    try:
        job = Job.from_json(event.job)
    except (KeyError, TypeError, ValueError) as error:
        raise InconsistentEvents(f"the snapshot of the job does not read: {error!r}") from error
    return Run(
        id=event.run,
        environment=event.environment,
        job=job,
        slot=event.slot,
        due_at=event.due_at,
        trigger=event.trigger,
        opened_at=event.at,
        steps=tuple(Step(index, plan) for index, plan in enumerate((*job.steps, *job.on_failure))),
    )


def apply(run: Run, event: ev.Event) -> Run:
    """The run after one more event; raises InconsistentEvents where the event does not fit."""
    if run.closed is not None:
        raise InconsistentEvents(f"{event.kind} after run-closed")
    run = not_after(run, event.at)
    match event:
        case ev.WaitBegun():
            steps = _steps_after_wait(run, event)
            return replace(run, steps=steps, waits_on=event.on, wait_message=event.message)
        case ev.Warned():
            return replace(run, warnings=(*run.warnings, event.message))
        case ev.TakeBackBegun():
            if run.rollback is not None or not run.take_back_steps:
                raise InconsistentEvents("take-back-begun twice, or in a job without on-failure steps")
            return replace(run, rollback=event, waits_on=None, wait_message="")
        case ev.RunClosed():
            return replace(run, closed=event, waits_on=None)
        case ev.RunOpened():
            raise InconsistentEvents("run-opened twice")
        case (
            ev.IntentRecorded()
            | ev.RequestAccepted()
            | ev.RequestRefused()
            | ev.RequestUnanswered()
            | ev.ActivityAdopted()
            | ev.IntentVoid()
            | ev.ActivityEnded()
            | ev.CommandEnded()
            | ev.ApprovalGiven()
            | ev.StepDone()
            | ev.RetryPlanned()
            | ev.RecheckPlanned()
            | ev.StepFailed()
        ):
            return _apply_to_step(run, event)
        case _:
            raise InconsistentEvents(f"{event.kind} is no event of a run")


def newest_moment(run: Run) -> datetime:
    """The latest moment by which the run's time limits and waits are measured."""
    moments = [moment for step in run.steps for moment in (step.began_at, step.ended_at, step.over_at)]
    begun = [run.opened_at, run.rollback.at if run.rollback is not None else None]
    return max(moment for moment in (*begun, *moments) if moment is not None)


def not_after(run: Run, at: datetime) -> Run:
    """The run by the clock of an event that follows at ``at``: what it shows as later than that was dated wrongly.

    Clocks that differ by little are left alone: their order tells nothing.
    """
    if newest_moment(run) - at <= CLOCK_AHEAD:
        return run

    def sound(moment: datetime | None) -> datetime | None:
        return at if moment is not None and moment - at > CLOCK_AHEAD else moment

    steps = tuple(
        replace(step, began_at=sound(step.began_at), ended_at=sound(step.ended_at), over_at=sound(step.over_at))
        for step in run.steps
    )
    back = run.rollback
    return replace(
        run,
        opened_at=sound(run.opened_at) or at,
        rollback=back and replace(back, at=sound(back.at) or at),
        steps=steps,
    )


StepEvent = (
    ev.IntentRecorded
    | ev.RequestAccepted
    | ev.RequestRefused
    | ev.RequestUnanswered
    | ev.ActivityAdopted
    | ev.IntentVoid
    | ev.ActivityEnded
    | ev.CommandEnded
    | ev.ApprovalGiven
    | ev.StepDone
    | ev.RetryPlanned
    | ev.RecheckPlanned
    | ev.StepFailed
)

#: The phases in which each event of a step may arrive.
ALLOWED: dict[type[ev.Event], frozenset[Phase]] = {
    ev.IntentRecorded: frozenset({Phase.READY}),
    ev.RequestAccepted: frozenset({Phase.INTENDED}),
    ev.RequestRefused: frozenset({Phase.INTENDED}),
    ev.RequestUnanswered: frozenset({Phase.INTENDED}),
    ev.ActivityAdopted: frozenset({Phase.READY, Phase.INTENDED}),
    ev.IntentVoid: frozenset({Phase.INTENDED}),
    ev.ActivityEnded: frozenset({Phase.ACCEPTED}),
    ev.CommandEnded: frozenset({Phase.INTENDED}),
    ev.ApprovalGiven: frozenset({Phase.READY}),
    ev.StepDone: frozenset({Phase.READY, Phase.ACCEPTED}),
    ev.RetryPlanned: frozenset({Phase.READY, Phase.ACCEPTED}),
    ev.RecheckPlanned: frozenset({Phase.READY, Phase.INTENDED, Phase.ACCEPTED}),
    ev.StepFailed: frozenset({Phase.READY, Phase.INTENDED, Phase.REFUSED, Phase.ACCEPTED}),
}


def _apply_to_step(run: Run, event: StepEvent) -> Run:
    if not 0 <= event.step < len(run.steps):
        raise InconsistentEvents(f"{event.kind} names step {event.step} of {len(run.steps)}")
    step = run.steps[event.step]
    first = len(run.job.steps) if run.rollback is not None else 0
    if (event.step >= len(run.job.steps)) != (run.rollback is not None):
        raise InconsistentEvents(f"{event.kind} names step {event.step}, which is not under way")
    if not all(earlier.phase == Phase.DONE or earlier.is_passed_over for earlier in run.steps[first : event.step]):
        raise InconsistentEvents(f"{event.kind} names step {event.step} before the steps ahead of it are done")
    if step.phase not in ALLOWED[type(event)]:
        raise InconsistentEvents(f"{event.kind} while step {event.step} is {step.phase}")
    steps = list(run.steps)
    steps[event.step] = _step_after(replace(step, recheck=None), event)
    return replace(run, steps=tuple(steps), waits_on=None, wait_message="")


#: What a run waits on while an answer is being checked again, or while the platform cannot be asked at all.
KEEPS_RECHECK = frozenset(
    {"recheck", "unreachable", "bad-reply", "token", "second-factor", "permission", "not-found", "budget"}
)


def _steps_after_wait(run: Run, event: ev.WaitBegun) -> tuple[Step, ...]:
    """Return the run's steps; a wait for anything else than the second look says that the odd answer has passed."""
    if event.on in KEEPS_RECHECK:
        return run.steps
    return tuple(replace(step, recheck=None) if step.recheck is not None else step for step in run.steps)


def _step_after(step: Step, event: StepEvent) -> Step:  # noqa: C901, PLR0912  one case for each event, nothing else
    match event:
        case ev.IntentRecorded():
            return replace(
                step,
                phase=Phase.INTENDED,
                attempts=event.attempt,
                began_at=step.began_at or event.at,
                intent=event,
                head=event.head,
                again_at=None,
            )
        case ev.RequestAccepted():
            return replace(step, phase=Phase.ACCEPTED, activity=event.activity, backup=event.backup)
        case ev.RequestRefused():
            phase = Phase.REFUSED if event.again_at is None else Phase.READY
            return replace(
                step,
                phase=phase,
                intent=None,
                failure=event.failure,
                message=event.message,
                again_at=event.again_at,
                again_on="platform-busy",
            )
        case ev.RequestUnanswered():
            return replace(step, message=event.message)
        case ev.ActivityAdopted():
            head = event.head if event.head is not None else step.head
            return replace(
                step,
                phase=Phase.ACCEPTED,
                activity=event.activity,
                backup=event.backup,
                head=head,
                began_at=step.began_at or event.at,
            )
        case ev.IntentVoid():
            return replace(step, phase=Phase.READY, intent=None, voids=step.voids + 1, message=event.message)
        case ev.ActivityEnded():
            return replace(step, ended_at=event.at)
        case ev.CommandEnded():
            return replace(step, phase=Phase.ACCEPTED, ended_at=event.at, command=event)
        case ev.ApprovalGiven():
            return replace(step, approval=event)
        case ev.StepDone():
            return replace(
                step,
                phase=Phase.DONE,
                outcome=event.outcome,
                message=event.message,
                detail=event.detail,
                failure=None,
                over_at=event.at,
            )
        case ev.RetryPlanned():
            return Step(
                step.index,
                step.plan,
                attempts=step.attempts,
                retries=step.retries + 1,
                again_at=event.again_at,
                again_on="retry",
                failure=event.failure,
                message=event.message,
                asked_before=step.is_touched,
            )
        case ev.RecheckPlanned():
            return replace(step, recheck=event)
        case ev.StepFailed():
            return replace(
                step,
                phase=Phase.FAILED,
                failure=event.failure,
                message=event.message,
                remedy=event.remedy,
                over_at=event.at,
            )
        case _:
            assert_never(event)
