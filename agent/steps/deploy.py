"""The steps ``deploy`` (what is staged, under the manual deployment type) and ``redeploy`` (what is there)."""

from __future__ import annotations

from typing import Any

from agent.engine.facts import Activity, Environment, LookAtActivity
from agent.engine.job import StepPlan
from agent.engine.step import Case, Done, Failed, Need, Verdict
from agent.steps.request import RequestStep


class RedeployStep(RequestStep):
    """Deploy again what is there: variables and crons take effect, the deploy hook does not run."""

    name = "redeploy"
    activity_type = "environment.redeploy"
    link = permission_link = "#redeploy"

    def judge(self, case: Case, activity: Activity) -> Verdict:
        """The environment's own word on its last deployment."""
        question = case.look_at_environment()
        found = case.seen.get(question)
        looked = case.seen.number(LookAtActivity(activity.id))
        if not isinstance(found, Environment) or case.seen.number(question) < looked:
            return Need(question)
        if found.deployment is not None and not found.deployment.successful:
            text = f"the {self.name} of {found.id} ended, but its deployment failed"
            return Failed("deployment-failed", text, f"see its log: upsun activity:log {activity.id}")
        return self.verdict(found, activity)

    def verdict(self, environment: Environment, activity: Activity) -> Verdict:
        """The deployment did not fail."""
        return Done("done", f"{environment.id} is redeployed", {"activity": activity.id})


class DeployStep(RedeployStep):
    """Deploy what is staged; the official CLI's ``environment:deploy``."""

    name = "deploy"
    activity_type = "environment.deploy"
    link = "#deploy"
    permission_link = ""  # it is there only where something is staged

    def body(self, plan: StepPlan, run: str) -> dict[str, Any]:  # noqa: ARG002  the platform takes no mark here
        """``stopstart``, or ``rolling`` without downtime where the environment can."""
        return {"strategy": plan.settings.get("strategy", "stopstart")}

    def needs_proof(self, plan: StepPlan) -> bool:
        """Promise P2: what was staged is an update, too."""
        return bool(plan.settings.get("backup", "required") != "not-needed")

    def settled(self, environment: Environment) -> Verdict | None:
        """Nothing to do where nothing is staged."""
        if environment.has_staged_activities:
            return None
        return Done("nothing-to-do", f"nothing is staged on {environment.id}", {"commit": None})

    def verdict(self, environment: Environment, activity: Activity) -> Verdict:
        """Nothing is staged any more."""
        if environment.has_staged_activities:
            text = f"the deploy succeeded, but something is still staged on {environment.id}"
            return Failed("still-staged", text, "look at the environment in the Console")
        head = environment.head_commit
        text = f"what was staged on {environment.id} is live"
        return Done("done", text, {"commit": head, "deployment": "live", "activity": activity.id})
