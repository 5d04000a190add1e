"""User access to the project, and invitations to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upsun_simulator.documents.account import ORGANIZATION
from upsun_simulator.documents.timestamp import written
from upsun_simulator.permissions import is_admin
from upsun_simulator.user import OWNER

if TYPE_CHECKING:
    from upsun_simulator.invitation import Invitation, Mail
    from upsun_simulator.members import Member
    from upsun_simulator.state import PlatformState
    from upsun_simulator.user import User


def project_access(state: PlatformState, one: Member, asking: User) -> dict[str, Any]:
    """Return one row of a project's user access; only an admin may change it, and nobody the owner's.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        one: the user with access.
        asking: who reads it; the links show what this user may do.
    """
    project = state.scenario.project
    path = f"/projects/{project}/user-access/{one.user.id}"
    found: dict[str, Any] = {"self": {"href": path}}
    if is_admin(state, asking) and one.user.id != OWNER.id:
        found["update"] = {"href": path, "method": "PATCH"}
        found["delete"] = {"href": path, "method": "DELETE"}
    return {
        "user_id": one.user.id,
        "organization_id": ORGANIZATION,
        "project_id": project,
        "project_title": state.title,
        "permissions": list(one.permissions),
        "granted_at": written(one.granted_at),
        "updated_at": written(one.updated_at),
        "_links": found,
    }


def extended_access(state: PlatformState, one: Member) -> dict[str, Any]:
    """Return one row of what a user has access to."""
    return {
        "user_id": one.user.id,
        "resource_id": state.scenario.project,
        "resource_type": "project",
        "organization_id": ORGANIZATION,
        "permissions": list(one.permissions),
        "granted_at": written(one.granted_at),
        "updated_at": written(one.updated_at),
    }


def invitation(state: PlatformState, one: Invitation) -> dict[str, Any]:
    """Return an invitation."""
    return {
        "id": one.id,
        "state": one.state,
        "project_id": state.scenario.project,
        "role": one.role,
        "email": one.email,
        "owner": {"id": one.owner.id, "display_name": f"{one.owner.first_name} {one.owner.last_name}"},
        "created_at": written(one.created_at),
        "updated_at": written(one.updated_at),
        "finished_at": written(one.finished_at),
        # The official CLI reads permissions; the document has environments, from before there were types.
        "permissions": [{"type": kind, "role": role} for kind, role in one.roles.items()],
        "environments": [
            {"id": place.id, "type": place.type, "role": one.roles[place.type], "title": place.title}
            for place in state.environments.values()
            if place.type in one.roles
        ],
    }


def mail(one: Mail) -> dict[str, Any]:
    """Return an e-mail, for the request log."""
    return {"at": written(one.at), "to": one.to, "invitation": one.invitation}
