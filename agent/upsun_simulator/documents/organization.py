"""The organization that owns the project: its members, teams and subscriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upsun_simulator.documents import links
from upsun_simulator.documents.account import ORGANIZATION, organization_reference
from upsun_simulator.documents.reference import reference
from upsun_simulator.documents.timestamp import written
from upsun_simulator.scenario import REGION
from upsun_simulator.user import OWNER

if TYPE_CHECKING:
    from upsun_simulator.members import Member
    from upsun_simulator.state import PlatformState
    from upsun_simulator.team import Team
    from upsun_simulator.user import User

PATH = f"/organizations/{ORGANIZATION}"
SUBSCRIPTION = "1234567"
CAPABILITIES = ("teams", "manage_trial_resources")


def organization(state: PlatformState, asking: User) -> dict[str, Any]:
    """Return the organization; only its owner manages it."""
    found: links.Links = {"self": {"href": PATH}, "ref:users:0": reference("users", OWNER.id)}
    if asking.id == OWNER.id:
        found |= {
            "update": {"href": PATH, "method": "PATCH"},
            "members": {"href": f"{PATH}/members"},
            "address": {"href": f"{PATH}/address"},
            "profile": {"href": f"{PATH}/profile"},
            "subscriptions": {"href": f"{PATH}/subscriptions"},
        }
    return {
        **organization_reference(state),
        "namespace": "simulated",
        "country": state.organization["country"],
        "capabilities": list(CAPABILITIES),
        "status": "active",
        "_links": found,
    }


def member(one: Member) -> dict[str, Any]:
    """Return a member of the organization; only the owner may do everything there."""
    path = f"{PATH}/members/{one.user.id}"
    owner = one.user.id == OWNER.id
    return {
        "id": one.user.id,
        "organization_id": ORGANIZATION,
        "user_id": one.user.id,
        "permissions": ["admin"] if owner else [],
        "level": "admin" if owner else "viewer",
        "owner": owner,
        "created_at": written(one.granted_at),
        "updated_at": written(one.updated_at),
        "_links": {"self": {"href": path}, "ref:users:0": reference("users", one.user.id)},
    }


def address() -> dict[str, Any]:
    """Return the billing address of the organization."""
    return {
        "country": "FR",
        "name_line": "Simulated organization",
        "premise": None,
        "sub_premise": None,
        "thoroughfare": "1 rue de la Simulation",
        "administrative_area": None,
        "sub_administrative_area": None,
        "locality": "Paris",
        "dependent_locality": None,
        "postal_code": "75001",
        "_links": {"self": {"href": f"{PATH}/address"}},
    }


def profile(state: PlatformState) -> dict[str, Any]:
    """Return the billing profile of the organization."""
    return {
        "id": ORGANIZATION,
        "company_name": "Simulated organization",
        "billing_contact": OWNER.email,
        "vat_number": None,
        "website": "https://simulator.invalid",
        "currency": "EUR",
        "created_at": written(state.born),
        "updated_at": written(state.born),
        "_links": {"self": {"href": f"{PATH}/profile"}},
    }


def subscription(state: PlatformState) -> dict[str, Any]:
    """Return the subscription that the project runs under."""
    scenario = state.scenario
    project = scenario.project
    found = {
        "self": {"href": f"{PATH}/subscriptions/{SUBSCRIPTION}"},
        "project": {"href": links.project_path(scenario)},
        "ref:projects:0": reference("projects", project),
        "ref:organizations:0": reference("organizations", ORGANIZATION),
    }
    return {
        "id": SUBSCRIPTION,
        "status": "active",
        "created_at": written(state.born),
        "updated_at": written(state.born),
        "owner": OWNER.id,
        "organization_id": ORGANIZATION,
        "vendor": "upsun",
        "plan": "upsun/flexible",
        "environments": 21,
        "storage": 5120,
        "user_licenses": 1,
        "project_id": project,
        "project_title": state.title,
        "project_region": REGION,
        "project_ui": f"https://console.simulator.invalid/simulated/{project}",
        "green": True,
        "_links": found,
    }


def team(one: Team) -> dict[str, Any]:
    """Return a team."""
    path = f"/teams/{one.id}"
    return {
        "id": one.id,
        "organization_id": ORGANIZATION,
        "label": one.label,
        "project_permissions": list(one.permissions),
        "counts": {"member_count": len(one.users), "project_count": int(one.has_project)},
        "created_at": written(one.created_at),
        "updated_at": written(one.updated_at),
        "_links": {
            "self": {"href": path},
            "members": {"href": f"{path}/members"},
            "project-access": {"href": f"{path}/project-access"},
        },
    }


def team_member(one: Team, user: str) -> dict[str, Any]:
    """Return a member of a team."""
    return {
        "team_id": one.id,
        "user_id": user,
        "created_at": written(one.created_at),
        "updated_at": written(one.updated_at),
        "_links": {"self": {"href": f"/teams/{one.id}/members/{user}"}},
    }


def team_access(state: PlatformState, one: Team) -> dict[str, Any]:
    """Return the access of a team to the project."""
    project = state.scenario.project
    return {
        "team_id": one.id,
        "organization_id": ORGANIZATION,
        "project_id": project,
        "project_title": state.title,
        "granted_at": written(one.created_at),
        "updated_at": written(one.updated_at),
        "_links": {"self": {"href": f"/teams/{one.id}/project-access/{project}"}},
    }


def team_reference(one: Team) -> dict[str, Any]:
    """Return a team, as other resources refer to it."""
    return {
        "id": one.id,
        "organization_id": ORGANIZATION,
        "label": one.label,
        "project_permissions": list(one.permissions),
        "created_at": written(one.created_at),
        "updated_at": written(one.updated_at),
    }
