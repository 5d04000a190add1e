"""One request, parsed strictly: its path, query, body and user."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from upsun_simulator import body, site
from upsun_simulator.answers import Refusal, unauthorised

if TYPE_CHECKING:
    import threading
    from datetime import datetime

    from werkzeug.wrappers import Request

    from upsun_simulator.body import Kind
    from upsun_simulator.platform import Platform
    from upsun_simulator.state import PlatformState
    from upsun_simulator.tokens import Bearer

BAD_REQUEST = 400
PREFIX = re.compile(r"^/api(?=/)")
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Target:
    """The target of a request, as received and decoded."""

    #: The path and query on the wire.
    raw: str
    #: The path, percent-encoded, without a leading `/api`.
    encoded: str
    #: The path, decoded.
    decoded: str
    #: The query parameters, each with its values.
    query: dict[str, list[str]]

    @property
    def site(self) -> str | None:
        """Return the environment whose site is requested, None for the API."""
        if not self.encoded.startswith(site.PREFIX):
            return None
        return unquote(self.encoded.removeprefix(site.PREFIX).partition("/")[0])


def target_of(request: Request, state: PlatformState) -> Target:
    """Parse the request line and keep its percent-encoding.

    A server passes the raw line on (`RAW_URI`). A client in process may not: then the names of known
    environments that hold a slash are encoded again. A request to the host of a site goes to where all sites are.
    """
    line = request.environ.get("RAW_URI")
    if line is None:
        encoded = quote(request.path, safe="/:@!$&'()*+,;=~-._")
        for name in sorted(state.environments, key=len, reverse=True):
            if "/" in name:
                encoded = re.sub(rf"/{re.escape(quote(name))}(?=/|$)", f"/{quote(name, safe='')}", encoded)
        query = request.query_string.decode("latin-1")
        raw = f"{encoded}?{query}" if query else encoded
    else:
        raw = re.sub(r"^[a-z]+://[^/]*", "", str(line))
        encoded, _, query = raw.partition("?")
    place = site.at_host(state, request.host)
    if place is not None:
        encoded = f"{site.PREFIX}{quote(place.id, safe='')}{encoded}"
    encoded = PREFIX.sub("", encoded)
    return Target(raw, encoded, unquote(encoded), _query(query))


def _query(text: str) -> dict[str, list[str]]:
    """Return the query parameters; a `+` stays a `+`, as the platform reads it in time stamps."""
    found: dict[str, list[str]] = {}
    for pair in filter(None, text.split("&")):
        name, _, value = pair.partition("=")
        found.setdefault(unquote(name), []).append(unquote(value))
    return found


def body_of(request: Request) -> Any:
    """Return the parsed body: JSON, a form, or other text; None if it is empty.

    Raises:
        Refusal: it has more parts, or nests deeper, than any that makes sense.
    """
    text = request.get_data(cache=True).decode("utf-8", "replace")
    if not text:
        return None
    if request.mimetype == FORM:
        return body.form(text)
    try:
        return body.parsed(text)
    except ValueError:
        return text


@dataclass
class Call:
    """A request on its way to an endpoint.

    `closing` is set when the server that took the request closes; None in process, where nobody could move
    the clock while an answer is held open.
    """

    #: Everything behind the HTTP surface.
    platform: Platform
    #: The request as werkzeug has it.
    request: Request
    #: Where it goes.
    target: Target
    #: The body as data; None where there is none.
    body: Any
    #: The moment of the request.
    now: datetime
    #: The parts of the path that the route names.
    values: dict[str, str]
    #: Set when the server closes; None in process.
    closing: threading.Event | None

    @property
    def state(self) -> PlatformState:
        """Return the state that the endpoint reads and changes."""
        return self.platform.state

    def bearer(self) -> Bearer:
        """Return the user of the request; without a valid bearer token the answer is 401."""
        kind, _, token = self.request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token:
            raise unauthorised("The access token is missing.")
        known = self.platform.tokens.bearer(token.strip(), self.now)
        if known is None:
            raise unauthorised("The access token is invalid or has expired.")
        return known

    def first(self, name: str) -> str | None:
        """Return the first value of a query parameter."""
        values = self.target.query.get(name)
        return values[0] if values else None

    def json_body(self) -> dict[str, Any]:
        """Return the body, which must be a JSON object; none at all counts as an empty one."""
        if self.body is None:
            return {}
        if not isinstance(self.body, dict) or self.request.mimetype == FORM:
            raise Refusal(BAD_REQUEST, "The body is not a JSON object.")
        return self.body

    def fields(self, required: dict[str, Kind], allowed: dict[str, Kind] | None = None) -> dict[str, Any]:
        """Return the body, which has all of the required and some of the allowed fields, and no other.

        Args:
            required: the fields that must be there, each with what its value has to pass.
            allowed: the fields that may be there as well.

        Raises:
            Refusal: a field is missing, unknown or of the wrong type (400).
        """
        content = self.json_body()
        kinds = {**required, **(allowed or {})}
        for name in required:
            if name not in content:
                raise Refusal(BAD_REQUEST, f"The field {name} is required.")
        for name, value in content.items():
            if name not in kinds or not kinds[name](value):
                raise Refusal(BAD_REQUEST, f"The field {name} is unknown here or of the wrong type.")
        return content
