"""Facts about a run, as the journal keeps them: append-only, in order, each with the moment it was recorded.

Every event is frozen and holds JSON values and aware datetimes only; ``kind`` is its stable name in the journal,
the logs and ``show --json``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct, field

#: A time with its zone.
Moment = Annotated[datetime, Meta(tz=True)]
Trigger = Literal["schedule", "manual"]
RunOutcome = Literal["succeeded", "failed", "missed", "skipped", "cancelled"]
StepOutcome = Literal["done", "nothing-to-do", "skipped"]


class Event(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that happened, at an agent's clock reading ``at`` (UTC)."""

    kind: ClassVar[str] = ""
    at: Moment


class RunOpened(Event, frozen=True, kw_only=True):
    """A run exists: for a slot that is due (or was missed), or asked for by hand.

    ``slot`` is the local wall-clock name (None by hand), ``due_at`` its instant, ``job`` the snapshot,
    ``environment`` the id of the environment it is about.
    """

    kind: ClassVar[str] = "run-opened"
    run: str
    environment: str
    slot: str | None
    due_at: Moment
    trigger: Trigger
    job: Mapping[str, Any]


class IntentRecorded(Event, frozen=True, kw_only=True):
    """The request of a step is about to be made. Written and synced before it, never after.

    ``server_at`` is the server's clock at the last read before; ``head`` the head commit then.
    """

    kind: ClassVar[str] = "intent-recorded"
    step: int
    attempt: int
    server_at: Moment
    head: str | None


class RequestAccepted(Event, frozen=True, kw_only=True):
    """The platform took the request and named the activity."""

    kind: ClassVar[str] = "request-accepted"
    step: int
    activity: str
    backup: str | None = None


class RequestRefused(Event, frozen=True, kw_only=True):
    """The platform said no and did not act. ``again_at``: from when it may be asked again; None means never."""

    kind: ClassVar[str] = "request-refused"
    step: int
    failure: str
    message: str
    again_at: Moment | None


class RequestUnanswered(Event, frozen=True, kw_only=True):
    """No usable answer came: whether the platform acted is not known, the activity list will tell."""

    kind: ClassVar[str] = "request-unanswered"
    step: int
    message: str


class ActivityAdopted(Event, frozen=True, kw_only=True):
    """An activity found in the list is this step's: ``how`` says what makes it so."""

    kind: ClassVar[str] = "activity-adopted"
    step: int
    activity: str
    how: str
    backup: str | None = None
    head: str | None = None


class IntentVoid(Event, frozen=True, kw_only=True):
    """The settled activity list shows no trace of the request: it did not take effect and may be made again."""

    kind: ClassVar[str] = "intent-void"
    step: int
    message: str


class ActivityEnded(Event, frozen=True, kw_only=True):
    """The activity of a step came to its end."""

    kind: ClassVar[str] = "activity-ended"
    step: int
    activity: str
    state: str
    result: str | None


class CommandEnded(Event, frozen=True, kw_only=True):
    """The command of a step came to its end: its exit code (None: it was killed at its time limit), what it printed.

    ``output`` is the end of it, bounded and redacted; ``seconds`` how long it took.
    """

    kind: ClassVar[str] = "command-ended"
    step: int
    exit_code: int | None
    seconds: int
    output: str = ""


class ApprovalGiven(Event, frozen=True, kw_only=True):
    """Somebody decided on a step that waits for approval: ``granted`` is ``yes`` or ``no``, ``by`` says who."""

    kind: ClassVar[str] = "approval-given"
    step: int
    granted: Literal["yes", "no"]
    by: str


class TakeBackBegun(Event, frozen=True, kw_only=True):
    """A step failed after something was changed: from here on the job's ``on-failure`` steps run, once."""

    kind: ClassVar[str] = "take-back-begun"
    failed: int
    message: str


class WaitBegun(Event, frozen=True, kw_only=True):
    """The run waits for something; recorded when what it waits for changes, not at every tick."""

    kind: ClassVar[str] = "wait-begun"
    on: str
    message: str


class StepDone(Event, frozen=True, kw_only=True):
    """A step reached its end without failure; ``detail`` is the evidence (a proved backup, a commit)."""

    kind: ClassVar[str] = "step-done"
    step: int
    outcome: StepOutcome
    message: str
    detail: Mapping[str, Any] = field(default_factory=dict)


class RetryPlanned(Event, frozen=True, kw_only=True):
    """What a step asked for is known to have failed; from ``again_at`` on it may be asked for once more."""

    kind: ClassVar[str] = "retry-planned"
    step: int
    failure: str
    message: str
    again_at: Moment


class RecheckPlanned(Event, frozen=True, kw_only=True):
    """An answer of the platform would end the step, or repeat its request; it is believed only if it stays.

    ``failure`` is the stable kind of what was read (``no-activity``: the list lacks the request's activity),
    ``message`` says what was read. The same answer counts from ``again_at`` on; any other answer is followed at once.
    """

    kind: ClassVar[str] = "recheck-planned"
    step: int
    failure: str
    message: str
    again_at: Moment


class StepFailed(Event, frozen=True, kw_only=True):
    """A step failed; ``failure`` is the stable kind, ``message`` what happened, ``remedy`` what helps."""

    kind: ClassVar[str] = "step-failed"
    step: int
    failure: str
    message: str
    remedy: str = ""


class Warned(Event, frozen=True, kw_only=True):
    """Something that does not stop the run but that somebody should know."""

    kind: ClassVar[str] = "warned"
    message: str


class RunClosed(Event, frozen=True, kw_only=True):
    """The run is over, for good. For slots missed together ``detail`` names the first and how many."""

    kind: ClassVar[str] = "run-closed"
    outcome: RunOutcome
    message: str
    failure: str | None = None
    remedy: str = ""
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
        TakeBackBegun,
        WaitBegun,
        StepDone,
        RetryPlanned,
        RecheckPlanned,
        StepFailed,
        Warned,
        RunClosed,
    )
}
