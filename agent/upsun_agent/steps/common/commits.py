"""The result of a request that may make a commit: no commit, live, staged, or failed to deploy.

The activity that makes a commit may or may not include its deployment, so the judgement rests on the head commit, on
push activities and on the environment's deployment state together.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from upsun_agent.engine.bounds import DEPLOY_APPEAR, JUDGE_SETTLE
from upsun_agent.engine.evidence import grave, unknown, with_commands, words_for, words_of
from upsun_agent.engine.step import Done, Failed, Need, Pending, StepContext, Verdict
from upsun_agent.model.answers import Activity, ActivityList, Environment, Fate, LookAtActivity
from upsun_agent.model.durations import span
from upsun_agent.model.events import StepOutcome
from upsun_agent.model.failures import FailureKind
from upsun_agent.steps.common.request import DEPLOY

PUSH_TYPES = ("environment.push", "environment.redeploy")


def judge_commit(case: StepContext, activity: Activity, subject: str, what: str, nothing: Done) -> Verdict:
    """Return the verdict on an activity that succeeded and may have moved the head of an environment.

    Args:
        case: the step.
        activity: its activity.
        subject: the id of the environment whose head may have moved.
        what: the activity in words.
        nothing: the verdict where the head surely did not move.
    """
    seen, looked = case.seen, case.seen.number(LookAtActivity(activity.id))
    place = case.look_at_environment(subject)
    environment = seen.get(place)
    if not isinstance(environment, Environment) or seen.number(place) < looked:
        return Need(place)
    since = _began(case, activity)
    question = case.look_at_activities(types=PUSH_TYPES, since=since, environment=subject)
    listed = seen.get(question)
    if not isinstance(listed, ActivityList) or seen.number(question) < looked:
        return Need(question)
    pushes = [each for each in listed.items if each.created_at is not None and each.created_at >= since]
    running = [each for each in pushes if each.fate == Fate.RUNNING]
    if running:
        return Pending("deployment", f"{running[0].type} {running[0].id} is {running[0].state}")
    odd = next((each for each in pushes if each.fate == Fate.ODD), None)
    if odd is not None:
        return unknown(case, f"{odd.type}: {words_for(odd.id, odd)}")
    commit = _commit(case.step.head, environment.head_commit)
    # A redeployment alone may be anybody's: without a push and with the head where it was, nothing was committed.
    if commit is None and not any(each.type == "environment.push" for each in pushes):
        if not listed.complete:  # a push may be among those that were not read
            return Pending("deployment", f"the list of pushes since {what} cannot be read whole")
        return _without_commit(activity, environment, what, nothing)
    return _deployed(environment, activity, pushes, since, commit or environment.head_commit or "unknown")


def judge_staged(case: StepContext, activity: Activity, subject: str, what: str) -> Verdict:
    """Return the verdict on an activity that ended staged: an update that a deployment will bring live.

    Args:
        case: the step.
        activity: its activity.
        subject: the id of the environment whose head may have moved.
        what: the activity in words.
    """
    place = case.look_at_environment(subject)
    environment = case.seen.get(place)
    if not isinstance(environment, Environment) or case.seen.number(place) < case.seen.number(
        LookAtActivity(activity.id)
    ):
        return Need(place)
    commit = _commit(case.step.head, environment.head_commit)
    named = f"commit {commit[:8]}" if commit else f"the result of {what}"
    text = f"{named} is staged: the project deploys manually ({DEPLOY})"
    return Done(StepOutcome.DONE, text, {"commit": commit, "deployment": "staged"})


def _without_commit(activity: Activity, environment: Environment, what: str, nothing: Done) -> Verdict:
    ended = activity.completed_at or activity.created_at
    if ended is not None and environment.server_at < ended + JUDGE_SETTLE:
        return Pending("settling", f"{what} made no commit so far; a push may still appear")
    return nothing


def _deployed(
    environment: Environment, activity: Activity, pushes: list[Activity], since: datetime, commit: str
) -> Verdict:
    """Return the verdict on a commit: live, staged, failed, or not visible yet."""
    short, detail = commit[:8], {"commit": commit}
    if environment.has_staged_activities or any(each.state == "staged" for each in pushes):
        text = f"commit {short} is staged: the project deploys manually ({DEPLOY})"
        return Done(StepOutcome.DONE, text, {**detail, "deployment": "staged"})
    good = max((each.created_at for each in pushes if each.succeeded and each.created_at), default=since)
    bad = next((each for each in pushes if not each.succeeded and each.created_at and each.created_at >= good), None)
    deployment = environment.deployment
    fresh = deployment is not None and deployment.at is not None and deployment.at >= since
    lasting = [each for each in pushes if each.succeeded or each is bad]  # a later deployment mends one that failed
    failing = tuple(command for each in lasting for command in each.failing_commands)
    if fresh and deployment is not None:
        failing += tuple(each for each in deployment.commands if each.exit_code and each not in failing)
    hooks = f": {words_of(failing)}" if failing else ""
    if bad is not None or (fresh and deployment is not None and not deployment.successful):
        named = f" ({bad.type} {bad.id} ended with {bad.result or bad.state})" if bad else ""
        return Failed(FailureKind.DEPLOYMENT_FAILED, f"commit {short} was made but its deployment failed{named}{hooks}")
    if grave(failing):
        text = f"commit {short} was deployed with failing commands{hooks}"
        return Failed(FailureKind.COMMANDS_FAILED, text, FailureKind.DEPLOYMENT_FAILED.remedy)
    if fresh or pushes:
        done = Done(StepOutcome.DONE, f"commit {short} is live", {**detail, "deployment": "live"})
        return with_commands(done, failing)
    ended = activity.completed_at or activity.created_at or since
    if environment.server_at < ended + DEPLOY_APPEAR:
        return Pending("deployment", f"commit {short} was made, its deployment is not listed yet")
    text = f"commit {short} was made but no deployment followed within {span(DEPLOY_APPEAR)}"
    return Failed(FailureKind.DEPLOYMENT_MISSING, text)


def _began(case: StepContext, activity: Activity) -> datetime:
    """Return the earliest time, by the server's clock, at which this operation may push."""
    if activity.created_at is not None:
        return activity.created_at - timedelta(seconds=1)
    intent = case.step.intent
    return intent.server_at if intent is not None else case.run.due_at


def _commit(before: str | None, after: str | None) -> str | None:
    """Return the new head commit, or None if the head did not move or cannot be compared."""
    return after if before is not None and after is not None and before != after else None
