"""The step ``source-operation``: run it, then judge what came of it: nothing to update, a commit live, or staged.

A source operation works on a checkout of HEAD; no commit means no build, a commit is pushed, built and deployed like
any push (docs:create-apps/source-operations). Its activity may or may not include that deployment, so the judgement
rests on the head commit, on push activities and on the environment's deployment state together.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from agent.engine.bounds import DEPLOY_APPEAR, JUDGE_SETTLE
from agent.engine.facts import (
    Activity,
    ActivityList,
    Environment,
    LookAtActivities,
    LookAtActivity,
    LookAtEnvironment,
)
from agent.engine.job import StepPlan
from agent.engine.step import Case, Done, Failed, Need, Pending, Recognition, Verdict

#: The variable that carries the run's id into the operation, and so into its activity's parameters.
MARK = "UPSUN_AGENT_RUN"

PUSH_TYPES = ("environment.push", "environment.redeploy")


class SourceOperationStep:
    """Run a source operation and judge it."""

    name = "source-operation"
    activity_type = "environment.source-operation"
    link = "#source-operation"
    ends_staged = True
    retryable = frozenset({"activity-failed"})  # a deployment that failed is not made good by updating again
    waits_for = frozenset({"environment.push", "environment.redeploy", "environment.merge"})

    def body(self, plan: StepPlan, run: str) -> dict[str, Any]:
        """The operation's name and variables, with the run's id among them as a mark."""
        variables = {str(group): dict(values) for group, values in plan.settings.get("variables", {}).items()}
        variables["env"] = {**variables.get("env", {}), MARK: run}
        return {"operation": plan.settings["name"], "variables": variables}

    def describe(self, plan: StepPlan) -> str:
        """The step in a few words for people."""
        return f"source operation {plan.settings['name']}"

    def needs_proof(self, plan: StepPlan) -> bool:
        """Promise P2: no update without a proved backup, unless the job file says ``backup = "not-needed"``."""
        return bool(plan.settings.get("backup", "required") != "not-needed")

    def shortcut(self, case: Case, environment: Environment) -> Verdict | None:  # noqa: ARG002  the protocol's
        """There is no way round running it."""
        return None

    def recognises(self, plan: StepPlan, run: str, activity: Activity) -> Recognition:
        """Surely ours with our mark, surely not with another run's mark or operation, else perhaps."""
        mark = _mark(activity.parameters)
        if mark is not None:
            return "sure" if mark == run else "no"
        operation = activity.parameters.get("operation", activity.payload.get("operation"))
        return "no" if operation is not None and operation != plan.settings["name"] else "maybe"

    def adopts(self, case: Case, activity: Activity) -> bool:
        """Only a running operation that carries this run's mark: anybody else's began without our proof."""
        return self.recognises(case.step.plan, case.run.id, activity) == "sure"

    def judge(self, case: Case, activity: Activity) -> Verdict:
        """Whether a commit was made, and whether it is live; ``staged`` is the end of it where deployment is manual."""
        if activity.state == "staged":
            text = "the operation's result is staged: the project deploys manually (upsun environment:deploy)"
            return Done("done", text, {"commit": None, "deployment": "staged"})
        seen, looked = case.seen, case.seen.number(LookAtActivity(activity.id))
        environment = seen.get(LookAtEnvironment())
        if not isinstance(environment, Environment) or seen.number(LookAtEnvironment()) < looked:
            return Need(LookAtEnvironment())
        since = _began(case, activity)
        question = LookAtActivities(types=PUSH_TYPES, since=since)
        listed = seen.get(question)
        if not isinstance(listed, ActivityList) or seen.number(question) < looked:
            return Need(question)
        pushes = [each for each in listed.items if each.created_at is not None and each.created_at >= since]
        running = [each for each in pushes if each.state in {"pending", "in_progress", "scheduled"}]
        if running:
            return Pending("deployment", f"{running[0].type} {running[0].id} is {running[0].state}")
        commit = _commit(case.step.head, environment.head_commit)
        # A redeployment alone may be anybody's: without a push and with the head where it was, nothing was committed.
        if commit is None and not any(each.type == "environment.push" for each in pushes):
            return self._without_commit(activity, environment)
        return _deployed(environment, activity, pushes, since, commit or environment.head_commit or "unknown")

    def _without_commit(self, activity: Activity, environment: Environment) -> Verdict:
        ended = activity.completed_at or activity.created_at
        if ended is not None and environment.server_at < ended + JUDGE_SETTLE:
            return Pending("settling", "the operation made no commit so far; a push may still appear")
        return Done("nothing-to-do", "nothing to update: the operation made no commit", {"commit": None})


def _deployed(
    environment: Environment, activity: Activity, pushes: list[Activity], since: datetime, commit: str
) -> Verdict:
    """The verdict on a commit: live, staged, failed, or not to be seen yet."""
    short, detail = commit[:8], {"commit": commit}
    if environment.has_staged_activities or any(each.state == "staged" for each in pushes):
        text = f"commit {short} is staged: the project deploys manually (upsun environment:deploy)"
        return Done("done", text, {**detail, "deployment": "staged"})
    bad = next((each for each in pushes if not each.succeeded), None)
    deployment = environment.deployment
    fresh = deployment is not None and deployment.at is not None and deployment.at >= since
    if bad is not None or (fresh and deployment is not None and not deployment.successful):
        named = f" ({bad.type} {bad.id} ended with {bad.result or bad.state})" if bad else ""
        remedy = "see the deployment's log; the proved backup can be restored (upsun backup:restore)"
        return Failed("deployment-failed", f"commit {short} was made but its deployment failed{named}", remedy)
    if fresh or pushes:
        return Done("done", f"commit {short} is live", {**detail, "deployment": "live"})
    ended = activity.completed_at or activity.created_at or since
    if environment.server_at < ended + DEPLOY_APPEAR:
        return Pending("deployment", f"commit {short} was made, its deployment is not to be seen yet")
    text = f"commit {short} was made but no deployment followed within {int(DEPLOY_APPEAR.total_seconds())} s"
    return Failed("deployment-missing", text, "push or redeploy by hand, and look at the activities")


def _began(case: Case, activity: Activity) -> datetime:
    """From when on a push may come of this operation, by the server's clock."""
    if activity.created_at is not None:
        return activity.created_at - timedelta(seconds=1)
    intent = case.step.intent
    return intent.server_at if intent is not None else case.run.due_at


def _commit(before: str | None, after: str | None) -> str | None:
    """The new head commit, or None where the head did not move or cannot be compared."""
    return after if before is not None and after is not None and before != after else None


def _mark(parameters: Mapping[str, Any]) -> str | None:
    """The run id that an activity carries, if any."""
    variables = parameters.get("variables")
    group = variables.get("env") if isinstance(variables, Mapping) else None
    mark = group.get(MARK) if isinstance(group, Mapping) else None
    if mark is None and isinstance(variables, Mapping):
        mark = variables.get(f"env:{MARK}")
    return mark if isinstance(mark, str) else None
