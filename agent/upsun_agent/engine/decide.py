"""Decide what a run does next, without side effects: the tick carries out the returned decision."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from shlex import quote
from typing import assert_never

from upsun_agent.engine.bounds import ATTEMPTS_MOST, RETRY_PAUSE_MOST
from upsun_agent.engine.changes import reading
from upsun_agent.engine.closing import close_done, close_failed
from upsun_agent.engine.decision import Background, Decision, Execute, Look, Record, Rest, Send, Wait
from upsun_agent.engine.due import grace
from upsun_agent.engine.evidence import commands_verdict, confirmed, failure_now, unusable, with_commands, words_of
from upsun_agent.engine.guards import UPHEAVALS, guard, others_at_work, preflight, quota
from upsun_agent.engine.policy import after_failure, manual_limit, time_limit
from upsun_agent.engine.recheck import rechecked
from upsun_agent.engine.reconcile import reconcile
from upsun_agent.engine.rollback import (
    UNCHANGED,
    begins,
    closing,
    idle_reason,
)
from upsun_agent.engine.run import Phase, Run, Step
from upsun_agent.engine.step import CommandKind, Done, Failed, Need, Pending, RequestKind, StepContext, StepKind
from upsun_agent.engine.verdict import act_on, fail, no_answer
from upsun_agent.model import events as ev
from upsun_agent.model.answers import Absent, Activity, Backup, Environment, Fate, LookAtBackup, Observation
from upsun_agent.model.durations import span
from upsun_agent.model.failures import FailureKind, kind_named

__all__ = [
    "UPHEAVALS",
    "Background",
    "Decision",
    "Execute",
    "Look",
    "Record",
    "Rest",
    "Send",
    "Wait",
    "decide",
    "manual_limit",
]

#: Failures that end the run whatever the step's ``on-failure`` says.
RUN_ENDING = frozenset(
    {FailureKind.TIMEOUT, FailureKind.TOO_LATE, FailureKind.TOKEN, FailureKind.SECOND_FACTOR, FailureKind.UNKNOWN}
)


def decide(
    run: Run,
    now: datetime,
    seen: Observation,
    kinds: Mapping[str, StepKind],
    background: Background | None = None,
) -> Decision:
    """Return the next decision for ``run`` at ``now`` (UTC), given the answers ``seen`` so far.

    Promises: a request or command is returned only for a step in phase ``ready``, with every guard passed on what
    this pass saw; a step that needs a proved backup gets none without it; an intent without an answer leads to
    reconciling only; a closed run rests.

    Args:
        run: the run, folded from its events.
        now: the present, in UTC.
        seen: what this pass has seen so far.
        kinds: the kinds of steps, by name.
        background: what is known beside the run; None: nothing.
    """
    background = background or Background()
    if run.closed is not None:
        return Rest()
    read = reading(run, now, seen, background)
    if read is not None:
        return read
    step = run.current
    ended = _ending(run, step, now, kinds) or (close_done(run, now, seen, background) if step is None else None)
    if ended is not None or step is None:
        return ended or Rest()
    decision = _on_step(run, step, now, seen, kinds, background)
    return rechecked(run, step, decision, now, kinds, background.platform_now)


def _on_step(
    run: Run, step: Step, now: datetime, seen: Observation, kinds: Mapping[str, StepKind], background: Background
) -> Decision:
    """Return the next decision for the current step."""
    kind = kinds.get(step.plan.kind)
    late = _out_of_time(run, now, kinds) or time_limit(step, now)
    if late is not None:
        return fail(step, now, late)
    if kind is None:
        return fail(step, now, Failed(FailureKind.UNKNOWN_STEP, f"this version has no step '{step.plan.kind}'"))
    case = StepContext(run, step, seen, now, background.claimed, background.zone)
    if step.phase == Phase.READY:
        return _ready(case, kind, background, kinds)
    if kind.way == "command":
        return (
            _interrupted(case, kind) if step.phase == Phase.INTENDED else act_on(case, kind, kind.judge_command(case))
        )
    if kind.way == "look":
        return fail(step, now, Failed(FailureKind.JOURNAL, f"a step {kind.name} cannot be {step.phase}"))
    match step.phase:
        case Phase.INTENDED:
            return _intended(case, kind)
        case Phase.REFUSED:
            return fail(step, now, Failed(kind_named(step.failure) or FailureKind.REFUSED, step.message))
        case _:
            return _accepted(case, kind)


def overdue(run: Run, now: datetime, kinds: Mapping[str, StepKind]) -> bool:
    """Return whether the run is past one of its time limits: ``decide`` then needs no answers.

    Args:
        run: the run, folded from its events.
        now: the present, in UTC.
        kinds: the kinds of steps, by name.
    """
    if run.closed is not None or run.current is None:
        return False
    return _out_of_time(run, now, kinds) is not None or time_limit(run.current, now) is not None


def _out_of_time(run: Run, now: datetime, kinds: Mapping[str, StepKind]) -> Failed | None:
    """Return the verdict on a run that is past its time limits, or None.

    The rollback has the time limit once more, as has what comes after a step that lets time pass on purpose; such a
    step has a limit of its own.
    """
    waited = f" while waiting: {run.wait_message}" if run.wait_message else ""
    since, what = (run.opened_at, "run") if run.rollback is None else (run.rollback.at, "rollback")
    for each in run.steps:
        if _passes_time(each, kinds) and each.over_at is not None:
            since = max(since, each.over_at)
    if run.current is not None and _passes_time(run.current, kinds):
        return None
    if now - since >= timedelta(seconds=run.job.timeout):
        text = f"the {what}'s time limit of {span(run.job.timeout)} passed{waited}"
        return Failed(FailureKind.TIMEOUT, text)
    allowed = max(timedelta(seconds=run.job.misfire_grace), grace(run.job))  # what was opened in time may begin
    if not run.begun and now - run.due_at > allowed:
        waited = f": {run.wait_message}" if run.wait_message else ""
        text = f"the run could not begin within {span(allowed)} of the slot{waited}"
        return Failed(FailureKind.TOO_LATE, text)
    return None


def _passes_time(step: Step, kinds: Mapping[str, StepKind]) -> bool:
    kind = kinds.get(step.plan.kind)
    return kind is not None and kind.way == "look" and kind.passes_time


# --- closing ---------------------------------------------------------------------------------------------------


def _ending(run: Run, step: Step | None, now: datetime, kinds: Mapping[str, StepKind]) -> Decision | None:
    """Return what a failed step leads to: the end of the run, the rollback, or (None) the next steps."""
    if run.rollback is not None:
        stopped = any(each.phase == Phase.FAILED and not each.is_passed_over for each in run.rollback_steps)
        return Record(closing(run, now)) if stopped or step is None else None
    failed = [each for each in run.main_steps if each.phase == Phase.FAILED]
    ending = [each for each in failed if not each.is_passed_over or each.failure in RUN_ENDING]
    if not ending and not (failed and step is None):
        return None
    first = (ending or failed)[0]
    begun = begins(run, first, now, kinds)
    return Record(begun) if begun is not None else close_failed(run, now, first, kinds)


def _ready(case: StepContext, kind: StepKind, background: Background, kinds: Mapping[str, StepKind]) -> Decision:
    step, now = case.step, case.now
    if step.again_at is not None and now < step.again_at <= now + RETRY_PAUSE_MOST:  # later: a clock was ahead
        return Wait(step.again_on, f"{step.message}; again at {step.again_at:%H:%M:%S} UTC")
    if step.voids >= ATTEMPTS_MOST:
        text = f"{step.voids} requests left no trace on the platform: {step.message}"
        return fail(step, now, Failed(FailureKind.ATTEMPTS, text))
    skipped = _skipped(case, kinds)
    if skipped is not None:
        return Record(ev.StepDone(at=now, step=step.index, outcome=ev.StepOutcome.SKIPPED, message=skipped))
    subject = kind.changes(step.plan, case.run.environment) or case.environment
    if kind.needs_proof(step.plan) and case.run.backup_of(subject) is None:
        text = f"no backup{_about(case, subject)} was proved in this run, so the step was not begun"
        return fail(step, now, Failed(FailureKind.NO_PROVED_BACKUP, text))
    if not case.run.begun:
        blocked = preflight(case, kinds)
        if blocked is not None:
            return blocked
    if kind.way == "look":
        return act_on(case, kind, kind.look(case))
    if kind.way == "command":
        return kind.execution(case, _intent(case, now, None))
    return _request(case, kind, background, subject, kinds)


def _skipped(case: StepContext, kinds: Mapping[str, StepKind]) -> str | None:
    """Return why the step is skipped in this run, or None."""
    if case.run.rollback is not None:
        return idle_reason(case.step, case.run, kinds)
    if case.step.plan.settings.get("when") != "updated":
        return None
    earlier = case.run.main_steps[: case.step.index]
    updated = any(
        (each.detail.get("commit") or each.detail.get("deployment") == "staged") and each.outcome not in UNCHANGED
        for each in earlier
    )
    return None if updated else f"{case.step.plan.kind} skipped: no step before it made a commit"


def _lost_proof(case: StepContext, subject: str) -> Decision | None:
    """Return why a step cannot begin because its proved backup is gone or unusable now, or None.

    The backup that was proved earlier in the run is read again: in the meantime somebody may have deleted it, or newer
    ones may have pushed it out (promise P2).
    """
    name = case.run.backup_of(subject) or ""
    question = LookAtBackup(name, case.asks(subject))
    backup = case.seen.get(question)
    if isinstance(backup, Backup):
        problems = unusable(backup, subject)
        if not problems:
            return None
        what = f"can no longer be restored: {'; '.join(problems)}"
    elif isinstance(backup, Absent):
        what = "does not exist any more"
    else:
        return no_answer(case, question, backup)
    text = f"backup {name}{_about(case, subject)} was proved earlier in this run and {what}: the step was not begun"
    return fail(case.step, case.now, Failed(FailureKind.NO_PROVED_BACKUP, text, doubtful=True))


def _about(case: StepContext, subject: str) -> str:
    return "" if subject == case.run.environment else f" of {subject}"


def _contradicted(case: StepContext, kinds: Mapping[str, StepKind]) -> Decision | None:
    """Return why a rollback must not replace data because its failure no longer exists; None if it does."""
    if case.run.rollback is None:
        return None
    failed = case.run.steps[case.run.rollback.failed]
    verdict = failure_now(case, failed, kinds)
    match verdict:
        case None:
            return None
        case Need():
            return no_answer(case, verdict.question, case.seen.get(verdict.question))
        case Pending():
            return Wait(verdict.on, verdict.message)
        case Failed():
            return fail(case.step, case.now, verdict)
        case Done():
            text = f"step {failed.index + 1} ({failed.plan.kind}) failed before and succeeds now ({verdict.message})"
            remedy = f"look at environment {case.environment}, and restore by hand if it is needed"
            return fail(
                case.step, case.now, Failed(FailureKind.UNKNOWN, f"{text}: nothing is restored", remedy, doubtful=True)
            )
        case _:
            assert_never(verdict)


def _request(
    case: StepContext, kind: RequestKind, background: Background, subject: str, kinds: Mapping[str, StepKind]
) -> Decision:
    """Return the request if all guards allow it, else the obstacle; ``subject`` is the environment it changes."""
    environment = case.seen.get(case.look_at_environment())
    if not isinstance(environment, Environment):
        return no_answer(case, case.look_at_environment(), environment)
    blocked = guard(case, kind, environment) or (_contradicted(case, kinds) if kind.destroys else None)
    if blocked is not None:
        return blocked
    verdict = kind.already_satisfied(environment) or kind.shortcut(case, environment)
    if verdict is not None:
        return act_on(case, kind, verdict)
    blocked = others_at_work(case, kind, environment) if environment.is_dirty else None
    if kind.name == "backup" and blocked is None:
        blocked = quota(case, kind, background)
    if blocked is None and kind.needs_proof(case.step.plan):
        blocked = _lost_proof(case, subject)
    if blocked is not None:
        return blocked
    changed = case.seen.get(case.look_at_environment(subject))  # its head tells afterwards whether anything came of it
    if not isinstance(changed, Environment):
        return no_answer(case, case.look_at_environment(subject), changed)
    intent = _intent(case, environment.server_at, changed.head_commit)
    return Send(intent, kind.activity_type, kind.path(case, environment), kind.body(case.step.plan, case.run.id))


def _intent(case: StepContext, server_at: datetime, head: str | None) -> ev.IntentRecorded:
    attempt = case.step.attempts + 1
    return ev.IntentRecorded(at=case.now, step=case.step.index, attempt=attempt, server_at=server_at, head=head)


# --- a step whose request may have been made ---------------------------------------------------------------


def _intended(case: StepContext, kind: RequestKind) -> Decision:
    """Find out from the activity list what became of the intent; never ask again before that is known."""
    found = reconcile(case, kind)
    match found:
        case Need():
            return no_answer(case, found.question, case.seen.get(found.question))
        case Pending():
            return Wait(found.on, found.message)
        case Failed():
            return fail(case.step, case.now, found)
        case ev.ActivityAdopted():
            return Record(found)
        case ev.IntentVoid():
            return Record(found, doubtful=True)
        case _:
            assert_never(found)


def _interrupted(case: StepContext, kind: CommandKind) -> Decision:
    """Return what follows an interrupted command: it is run again only where the job file allows it."""
    text = "the command was interrupted: it is not known how far it got"
    if kind.may_repeat(case.step.plan):
        return Record(ev.IntentVoid(at=case.now, step=case.step.index, message=f"{text}; it may be run again"))
    return fail(case.step, case.now, Failed(FailureKind.INTERRUPTED, text))


# --- a step whose activity is known ------------------------------------------------------------------------


def _accepted(case: StepContext, kind: RequestKind) -> Decision:
    step, now = case.step, case.now
    activity = confirmed(case, kind)
    if isinstance(activity, Need):
        return no_answer(case, activity.question, case.seen.get(activity.question))
    if isinstance(activity, Failed):
        return fail(step, now, activity)
    if activity.fate == Fate.STAGED and kind.ends_staged:
        return act_on(case, kind, kind.judge(case, activity))
    if activity.fate in {Fate.RUNNING, Fate.STAGED}:
        return Wait("activity", f"{kind.name}: activity {activity.id} is {activity.state}")
    if step.ended_at is None:
        return Record(
            ev.ActivityEnded(
                at=now, step=step.index, activity=activity.id, state=activity.state, result=activity.result
            )
        )
    if not activity.succeeded:
        return Record(after_failure(case, kind, _failure(kind, activity)))
    verdict = commands_verdict(kind, activity) or kind.judge(case, activity)
    return act_on(case, kind, with_commands(verdict, activity.failing_commands))


def _failure(kind: RequestKind, activity: Activity) -> Failed:
    remedy = f"read its log: upsun activity:log {quote(activity.id)}"
    if activity.state == "cancelled":
        return Failed(FailureKind.ACTIVITY_CANCELLED, f"the {kind.name} activity {activity.id} was cancelled", remedy)
    result = activity.result or "no result"
    reason = f" ({activity.failure_reason})" if activity.failure_reason else ""
    failing = f": {words_of(activity.failing_commands)}" if activity.failing_commands else ""
    text = f"the {kind.name} activity {activity.id} ended with {result}{reason}{failing}"
    return Failed(FailureKind.ACTIVITY_FAILED, text, remedy)
