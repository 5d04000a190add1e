"""The steps ``runtime-operation`` (a command that the app defines, run in its container) and ``task``.

Runtime operations are open to contributors by default (docs:create-apps/runtime-operations), so no link of the
environment tells whether this user may run one. Tasks are a prerelease: a project without them answers 404.
"""

from __future__ import annotations

from typing import Any

from upsun_agent.engine.step import Recognition, StepContext
from upsun_agent.model.answers import Activity, Environment
from upsun_agent.model.job import StepPlan
from upsun_agent.model.resource_paths import segment
from upsun_agent.steps.request import RequestStep, on


class RuntimeOperationStep(RequestStep):
    """Run a runtime operation of an app or worker."""

    name = "runtime-operation"
    activity_type = "environment.operation"
    retryable: frozenset[str] = frozenset({"activity-failed"})

    def describe(self, plan: StepPlan) -> str:
        """The step in a few words for people."""
        return f"runtime operation {plan.settings['name']} of {plan.settings['app']}{on(plan)}"

    def path(self, case: StepContext, environment: Environment) -> str:  # noqa: ARG002  the protocol's signature
        """Below the current deployment."""
        return f"{environment.path}/deployments/current/operations"

    def body(self, plan: StepPlan, run: str) -> dict[str, Any]:  # noqa: ARG002  the platform takes no mark here
        """The app and the operation, with its parameters."""
        parameters = list(plan.settings.get("parameters", ()))
        wanted = {"service": plan.settings["app"], "operation": plan.settings["name"]}
        return {**wanted, **({"parameters": parameters} if parameters else {})}

    def recognises(self, plan: StepPlan, run: str, activity: Activity) -> Recognition:  # noqa: ARG002  no mark here
        """Not ours if it names another operation or app."""
        wanted = {"operation": plan.settings["name"], "service": plan.settings["app"]}
        return _recognised(wanted, activity)


class TaskStep(RequestStep):
    """Run a task of the project, in a container of its own."""

    name = "task"
    activity_type = "environment.task"

    def describe(self, plan: StepPlan) -> str:
        """The step in a few words for people."""
        return f"task {plan.settings['name']}{on(plan)}"

    def path(self, case: StepContext, environment: Environment) -> str:
        """Below the task."""
        return f"{environment.path}/tasks/{segment(str(case.step.plan.settings['name']))}/run"

    def body(self, plan: StepPlan, run: str) -> dict[str, Any]:  # noqa: ARG002  the platform takes no mark here
        """Its variables by group."""
        return {"variables": {str(group): dict(values) for group, values in plan.settings["variables"].items()}}

    def recognises(self, plan: StepPlan, run: str, activity: Activity) -> Recognition:  # noqa: ARG002  no mark here
        """Not ours if it names another task."""
        return _recognised({"task": plan.settings["name"]}, activity)


def _recognised(wanted: dict[str, str], activity: Activity) -> Recognition:
    said = {key: activity.parameters.get(key, activity.payload.get(key)) for key in wanted}
    return "no" if any(isinstance(said[key], str) and said[key] != wanted[key] for key in wanted) else "maybe"
