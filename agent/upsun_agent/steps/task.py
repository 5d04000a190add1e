"""The step ``task``: run a task of the project. Tasks are a prerelease: a project without them answers 404."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import field

from upsun_agent.engine.step import Recognition, StepContext
from upsun_agent.model.answers import Activity, Environment
from upsun_agent.model.job import StepPlan
from upsun_agent.model.resource_paths import segment
from upsun_agent.steps.common.kind import StepDocs, on
from upsun_agent.steps.common.recognition import recognised
from upsun_agent.steps.common.request import RequestStep
from upsun_agent.steps.common.settings import StepSettings

if TYPE_CHECKING:
    from upsun_agent.steps.common.keys import NAME, Field, VariablesByGroup


class TaskSettings(StepSettings, frozen=True, kw_only=True):
    """What the job file says of a task."""

    name: Annotated[str, Field(NAME, "The task's name in .upsun/config.yaml.")]
    variables: Annotated[
        Mapping[str, Mapping[str, str]],
        Field(VariablesByGroup, 'Variables for the task, by group: { env = { NAME = "value" } }.'),
    ] = field(default_factory=dict)


class TaskStep(RequestStep[TaskSettings]):
    """Run a task of the project, in a container of its own."""

    name = "task"
    activity_type = "environment.task"
    settings_type = TaskSettings
    docs = StepDocs(
        about="Run a task, where the project has it.",
        notes="Runs a task of the project in a container of its own. Tasks are a prerelease of the platform: where the "
        "project has none, the step fails with `not-found`.",
        example=('task = { name = "migrate", variables = { env = { DRY_RUN = "1" } } }',),
        done="Its activity succeeded.",
    )

    def describe(self, plan: StepPlan) -> str:
        """Return the step in a few words for people."""
        return f"task {self.settings(plan).name}{on(plan)}"

    def path(self, case: StepContext, environment: Environment) -> str:
        """Return the path below the task."""
        return f"{environment.path}/tasks/{segment(self.settings(case.step.plan).name)}/run"

    def body(self, plan: StepPlan, run: str) -> dict[str, Any]:  # noqa: ARG002  the platform takes no mark here
        """Return the variables by group."""
        return {"variables": {group: dict(values) for group, values in self.settings(plan).variables.items()}}

    def recognises(self, plan: StepPlan, run: str, activity: Activity) -> Recognition:  # noqa: ARG002  no mark here
        """Return "no" for an activity that names another task.

        Args:
            plan: the settings of the step.
            run: the id of the run.
            activity: an activity of the platform.
        """
        return recognised({"task": self.settings(plan).name}, activity)


KIND = TaskStep()
