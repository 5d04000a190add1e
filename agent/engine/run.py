"""A run as its events make it: ``fold`` is the only way from facts to state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal, assert_never

from agent.engine import events as ev
from agent.engine.job import Job, StepPlan
from agent.records import dataclass, field, replace

Phase = Literal["ready", "intended", "refused", "accepted", "done", "failed"]


class InconsistentEvents(ValueError):
    """The events cannot have been written by the agent in this order."""


@dataclass(frozen=True, slots=True)
class Step:
    """Where one step of a run stands.

    ready: no request is under way. intended: one may have been made, what became of it is not known. refused: the
    platform said no for good. accepted: the activity is known. done, failed: over.
    """

    index: int
    plan: StepPlan
    phase: Phase = "ready"
    attempts: int = 0
    voids: int = 0
    retries: int = 0
    began_at: datetime | None = None
    intent: ev.IntentRecorded | None = None
    again_at: datetime | None = None
    again_on: str = ""
    activity: str | None = None
    ended_at: datetime | None = None
    backup: str | None = None
    head: str | None = None
    outcome: ev.StepOutcome | None = None
    failure: str | None = None
    message: str = ""
    remedy: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Nothing more happens to this step."""
        return self.phase in {"done", "failed"}

    @property
    def is_passed_over(self) -> bool:
        """It failed, and the job says that later steps run all the same."""
        return self.phase == "failed" and self.plan.settings.get("on-failure") == "continue"


@dataclass(frozen=True, slots=True)
class Run:
    """A job in a slot (or asked for by hand), as far as it has come."""

    id: str
    environment: str
    job: Job
    slot: str | None
    due_at: datetime
    trigger: ev.Trigger
    opened_at: datetime
    steps: tuple[Step, ...]
    waits_on: str | None = None
    wait_message: str = ""
    warnings: tuple[str, ...] = ()
    closed: ev.RunClosed | None = None

    @property
    def begun(self) -> bool:
        """The run has, or may have, touched the platform.

        It has not by a request that was refused for now, nor by one that is known to have had no effect.
        """
        return any(step.phase != "ready" or step.retries for step in self.steps)

    @property
    def current(self) -> Step | None:
        """The first step that is not over."""
        return next((step for step in self.steps if not step.over), None)

    @property
    def proved_backup(self) -> str | None:
        """The name of the backup that a backup step of this run proved, if any."""
        names = [
            step.detail.get("backup") for step in self.steps if step.plan.kind == "backup" and step.phase == "done"
        ]
        return next((str(name) for name in names if name), None)


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
        steps=tuple(Step(index, plan) for index, plan in enumerate(job.steps)),
    )


def apply(run: Run, event: ev.Event) -> Run:
    """The run after one more event; raises InconsistentEvents where the event does not fit."""
    if run.closed is not None:
        raise InconsistentEvents(f"{event.kind} after run-closed")
    match event:
        case ev.WaitBegun():
            return replace(run, waits_on=event.on, wait_message=event.message)
        case ev.Warned():
            return replace(run, warnings=(*run.warnings, event.message))
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
            | ev.StepDone()
            | ev.RetryPlanned()
            | ev.StepFailed()
        ):
            return _apply_to_step(run, event)
        case _:
            raise InconsistentEvents(f"{event.kind} is no event of a run")


StepEvent = (
    ev.IntentRecorded
    | ev.RequestAccepted
    | ev.RequestRefused
    | ev.RequestUnanswered
    | ev.ActivityAdopted
    | ev.IntentVoid
    | ev.ActivityEnded
    | ev.StepDone
    | ev.RetryPlanned
    | ev.StepFailed
)

#: The phases in which each event of a step may arrive.
ALLOWED: dict[type[ev.Event], frozenset[Phase]] = {
    ev.IntentRecorded: frozenset({"ready"}),
    ev.RequestAccepted: frozenset({"intended"}),
    ev.RequestRefused: frozenset({"intended"}),
    ev.RequestUnanswered: frozenset({"intended"}),
    ev.ActivityAdopted: frozenset({"ready", "intended"}),
    ev.IntentVoid: frozenset({"intended"}),
    ev.ActivityEnded: frozenset({"accepted"}),
    ev.StepDone: frozenset({"ready", "accepted"}),
    ev.RetryPlanned: frozenset({"accepted"}),
    ev.StepFailed: frozenset({"ready", "intended", "refused", "accepted"}),
}


def _apply_to_step(run: Run, event: StepEvent) -> Run:
    if not 0 <= event.step < len(run.steps):
        raise InconsistentEvents(f"{event.kind} names step {event.step} of {len(run.steps)}")
    step = run.steps[event.step]
    if not all(earlier.phase == "done" or earlier.is_passed_over for earlier in run.steps[: event.step]):
        raise InconsistentEvents(f"{event.kind} names step {event.step} before the steps ahead of it are done")
    if step.phase not in ALLOWED[type(event)]:
        raise InconsistentEvents(f"{event.kind} while step {event.step} is {step.phase}")
    steps = list(run.steps)
    steps[event.step] = _step_after(step, event)
    return replace(run, steps=tuple(steps), waits_on=None, wait_message="")


def _step_after(step: Step, event: StepEvent) -> Step:  # noqa: C901  one case for each event, nothing else
    match event:
        case ev.IntentRecorded():
            return replace(
                step,
                phase="intended",
                attempts=event.attempt,
                began_at=step.began_at or event.at,
                intent=event,
                head=event.head,
                again_at=None,
            )
        case ev.RequestAccepted():
            return replace(step, phase="accepted", activity=event.activity, backup=event.backup)
        case ev.RequestRefused():
            phase: Phase = "refused" if event.again_at is None else "ready"
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
                phase="accepted",
                activity=event.activity,
                backup=event.backup,
                head=head,
                began_at=step.began_at or event.at,
            )
        case ev.IntentVoid():
            return replace(step, phase="ready", intent=None, voids=step.voids + 1, message=event.message)
        case ev.ActivityEnded():
            return replace(step, ended_at=event.at)
        case ev.StepDone():
            return replace(
                step,
                phase="done",
                outcome=event.outcome,
                message=event.message,
                detail=event.detail,
                failure=None,
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
            )
        case ev.StepFailed():
            return replace(step, phase="failed", failure=event.failure, message=event.message, remedy=event.remedy)
        case _:
            assert_never(event)
