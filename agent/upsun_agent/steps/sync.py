"""The step ``sync``: replace an environment's code, data or resources with its parent's.

Code is merged (or rebased), data of all services and mounts is replaced, resources are set as the parent's
(official CLI, ``environment:synchronize``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from upsun_agent.engine.step import Done, Failed, Recognition, StepContext, Verdict
from upsun_agent.model.answers import Activity, Environment, Fate
from upsun_agent.model.events import StepOutcome
from upsun_agent.model.failures import FailureKind
from upsun_agent.model.job import HERE, StepPlan
from upsun_agent.steps.common.kind import StepDocs, StepProblem, on
from upsun_agent.steps.common.request import RequestStep
from upsun_agent.steps.common.settings import StepSettings

if TYPE_CHECKING:
    from upsun_agent.steps.common.keys import Boolean, Field, Retries


class SyncSettings(StepSettings, frozen=True, kw_only=True):
    """What the job file says of a sync."""

    code: Annotated[bool, Field(Boolean(), "Merge the parent's code into the environment.")] = False
    data: Annotated[bool, Field(Boolean(), "Replace the environment's data with the parent's.")] = False
    resources: Annotated[bool, Field(Boolean(), "Set the parent's resources.")] = False
    rebase: Annotated[bool, Field(Boolean(), "Rebase the code instead of merging it.")] = False
    retries: Retries = 1

    @property
    def parts(self) -> dict[str, bool]:
        """Return whether each part is copied."""
        return {"code": self.code, "data": self.data, "resources": self.resources}

    @property
    def wanted(self) -> list[str]:
        """Return the parts that are copied."""
        return [part for part, copied in self.parts.items() if copied]


class SyncStep(RequestStep[SyncSettings]):
    """Synchronize an environment from its parent."""

    name = "sync"
    settings_type = SyncSettings
    docs = StepDocs(
        about="Copy code, data or resources of the parent into an environment.",
        notes="Copies code, data or resources of the parent into an environment, over what is there. It has to name "
        "the environment: a sync replaces data.",
        example=('sync = { environment = "staging", code = true, data = true }',),
        done="Its activity, which includes the deployment that it causes, succeeded.",
        failures={FailureKind.NO_PARENT: "The environment has no parent."},
    )
    activity_type = "environment.synchronize"
    link = permission_link = "#synchronize"
    ends_staged = True

    def problems(self, settings: SyncSettings) -> Iterator[StepProblem]:
        """Yield a problem if nothing is copied, or the target environment is not named."""
        yield from super().problems(settings)
        if not settings.wanted:
            yield StepProblem("syncs nothing", "set code, data or resources to true")
        if settings.environment in {None, HERE}:
            text = "names no environment: a sync overwrites one, so it must say which"
            yield StepProblem(text, 'for example environment = "staging"')

    def describe(self, plan: StepPlan) -> str:
        """Return the step in a few words for people."""
        return f"sync of {' and '.join(self.settings(plan).wanted)}{on(plan)}"

    def body(self, plan: StepPlan, run: str) -> dict[str, Any]:  # noqa: ARG002  the platform takes no mark here
        """Return for each part whether it is copied."""
        settings = self.settings(plan)
        return {f"synchronize_{part}": copied for part, copied in settings.parts.items()} | {"rebase": settings.rebase}

    def already_satisfied(self, environment: Environment) -> Verdict | None:
        """Return a failure if the environment has no parent to copy from."""
        if environment.parent is None:
            text = f"{environment.id} has no parent, so there is nothing to sync it from"
            return Failed(FailureKind.NO_PARENT, text)
        return None

    def recognises(self, plan: StepPlan, run: str, activity: Activity) -> Recognition:
        """Return "no" for an activity that copies other parts.

        Args:
            plan: the settings of the step.
            run: the id of the run.
            activity: an activity of the platform.
        """
        for key, value in self.body(plan, run).items():
            if isinstance(activity.parameters.get(key), bool) and activity.parameters[key] != value:
                return Recognition.NO
        return Recognition.MAYBE

    def judge(self, case: StepContext, activity: Activity) -> Verdict:
        """Return success: the activity includes the deployment that it causes, unless that is staged."""
        if activity.fate == Fate.STAGED:
            return super().judge(case, activity)
        parts = self.settings(case.step.plan).wanted
        text = f"{' and '.join(parts)} of {case.environment} synchronized from its parent"
        return Done(StepOutcome.DONE, text, {"activity": activity.id, "parts": parts})


KIND = SyncStep()
