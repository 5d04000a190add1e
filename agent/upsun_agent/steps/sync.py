"""The step ``sync``: copy code, data or resources of the parent into an environment, over what is there.

Code is merged (or rebased), data of all services and mounts is replaced, resources are set as the parent's
(official CLI, ``environment:synchronize``).
"""

from __future__ import annotations

from typing import Any

from upsun_agent.engine.step import Done, Failed, Recognition, StepContext, Verdict
from upsun_agent.model.answers import Activity, Environment
from upsun_agent.model.job import StepPlan
from upsun_agent.steps.request import RequestStep, on

PARTS = ("code", "data", "resources")


class SyncStep(RequestStep):
    """Synchronize an environment from its parent."""

    name = "sync"
    activity_type = "environment.synchronize"
    link = permission_link = "#synchronize"
    ends_staged = True

    def describe(self, plan: StepPlan) -> str:
        """The step in a few words for people."""
        return f"sync of {' and '.join(_wanted(plan))}{on(plan)}"

    def body(self, plan: StepPlan, run: str) -> dict[str, Any]:  # noqa: ARG002  the platform takes no mark here
        """Each part by its name."""
        rebase = bool(plan.settings.get("rebase", False))
        return {**{f"synchronize_{part}": part in _wanted(plan) for part in PARTS}, "rebase": rebase}

    def settled(self, environment: Environment) -> Verdict | None:
        """An environment without a parent has nothing to copy from."""
        if environment.parent is None:
            text = f"{environment.id} has no parent, so there is nothing to sync it from"
            return Failed("no-parent", text, "name a child environment")
        return None

    def recognises(self, plan: StepPlan, run: str, activity: Activity) -> Recognition:
        """Ours may be one that copies the same parts."""
        for key, value in self.body(plan, run).items():
            if isinstance(activity.parameters.get(key), bool) and activity.parameters[key] != value:
                return "no"
        return "maybe"

    def judge(self, case: StepContext, activity: Activity) -> Verdict:
        """The activity's success: it includes the deployment that it causes, unless that is staged."""
        if activity.fate == "staged":
            return super().judge(case, activity)
        parts = " and ".join(_wanted(case.step.plan))
        text = f"{parts} of {case.environment} synchronized from its parent"
        return Done("done", text, {"activity": activity.id, "parts": list(_wanted(case.step.plan))})


def _wanted(plan: StepPlan) -> list[str]:
    return [part for part in PARTS if plan.settings.get(part, False)]
