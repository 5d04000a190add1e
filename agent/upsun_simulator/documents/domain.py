"""A domain, and the certificate that the platform has for it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from upsun_simulator.documents import links
from upsun_simulator.documents.timestamp import written
from upsun_simulator.ids import commit_hash
from upsun_simulator.permissions import allowed, is_admin

if TYPE_CHECKING:
    from upsun_simulator.domain import Domain
    from upsun_simulator.state import PlatformState
    from upsun_simulator.user import User

# Certificates that the platform gets by itself last for 90 days and are renewed a month before
# (https://developer.upsun.com/docs/domains).
LIFETIME = timedelta(days=90)
ISSUER = (
    ("countryName", "2.5.4.6", "US"),
    ("organizationName", "2.5.4.10", "Let's Encrypt"),
    ("commonName", "2.5.4.3", "R11"),
)


def domain(state: PlatformState, one: Domain, asking: User) -> dict[str, Any]:
    """Return the domain as its environment lists it.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        one: the domain.
        asking: who reads it; the links show what this user may do.
    """
    path = f"{links.environment_path(state.scenario, one.environment)}/domains/{links.segment(one.name)}"
    own = {"replacement_for": one.replacement_for} if one.replacement_for else {"is_default": one.is_default}
    may = allowed(state, state.environments[one.environment], asking)
    return {**_common(state, one), **own, "_links": _links(state, path, edit=may)}


def domain_of_project(state: PlatformState, one: Domain, asking: User) -> dict[str, Any]:
    """Return the domain as the project lists it, with what is known of its certificate (the CLI's `domain:list`).

    Args:
        state: what the platform has: environments, activities, users, the clock.
        one: the domain.
        asking: who reads it; the links show what this user may do.
    """
    path = f"{links.project_path(state.scenario)}/domains/{links.segment(one.name)}"
    return {
        **_common(state, one),
        "ssl": {"has_certificate": True, "certificate": certificate_id(one)},
        "is_default": one.is_default,
        "_links": _links(state, path, edit=is_admin(state, asking)),
    }


def _common(state: PlatformState, one: Domain) -> dict[str, Any]:
    return {
        "id": one.name,
        "created_at": written(one.created_at),
        "updated_at": written(one.updated_at),
        "type": "replacement" if one.replacement_for else "production",
        "project": state.scenario.project,
        "name": one.name,
        "registered_name": one.name,
        "attributes": one.attributes,
    }


def _links(state: PlatformState, path: str, *, edit: bool) -> links.Links:
    found: links.Links = {"self": links.resource(state.scenario, path, "Domain")}
    if edit:
        found["#edit"] = links.action(state.scenario, path, "patch")
        found["#delete"] = links.action(state.scenario, path, "delete")
    return found


def certificate_id(one: Domain) -> str:
    """Return the id of the certificate that the platform got for a domain."""
    return commit_hash("certificate", one.name)


def certificate(state: PlatformState, one: Domain) -> dict[str, Any]:
    """Return the certificate of a domain, without its key."""
    path = f"{links.project_path(state.scenario)}/certificates/{certificate_id(one)}"
    # The one before was renewed as often as its lifetime asks for.
    begun = state.now - (state.now - one.created_at) % (LIFETIME - timedelta(days=30))
    own, until = one.certificate, begun + LIFETIME
    issuer = [{"oid": oid, "alias": alias, "value": value} for alias, oid, value in ISSUER]
    if own is not None:
        begun, until = one.updated_at, own.not_valid_after_utc
        issuer = [
            {"oid": each.oid.dotted_string, "alias": each.rfc4514_attribute_name, "value": str(each.value)}
            for each in own.issuer
        ]
    return {
        "id": certificate_id(one),
        "created_at": written(begun),
        "updated_at": written(begun),
        "is_provisioned": own is None,
        "is_invalid": False,
        "is_root": False,
        "domains": [one.name],
        "auth_type": [],
        "issuer": issuer,
        "expires_at": written(until),
        "_links": {"self": links.resource(state.scenario, path, "Certificate")},
    }
