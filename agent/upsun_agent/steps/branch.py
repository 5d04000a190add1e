"""The step ``branch``: make a new environment from another one, with its data or without."""

from __future__ import annotations

from typing import Any

from upsun_agent.engine.step import Done, Need, Pending, Recognition, StepContext, Verdict
from upsun_agent.model.answers import Activity, Environment, Trouble
from upsun_agent.model.job import StepPlan
from upsun_agent.steps.request import RequestStep, on


class BranchStep(RequestStep):
    """Branch an environment; one that is there already is left as it is."""

    name = "branch"
    activity_type = "environment.branch"
    link = permission_link = "#branch"
    listed_elsewhere = True  # its activity is the new environment's

    def describe(self, plan: StepPlan) -> str:
        """The step in a few words for people."""
        return f"branch {plan.settings['name']}{on(plan).replace(' on ', ' from ')}"

    def changes(self, plan: StepPlan, home: str) -> str | None:  # noqa: ARG002  the protocol's signature
        """Nothing that was there before."""
        return None

    def body(self, plan: StepPlan, run: str) -> dict[str, Any]:  # noqa: ARG002  the platform takes no mark here
        """Name and title, and whether the data comes along."""
        name = plan.settings["name"]
        kind = plan.settings.get("type")
        wanted = {"name": name, "title": plan.settings.get("title") or name}
        return {**wanted, "clone_parent": bool(plan.settings.get("data", True)), **({"type": kind} if kind else {})}

    def shortcut(self, case: StepContext, environment: Environment) -> Verdict | None:  # noqa: ARG002  the protocol's
        """It may be there already."""
        name = str(case.step.plan.settings["name"])
        question = case.look_at_environment(name)
        found = case.seen.get(question)
        if isinstance(found, Trouble) and found.kind == "not-found":
            return None
        if not isinstance(found, Environment):
            return Need(question)
        return Done("nothing-to-do", f"environment {name} is there already ({found.status})", {"environment": name})

    def recognises(self, plan: StepPlan, run: str, activity: Activity) -> Recognition:  # noqa: ARG002  no mark here
        """Not ours if it says that it makes another one."""
        made = activity.parameters.get("name", activity.parameters.get("environment"))
        return "no" if isinstance(made, str) and made not in {plan.settings["name"], plan.environment("")} else "maybe"

    def judge(self, case: StepContext, activity: Activity) -> Verdict:
        """The new environment is there, and active."""
        name = str(case.step.plan.settings["name"])
        question = case.look_at_environment(name)
        found = case.seen.get(question)
        if not isinstance(found, Environment):
            return Need(question)
        if found.status == "dirty":
            return Pending("settling", f"environment {name} is being made")
        return Done("done", f"environment {name} made ({found.status})", {"environment": name, "activity": activity.id})
