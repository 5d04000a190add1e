"""The steps ``deploy`` (what is staged, under the manual deployment type) and ``redeploy`` (what is there)."""

from __future__ import annotations

from shlex import quote
from typing import Any

from upsun_agent.engine.evidence import grave, with_commands, words_of
from upsun_agent.engine.step import Done, Failed, Need, StepContext, Verdict
from upsun_agent.model.answers import Activity, Environment, LookAtActivity
from upsun_agent.model.job import StepPlan
from upsun_agent.steps.request import RequestStep


class RedeployStep(RequestStep):
    """Deploy again what is there: variables and crons take effect, the deploy hook does not run."""

    name = "redeploy"
    activity_type = "environment.redeploy"
    link = permission_link = "#redeploy"
    ends_staged = True

    def judge(self, case: StepContext, activity: Activity) -> Verdict:
        """The environment's own word on its last deployment, and on the hooks that ran in it."""
        if activity.fate == "staged":
            return super().judge(case, activity)
        question = case.look_at_environment()
        found = case.seen.get(question)
        looked = case.seen.number(LookAtActivity(activity.id))
        if not isinstance(found, Environment) or case.seen.number(question) < looked:
            return Need(question)
        log = f"see its log: upsun activity:log {quote(activity.id)}"
        if found.deployment is not None and not found.deployment.successful:
            text = f"the {self.name} of {found.id} ended, but its deployment failed"
            return Failed("deployment-failed", text, log)
        commands = found.deployment.commands if found.deployment is not None else ()
        failing = tuple(each for each in commands if each.exit_code)
        if grave(failing):
            text = f"the {self.name} of {found.id} succeeded with failing commands: {words_of(failing)}"
            return Failed("commands-failed", text, log)
        return with_commands(self.verdict(found, activity), failing)

    def verdict(self, environment: Environment, activity: Activity) -> Verdict:
        """The deployment did not fail."""
        return Done("done", f"{environment.id} is redeployed", {"activity": activity.id})


class DeployStep(RedeployStep):
    """Deploy what is staged; the official CLI's ``environment:deploy``."""

    name = "deploy"
    activity_type = "environment.deploy"
    link = "#deploy"
    ends_staged = False
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
