"""The step ``deploy``: deploy what is staged, under the manual deployment type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from upsun_agent.engine.step import Done, Failed, StepContext, Verdict
from upsun_agent.model.answers import Activity, Environment
from upsun_agent.model.events import StepOutcome
from upsun_agent.model.failures import FailureKind
from upsun_agent.model.job import StepPlan
from upsun_agent.steps.common.deployment import judge_deployment
from upsun_agent.steps.common.kind import StepDocs
from upsun_agent.steps.common.request import UpdateStep
from upsun_agent.steps.common.settings import UpdateSettings

if TYPE_CHECKING:
    from upsun_agent.steps.common.keys import Choice, Field


class DeploySettings(UpdateSettings, frozen=True, kw_only=True):
    """What the job file says of a deployment."""

    strategy: Annotated[
        Literal["stopstart", "rolling"],
        Field(Choice(("stopstart", "rolling")), "rolling: without downtime, if possible."),
    ] = "stopstart"


class DeployStep(UpdateStep[DeploySettings]):
    """Deploy what is staged; the official CLI's ``environment:deploy``."""

    name = "deploy"
    activity_type = "environment.deploy"
    link = "#deploy"
    permission_link = ""  # the link is there only where something is staged
    settings_type = DeploySettings
    docs = StepDocs(
        about="Deploy what is staged, under the manual deployment type.",
        notes="Deploys what is staged, where the project deploys manually. If nothing is staged, its outcome "
        "is `nothing-to-do`. It needs a backup step on the same environment before it, unless it says "
        '`backup = "not-needed"`.',
        example=("backup = {}", 'source-operation = { name = "update" }', 'deploy = { strategy = "rolling" }'),
        done="Its activity succeeded and nothing is staged any more.",
        failures={
            FailureKind.STILL_STAGED: "The activity succeeded, but something is still staged.",
            FailureKind.DEPLOYMENT_FAILED: "The environment says that its last deployment failed.",
        },
    )

    def body(self, plan: StepPlan, run: str) -> dict[str, Any]:  # noqa: ARG002  the platform takes no mark here
        """Return the strategy: ``stopstart``, or ``rolling`` without downtime where the environment can."""
        return {"strategy": self.settings(plan).strategy}

    def already_satisfied(self, environment: Environment) -> Verdict | None:
        """Return "nothing to do" if nothing is staged."""
        if environment.has_staged_activities:
            return None
        return Done(StepOutcome.NOTHING_TO_DO, f"nothing is staged on {environment.id}", {"commit": None})

    def judge(self, case: StepContext, activity: Activity) -> Verdict:
        """Return the verdict on the deployment and on the hooks that ran in it."""
        return judge_deployment(case, activity, self.name, _verdict)


def _verdict(environment: Environment, activity: Activity) -> Verdict:
    """Return the verdict: done if nothing is staged any more."""
    if environment.has_staged_activities:
        text = f"the deploy succeeded, but something is still staged on {environment.id}"
        return Failed(FailureKind.STILL_STAGED, text)
    text = f"what was staged on {environment.id} is live"
    detail = {"commit": environment.head_commit, "deployment": "live", "activity": activity.id}
    return Done(StepOutcome.DONE, text, detail)


KIND = DeployStep()
