"""Decide between a later attempt and the end of the step after a failure. Pure, from the step's settings.

A step is tried again only where its activity is *known* to have failed: a time limit, a lost activity or a
cancelled one (somebody did that on purpose) end it. How often and how soon is the job file's ``retries`` and
``retry-after``; the pause doubles with each retry.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from upsun_agent.engine.bounds import RETRY_PAUSE_MOST
from upsun_agent.engine.run import Phase, Step
from upsun_agent.engine.step import Failed, Need, StepContext, StepKind
from upsun_agent.model import events as ev
from upsun_agent.model.answers import BackupList, LookAtRetention, Retention
from upsun_agent.model.durations import span
from upsun_agent.model.failures import FailureKind
from upsun_agent.model.job import Job, StepPlan


def after_failure(case: StepContext, kind: StepKind, verdict: Failed) -> ev.RetryPlanned | ev.StepFailed:
    """Return the event for a failed verdict: another attempt later, or the end of the step.

    Args:
        case: the step, with its run, the present, and what this pass has seen.
        kind: the kind of the step.
        verdict: how it failed.
    """
    step, now = case.step, case.now
    retries = _whole(step.plan, "retries", 0)
    can_be_asked = step.phase == Phase.ACCEPTED or kind.way == "look"
    if verdict.failure in kind.retryable and can_be_asked and step.retries < retries:
        pause = timedelta(seconds=_whole(step.plan, "retry-after", 0)) * 2**step.retries
        return ev.RetryPlanned(
            at=now,
            step=step.index,
            failure=verdict.failure,
            message=verdict.message,
            again_at=now + min(pause, RETRY_PAUSE_MOST),
        )
    return ev.StepFailed(
        at=now, step=step.index, failure=verdict.failure, message=verdict.message, remedy=verdict.helps
    )


def time_limit(step: Step, now: datetime) -> Failed | None:
    """Return the verdict on a step that has taken longer than its own ``timeout``, or None."""
    limit = _whole(step.plan, "timeout", 0)
    if not limit or step.began_at is None or now - step.began_at < timedelta(seconds=limit):
        return None
    text = f"the step's time limit of {span(limit)} passed; its activity may still be running"
    return Failed(FailureKind.STEP_TIMEOUT, text)


def spares_the_newest(case: StepContext) -> Need | Failed | None:
    """Return whether another backup may be asked for without evicting the newest good one: None means it may.

    A new manual backup replaces the oldest manual one once the limit is reached
    (https://developer.upsun.com/docs/environments/backup), so the
    newest good one is safe where another manual one is older, or the limit is known not to be reached.
    """
    if case.seen.get(LookAtRetention()) is None:
        return Need(LookAtRetention())
    listed = case.seen.get(case.look_at_backups())
    if not isinstance(listed, BackupList):
        return Need(case.look_at_backups())
    manual = [backup for backup in listed.items if not backup.automated and backup.created_at is not None]
    manual.sort(key=lambda backup: (str(backup.created_at), backup.id))
    good = [backup for backup in manual if backup.restorable and backup.status == "CREATED"]
    limit = manual_limit(case.run.job, case.seen.get(LookAtRetention()))
    has_room = limit is not None and len(manual) < limit
    if not good or has_room or manual[0].id != good[-1].id:
        return None
    return Failed(FailureKind.WOULD_EVICT, "another backup would replace the only good one, so none is requested")


def manual_limit(job: Job, answer: object) -> int | None:
    """Return the smallest limit of manual backups where the job runs; None if no limit is known."""
    if not isinstance(answer, Retention):
        return None
    known = [answer.manual_limits[kind] for kind in job.environment_types if kind in answer.manual_limits]
    return min(known, default=None)


def _whole(plan: StepPlan, name: str, default: int) -> int:
    value = plan.settings.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else default
