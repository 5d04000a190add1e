"""Facts about a run, as the journal keeps them: append-only, in order, each with the moment it was recorded.

Every event is frozen and holds JSON values and aware datetimes only; ``kind`` is its stable name in the journal,
the logs and ``show --json``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct, field

from upsun_agent.model.packages import LockFileChange

#: A time with its zone.
Moment = Annotated[datetime, Meta(tz=True)]


class Trigger(StrEnum):
    """What asked for a run."""

    #: The job's schedule.
    SCHEDULE = "schedule"
    #: A person, or a command.
    MANUAL = "manual"


class RunOutcome(StrEnum):
    """How a run ended."""

    #: All steps reached their end.
    SUCCEEDED = "succeeded"
    #: A step failed, or the journal could not be believed.
    FAILED = "failed"
    #: The slot passed without a run.
    MISSED = "missed"
    #: The slot was not to run.
    SKIPPED = "skipped"
    #: A person cancelled it.
    CANCELLED = "cancelled"


#: Outcomes of runs that did nothing and only say what became of a slot: they have no duration.
NEVER_RAN: frozenset[str] = frozenset({RunOutcome.MISSED, RunOutcome.SKIPPED})


class StepOutcome(StrEnum):
    """How a step ended that did not fail."""

    #: It did what it is for.
    DONE = "done"
    #: There was nothing to do.
    NOTHING_TO_DO = "nothing-to-do"
    #: It was not to run.
    SKIPPED = "skipped"


class EventType(StrEnum):
    """What a notification is about. Started, skipped and cancelled go to healthchecks only."""

    #: A run began.
    STARTED = "started"
    #: A run succeeded.
    SUCCEEDED = "succeeded"
    #: A run succeeded after one that failed or was missed.
    RECOVERED = "recovered"
    #: A run failed.
    FAILED = "failed"
    #: Slots passed without a run.
    MISSED = "missed"
    #: Failed runs suspended the job.
    SUSPENDED = "suspended"
    #: A slot was not to run.
    SKIPPED = "skipped"
    #: A person cancelled a run.
    CANCELLED = "cancelled"
    #: The journal was lost.
    STATE_LOST = "state-lost"
    #: A person asked for a test message.
    TEST = "test"


class Event(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that happened, at an agent's clock reading ``at`` (UTC)."""

    kind: ClassVar[str] = ""
    #: The agent's clock (UTC) when the event was recorded.
    at: Moment


class RunOpened(Event, frozen=True, kw_only=True):
    """A run exists: for a slot that is due (or was missed), or asked for by hand.

    ``slot`` is the local wall-clock name (None by hand), ``due_at`` its instant, ``job`` the snapshot,
    ``environment`` the id of the environment it is about.
    """

    kind: ClassVar[str] = "run-opened"
    #: The id of the run.
    run: str
    #: The id of the environment that the run is about.
    environment: str
    #: The local wall-clock name of the slot; None for a manual run.
    slot: str | None
    #: When the slot fell due; for a manual run, when it was asked for.
    due_at: Moment
    #: Whether a schedule or a person asked for it.
    trigger: Trigger
    #: The job as it was then, so that later edits do not change the run.
    job: Mapping[str, Any]


class IntentRecorded(Event, frozen=True, kw_only=True):
    """The request of a step is about to be made. Written and synced before it, never after.

    ``server_at`` is the server's clock at the last read before; ``head`` the head commit then.
    """

    kind: ClassVar[str] = "intent-recorded"
    #: The index of the step, from 0.
    step: int
    #: The number of the attempt, from 1.
    attempt: int
    #: The server's clock at the last read before the request.
    server_at: Moment
    #: The head commit at that time; None if the environment has none.
    head: str | None


class RequestAccepted(Event, frozen=True, kw_only=True):
    """The platform took the request and named the activity."""

    kind: ClassVar[str] = "request-accepted"
    #: The index of the step, from 0.
    step: int
    #: The id of the activity that the platform named.
    activity: str
    #: The name of the backup that is being made; None if the answer names none.
    backup: str | None = None


class RequestRefused(Event, frozen=True, kw_only=True):
    """The platform said no and did not act. ``again_at``: from when it may be asked again; None means never."""

    kind: ClassVar[str] = "request-refused"
    #: The index of the step, from 0.
    step: int
    #: The kind of failure: a word of ``FailureKind``.
    failure: str
    #: What the platform said.
    message: str
    #: When the request may be made again; None if it may not.
    again_at: Moment | None


class RequestUnanswered(Event, frozen=True, kw_only=True):
    """No usable answer came: whether the platform acted is not known, the activity list will tell."""

    kind: ClassVar[str] = "request-unanswered"
    #: The index of the step, from 0.
    step: int
    #: What happened instead of an answer.
    message: str


class ActivityAdopted(Event, frozen=True, kw_only=True):
    """An activity found in the list is this step's: ``how`` says what makes it so."""

    kind: ClassVar[str] = "activity-adopted"
    #: The index of the step, from 0.
    step: int
    #: The id of the activity.
    activity: str
    #: What shows that the activity belongs to the step.
    how: str
    #: The name of the backup that it makes; None if it names none.
    backup: str | None = None
    #: The head commit when it was created; None if that is not known.
    head: str | None = None


class IntentVoid(Event, frozen=True, kw_only=True):
    """The settled activity list shows no trace of the request: it did not take effect and may be made again."""

    kind: ClassVar[str] = "intent-void"
    #: The index of the step, from 0.
    step: int
    #: What shows that the request had no effect.
    message: str


class ActivityEnded(Event, frozen=True, kw_only=True):
    """The activity of a step came to its end."""

    kind: ClassVar[str] = "activity-ended"
    #: The index of the step, from 0.
    step: int
    #: The id of the activity.
    activity: str
    #: Its last state, as the platform names it.
    state: str
    #: ``success`` or ``failure``; None if the platform does not say.
    result: str | None


class CommandEnded(Event, frozen=True, kw_only=True):
    """The command of a step came to its end: its exit code (None: it was killed at its time limit), what it printed.

    ``output`` is the end of it, bounded and redacted; ``seconds`` how long it took.
    """

    kind: ClassVar[str] = "command-ended"
    #: The index of the step, from 0.
    step: int
    #: The exit code; None if the command was killed at its time limit.
    exit_code: int | None
    #: How long it ran, in seconds.
    seconds: int
    #: The end of what it printed, bounded and redacted.
    output: str = ""


class ApprovalGiven(Event, frozen=True, kw_only=True):
    """Somebody decided on a step that waits for approval: ``granted`` is ``yes`` or ``no``, ``by`` says who."""

    kind: ClassVar[str] = "approval-given"
    #: The index of the step, from 0.
    step: int
    #: What was decided.
    granted: Literal["yes", "no"]
    #: Who decided.
    by: str


class RollbackBegun(Event, frozen=True, kw_only=True):
    """A step failed after something was changed: from here on the job's ``on-failure`` steps run, once."""

    kind: ClassVar[str] = "rollback-begun"
    #: The index of the step that failed, from 0.
    failed: int
    #: Why the rollback began.
    message: str


class WaitBegun(Event, frozen=True, kw_only=True):
    """The run waits for something; recorded when what it waits for changes, not at every tick."""

    kind: ClassVar[str] = "wait-begun"
    #: A stable word for what the run waits for.
    on: str
    #: The same, in words.
    message: str


class StepDone(Event, frozen=True, kw_only=True):
    """A step reached its end without failure; ``detail`` is the evidence (a proved backup, a commit)."""

    kind: ClassVar[str] = "step-done"
    #: The index of the step, from 0.
    step: int
    #: How the step ended.
    outcome: StepOutcome
    #: What was done, in words.
    message: str
    #: The evidence, such as the verified backup or the new commit.
    detail: Mapping[str, Any] = field(default_factory=dict)


class RetryPlanned(Event, frozen=True, kw_only=True):
    """What a step asked for is known to have failed; from ``again_at`` on it may be asked for once more."""

    kind: ClassVar[str] = "retry-planned"
    #: The index of the step, from 0.
    step: int
    #: The kind of failure of the attempt before: a word of ``FailureKind``.
    failure: str
    #: What happened.
    message: str
    #: When the step may be tried again.
    again_at: Moment


class RecheckPlanned(Event, frozen=True, kw_only=True):
    """An answer of the platform would end the step, or repeat its request; it is believed only if it stays.

    ``failure`` is the stable kind of what was read (``no-activity``: the list lacks the request's activity),
    ``message`` says what was read. The same answer counts from ``again_at`` on; any other answer is followed at once.
    """

    kind: ClassVar[str] = "recheck-planned"
    #: The index of the step, from 0.
    step: int
    #: The kind of failure that was read; ``no-activity`` if the list lacks the activity.
    failure: str
    #: What was read.
    message: str
    #: From when on the same answer is believed.
    again_at: Moment


class StepFailed(Event, frozen=True, kw_only=True):
    """A step failed; ``failure`` is the stable kind, ``message`` what happened, ``remedy`` what helps."""

    kind: ClassVar[str] = "step-failed"
    #: The index of the step, from 0.
    step: int
    #: The kind of failure: a word of ``FailureKind``.
    failure: str
    #: What happened.
    message: str
    #: What helps; empty if nothing is known.
    remedy: str = ""


class ChangesRead(Event, frozen=True, kw_only=True):
    """What a step's commit changed in lock files was read, whole or as far as there was time."""

    kind: ClassVar[str] = "changes-read"
    #: The index of the step, from 0.
    step: int
    #: The head commit before the step.
    base: str
    #: The commit that the step made.
    head: str
    #: The lock files that were read, with what changed in them.
    files: tuple[LockFileChange, ...] = ()
    #: Whether nothing more will be read.
    whole: bool = True
    #: All that is known so far, in one sentence.
    message: str
    #: What could not be read, a sentence each.
    warnings: tuple[str, ...] = ()


class Warned(Event, frozen=True, kw_only=True):
    """Something that does not stop the run but that somebody should know."""

    kind: ClassVar[str] = "warned"
    #: What somebody should know.
    message: str


class RunClosed(Event, frozen=True, kw_only=True):
    """The run is over, for good. For slots missed together ``detail`` names the first and how many."""

    kind: ClassVar[str] = "run-closed"
    #: How the run ended.
    outcome: RunOutcome
    #: What happened.
    message: str
    #: The kind of failure, a word of ``FailureKind``; None if the run succeeded.
    failure: str | None = None
    #: What helps; empty if there is nothing to do.
    remedy: str = ""
    #: More facts; for slots that were missed together, the first one and how many.
    detail: Mapping[str, Any] = field(default_factory=dict)


EVENTS: dict[str, type[Event]] = {
    event.kind: event
    for event in (
        RunOpened,
        IntentRecorded,
        RequestAccepted,
        RequestRefused,
        RequestUnanswered,
        ActivityAdopted,
        IntentVoid,
        ActivityEnded,
        CommandEnded,
        ApprovalGiven,
        RollbackBegun,
        WaitBegun,
        StepDone,
        RetryPlanned,
        RecheckPlanned,
        StepFailed,
        ChangesRead,
        Warned,
        RunClosed,
    )
}
