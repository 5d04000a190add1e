"""How a run ends: failed, or with all steps done."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from upsun_agent.engine.changes import before_closing
from upsun_agent.engine.decision import Background, Decision, Look, Record
from upsun_agent.engine.guards import quota_warning, too_few
from upsun_agent.engine.policy import manual_limit
from upsun_agent.engine.rollback import first_words, is_unseen, uncertain, would_change
from upsun_agent.engine.run import Run, Step
from upsun_agent.engine.step import StepKind
from upsun_agent.model import events as ev
from upsun_agent.model.answers import LookAtRetention, Observation
from upsun_agent.model.failures import FailureKind, kind_named


def close_failed(run: Run, now: datetime, failed: Step, kinds: Mapping[str, StepKind]) -> Decision:
    """Return the event that closes the run as failed: at once or, with ``on-failure = "continue"``, at its end.

    Args:
        run: the run.
        now: the present, in UTC.
        failed: the step that failed.
        kinds: the kinds of steps, by name.
    """
    message, remedy = first_words(run, failed), failed.remedy
    unsure = uncertain(run, kinds) if run.rollback_steps else None
    if unsure is not None:
        message += f"; nothing was rolled back, because it is not known what became of step {unsure.index + 1}"
        if remedy in {"", (kind_named(failed.failure) or FailureKind.REFUSED).remedy}:
            remedy = f"look at environment {unsure.plan.environment(run.environment)}, then roll back by hand"
    elif is_unseen(failed) and would_change(run, kinds):
        message += "; nothing was rolled back, because no problem was seen with what the run changed"
        remedy = f"look at environment {failed.plan.environment(run.environment)}, then roll back by hand if it is bad"
    return Record(
        ev.RunClosed(at=now, outcome=ev.RunOutcome.FAILED, failure=failed.failure, message=message, remedy=remedy)
    )


def close_done(run: Run, now: datetime, seen: Observation, background: Background) -> Decision:
    """Close a run whose steps are all done, after checking whether the backup quota blocks the next run.

    Args:
        run: the run.
        now: the present, in UTC.
        seen: what this pass has seen.
        background: what is known beside the run.
    """
    unread = before_closing(run, now, seen, background)
    if unread is not None:
        return unread
    took_backup = any(step.plan.kind == "backup" and step.attempts for step in run.steps)
    if took_backup and not run.warnings:
        answer = seen.get(LookAtRetention())
        if answer is None:
            return Look(LookAtRetention())
        limit = manual_limit(run.job, answer)
        if too_few(limit):
            return Record(ev.Warned(at=now, message=quota_warning(limit)))
    message = "; ".join(step.message for step in run.main_steps)
    return Record(ev.RunClosed(at=now, outcome=ev.RunOutcome.SUCCEEDED, message=message))
