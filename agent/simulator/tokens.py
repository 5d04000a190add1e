"""API tokens, and the short-lived bearers that they are exchanged for."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from agent.simulator.identifier import identifier
from agent.simulator.user import MACHINE, User


@dataclass(frozen=True)
class Bearer:
    """What is known of an access token that was issued."""

    user: User
    api_token: str
    expires_at: datetime
    claims: dict[str, Any]


class Tokens:
    """Which tokens exist; revoking an API token leaves its bearers alive, as on the platform."""

    def __init__(self, api_token: str) -> None:
        self._users: dict[str, User] = {api_token: MACHINE}
        self._revoked: set[str] = set()
        self._former: set[str] = set()
        self._bearers: dict[str, Bearer] = {}
        self._issued = 0

    def replace(self, old: str, new: str) -> None:
        """Make `new` the machine user's token instead of `old`."""
        if self._users.pop(old, None) is not None:
            self._former.add(old)
        self.add(new)

    def add(self, api_token: str, user: User = MACHINE) -> None:
        """Accept another API token, or a revoked one again."""
        self._users[api_token] = user
        self._revoked.discard(api_token)

    def revoke(self, token: str) -> bool:
        """Stop exchanging an API token, or accepting a bearer; say whether it was known."""
        if self._bearers.pop(token, None) is not None:
            return True
        known = token in self._users
        if known:
            self._revoked.add(token)
        return known

    def known(self) -> list[str]:
        """Every API token there is or was, revoked or not."""
        return [*self._users, *self._former]

    def expire_bearers(self) -> None:
        """Make every bearer issued so far invalid."""
        self._bearers.clear()

    def owner(self, api_token: str) -> User | None:
        """The user that a valid API token belongs to."""
        return None if api_token in self._revoked else self._users.get(api_token)

    def issue(self, api_token: str, now: datetime, seconds: float) -> str:
        """Exchange a valid API token for a bearer, a token in the shape of a JWT."""
        user = self._users[api_token]
        self._bearers = {text: one for text, one in self._bearers.items() if one.expires_at > now}
        self._issued += 1
        expires_at = now + timedelta(seconds=seconds)
        claims = {
            "sub": user.id,
            "iss": "https://auth.simulator.invalid",
            "iat": int(now.timestamp()),
            "exp": int(expires_at.timestamp()),
            "jti": identifier("bearer", self._issued),
            "access_id": identifier("access", user.id),
            "amr": ["api_token"],
        }
        # The signature is no signature: nobody may believe this token but the simulator that issued it.
        text = ".".join((_part({"alg": "none", "typ": "JWT"}), _part(claims), identifier("signature", self._issued)))
        self._bearers[text] = Bearer(user, api_token, expires_at, claims)
        return text

    def bearer(self, text: str, now: datetime) -> Bearer | None:
        """The bearer, if it was issued here and is still good."""
        known = self._bearers.get(text)
        return known if known is not None and known.expires_at > now else None


def _part(content: dict[str, Any]) -> str:
    """One part of a JWT. Plain ASCII JSON never yields the two letters that set base64url apart."""
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")
