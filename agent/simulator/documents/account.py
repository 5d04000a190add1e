"""Users, and what they have access to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.simulator.documents.links import REGION
from agent.simulator.documents.moment import written
from agent.simulator.user import MACHINE, OWNER

if TYPE_CHECKING:
    from agent.simulator.user import User
    from agent.simulator.world import World

ORGANIZATION = "01H2X80DMRDZWR6CX753YQHTND"
PICTURE = "https://accounts.simulator.invalid/picture.png"


def user(world: World, one: User) -> dict[str, Any]:
    """An account, as `/users/...` gives it."""
    return {
        "id": one.id,
        "deactivated": False,
        "namespace": "simulated",
        "username": one.username,
        "email": one.email,
        "email_verified": True,
        "first_name": one.first_name,
        "last_name": one.last_name,
        "picture": PICTURE,
        "company": "",
        "website": "https://simulator.invalid",
        "country": "FR",
        "created_at": written(world.born),
        "updated_at": written(world.born),
        "phone_number_verified": False,
        "mfa_enabled": False,
        "sso_enabled": False,
    }


def reference(one: User) -> dict[str, Any]:
    """An account, as other resources refer to it."""
    return {
        "id": one.id,
        "username": one.username,
        "email": one.email,
        "first_name": one.first_name,
        "last_name": one.last_name,
        "picture": PICTURE,
        "mfa_enabled": False,
        "sso_enabled": False,
    }


def permissions(world: World, one: User) -> list[str]:
    """What the user may do in the project, as a list of roles."""
    if one.id == OWNER.id:
        return ["admin"]
    if one.id != MACHINE.id:
        return ["viewer", "development:contributor"]
    scenario = world.scenario
    roles = {"production": scenario.role, "staging": scenario.other_role, "development": scenario.other_role}
    return ["viewer", *(f"{kind}:{role}" for kind, role in roles.items() if role is not None)]


def project_access(world: World, one: User) -> dict[str, Any]:
    """One row of a project's user access."""
    project = world.scenario.project
    path = f"/projects/{project}/user-access/{one.id}"
    return {
        "user_id": one.id,
        "organization_id": ORGANIZATION,
        "project_id": project,
        "project_title": TITLE,
        "permissions": permissions(world, one),
        "granted_at": written(world.born),
        "updated_at": written(world.born),
        "_links": {"self": {"href": path}, "update": {"href": path, "method": "PATCH"}},
    }


def extended_access(world: World, one: User) -> dict[str, Any]:
    """One row of what a user has access to."""
    return {
        "user_id": one.id,
        "resource_id": world.scenario.project,
        "resource_type": "project",
        "organization_id": ORGANIZATION,
        "permissions": permissions(world, one),
        "granted_at": written(world.born),
        "updated_at": written(world.born),
    }


TITLE = "Simulated project"


def project_reference(world: World) -> dict[str, Any]:
    """The project, as other resources refer to it."""
    return {
        "id": world.scenario.project,
        "organization_id": ORGANIZATION,
        "subscription_id": "1234567",
        "region": REGION,
        "title": TITLE,
        "type": "grid",
        "plan": "upsun/flexible",
        "status": "active",
        "created_at": written(world.born),
        "updated_at": written(world.born),
    }


def organization_reference(world: World) -> dict[str, Any]:
    """The organization, as other resources refer to it."""
    return {
        "id": ORGANIZATION,
        "type": "flexible",
        "owner_id": OWNER.id,
        "name": "simulated",
        "label": "Simulated organization",
        "vendor": "upsun",
        "created_at": written(world.born),
        "updated_at": written(world.born),
    }
