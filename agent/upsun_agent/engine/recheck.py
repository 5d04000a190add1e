"""Decide which answers are read a second time before an irreversible step, and after how long."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from msgspec.structs import replace

from upsun_agent.engine.bounds import CLOCKS_APART, DOUBT_SETTLE, RECHECK_PAUSE
from upsun_agent.engine.decision import Decision, Record, Wait
from upsun_agent.engine.evidence import SETTLED
from upsun_agent.engine.rollback import begins
from upsun_agent.engine.run import Phase, Run, Step
from upsun_agent.engine.step import StepKind
from upsun_agent.engine.verdict import LASTING
from upsun_agent.model import events as ev
from upsun_agent.model.answers import Trouble
from upsun_agent.model.failures import FailureKind, kind_named

#: Failures that one odd answer about an environment would cause: it costs nothing to look again. A run that somebody
#: asked for is told at once, unless it has begun something. A token that is missing or refused is not among them: the
#: authentication service says that in words of its own.
PASSING = frozenset(
    {
        FailureKind.PERMISSION,
        FailureKind.NOT_FOUND,
        FailureKind.NOT_OFFERED,
        FailureKind.ENVIRONMENT_INACTIVE,
        FailureKind.ENVIRONMENT_TYPE,
    }
)


def rechecked(
    run: Run,
    step: Step,
    decision: Decision,
    now: datetime,
    kinds: Mapping[str, StepKind],
    platform_now: datetime | None = None,
) -> Decision:
    """Return the decision, or the second look that must come first.

    How long an answer has stayed is measured by the platform's clock, where this pass has heard it.

    Args:
        run: the run.
        step: its current step.
        decision: what one look leads to.
        now: the present by the agent's clock, in UTC.
        kinds: the kinds of step by name.
        platform_now: the platform's own clock at its last answer; None where it was not heard.
    """
    clock = platform_now or now
    if not isinstance(decision, Record):
        return decision
    event = decision.event
    if not isinstance(event, ev.StepFailed | ev.RetryPlanned | ev.IntentVoid):
        return decision
    failure = FailureKind.NO_ACTIVITY if isinstance(event, ev.IntentVoid) else event.failure
    pause = _pause(run, step, decision, kinds)
    if pause is None:
        return decision
    known = step.recheck
    if known is None or known.failure != failure or known.again_at - clock > pause + CLOCKS_APART:  # by a clock ahead
        return Record(
            ev.RecheckPlanned(at=now, step=step.index, failure=failure, message=event.message, again_at=clock + pause)
        )
    if clock < known.again_at:
        text = f"{known.message}; read again until {known.again_at:%H:%M:%S} UTC before it is believed"
        lasting = kind_named(failure) if failure in LASTING else None
        trouble = Trouble(lasting, known.message) if lasting is not None else None
        return Wait("recheck", text, trouble)
    return decision


def _pause(run: Run, step: Step, decision: Record, kinds: Mapping[str, StepKind]) -> timedelta | None:
    """Return how long the answer must stay the same before it counts; None if one look is enough."""
    if decision.doubtful:
        return DOUBT_SETTLE
    kind, event = kinds.get(step.plan.kind), decision.event
    if isinstance(event, ev.RetryPlanned):
        return RECHECK_PAUSE if kind is not None and kind.way == "request" else None
    if not isinstance(event, ev.StepFailed):
        return None
    certain = event.failure in SETTLED or step.phase == Phase.REFUSED or kind is None or kind.way == "command"
    if certain or (kind is not None and kind.way == "look" and kind.passes_time):
        return None
    if event.failure in PASSING and (run.begun or run.trigger == ev.Trigger.SCHEDULE):
        return DOUBT_SETTLE
    if kind is not None and kind.way == "look" and step.retries:
        return None  # it was looked at more than once already
    return RECHECK_PAUSE if _rolls_back(run, step, event, kinds) else None


def _rolls_back(run: Run, step: Step, event: ev.StepFailed, kinds: Mapping[str, StepKind]) -> bool:
    """Return whether the failure would begin the rollback."""
    if step.plan.settings.get("on-failure") == "continue":
        return False
    failed = replace(step, phase=Phase.FAILED, failure=event.failure)
    steps = tuple(failed if each.index == step.index else each for each in run.steps)
    return begins(replace(run, steps=steps), failed, event.at, kinds) is not None
