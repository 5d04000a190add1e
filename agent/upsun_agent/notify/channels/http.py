"""What a channel works with: the variables, and one request to the configured receiver."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from upsun_agent.api.http import NoAnswer, Transport
from upsun_agent.api.status import SUCCESS, StatusKind, kind_of
from upsun_agent.limits import URL_MOST
from upsun_agent.log.escapes import normal
from upsun_agent.notify.outcome import Delivered, Outcome, Undelivered
from upsun_agent.platform.secrets import parts_of


class Unusable(Exception):
    """A variable that the channel needs is not set or not valid."""


class HttpSender(Struct, frozen=True):
    """The only access of a channel to the network.

    Args:
        environ: the environment variables.
        transport: makes HTTP requests; it does not follow redirects.
        hide: registers a secret value for redaction before it is used.
        clean: redacts secrets in a text, or in the texts of a document.
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
        """Return the value of a variable; raise Unusable if it is empty or not set."""
        value = (self.environ.get(variable) or "").strip()
        if not value:
            raise Unusable(f"the variable {variable} is not set here")
        for part in parts_of(value):
            self.hide(part)
        return value

    def url(self, variable: str) -> str:
        """Return the URL in a variable; raise Unusable, without the value, if it is not a valid URL."""
        value = self.secret(variable)
        try:
            parts = urlsplit(value)
            usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable or len(value) > URL_MOST or not value.isascii() or not value.isprintable() or " " in value:
            raise Unusable(f"the variable {variable} is not an http or https URL")
        return value

    def post(self, url: str, body: bytes, headers: Mapping[str, str], seconds: float) -> Outcome:
        """Send one request, once, and return the result: a receiver that answers 2xx has the message.

        Redirects are not followed: messages go only to the configured address.

        Args:
            url: the receiver.
            body: the content.
            headers: the headers.
            seconds: the time limit.
        """
        try:
            reply = self.transport.status("POST", url, headers=headers, content=body, deadline=seconds)
        except NoAnswer as error:
            return Undelivered(self.clean(normal(str(error))))
        kind = kind_of(reply.status)
        if kind in SUCCESS:
            return Delivered()
        if kind is StatusKind.REDIRECT:
            return Undelivered(f"the receiver answered {reply.status}: redirects are not followed")
        # Every other failure may end with a later attempt or a redeployment.
        return Undelivered(f"the receiver answered {reply.status}", for_good=kind is StatusKind.INVALID)
