"""Rollback: which of a job's ``on-failure`` steps run after a step failed. Once, and never after themselves.

Rollback steps run only where something was changed in this run, or may have been: a backup that failed before the
update leaves nothing to roll back, and an update that failed on staging is no reason to restore production.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from upsun_agent.engine.run import Phase, Run, Step
from upsun_agent.engine.step import StepKind
from upsun_agent.model import events as ev
from upsun_agent.model.failures import FailureKind
from upsun_agent.model.job import StepPlan

#: Outcomes of a step that changed nothing.
UNCHANGED = frozenset({ev.StepOutcome.NOTHING_TO_DO, ev.StepOutcome.SKIPPED})

#: Failures by which nothing was seen that is wrong: time passed, or there was nothing to look at.
UNSEEN = frozenset(
    {
        FailureKind.TIMEOUT,
        FailureKind.STEP_TIMEOUT,
        FailureKind.TOO_LATE,
        FailureKind.NO_ROUTE,
        FailureKind.NO_DEPLOYMENT,
    }
)


def changed(run: Run, kinds: Mapping[str, StepKind]) -> frozenset[str]:
    """Return the environments whose code or data the run's steps changed, or may have changed."""
    found = set()
    for step in run.main_steps:
        kind = kinds.get(step.plan.kind)
        if kind is None or not step.is_touched or step.outcome in UNCHANGED:
            continue
        found.add(kind.changes(step.plan, run.environment))
    return frozenset(each for each in found if each is not None)


def begins(run: Run, failed: Step, now: datetime, kinds: Mapping[str, StepKind]) -> ev.RollbackBegun | None:
    """Return the event that begins the rollback after a step failed; None if nothing is to be rolled back.

    Args:
        run: the run, folded from its events.
        failed: the step that failed.
        now: the present, in UTC.
        kinds: the kinds of steps, by name.
    """
    if run.rollback is not None or not run.rollback_steps or uncertain(run, kinds) is not None:
        return None
    if is_unseen(failed) or not would_change(run, kinds):
        return None
    return ev.RollbackBegun(at=now, failed=failed.index, message=failed.message)


def uncertain(run: Run, kinds: Mapping[str, StepKind]) -> Step | None:
    """Return the step that may have changed something and whose result is unknown, or None.

    Nothing is rolled back then: the change may be good, or still be under way.
    """
    for step in run.main_steps:
        kind = kinds.get(step.plan.kind)
        if kind is not None and step.is_uncertain and kind.changes(step.plan, run.environment) is not None:
            return step
    return None


def is_unseen(failed: Step) -> bool:
    """Return whether the step failed although no attempt has seen anything wrong."""
    return failed.failure in UNSEEN and not failed.retries


def would_change(run: Run, kinds: Mapping[str, StepKind]) -> bool:
    """Return whether a step of ``on-failure`` applies to something that the run changed."""
    touched = changed(run, kinds)
    return any(subject(step.plan, run, kinds) in touched for step in run.rollback_steps)


def idle_reason(step: Step, run: Run, kinds: Mapping[str, StepKind]) -> str | None:
    """Return why a rollback step has nothing to do, or None.

    Args:
        step: the step of the rollback.
        run: the run, folded from its events.
        kinds: the kinds of steps, by name.
    """
    about = subject(step.plan, run, kinds)
    return None if about in changed(run, kinds) else f"nothing was changed on {about}"


def subject(plan: StepPlan, run: Run, kinds: Mapping[str, StepKind]) -> str:
    """Return the environment that the step changes or, if it changes none, the one it is about.

    Args:
        plan: the settings of the step.
        run: the run, folded from its events.
        kinds: the kinds of steps, by name.
    """
    kind = kinds.get(plan.kind)
    return (kind.changes(plan, run.environment) if kind is not None else None) or plan.environment(run.environment)


def closing(run: Run, now: datetime) -> ev.RunClosed:
    """Return the event that closes a rolled-back run: the first failure, and the result of the rollback."""
    failed = run.steps[run.rollback.failed if run.rollback is not None else 0]
    steps = run.rollback_steps
    bad = [step for step in steps if step.phase == Phase.FAILED]
    good = [step.message for step in steps if step.phase == Phase.DONE and step.outcome is not ev.StepOutcome.SKIPPED]
    told = [*good, *(f"step {step.index + 1} ({step.plan.kind}) failed: {step.message}" for step in bad)]
    word = "rollback failed" if bad else "rolled back"
    failure = FailureKind.ROLLBACK_FAILED if bad else failed.failure
    if any(step.failure == FailureKind.UNKNOWN for step in bad):
        failure = FailureKind.UNKNOWN
    return ev.RunClosed(
        at=now,
        outcome=ev.RunOutcome.FAILED,
        failure=failure,
        message=f"{first_words(run, failed)}; {word}: {'; '.join(told) or 'there was nothing to roll back'}",
        remedy=FailureKind.ROLLBACK_FAILED.remedy if bad else failed.remedy,
        detail={"rolled-back": not bad, "failure": failed.failure},
    )


def first_words(run: Run, failed: Step) -> str:
    """Return which step failed, and why."""
    return f"step {failed.index + 1} of {len(run.job.steps)} ({failed.plan.kind}): {failed.message}"
