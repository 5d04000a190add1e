"""Exchange the API token for a bearer that is valid for about 900 s."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from msgspec import Struct

from upsun_agent.api import bearer_cache
from upsun_agent.api.errors import TOKEN_ERRORS, UNSURE, Meaning, classify, error_words, refusal, token_error
from upsun_agent.api.http import Reply
from upsun_agent.api.replies import Fields, document
from upsun_agent.api.status import StatusKind, blames_request, kind_of
from upsun_agent.errors import AgentError, BadReply, TokenMissing, TokenRefused
from upsun_agent.limits import TOKEN_MOST

if TYPE_CHECKING:
    from upsun_agent.api.bearer_cache import BearerCache

EARLY = 60.0  # a bearer is renewed this many seconds before it ends
LIFETIME_MOST = 86_400
QUOTES = "\"'`"  # not part of a token: from a shell, or a variable marked as JSON


class Bearer(Struct, frozen=True):
    """An access token, when on our monotonic clock it should be renewed, and how many seconds it lives."""

    #: The access token. It is a secret.
    value: str
    #: When it should be renewed, on this process's monotonic clock (seconds).
    until: float
    #: The id of its user; None if it does not say.
    user: str | None
    #: How long it lives from its issue, in seconds.
    lifetime: int

    def __repr__(self) -> str:
        """Return it without the token."""
        return f"Bearer(until={self.until!r}, user={self.user!r}, lifetime={self.lifetime!r})"


class Auth:
    """Bearers for one API token.

    Args:
        token: the API token; white space around it is dropped, since a trailing newline is the commonest mistake.
        url: the authentication service.
        post: sends one form (a body) to a URL and returns the reply, with retries: an exchange changes nothing.
        monotonic: the clock.
        variable: where the token comes from, for messages.
        hide: told of every secret value before it is used, so that no log shows it.
        cache: where bearers are kept between processes, if they are.
        wall: the time of day, for the cache.
    """

    def __init__(
        self,
        token: str | None,
        url: str,
        post: Callable[[str, bytes], Reply],
        monotonic: Callable[[], float],
        variable: str,
        hide: Callable[[str], None],
        *,
        cache: BearerCache | None = None,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._cache = cache
        self._wall = wall
        self._token = (token or "").strip()
        self._url = f"{url.rstrip('/')}/oauth2/token"
        self._post = post
        self._monotonic = monotonic
        self._variable = variable
        self._hide = hide
        hide(self._token)
        self._bearer: Bearer | None = None

    def bearer(self) -> Bearer:
        """Return a valid bearer; exchange the token if needed.

        Raises:
            TokenMissing: there is no token.
            TokenRefused: the service does not accept it.
            BadReply: its answer is not valid.
        """
        if self._bearer is None or self._monotonic() >= self._bearer.until:
            self._bearer = self._kept() or self._exchange()
        return self._bearer

    def _kept(self) -> Bearer | None:
        """Return the cached bearer of another process, if the cache is enabled and it is still valid."""
        kept = self._cache.get(self._wall()) if self._cache is not None and self._token else None
        if kept is None:
            return None
        self._hide(kept.value)
        return Bearer(kept.value, self._monotonic() + kept.until - self._wall().timestamp(), kept.user, kept.lifetime)

    def renew(self) -> Bearer:
        """Exchange the token now, without the cache, and return the bearer; raise as ``bearer`` does."""
        self.forget()  # a bearer of a token that is refused now must not serve the next process either
        self._bearer = self._exchange()
        return self._bearer

    def forget(self) -> None:
        """Discard the bearer, which the API refused, so that the next use exchanges the token."""
        self._bearer = None
        if self._cache is not None:
            self._cache.drop()

    def _exchange(self) -> Bearer:
        if not self._token:
            remedy = f"store it as the variable env:{self._variable}, visible at runtime, and redeploy"
            raise TokenMissing(f"no API token: {self._variable} is not set", remedy=remedy)
        if not self._token.isascii() or not self._token.isprintable() or " " in self._token:
            raise TokenRefused(
                f"{self._variable} is not a valid API token", remedy="copy the token again, and nothing else"
            )
        if self._token[0] in QUOTES or self._token[-1] in QUOTES:
            text = f"{self._variable} holds the token in quotes, which are sent as part of it"
            remedy = "store it again without quotes, and not marked as JSON: upsun-agent setup token"
            raise TokenRefused(text, remedy=remedy)
        form = {
            "client_id": "upsun-cli",
            "client_secret": "",  # a public client has none  # nosec B105
            "grant_type": "api_token",
            "api_token": self._token,
        }
        reply = self._post(self._url, urlencode(form).encode())
        if kind_of(reply.status) is not StatusKind.OK:  # the one status a token comes with
            raise self._refusal(reply)
        fields = Fields.of(document(reply, "token exchange"), "token exchange")
        value = fields.secret("access_token", TOKEN_MOST)
        if not value.isascii() or " " in value:
            raise BadReply("token exchange: access_token is not a valid token")
        self._hide(value)
        lifetime = fields.number("expires_in", 1, LIFETIME_MOST)
        lasts, user = max(lifetime - EARLY, lifetime / 2), subject(value)
        if self._cache is not None:
            self._cache.put(bearer_cache.Kept(value, self._wall().timestamp() + lasts, user, lifetime))
        return Bearer(value, self._monotonic() + lasts, user, lifetime)

    def _refusal(self, reply: Reply) -> AgentError:
        """Return the error for a failed exchange: TokenRefused only if the service itself refuses the token.

        A gateway's 403, or an OAuth error about something else, does not mean that the token is refused.
        """
        said, code = error_words(reply), token_error(reply)
        if blames_request(reply.status) and code in TOKEN_ERRORS:
            remedy = f"create a new token for the machine user and store it as env:{self._variable}"
            text = f"the API token from {self._variable} is not accepted{f': {said}' if said else ''}"
            return TokenRefused(text, remedy=remedy)
        if classify(reply) in {Meaning.SECOND_FACTOR, Meaning.LIMITED, *UNSURE}:
            return refusal(reply, "token exchange")
        named = f" ({code})" if code and code not in said else ""
        text = f"token exchange: the service answers {reply.status}{named}{f': {said}' if said else ''}"
        return BadReply(text, remedy="check the address in UPSUN_CLI_AUTH_URL, if that is set; else try again later")


def subject(token: str) -> str | None:
    """Return the user id in the JWT's claim ``sub``, unverified (the API verifies it); None for an opaque token."""
    parts = token.split(".")
    if len(parts) != len(("header", "payload", "signature")):
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return None
    user = claims.get("sub") if isinstance(claims, dict) else None
    return user if isinstance(user, str) and user else None
