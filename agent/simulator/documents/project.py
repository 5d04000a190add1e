"""The project, its system, its capabilities and its environment types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.simulator.documents import links
from agent.simulator.documents.account import ORGANIZATION, TITLE
from agent.simulator.documents.moment import written
from agent.simulator.members import TYPES
from agent.simulator.permissions import is_admin
from agent.simulator.user import OWNER

if TYPE_CHECKING:
    from agent.simulator.user import User
    from agent.simulator.world import World

ENVIRONMENT_TYPES = TYPES
INTEGRATION = "simulatedintegration"
LICENCE = "https://api.simulator.invalid/v1/licenses/1234567"


def project(world: World, asking: User) -> dict[str, Any]:
    """The project as the API gives it."""
    scenario = world.scenario
    path = links.project_path(scenario)
    ends = (
        "environments",
        "environment-types",
        "capabilities",
        "settings",
        "user-access",
        "integrations",
        "invitations",
    )
    found = {end: links.resource(scenario, f"{path}/{end}") for end in ends}
    return {
        "id": scenario.project,
        "created_at": written(world.born),
        "updated_at": written(world.born),
        "attributes": {},
        "title": TITLE,
        "description": "",
        "owner": OWNER.id,
        "namespace": ORGANIZATION,
        "organization": ORGANIZATION,
        "default_branch": scenario.environment,
        "status": {"code": "provisioned", "message": "ok"},
        "timezone": "UTC",
        "region": links.REGION,
        "repository": {"url": f"{scenario.project}@git.{links.REGION}:{scenario.project}.git", "client_ssh_key": None},
        "default_domain": None,
        "maintenance": None,
        "subscription": subscription(),
        "_links": {
            "self": links.resource(scenario, path),
            **found,
            "#activities": links.action(scenario, f"{path}/activities"),
            "#variables": links.action(scenario, f"{path}/variables"),
            **({"#manage-variables": links.action(scenario, f"{path}/variables")} if is_admin(world, asking) else {}),
        },
    }


def subscription() -> dict[str, Any]:
    """The contract under which the project runs."""
    return {
        "license_uri": LICENCE,
        "storage": 5120,
        "included_users": 1,
        "subscription_management_uri": LICENCE,
        "restricted": False,
        "suspended": False,
        "user_licenses": 1,
    }


def environment_type(world: World, kind: str) -> dict[str, Any]:
    """A type of environment."""
    scenario = world.scenario
    path = f"{links.project_path(scenario)}/environment-types/{kind}"
    return {
        "id": kind,
        "attributes": {},
        "_links": {
            "self": links.resource(scenario, path),
            "#access": links.action(scenario, f"{path}/access"),
        },
    }


def system(world: World) -> dict[str, Any]:
    """The software that runs the project."""
    return {"version": "1.0.0", "image": "simulated", "started_at": written(world.born)}


def capabilities(world: World) -> dict[str, Any]:
    """What the project's plan allows."""
    off: dict[str, Any] = {"enabled": False}
    return {
        "source_operations": {"enabled": bool(world.scenario.source_operations)},
        "runtime_operations": {"enabled": bool(world.scenario.runtime_operations)},
        "tasks": {"enabled": bool(world.scenario.tasks)},
        "metrics": {"max_range": "1h"},
        "logs_forwarding": {"max_extra_payload_size": 0},
        "guaranteed_resources": {**off, "instance_limit": 0},
        "images": {},
        "instance_limit": 8,
        "build_resources": {**off, "max_cpu": 0.0, "max_memory": 0},
        "object_storage": {
            **off,
            "min_storage": 0,
            "max_storage": 0,
            "storage_step": 0,
            "cpu_per_step": 0.0,
            "memory_per_step": 0,
            "max_cpu": 0.0,
            "max_memory": 0,
        },
        "data_retention": {"enabled": True},
        "autoscaling": {**off, "supports_horizontal_scaling_services": False},
        "integrations": {"enabled": world.scenario.source_integration},
    }


def integrations(world: World) -> list[dict[str, Any]]:
    """The project's integrations: one with a source code host, if the scenario has it.

    The trimmed official document leaves integrations out; the fields are those that the docs name
    (docs:integrations/source).
    """
    if not world.scenario.source_integration:
        return []
    path = f"{links.project_path(world.scenario)}/integrations/{INTEGRATION}"
    return [
        {
            "id": INTEGRATION,
            "created_at": written(world.born),
            "updated_at": written(world.born),
            "type": "github",
            "role": "source",
            "repository": "simulated/project",
            "fetch_branches": True,
            "prune_branches": True,
            "build_pull_requests": True,
            "_links": {"self": links.resource(world.scenario, path)},
        }
    ]
