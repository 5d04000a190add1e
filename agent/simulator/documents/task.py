"""Tasks: commands of the project that run in a container of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.simulator.documents import links
from agent.simulator.operations import guard

if TYPE_CHECKING:
    from agent.simulator.environment import Environment
    from agent.simulator.user import User
    from agent.simulator.world import World

TIMEOUT_SECONDS = 3600


def sizing(world: World) -> dict[str, Any]:
    """The tasks as a deployment lists them: their sizes only."""
    return {name: {"resources": {"profile_size": None}} for name in world.scenario.tasks}


def task(world: World, place: Environment, name: str, asking: User) -> dict[str, Any]:
    """A task as the API gives it.

    That it has a link `#run` is a guess by analogy: the official document describes no links, and the official CLI
    makes the path itself.
    """
    scenario = world.scenario
    path = f"{links.environment_path(scenario, place.id)}/tasks/{links.segment(name)}"
    found = {"self": links.resource(scenario, path)}
    if guard.obstacle(world, place, asking) is None and "#run" not in scenario.absent_links:
        found["#run"] = links.action(scenario, f"{path}/run")
    return {
        "id": name,
        "name": name,
        "type": "python:3.13",
        "run": {"command": f"./task.sh {name}", "timeout": TIMEOUT_SECONDS},
        "source": {"root": "/"},
        "hooks": {"build": None, "deploy": None},
        "resources": None,
        "authorizations": [],
        "relationships": {},
        "additional_hosts": {},
        "mounts": {},
        "timezone": None,
        "variables": {},
        "container_profile": None,
        "dependencies": {},
        "runtime": {},
        "_links": found,
    }
