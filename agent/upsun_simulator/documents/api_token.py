"""An API token, without its secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upsun_simulator.documents.timestamp import written

if TYPE_CHECKING:
    from upsun_simulator.tokens import ApiToken


def api_token(one: ApiToken) -> dict[str, Any]:
    """Return the token as a list of tokens shows it."""
    return {
        "id": one.id,
        "name": one.name,
        "mfa_on_creation": one.mfa,
        "created_at": written(one.created_at),
        "updated_at": written(one.created_at),
        "last_used_at": written(one.last_used_at),
    }
