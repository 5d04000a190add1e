"""What a channel works with: variables, one request to a configured receiver, and what can come of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from upsun_agent.api.http import NoAnswer, Transport
from upsun_agent.limits import URL_MOST
from upsun_agent.log.escapes import normal
from upsun_agent.notify.outcome import Delivered, Outcome, Undelivered
from upsun_agent.platform.secrets import parts_of

#: Answers that say: not this message, however often it is sent. Whatever else is wrong, a redeployment may mend.
UNWANTED = frozenset({400, 413, 414, 415, 422})


class Unusable(Exception):
    """A variable that the channel needs is not there, or holds something else."""


class HttpSender(Struct, frozen=True):
    """The only way from a channel to the outside.

    Args:
        environ: the variables.
        transport: the door to the network; it follows no redirect.
        hide: told of every secret value before it is used.
        clean: takes secrets out of a text, or out of the texts of a document.
        now: the clock.
    """

    #: The environment variables of the process.
    environ: Mapping[str, str]
    #: The door to the network; it follows no redirect.
    transport: Transport
    #: Is told of every secret value before it is used.
    hide: Callable[[str | None], None]
    #: Takes secrets out of a text, or out of the texts of a document.
    clean: Callable[[Any], Any]
    #: The clock.
    now: Callable[[], datetime]

    def __repr__(self) -> str:
        """Return it without what it holds: the variables have secrets."""
        return "HttpSender()"

    def secret(self, variable: str) -> str:
        """The value of a variable; raises Unusable where it is empty or not set."""
        value = (self.environ.get(variable) or "").strip()
        if not value:
            raise Unusable(f"the variable {variable} is not set here")
        for part in parts_of(value):
            self.hide(part)
        return value

    def url(self, variable: str) -> str:
        """The URL in a variable; raises Unusable where it holds none. Its value is never shown."""
        value = self.secret(variable)
        try:
            parts = urlsplit(value)
            usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable or len(value) > URL_MOST or not value.isascii() or not value.isprintable() or " " in value:
            raise Unusable(f"the variable {variable} holds no URL of http or https")
        return value

    def post(self, url: str, body: bytes, headers: Mapping[str, str], seconds: float) -> Outcome:
        """One request, once. The status decides: a receiver that says 2xx has the message, whatever its body is.

        A redirect is an answer like any other: messages go to no other place than configured.
        """
        try:
            reply = self.transport.status("POST", url, headers=headers, content=body, deadline=seconds)
        except NoAnswer as error:
            return Undelivered(self.clean(normal(str(error))))
        if 200 <= reply.status < 300:  # noqa: PLR2004
            return Delivered()
        if 300 <= reply.status < 400:  # noqa: PLR2004
            return Undelivered(f"the receiver answered {reply.status}: redirects are not followed")
        return Undelivered(f"the receiver answered {reply.status}", for_good=reply.status in UNWANTED)
