"""The step ``redeploy``: deploy again without a new commit; variables and crons apply, no deploy hook runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upsun_agent.engine.step import Done, StepContext, Verdict
from upsun_agent.model.answers import Activity, Environment, Fate
from upsun_agent.model.events import StepOutcome
from upsun_agent.model.failures import FailureKind
from upsun_agent.steps.common.deployment import judge_deployment
from upsun_agent.steps.common.kind import StepDocs
from upsun_agent.steps.common.request import RequestStep
from upsun_agent.steps.common.settings import StepSettings

if TYPE_CHECKING:
    from upsun_agent.steps.common.keys import Retries


class RedeploySettings(StepSettings, frozen=True, kw_only=True):
    """What the job file says of a redeployment."""

    retries: Retries = 1


class RedeployStep(RequestStep[RedeploySettings]):
    """Deploy the environment again."""

    name = "redeploy"
    activity_type = "environment.redeploy"
    link = permission_link = "#redeploy"
    ends_staged = True
    settings_type = RedeploySettings
    docs = StepDocs(
        about="Deploy the environment again.",
        notes="Deploys the environment again with the same code: changed variables take effect, paused crons "
        "run again. The deploy hook does not run, the post-deploy hook does.",
        example=("redeploy = {}",),
        done="Its activity succeeded, and the environment says that its last deployment did.",
        failures={FailureKind.DEPLOYMENT_FAILED: "The environment says that its last deployment failed."},
    )

    def judge(self, case: StepContext, activity: Activity) -> Verdict:
        """Return the verdict on the deployment and on the hooks that ran in it."""
        if activity.fate == Fate.STAGED:
            return super().judge(case, activity)
        return judge_deployment(case, activity, self.name, _verdict)


def _verdict(environment: Environment, activity: Activity) -> Verdict:
    """Return the verdict "done": the deployment did not fail."""
    return Done(StepOutcome.DONE, f"{environment.id} is redeployed", {"activity": activity.id})


KIND = RedeployStep()
