"""Tasks: commands of the project that run in a container of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upsun_simulator.documents import links
from upsun_simulator.documents.container import DEFAULT_SIZE

if TYPE_CHECKING:
    from upsun_simulator.documents.container import Sizes
    from upsun_simulator.environment import Environment
    from upsun_simulator.state import PlatformState

TIMEOUT_SECONDS = 3600


def sizing(state: PlatformState, sizes: Sizes) -> dict[str, Any]:
    """Return the tasks as a deployment lists them: their sizes only."""
    return {
        name: {"resources": {"profile_size": sizes.get(name, {}).get("profile_size", DEFAULT_SIZE)}}
        for name in state.scenario.tasks
    }


def task(state: PlatformState, place: Environment, name: str) -> dict[str, Any]:
    """Return a task as the API gives it; it has no link to run it, since the official CLI makes that path itself.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        place: the environment that defines it.
        name: the name of the task.
    """
    path = f"{links.environment_path(state.scenario, place.id)}/tasks/{links.segment(name)}"
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
        "_links": {"self": links.resource(state.scenario, path, "Task")},
    }
