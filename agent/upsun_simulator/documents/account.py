"""Users, and short forms of what they have access to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upsun_simulator.documents.timestamp import written
from upsun_simulator.scenario import REGION
from upsun_simulator.user import MACHINE, OWNER

if TYPE_CHECKING:
    from upsun_simulator.ssh_key import SshKey
    from upsun_simulator.state import PlatformState
    from upsun_simulator.user import User

ORGANIZATION = "01H2X80DMRDZWR6CX753YQHTND"
PICTURE = "https://accounts.simulator.invalid/picture.png"


def user(state: PlatformState, one: User) -> dict[str, Any]:
    """Return an account, as `/users/...` gives it."""
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
        "created_at": written(state.born),
        "updated_at": written(state.born),
        "phone_number_verified": False,
        "mfa_enabled": _has_mfa(state, one),
        "sso_enabled": False,
    }


def _has_mfa(state: PlatformState, one: User) -> bool:
    return one.id == MACHINE.id and state.scenario.mfa_enabled


def reference(state: PlatformState, one: User) -> dict[str, Any]:
    """Return an account, as other resources refer to it."""
    return {
        "id": one.id,
        "username": one.username,
        "email": one.email,
        "first_name": one.first_name,
        "last_name": one.last_name,
        "picture": PICTURE,
        "mfa_enabled": _has_mfa(state, one),
        "sso_enabled": False,
    }


def project_reference(state: PlatformState) -> dict[str, Any]:
    """Return the project, as other resources refer to it."""
    return {
        "id": state.scenario.project,
        "organization_id": ORGANIZATION,
        "subscription_id": "1234567",
        "region": REGION,
        "title": state.title,
        "type": "grid",
        "plan": "upsun/flexible",
        "status": "active",
        "created_at": written(state.born),
        "updated_at": written(state.born),
    }


def organization_reference(state: PlatformState) -> dict[str, Any]:
    """Return the organization, as other resources refer to it."""
    return {
        "id": ORGANIZATION,
        "type": "flexible",
        "owner_id": OWNER.id,
        "name": state.organization["name"],
        "label": state.organization["label"],
        "vendor": "upsun",
        "created_at": written(state.born),
        "updated_at": written(state.born),
    }


def ssh_key(one: SshKey) -> dict[str, Any]:
    """Return a public key of an account."""
    return {
        "key_id": one.id,
        "uid": 1,
        "fingerprint": one.fingerprint,
        "title": one.title,
        "value": one.value,
        "changed": written(one.changed),
    }
