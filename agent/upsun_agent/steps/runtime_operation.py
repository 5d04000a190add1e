"""The step ``runtime-operation``: a command that the app defines, run in its container.

Runtime operations are open to contributors by default
(https://developer.upsun.com/docs/configure-apps/runtime-operations), so no link of the
environment tells whether this user may run one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from upsun_agent.engine.step import Recognition, StepContext
from upsun_agent.model.answers import Activity, Environment
from upsun_agent.model.job import StepPlan
from upsun_agent.steps.common.kind import StepDocs, on
from upsun_agent.steps.common.recognition import recognised
from upsun_agent.steps.common.request import RequestStep
from upsun_agent.steps.common.settings import StepSettings

if TYPE_CHECKING:
    from upsun_agent.steps.common.keys import NAME, Field, ListOf, Text


class RuntimeOperationSettings(StepSettings, frozen=True, kw_only=True):
    """What the job file says of a runtime operation."""

    app: Annotated[str, Field(NAME, "The app or worker that defines it.")]
    name: Annotated[str, Field(NAME, "The operation's name.")]
    parameters: Annotated[
        tuple[str, ...], Field(ListOf(Text(r"[^\x00]*", most=1000), distinct=False), "Its parameters.")
    ] = ()


class RuntimeOperationStep(RequestStep[RuntimeOperationSettings]):
    """Run a runtime operation of an app or worker."""

    name = "runtime-operation"
    activity_type = "environment.operation"
    settings_type = RuntimeOperationSettings
    docs = StepDocs(
        about="Run a runtime operation of an app.",
        notes="Runs an operation that the app defines under `operations`, in its running container. It suits what "
        "takes longer than a `command` may.",
        example=('runtime-operation = { app = "app", name = "clear-cache" }',),
        done="Its activity succeeded: the command ended with exit code 0.",
    )

    def describe(self, plan: StepPlan) -> str:
        """Return the step in a few words for people."""
        settings = self.settings(plan)
        return f"runtime operation {settings.name} of {settings.app}{on(plan)}"

    def path(self, case: StepContext, environment: Environment) -> str:  # noqa: ARG002  the protocol's signature
        """Return the path below the current deployment."""
        return f"{environment.path}/deployments/current/operations"

    def body(self, plan: StepPlan, run: str) -> dict[str, Any]:  # noqa: ARG002  the platform takes no mark here
        """Return the app and the operation, with its parameters."""
        settings = self.settings(plan)
        wanted = {"service": settings.app, "operation": settings.name}
        return {**wanted, **({"parameters": list(settings.parameters)} if settings.parameters else {})}

    def recognises(self, plan: StepPlan, run: str, activity: Activity) -> Recognition:  # noqa: ARG002  no mark here
        """Return "no" for an activity that names another operation or app.

        Args:
            plan: the settings of the step.
            run: the id of the run.
            activity: an activity of the platform.
        """
        settings = self.settings(plan)
        return recognised({"operation": settings.name, "service": settings.app}, activity)


KIND = RuntimeOperationStep()
