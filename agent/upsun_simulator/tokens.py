"""API tokens, and the short-lived bearers that they are exchanged for."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from upsun_simulator.ids import account_id, identifier
from upsun_simulator.user import MACHINE, User


@dataclass(kw_only=True, eq=False)
class ApiToken:
    """An API token; the platform shows its `secret` once, when it is made."""

    #: The id.
    id: str
    #: The name that its owner gave it.
    name: str
    #: The token. The platform shows it once, when it is made.
    secret: str
    #: Origin token it is.
    user: User
    #: When it was made.
    created_at: datetime
    #: Whether it was made after a login with a second factor.
    mfa: bool = False
    #: Whether it was revoked.
    revoked: bool = False
    #: When it was exchanged last; None if it never was.
    last_used_at: datetime | None = None


@dataclass(frozen=True)
class Bearer:
    """An access token that was issued."""

    #: Origin access token it is.
    user: User
    #: The id of the API token that it was exchanged for.
    api_token: str
    #: Until when it is valid.
    expires_at: datetime
    #: The claims that it holds, by name.
    claims: dict[str, Any]

    @property
    def has_mfa(self) -> bool:
        """Return whether its owner had proved a second factor."""
        return "mfa" in self.claims["amr"]


class Tokens:
    """All tokens; revoking an API token does not invalidate its bearers, as on the platform."""

    def __init__(self) -> None:
        self._tokens: dict[str, ApiToken] = {}
        self._bearers: dict[str, Bearer] = {}
        self._issued = 0

    def add(
        self, secret: str, created_at: datetime, *, user: User = MACHINE, name: str = "", mfa: bool = False
    ) -> ApiToken:
        """Accept another API token, or a revoked one again.

        Args:
            secret: the text of the token.
            created_at: when it was made.
            user: whose token it is.
            name: the name that the user gives it.
            mfa: whether it was made after a login with a second factor.
        """
        number = len(self._tokens) + 1
        token = ApiToken(
            id=account_id("api token", number, secret),
            name=name or f"Token {number}",
            secret=secret,
            user=user,
            created_at=created_at,
            mfa=mfa,
        )
        self._tokens[secret] = token
        return token

    def revoke(self, token: str) -> bool:
        """Revoke an API token or a bearer; return whether it was known."""
        if self._bearers.pop(token, None) is not None:
            return True
        known = self._tokens.get(token)
        if known is not None:
            known.revoked = True
        return known is not None

    def known(self) -> list[str]:
        """Return every API token there is or was, revoked or not."""
        return list(self._tokens)

    def of(self, user: User) -> list[ApiToken]:
        """Return the user's tokens that are not revoked, in the order in which they were made."""
        return [one for one in self._tokens.values() if one.user.id == user.id and not one.revoked]

    def named(self, secret: str) -> ApiToken | None:
        """Return the API token with this secret, revoked or not."""
        return self._tokens.get(secret)

    def expire_bearers(self) -> None:
        """Make every bearer issued so far invalid."""
        self._bearers.clear()

    def owner(self, api_token: str) -> User | None:
        """Return the user that a valid API token belongs to."""
        known = self._tokens.get(api_token)
        return None if known is None or known.revoked else known.user

    def issue(self, api_token: str, now: datetime, seconds: float) -> str:
        """Exchange a valid API token for a bearer, a token in the shape of a JWT.

        Args:
            api_token: the text of the API token.
            now: when it is exchanged.
            seconds: how long the bearer is valid.
        """
        token = self._tokens[api_token]
        token.last_used_at = now
        self._bearers = {text: one for text, one in self._bearers.items() if one.expires_at > now}
        self._issued += 1
        expires_at = now + timedelta(seconds=seconds)
        claims = {
            "sub": token.user.id,
            "iss": "https://auth.simulator.invalid",
            "iat": int(now.timestamp()),
            "exp": int(expires_at.timestamp()),
            "jti": identifier("bearer", self._issued),
            "access_id": identifier("access", token.user.id),
            "amr": ["api_token", "mfa"] if token.mfa else ["api_token"],
        }
        # The signature is no signature: nobody may believe this token but the simulator that issued it.
        text = ".".join((_part({"alg": "none", "typ": "JWT"}), _part(claims), identifier("signature", self._issued)))
        self._bearers[text] = Bearer(token.user, api_token, expires_at, claims)
        return text

    def bearer(self, text: str, now: datetime) -> Bearer | None:
        """Return the bearer if it was issued here and is still valid."""
        known = self._bearers.get(text)
        return known if known is not None and known.expires_at > now else None


def _part(content: dict[str, Any]) -> str:
    """Return one part of a JWT. Plain ASCII JSON never yields the two letters that set base64url apart."""
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")
