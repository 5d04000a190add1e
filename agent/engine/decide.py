"""What a run does next. One function, no effects: the tick carries out what it returns."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, assert_never

from agent.engine import events as ev
from agent.engine.bounds import ATTEMPTS_MOST
from agent.engine.due import grace
from agent.engine.facts import (
    Absent,
    Activity,
    ActivityList,
    Answer,
    Environment,
    LookAtActivities,
    LookAtActivity,
    LookAtEnvironment,
    LookAtRetention,
    Observation,
    Question,
    Trouble,
)
from agent.engine.policy import after_failure, manual_limit, spares_the_newest, time_limit
from agent.engine.reconcile import reconcile
from agent.engine.run import Run, Step
from agent.engine.step import Case, Done, Failed, Need, Pending, StepKind, Verdict
from agent.records import dataclass


@dataclass(frozen=True, slots=True)
class Look:
    """Find the answer to a question, then decide again."""

    question: Question


@dataclass(frozen=True, slots=True)
class Send:
    """Write and sync the intent, then make this one request, then record what came of it."""

    intent: ev.IntentRecorded
    activity_type: str
    path: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Record:
    """Append the event, then decide again."""

    event: ev.Event


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing more can be done now; ``trouble`` is set where that is because of a fault."""

    on: str
    message: str
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True)
class Rest:
    """The run is closed."""


Decision = Look | Send | Record | Wait | Rest

#: An operation in one of these makes the environment's data or existence uncertain: nothing is asked meanwhile.
UPHEAVALS = frozenset(
    {
        "environment.restore",
        "environment.synchronize",
        "environment.delete",
        "environment.deactivate",
        "environment.activate",
        "environment.pause",
        "environment.resume",
    }
)


@dataclass(frozen=True, slots=True)
class Background:
    """What the journal knows beyond the run: activities of other steps and runs, and the backup quota last seen."""

    claimed: frozenset[str] = frozenset()
    manual_limit: int | None = None


def decide(
    run: Run,
    now: datetime,
    seen: Observation,
    kinds: Mapping[str, StepKind],
    background: Background | None = None,
) -> Decision:
    """The next thing to do for ``run`` at ``now`` (UTC), given what this pass has ``seen`` so far.

    Promises: a request is returned only for a step in phase ``ready``, with every guard passed on what this pass
    saw; a step that needs a proved backup gets none without it; an intent without an answer leads to reconciling
    only; a closed run rests.
    """
    background = background or Background()
    if run.closed is not None:
        return Rest()
    step = run.current
    failed = [each for each in run.steps if each.phase == "failed"]
    ending = [each for each in failed if not each.is_passed_over or each.failure in RUN_ENDING]
    if ending or (failed and step is None):
        return _close_failed(run, now, (ending or failed)[0])
    if step is None:
        return _close(run, now, seen)
    late = _out_of_time(run, now) or time_limit(step, now)
    if late is not None:
        return _fail(step, now, late)
    kind = kinds.get(step.plan.kind)
    if kind is None:
        return _fail(step, now, Failed("unknown-step", f"this version knows no step '{step.plan.kind}'"))
    case = Case(run, step, seen, now, background.claimed)
    match step.phase:
        case "ready":
            return _ready(case, kind, background)
        case "intended":
            return _intended(case, kind)
        case "refused":
            remedy = "grant the token's user the role 'admin' on this environment type"
            refused = Failed(step.failure or "refused", step.message, remedy if step.failure == "permission" else "")
            return _fail(step, now, refused)
        case _:
            return _accepted(case, kind)


#: What makes an environment active again, by its status; one that is being deleted does not come back.
REVIVALS = {
    "inactive": "activate it (upsun environment:activate)",
    "paused": "resume it (upsun environment:resume)",
}

#: Failures that end the run whatever the step's ``on-failure`` says.
RUN_ENDING = frozenset({"timeout", "too-late", "token"})


def _out_of_time(run: Run, now: datetime) -> Failed | None:
    """The verdict on a run that is past its limits, or None."""
    if now - run.opened_at >= timedelta(seconds=run.job.timeout):
        waited = f" while waiting: {run.wait_message}" if run.wait_message else ""
        text = f"the run's time limit of {run.job.timeout} s passed{waited}"
        return Failed("timeout", text, "look at the environment's activities; 'timeout' in the job file sets the limit")
    allowed = max(timedelta(seconds=run.job.misfire_grace), grace(run.job))  # what was opened in time may begin
    if not run.begun and now - run.due_at > allowed:
        waited = f": {run.wait_message}" if run.wait_message else ""
        text = f"nothing could be begun within {int(allowed.total_seconds())} s of the slot{waited}"
        return Failed("too-late", text, "'misfire-grace' in the job file says how late a run may begin")
    return None


# --- closing ---------------------------------------------------------------------------------------------------


def _close_failed(run: Run, now: datetime, failed: Step) -> Decision:
    """A failed step makes the run a failed one, at once or, with ``on-failure = "continue"``, at its end."""
    name = failed.plan.kind
    return Record(
        ev.RunClosed(
            at=now,
            outcome="failed",
            failure=failed.failure,
            message=f"step {failed.index + 1} of {len(run.steps)} ({name}): {failed.message}",
            remedy=failed.remedy,
        )
    )


def _close(run: Run, now: datetime, seen: Observation) -> Decision:
    """All steps are done. Before the run closes, see whether the backup quota threatens the next one."""
    took_backup = any(step.plan.kind == "backup" and step.attempts for step in run.steps)
    if took_backup and not run.warnings:
        answer = seen.get(LookAtRetention())
        if answer is None:
            return Look(LookAtRetention())
        limit = manual_limit(run.job, answer)
        if _too_few(limit):
            return Record(ev.Warned(at=now, message=_quota_warning(limit)))
    return Record(ev.RunClosed(at=now, outcome="succeeded", message="; ".join(step.message for step in run.steps)))


def _too_few(manual_limit: int | None) -> bool:
    return manual_limit is not None and manual_limit <= 1


def _quota_warning(manual_limit: int | None) -> str:
    return (
        f"the project keeps {manual_limit} manual backup(s): a new one replaces the newest proved one. "
        "Keep at least two (project settings, backup retention)"
    )


# --- a step that has nothing under way ---------------------------------------------------------------------


def _ready(case: Case, kind: StepKind, background: Background) -> Decision:
    step, now = case.step, case.now
    if step.again_at is not None and now < step.again_at:
        return Wait(step.again_on, f"{step.message}; again at {step.again_at:%H:%M:%S} UTC")
    if step.voids >= ATTEMPTS_MOST:
        text = f"{step.voids} requests left no trace on the platform: {step.message}"
        return _fail(step, now, Failed("attempts", text, "see status.upsun.com and the agent's log"))
    if kind.needs_proof(step.plan) and case.run.proved_backup is None:
        text = "no backup was proved in this run, so the step was not begun"
        return _fail(step, now, Failed("no-proved-backup", text))
    environment = case.seen.get(LookAtEnvironment())
    if not isinstance(environment, Environment):
        return _no_answer(case, LookAtEnvironment(), environment)
    blocked = _guard(case, kind, environment)
    if blocked is not None:
        return blocked
    verdict = kind.shortcut(case, environment)
    if verdict is not None:
        return _act_on(case, kind, verdict)
    blocked = _others_at_work(case, kind, environment) if environment.is_dirty else None
    if kind.name == "backup" and blocked is None:
        blocked = _quota(case, kind, background)
    if blocked is not None:
        return blocked
    intent = ev.IntentRecorded(
        at=now,
        step=step.index,
        attempt=step.attempts + 1,
        server_at=environment.server_at,
        head=environment.head_commit,
    )
    return Send(intent, kind.activity_type, environment.links[kind.link], kind.body(step.plan, case.run.id))


def _quota(case: Case, kind: StepKind, background: Background) -> Decision | None:
    """Warn before a request that would replace the newest good backup; do not try again where it would."""
    if case.step.retries:
        spared = spares_the_newest(case)
        if spared is not None:
            return _act_on(case, kind, spared)
    if _too_few(background.manual_limit) and not case.run.warnings:
        return Record(ev.Warned(at=case.now, message=_quota_warning(background.manual_limit)))
    return None


def _guard(case: Case, kind: StepKind, environment: Environment) -> Decision | None:
    """Why the step may not be begun on this environment, or None."""
    types, step, now = case.run.job.environment_types, case.step, case.now
    if environment.type not in types:
        text = f"{environment.id} is of type {environment.type}, the job runs on {', '.join(types)} only"
        if case.run.begun:
            return _fail(step, now, Failed("environment-type", text))
        return Record(ev.RunClosed(at=now, outcome="skipped", failure="environment-type", message=text))
    if environment.status == "dirty":
        return Wait("environment-busy", f"{environment.id} is being changed (status dirty)")
    if environment.status != "active":
        text = f"environment {environment.id} is {environment.status}, the {kind.name} needs an active one"
        return _fail(step, now, Failed("environment-inactive", text, REVIVALS.get(environment.status, "")))
    if kind.link not in environment.links:
        busy = _busy(case, kind) if environment.is_dirty else None
        if busy is not None:
            return busy
        text = f"the platform offers no {kind.link} on {environment.id}: the token's user lacks the role"
        remedy = f"grant the user {environment.type}:admin (upsun user:update -r {environment.type}:admin)"
        return _fail(step, now, Failed("permission", text, remedy))
    return None


def _busy(case: Case, kind: StepKind) -> Decision | None:
    """What may be the reason that a link is absent, or None where only crons run: our own makes us busy always."""
    question = LookAtActivities(incomplete=True)
    listed = case.seen.get(question)
    if not isinstance(listed, ActivityList):
        return _no_answer(case, question, listed)
    others = [each for each in listed.items if not each.finished and each.type != "environment.cron"]
    if not others:
        return None
    return Wait("environment-busy", f"{kind.link} is not offered while {others[0].type} {others[0].id} runs")


def _others_at_work(case: Case, kind: StepKind, environment: Environment) -> Decision | None:
    """Adopt, or wait for, what is running on the environment; None where nothing is in the way."""
    question = LookAtActivities(incomplete=True)
    listed = case.seen.get(question)
    if not isinstance(listed, ActivityList):
        return _no_answer(case, question, listed)
    for activity in listed.items:
        if activity.finished:
            continue
        ours = activity.id in case.claimed  # another step's or run's: not adopted, but waited for
        if activity.type == kind.activity_type and not ours and kind.adopts(case, activity):
            return Record(
                ev.ActivityAdopted(
                    at=case.now,
                    step=case.step.index,
                    activity=activity.id,
                    how="it was already running when the step began",
                    backup=_backup_name(activity),
                    head=environment.head_commit,
                )
            )
        if activity.type in UPHEAVALS | kind.waits_for | {kind.activity_type}:
            return Wait("environment-busy", f"{activity.type} {activity.id} is {activity.state}")
    return None


# --- a step whose request may have been made ---------------------------------------------------------------


def _intended(case: Case, kind: StepKind) -> Decision:
    """Find out from the activity list what became of the intent; never ask again before that is known."""
    found = reconcile(case, kind)
    match found:
        case Need():
            return _no_answer(case, found.question, case.seen.get(found.question))
        case Pending():
            return Wait(found.on, found.message)
        case ev.ActivityAdopted() | ev.IntentVoid():
            return Record(found)
        case _:
            assert_never(found)


# --- a step whose activity is known ------------------------------------------------------------------------


def _accepted(case: Case, kind: StepKind) -> Decision:
    step, now = case.step, case.now
    question = LookAtActivity(step.activity or "")
    activity = case.seen.get(question)
    if isinstance(activity, Absent):
        text = f"activity {step.activity} is gone"
        return _fail(step, now, Failed("activity-lost", text, "look at the environment's activities"))
    if not isinstance(activity, Activity):
        return _no_answer(case, question, activity)
    if activity.state == "staged" and kind.ends_staged:
        return _act_on(case, kind, kind.judge(case, activity))
    if not activity.finished:
        return Wait("activity", f"{kind.name}: activity {activity.id} is {activity.state}")
    if step.ended_at is None:
        return Record(
            ev.ActivityEnded(
                at=now, step=step.index, activity=activity.id, state=activity.state, result=activity.result
            )
        )
    if not activity.succeeded:
        return Record(after_failure(case, kind, _failure(kind, activity)))
    return _act_on(case, kind, kind.judge(case, activity))


def _failure(kind: StepKind, activity: Activity) -> Failed:
    remedy = f"see its log: upsun activity:log {activity.id}"
    if activity.state == "cancelled":
        return Failed("activity-cancelled", f"the {kind.name} activity {activity.id} was cancelled", remedy)
    result = activity.result or "no result"
    reason = f" ({activity.failure_reason})" if activity.failure_reason else ""
    return Failed("activity-failed", f"the {kind.name} activity {activity.id} ended with {result}{reason}", remedy)


def _act_on(case: Case, kind: StepKind, verdict: Verdict) -> Decision:
    match verdict:
        case Need():
            return _no_answer(case, verdict.question, case.seen.get(verdict.question))
        case Pending():
            return Wait(verdict.on, verdict.message)
        case Done():
            return Record(
                ev.StepDone(
                    at=case.now,
                    step=case.step.index,
                    outcome=verdict.outcome,
                    message=verdict.message,
                    detail=verdict.detail,
                )
            )
        case Failed():
            return Record(after_failure(case, kind, verdict))
        case _:
            assert_never(verdict)


def _no_answer(case: Case, question: Question, answer: Answer | None) -> Decision:
    """Ask, or deal with the trouble that the question met."""
    if not isinstance(answer, Trouble):
        return Look(question)
    if answer.kind in {"token", "permission", "not-found"} and not case.run.begun:
        return _fail(case.step, case.now, Failed(answer.kind, answer.message, answer.remedy))
    return Wait(answer.kind, answer.message, answer)


def _fail(step: Step, now: datetime, verdict: Failed) -> Record:
    return Record(
        ev.StepFailed(
            at=now,
            step=step.index,
            failure=verdict.failure,
            message=verdict.message,
            remedy=verdict.remedy,
        )
    )


def _backup_name(activity: Activity) -> str | None:
    name = activity.payload.get("backup_name")
    return name if isinstance(name, str) else None
