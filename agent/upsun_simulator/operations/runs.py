"""Runtime operations and tasks: commands that run in a container when somebody asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from upsun_simulator.activity import OPERATION, TASK, Activity, Plan
from upsun_simulator.environment import APP
from upsun_simulator.permissions import has_role

if TYPE_CHECKING:
    from upsun_simulator.environment import Environment
    from upsun_simulator.state import PlatformState
    from upsun_simulator.user import User

# Who may run a runtime operation that says nothing else
# (https://developer.upsun.com/docs/configure-apps/runtime-operations).
ROLE = "contributor"


@dataclass(frozen=True)
class RuntimeOperation:
    """A runtime operation that an app defines, and the least role that may run it."""

    #: The app that defines it.
    app: str
    #: The name.
    name: str
    #: The least role that may run it.
    role: str = ROLE


def operations(state: PlatformState) -> list[RuntimeOperation]:
    """Return the runtime operations of the scenario, each written as `name`, `app:name` or `app:name=role`."""
    found = []
    for text in state.scenario.runtime_operations:
        whole, _, role = text.partition("=")
        app, _, name = whole.rpartition(":")
        found.append(RuntimeOperation(app or APP, name, role or ROLE))
    return found


def runnable(state: PlatformState, environment: Environment, user: User) -> list[RuntimeOperation]:
    """Return the runtime operations that the user may run on the environment.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        environment: the environment that is meant.
        user: who asks for it.
    """
    return [one for one in operations(state) if has_role(state, environment, user, one.role)]


def run_operation(
    state: PlatformState, environment: Environment, user: User, *, service: str, operation: str, parameters: list[str]
) -> Activity:
    """Queue a runtime operation.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        environment: the environment that is meant.
        user: who asks for it.
        service: the app that defines the operation.
        operation: the name of the operation.
        parameters: the parameters of the operation.
    """
    return state.add_activity(
        OPERATION,
        environment.id,
        user=user,
        plan=Plan(seconds=state.scenario.operation_seconds, ending=state.scenario.operation_outcome),
        parameters={"service": service, "operation": operation, "parameters": parameters},
        payload={"service": service, "operation": operation, "environment": environment.summary()},
    )


def run_task(
    state: PlatformState, environment: Environment, user: User, *, task: str, variables: dict[str, Any]
) -> Activity:
    """Queue a task.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        environment: the environment that is meant.
        user: who asks for it.
        task: the name of the task.
        variables: the variables that it gets.
    """
    return state.add_activity(
        TASK,
        environment.id,
        user=user,
        plan=Plan(seconds=state.scenario.task_seconds, ending=state.scenario.task_outcome),
        parameters={"task": task, "variables": variables},
        payload={"task": task, "environment": environment.summary()},
    )
