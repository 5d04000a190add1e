"""The step ``source-operation``: run it, then judge what came of it: nothing to update, a commit live, or staged.

A source operation works on a checkout of HEAD; no commit means no build, a commit is pushed, built and deployed like
any push (docs:create-apps/source-operations).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from upsun_agent.engine.step import Done, Recognition, StepContext, Verdict
from upsun_agent.model.answers import Activity
from upsun_agent.model.job import StepPlan
from upsun_agent.steps.commits import judge_commit, judge_staged
from upsun_agent.steps.request import RequestStep, on

#: The variable that carries the run's id into the operation, and so into its activity's parameters.
MARK = "UPSUN_AGENT_RUN"


class SourceOperationStep(RequestStep):
    """Run a source operation and judge it."""

    name = "source-operation"
    activity_type = "environment.source-operation"
    link = permission_link = "#source-operation"
    ends_staged = True
    waits_for = frozenset({"environment.push", "environment.redeploy", "environment.merge"})

    def body(self, plan: StepPlan, run: str) -> dict[str, Any]:
        """The operation's name and variables, with the run's id among them as a mark."""
        variables = {str(group): dict(values) for group, values in plan.settings.get("variables", {}).items()}
        variables["env"] = {**variables.get("env", {}), MARK: run}
        return {"operation": plan.settings["name"], "variables": variables}

    def describe(self, plan: StepPlan) -> str:
        """The step in a few words for people."""
        return f"source operation {plan.settings['name']}{on(plan)}"

    def needs_proof(self, plan: StepPlan) -> bool:
        """Promise P2: no update without a proved backup, unless the job file says ``backup = "not-needed"``."""
        return bool(plan.settings.get("backup", "required") != "not-needed")

    def recognises(self, plan: StepPlan, run: str, activity: Activity) -> Recognition:
        """Surely ours with our mark, surely not with another run's mark or operation, else perhaps."""
        operation = activity.parameters.get("operation", activity.payload.get("operation"))
        if operation is not None and operation != plan.settings["name"]:
            return "no"  # a run may ask for several, each with its mark
        mark = _mark(activity.parameters)
        if mark is not None:
            return "sure" if mark == run else "no"
        return "maybe"

    def adopts(self, case: StepContext, activity: Activity) -> bool:
        """Only a running operation that carries this run's mark: anybody else's began without our proof."""
        return self.recognises(case.step.plan, case.run.id, activity) == "sure"

    def judge(self, case: StepContext, activity: Activity) -> Verdict:
        """Whether a commit was made, and whether it is live; ``staged`` is the end of it where deployment is manual."""
        if activity.fate == "staged":
            return judge_staged(case, activity, case.environment, "the operation")
        nothing = Done("nothing-to-do", "nothing to update: the operation made no commit", {"commit": None})
        return judge_commit(case, activity, case.environment, "the operation", nothing)


def _mark(parameters: Mapping[str, Any]) -> str | None:
    """The run id that an activity carries, if any."""
    variables = parameters.get("variables")
    group = variables.get("env") if isinstance(variables, Mapping) else None
    mark = group.get(MARK) if isinstance(group, Mapping) else None
    if mark is None and isinstance(variables, Mapping):
        mark = variables.get(f"env:{MARK}")
    return mark if isinstance(mark, str) else None
