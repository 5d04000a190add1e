"""Changes of an environment's fields: its name, parent, site, containers and domains."""

from __future__ import annotations

import ipaddress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from upsun_simulator import activity as kinds
from upsun_simulator.activity import Activity
from upsun_simulator.answers import Refusal
from upsun_simulator.environment import HttpAccess
from upsun_simulator.operations.deployments import deploy_plan

if TYPE_CHECKING:
    from upsun_simulator.domain import Domain
    from upsun_simulator.environment import Environment
    from upsun_simulator.state import PlatformState
    from upsun_simulator.user import User

PERMISSIONS = ("allow", "deny")
# The settings that a deployment brings live, and the activity that each becomes.
LIVE = {
    "http_access": kinds.UPDATE_HTTP_ACCESS,
    "enable_smtp": kinds.UPDATE_SMTP,
    "restrict_robots": kinds.UPDATE_ROBOTS,
}


def check(state: PlatformState, environment: Environment, wishes: dict[str, Any]) -> None:
    """Refuse an impossible change, before anything is changed.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        environment: the environment that is meant.
        wishes: the fields to change, by name, already checked for their types.
    """
    if "parent" in wishes and wishes["parent"] is not None:
        _check_parent(state, environment, wishes["parent"])
    if "type" in wishes and (wishes["type"] == "production") != (environment.type == "production"):
        raise _wrong("type", "An environment cannot become production, nor production anything else.")
    if "http_access" in wishes:
        _http_access(environment.http_access, dict(wishes["http_access"]))


def _check_parent(state: PlatformState, environment: Environment, name: str) -> None:
    place = state.environments.get(name)
    if place is None:
        raise _wrong("parent", f"There is no environment {name}.")
    while place is not None:
        if place is environment:
            raise _wrong("parent", "An environment cannot be below itself.")
        place = state.parent_of(place)


def _wrong(field: str, reason: str) -> Refusal:
    return Refusal(HTTPStatus.BAD_REQUEST, f"The field {field} is invalid: {reason}", detail={field: reason})


def change(state: PlatformState, environment: Environment, user: User, wishes: dict[str, Any]) -> list[Activity]:
    """Change the given fields, and queue their deployment if the environment runs.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        environment: the environment that is meant.
        user: who asks for it.
        wishes: the fields to change, by name, already checked for their types.
    """
    for name in ("title", "parent", "type", "clone_parent_on_create", "enable_smtp", "restrict_robots"):
        if name in wishes:
            setattr(environment, name, wishes[name])
    if "attributes" in wishes:
        environment.attributes = dict(wishes["attributes"])
    if "http_access" in wishes:
        environment.http_access = _http_access(environment.http_access, dict(wishes["http_access"]))
    environment.updated_at = state.now
    return [one for name in LIVE if name in wishes for one in bring_live(state, environment, user, LIVE[name])]


def _http_access(known: HttpAccess, wishes: dict[str, Any]) -> HttpAccess:
    """Return the access control with the given parts replaced; null empties a part."""
    unknown = set(wishes) - {"is_enabled", "addresses", "basic_auth"}
    enabled = wishes.get("is_enabled", known.is_enabled)
    addresses = wishes.get("addresses", known.addresses) or []
    names = wishes.get("basic_auth", known.basic_auth) or {}
    if unknown or not isinstance(enabled, bool) or not isinstance(addresses, list) or not isinstance(names, dict):
        raise _wrong("http_access", "It takes is_enabled, addresses and basic_auth.")
    for rule in addresses:
        _check_rule(rule)
    if not all(isinstance(password, str) for password in names.values()):
        raise _wrong("http_access", "A password must be a text.")
    return HttpAccess(enabled, addresses, names)


def _check_rule(rule: object) -> None:
    if not isinstance(rule, dict) or set(rule) != {"permission", "address"} or rule["permission"] not in PERMISSIONS:
        raise _wrong("http_access", "An address is a permission, allow or deny, and an address.")
    try:
        ipaddress.ip_network(str(rule["address"]), strict=False)
    except ValueError:
        raise _wrong("http_access", f"{rule['address']!r} is not a valid address.") from None


def bring_live(
    state: PlatformState, environment: Environment, user: User, kind: str, payload: dict[str, Any] | None = None
) -> list[Activity]:
    """Queue the deployment that a change of settings needs, or stage it; an environment that does not run has none.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        environment: the environment that is meant.
        user: who asks for it.
        kind: the type of the activity.
        payload: what only this activity knows; None: nothing.
    """
    if state.status_of(environment) != "active":
        return []
    activity = state.add_activity(
        kind,
        environment.id,
        user=user,
        plan=deploy_plan(state),
        payload={**(payload or {}), "environment": environment.summary()},
    )
    if state.deploys_manually(environment):
        state.stage(activity)
    return [activity]


def resize(
    state: PlatformState, environment: Environment, user: User, sizes: dict[str, dict[str, Any]]
) -> list[Activity]:
    """Set sizes of containers, by their names, for the next deployment, and queue it.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        environment: the environment that is meant.
        user: who asks for it.
        sizes: the sizes to set, by the name of the container.
    """
    for name, size in sizes.items():
        environment.sizes[name] = {**environment.sizes.get(name, {}), **size}
    return bring_live(state, environment, user, kinds.UPDATE_RESOURCES)


def add_domain(state: PlatformState, domain: Domain, user: User) -> list[Activity]:
    """Add a domain, and queue its deployment.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        domain: the domain.
        user: who asks for it.
    """
    state.domains.put(domain)
    return _of_domain(state, domain, user, kinds.DOMAIN_CREATE)


def change_domain(state: PlatformState, domain: Domain, user: User) -> list[Activity]:
    """Store the change of a domain, and queue its deployment.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        domain: the domain, already changed.
        user: who asks for it.
    """
    domain.updated_at = state.now
    state.domains.put(domain)
    return _of_domain(state, domain, user, kinds.DOMAIN_UPDATE)


def remove_domain(state: PlatformState, domain: Domain, user: User) -> list[Activity]:
    """Remove a domain, and queue the deployment that removes it from the site.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        domain: the domain.
        user: who asks for it.
    """
    state.domains.remove(domain)
    return _of_domain(state, domain, user, kinds.DOMAIN_DELETE)


def _of_domain(state: PlatformState, domain: Domain, user: User, kind: str) -> list[Activity]:
    return bring_live(state, state.environments[domain.environment], user, kind, {"domain": {"name": domain.name}})
