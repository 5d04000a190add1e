"""Find the result of a request; it is read from more than one place before it counts.

One answer may be wrong for a moment: an activity that is not found, that ended without a result, that two places of
the API describe differently. Such an answer is an outcome of its own, ``unknown``: it is neither success nor failure,
and nothing irreversible follows from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from shlex import quote

from msgspec.structs import replace

from upsun_agent.engine.bounds import CLOCKS_APART
from upsun_agent.engine.run import Phase, Run, Step
from upsun_agent.engine.step import Done, Failed, Need, Pending, RequestKind, StepContext, StepKind, Verdict
from upsun_agent.model.answers import (
    PROJECT,
    Absent,
    Activity,
    ActivityList,
    Backup,
    CommandResult,
    Fate,
    LookAtActivities,
    LookAtActivity,
)
from upsun_agent.model.events import StepOutcome
from upsun_agent.model.failures import FailureKind

#: Failures that are acted on after one look: nothing irreversible depends on them alone.
CLEAR = frozenset({Fate.RUNNING, Fate.STAGED, Fate.SUCCEEDED})

#: The type of a hook that runs after the deployment: its failure leaves the site as it is.
AFTER_DEPLOYMENT = frozenset({"post_deploy", "post-deploy"})

#: Failures of a step that another answer of the platform cannot change.
SETTLED = frozenset(
    {
        FailureKind.TIMEOUT,
        FailureKind.TOO_LATE,
        FailureKind.STEP_TIMEOUT,
        FailureKind.ATTEMPTS,
        FailureKind.UNKNOWN_STEP,
        FailureKind.JOURNAL,
        FailureKind.INTERRUPTED,
        FailureKind.DENIED,
    }
)

#: Failures of a request's own activity.
ACTIVITY_FAILED = frozenset({FailureKind.ACTIVITY_FAILED, FailureKind.ACTIVITY_CANCELLED})

#: Types of activities that replace data, and types that deploy.
REPLACING = ("environment.restore", "environment.synchronize")
DEPLOYING = ("environment.push", "environment.redeploy", "environment.merge", "environment.deploy")


def confirmed(case: StepContext, kind: RequestKind) -> Activity | Need | Failed:
    """Return the step's activity as far as its state is confirmed.

    An activity that is running, staged or successful is taken from one look. Failure has to be in the activity list
    too, unless the list does not have the activity. Everything else is ``unknown``.

    Returns:
        The activity; or the question that has to be answered first; or the doubtful failure ``unknown``.
    """
    question = LookAtActivity(case.step.activity or "")
    answer = case.seen.get(question)
    if not isinstance(answer, Activity | Absent):
        return Need(question)
    if isinstance(answer, Activity) and answer.fate in CLEAR:
        return answer
    listing = listing_of(case, kind, answer)
    listed = case.seen.get(listing)
    if not isinstance(listed, ActivityList):
        return Need(listing)
    other = next((each for each in listed.items if each.id == case.step.activity), None)
    if isinstance(answer, Activity) and answer.fate == Fate.FAILED and (other is None or other.fate == Fate.FAILED):
        return answer
    if other is not None and other.fate in CLEAR and not (isinstance(answer, Activity) and answer.fate == Fate.FAILED):
        return other
    said = words_for(case.step.activity or "", answer if isinstance(answer, Activity) else None)
    also = "the activity list does not have it" if other is None else f"the activity list says {_state(other)}"
    return unknown(case, f"{said}; {also}")


def unknown(case: StepContext, what: str) -> Failed:
    """Return the failure for a request with unknown result, with what a person should check."""
    named = f"activity {case.step.activity}" if case.step.activity else "the environment's activities"
    look = f"look at {named} (upsun activity:list) and at environment {case.environment} before you do anything else"
    proof = case.run.backup_of(case.environment)
    restore = f"; backup {proof} was proved in this run (upsun backup:restore {quote(proof)})" if proof else ""
    return Failed(
        FailureKind.UNKNOWN, f"{what}: what became of the {case.step.plan.kind} is not known", look + restore, True
    )


def listing_of(case: StepContext, kind: RequestKind, activity: object = None) -> LookAtActivities:
    """Return the question for the list that must contain the step's activity.

    Args:
        case: the step, with its run, the present, and what this pass has seen.
        kind: the kind of the step.
        activity: the activity, if it is known when it was created; else the request's time is taken.
    """
    created = activity.created_at if isinstance(activity, Activity) else None
    intent = case.step.intent
    since = created or (intent.server_at if intent is not None else case.run.due_at)
    place = PROJECT if kind.listed_elsewhere else None
    return case.look_at_activities(types=(kind.activity_type,), since=since - CLOCKS_APART, environment=place)


def words_for(activity: str, seen: Activity | None) -> str:
    """Return in words the state of an activity in one answer."""
    if seen is None:
        return f"activity {activity} cannot be found"
    return f"activity {activity} says {_state(seen)}"


def _state(activity: Activity) -> str:
    result = f"result {activity.result}" if activity.result else "without a result"
    return f"{activity.state}, {result}"


# --- a backup ------------------------------------------------------------------------------------------------


def unusable(backup: Backup, environment: str) -> list[str]:
    """Return why the backup cannot be restored to the environment; empty if it can be."""
    problems: list[str] = []
    if backup.status != "CREATED":
        problems.append(f"its status is {backup.status}, not CREATED")
    if not backup.restorable:
        problems.append("it is not restorable")
    if backup.environment != environment:
        problems.append(f"it belongs to {backup.environment}, not to {environment}")
    return problems


# --- commands ------------------------------------------------------------------------------------------------


def grave(commands: tuple[CommandResult, ...]) -> tuple[CommandResult, ...]:
    """Return the failed commands that make the activity fail: all except hooks after the deployment."""
    return tuple(each for each in commands if each.exit_code and each.type not in AFTER_DEPLOYMENT)


def words_of(commands: tuple[CommandResult, ...]) -> str:
    """Return failed commands in words, at most three of them."""
    shown = ", ".join(each.words for each in commands[:3])
    return f"{shown} and {len(commands) - 3} more" if len(commands) > 3 else shown  # noqa: PLR2004  as many as shown


def commands_verdict(kind: RequestKind, activity: Activity) -> Failed | None:
    """Return the failure of an activity that reports success although one of its commands failed, or None."""
    bad = grave(activity.failing_commands)
    if not bad or not kind.commands_decide:
        return None
    text = f"activity {activity.id} succeeded with failing commands: {words_of(bad)}"
    return Failed(FailureKind.COMMANDS_FAILED, text, f"read its log: upsun activity:log {quote(activity.id)}")


def with_commands(verdict: Verdict, failing: tuple[CommandResult, ...]) -> Verdict:
    """Return the verdict; for a success, add the names of commands that failed."""
    if not isinstance(verdict, Done) or not failing:
        return verdict
    detail = [{"app": each.app, "type": each.type, "exit_code": each.exit_code} for each in failing]
    text = f"{verdict.message}; it succeeded with failing commands: {words_of(failing)}"
    return replace(verdict, message=text, detail={**verdict.detail, "failing-commands": detail})


# --- before something irreversible ---------------------------------------------------------------------------


def failure_now(case: StepContext, failed: Step, kinds: Mapping[str, StepKind]) -> Verdict | None:
    """Judge the failed step again, from the answers of this pass.

    What an earlier step of the rollback changed (a reverted commit, say) has changed the site too: from then on only
    the failed step's own activity is looked at.

    Returns:
        The verdict as it would be now; None where there is nothing to look at, or it is the failure that it was.

    Args:
        case: the step, with its run, the present, and what this pass has seen.
        failed: the step that failed.
        kinds: the kinds of steps, by name.
    """
    changed_since = any(
        step.phase == Phase.DONE and step.outcome == StepOutcome.DONE for step in case.run.rollback_steps
    )
    kind = kinds.get(failed.plan.kind)
    if kind is None or kind.way == "command" or (kind.way == "look" and kind.passes_time):
        return None
    about = replace(case, step=failed)
    if kind.way == "look":
        verdict = None if changed_since else kind.look(about)
    elif failed.activity is None or failed.failure in SETTLED:
        return None
    else:
        verdict = _judged(about, kind, changed_since=changed_since)
    if verdict is not None and not (isinstance(verdict, Failed) and verdict.failure is not FailureKind.UNKNOWN):
        return verdict
    return None if changed_since else _overtaken(case, failed, kinds)


def _judged(case: StepContext, kind: RequestKind, *, changed_since: bool) -> Verdict | None:
    found = confirmed(case, kind)
    if not isinstance(found, Activity):
        return found
    if found.fate == Fate.RUNNING or (found.fate == Fate.STAGED and not kind.ends_staged):
        return Pending("recheck", f"activity {found.id} failed before and is {found.state} now")
    if found.fate == Fate.FAILED:
        return Failed(FailureKind.ACTIVITY_FAILED, words_for(found.id, found))
    if changed_since:
        return None
    return commands_verdict(kind, found) or kind.judge(case, found)


def _overtaken(case: StepContext, failed: Step, kinds: Mapping[str, StepKind]) -> Verdict | None:
    """Return in words what somebody else did on the environment since this run changed it, or None.

    After a restore or sync of theirs, or after a deployment of theirs that went well where an activity failed, what is
    there is not what failed. A failed deployment is judged by the newest one anyway, and a page by what it answers.
    """
    run, subject = case.run, case.environment
    types: tuple[str, ...] = REPLACING
    changing = [step for step in run.main_steps if _changes(step, run, kinds) == subject]
    if failed in changing and failed.failure in ACTIVITY_FAILED:
        changing, types = [failed], (*REPLACING, *DEPLOYING)
    since = min((step.intent.server_at for step in changing if step.intent is not None), default=run.due_at)
    question = case.look_at_activities(types=types, since=since)
    listed = case.seen.get(question)
    if not isinstance(listed, ActivityList):
        return Need(question)
    own = {step.activity for step in run.steps if step.activity}
    others = [each for each in listed.items if each.id not in own and each.fate == Fate.SUCCEEDED]
    for each in others:
        if each.created_at is not None and each.created_at > since:
            text = f"{each.type} {each.id}, which is not this run's, succeeded since step {failed.index + 1} began"
            look = f"look at environment {subject}, and restore by hand if it is needed"
            return Failed(FailureKind.UNKNOWN, f"{text}: nothing is restored", look)
    return None


def _changes(step: Step, run: Run, kinds: Mapping[str, StepKind]) -> str | None:
    kind = kinds.get(step.plan.kind)
    return kind.changes(step.plan, run.environment) if kind is not None and step.is_touched else None
