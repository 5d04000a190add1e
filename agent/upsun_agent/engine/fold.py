"""Compute a run from its events: ``fold`` is the only way from events to state."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import assert_never

from msgspec.structs import replace

from upsun_agent.engine.bounds import CLOCK_AHEAD
from upsun_agent.engine.run import Phase, Run, Step
from upsun_agent.model import events as ev
from upsun_agent.model.failures import FailureKind
from upsun_agent.model.job import Job


class InconsistentEvents(ValueError):
    """The events cannot have been written by the agent in this order."""


def fold(events: Iterable[ev.Event]) -> Run:
    """Return the run after these events, oldest first.

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
        raise InconsistentEvents(f"the snapshot of the job cannot be read: {error!r}") from error
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
    """Return the run after one more event; raise InconsistentEvents if the event does not fit."""
    if run.closed is not None:
        raise InconsistentEvents(f"{event.kind} after run-closed")
    run = not_after(run, event.at)
    match event:
        case ev.WaitBegun():
            steps = _steps_after_wait(run, event)
            return replace(run, steps=steps, waits_on=event.on, wait_message=event.message)
        case ev.Warned():
            return replace(run, warnings=(*run.warnings, event.message))
        case ev.ChangesRead():
            return replace(run, changes=_changes_after(run, event))
        case ev.RollbackBegun():
            if run.rollback is not None or not run.rollback_steps:
                raise InconsistentEvents("rollback-begun twice, or in a job without on-failure steps")
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
            raise InconsistentEvents(f"{event.kind} is not an event of a run")


def _changes_after(run: Run, event: ev.ChangesRead) -> tuple[ev.ChangesRead, ...]:
    if not 0 <= event.step < len(run.steps) or run.steps[event.step].phase != Phase.DONE:
        raise InconsistentEvents(f"{event.kind} names step {event.step}, which is not done")
    if any(each.step == event.step and each.whole for each in run.changes):
        raise InconsistentEvents(f"{event.kind} after all changes of step {event.step} were read")
    return (*run.changes, event)


def newest_moment(run: Run) -> datetime:
    """Return the latest of the times from which the run's time limits and waits are measured."""
    moments = [moment for step in run.steps for moment in (step.began_at, step.ended_at, step.over_at)]
    begun = [run.opened_at, run.rollback.at if run.rollback is not None else None]
    return max(moment for moment in (*begun, *moments) if moment is not None)


def not_after(run: Run, at: datetime) -> Run:
    """Return the run with no time later than ``at``, the time of the next event: later times are wrong.

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
        raise InconsistentEvents(f"{event.kind} names step {event.step}, which is not in progress")
    if not all(earlier.phase == Phase.DONE or earlier.is_passed_over for earlier in run.steps[first : event.step]):
        raise InconsistentEvents(f"{event.kind} names step {event.step} before the steps ahead of it are done")
    if step.phase not in ALLOWED[type(event)]:
        raise InconsistentEvents(f"{event.kind} while step {event.step} is {step.phase}")
    steps = list(run.steps)
    steps[event.step] = _step_after(replace(step, recheck=None), event)
    return replace(run, steps=tuple(steps), waits_on=None, wait_message="")


#: What a run waits on while an answer is being checked again, or while the platform cannot be asked at all.
KEEPS_RECHECK = frozenset(
    {
        "recheck",
        *(FailureKind.UNREACHABLE, FailureKind.BAD_REPLY, FailureKind.TOKEN, FailureKind.SECOND_FACTOR),
        *(FailureKind.PERMISSION, FailureKind.NOT_FOUND, FailureKind.BUDGET),
    }
)


def _steps_after_wait(run: Run, event: ev.WaitBegun) -> tuple[Step, ...]:
    """Return the run's steps; a wait for anything but the second look clears the suspicious answer."""
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
                again_on=FailureKind.PLATFORM_BUSY,
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
