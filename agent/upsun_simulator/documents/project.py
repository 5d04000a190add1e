"""The project, its system, its capabilities and its environment types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from upsun_simulator.documents import links
from upsun_simulator.documents.account import ORGANIZATION
from upsun_simulator.documents.images import images
from upsun_simulator.documents.timestamp import written
from upsun_simulator.integration import KINDS
from upsun_simulator.members import TYPES
from upsun_simulator.permissions import is_admin
from upsun_simulator.scenario import REGION
from upsun_simulator.user import OWNER

if TYPE_CHECKING:
    from upsun_simulator.integration import Integration
    from upsun_simulator.members import Member
    from upsun_simulator.state import PlatformState
    from upsun_simulator.user import User

ENVIRONMENT_TYPES = TYPES
# What a project consists of, as its links name it.
PARTS = (
    "environments",
    "environment-types",
    "capabilities",
    "certificates",
    "domains",
    "settings",
    "user-access",
    "integrations",
    "invitations",
)
READINGS = ("activities", "system", "variables")
MANAGED = ("variables", "domains", "integrations")
# The key by which the platform reads a repository elsewhere.
CLIENT_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDsimulatedsimulatedsimulatedsimulatedsimula simulated-project"
LICENCE = "https://api.simulator.invalid/v1/licenses/1234567"


def project(state: PlatformState, asking: User) -> dict[str, Any]:
    """Return the project as the API gives it."""
    scenario = state.scenario
    path = links.project_path(scenario)
    source = state.integrations.source
    internal = f"{scenario.project}@git.{REGION}:{scenario.project}.git"
    return {
        "id": scenario.project,
        "created_at": written(state.born),
        "updated_at": written(state.born),
        "attributes": {},
        "title": state.title,
        "description": state.description,
        "owner": OWNER.id,
        "namespace": ORGANIZATION,
        "organization": ORGANIZATION,
        "default_branch": scenario.environment,
        "status": {"code": "provisioned", "message": "ok"},
        "timezone": state.timezone,
        "region": REGION,
        "repository": {
            "url": internal if source is None else repository_url(source),
            "client_ssh_key": None if source is None else CLIENT_KEY,
        },
        "default_domain": _default_domain(state),
        "maintenance": None,
        "subscription": subscription(),
        "_links": _links(state, asking, path),
    }


def _links(state: PlatformState, asking: User, path: str) -> links.Links:
    scenario = state.scenario
    found: links.Links = {"self": links.resource(scenario, path, "Project")}
    found |= {end: links.resource(scenario, f"{path}/{end}") for end in PARTS}
    found |= {f"#{end}": links.action(scenario, f"{path}/{end}", "get") for end in READINGS}
    if is_admin(state, asking):
        found["#edit"] = links.action(scenario, path, "patch")
        found["#clear-build-cache"] = links.action(scenario, f"{path}/clear_build_cache")
        found |= {f"#manage-{end}": links.action(scenario, f"{path}/{end}") for end in MANAGED}
    return {name: link for name, link in found.items() if name not in scenario.absent_links}


def repository_url(source: Integration) -> str:
    """Return the URL of the repository behind a source integration."""
    host = urlsplit(source.fields["base_url"] or "https://github.com").netloc
    return f"git@{host}:{source.fields['repository']}.git"


def _default_domain(state: PlatformState) -> str | None:
    domain = state.domains.default(state.scenario.environment)
    return None if domain is None else domain.name


def subscription() -> dict[str, Any]:
    """Return the contract under which the project runs."""
    return {
        "license_uri": LICENCE,
        "storage": 5120,
        "included_users": 1,
        "subscription_management_uri": LICENCE,
        "restricted": False,
        "suspended": False,
        "user_licenses": 1,
    }


def environment_type(state: PlatformState, kind: str) -> dict[str, Any]:
    """Return a type of environment."""
    scenario = state.scenario
    path = f"{links.project_path(scenario)}/environment-types/{kind}"
    return {
        "id": kind,
        "attributes": {},
        "_links": {
            "self": links.resource(scenario, path, "EnvironmentType"),
            "#access": links.action(scenario, f"{path}/access", "get"),
        },
    }


def type_access(state: PlatformState, kind: str, one: Member, role: str) -> dict[str, Any]:
    """Return what a user may do on a type of environments.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        kind: the type of environments.
        one: the user with access.
        role: the role on that type.
    """
    path = f"{links.project_path(state.scenario)}/environment-types/{kind}/access/{one.user.id}"
    found: links.Links = {"self": links.resource(state.scenario, path, "EnvironmentTypeAccess")}
    if not one.is_admin:
        found["#edit"] = links.action(state.scenario, path, "patch")
        found["#delete"] = links.action(state.scenario, path, "delete")
    return {
        "id": one.user.id,
        "user": one.user.id,
        "role": role,
        "created_at": written(one.granted_at),
        "updated_at": written(one.updated_at),
        "_links": found,
    }


def system(state: PlatformState) -> dict[str, Any]:
    """Return the software that runs the project."""
    return {"version": "1.0.0", "image": "simulated", "started_at": written(state.born)}


def capabilities(state: PlatformState) -> dict[str, Any]:
    """Return what the project's plan allows."""
    off: dict[str, Any] = {"enabled": False}
    return {
        "source_operations": {"enabled": bool(state.scenario.source_operations) and state.scenario.has_larger_plan},
        "runtime_operations": {"enabled": bool(state.scenario.runtime_operations)},
        "tasks": {"enabled": bool(state.scenario.tasks)},
        "metrics": {"max_range": "1h"},
        "logs_forwarding": {"max_extra_payload_size": 0},
        "guaranteed_resources": {**off, "instance_limit": 0},
        "images": images(),
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
        "integrations": {
            "enabled": True,
            "config": {kind: {"enabled": True, "role": role} for kind, (role, _) in KINDS.items()},
        },
    }
