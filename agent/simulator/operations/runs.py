"""Runtime operations and tasks: commands that run in a container when somebody asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.simulator.activity import OPERATION, TASK, Activity, Plan
from agent.simulator.operations.brief import brief

if TYPE_CHECKING:
    from agent.simulator.environment import Environment
    from agent.simulator.user import User
    from agent.simulator.world import World

# Who may run a runtime operation that says nothing else (docs:create-apps/runtime-operations).
ROLE = "contributor"


def run_operation(
    world: World, environment: Environment, user: User, *, service: str, operation: str, parameters: list[str]
) -> Activity:
    """Queue a runtime operation."""
    return world.add_activity(
        OPERATION,
        environment.id,
        user=user,
        plan=Plan(seconds=world.scenario.operation_seconds, ending=world.scenario.operation_outcome),
        parameters={"service": service, "operation": operation, "parameters": parameters},
        payload={"service": service, "operation": operation, "environment": brief(environment)},
    )


def run_task(world: World, environment: Environment, user: User, *, task: str, variables: dict[str, Any]) -> Activity:
    """Queue a task."""
    return world.add_activity(
        TASK,
        environment.id,
        user=user,
        plan=Plan(seconds=world.scenario.task_seconds, ending=world.scenario.task_outcome),
        parameters={"task": task, "variables": variables},
        payload={"task": task, "environment": brief(environment)},
    )
