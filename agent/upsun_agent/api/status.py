"""Classify HTTP statuses in one table, for the API, receivers of messages and proxies.

Everything else asks ``kind_of``; ``api.errors.classify`` adds what the body says. A unit test finds every comparison
with a number of a status outside this module.
"""

from __future__ import annotations

from enum import Enum
from http import HTTPStatus


class StatusKind(Enum):
    """The meaning of a status for the request, from any sender."""

    #: 200: it was done, and the body is the document that was asked for.
    OK = "ok"
    #: Any other 2xx: it was done, or will be.
    ACCEPTED = "accepted"
    #: 3xx: look elsewhere. No redirect is followed.
    REDIRECT = "redirect"
    #: 401: the credentials are missing or refused.
    UNAUTHORIZED = "unauthorized"
    #: 403: the credentials do not allow it.
    FORBIDDEN = "forbidden"
    #: 404: there is no such thing.
    NOT_FOUND = "not-found"
    #: 407: a proxy wants a login.
    PROXY_LOGIN = "proxy-login"
    #: 409: it is there already, or somebody changed it at the same time.
    CONFLICT = "conflict"
    #: 423: it is locked by other work.
    BUSY = "busy"
    #: 429: too many requests; the request was not passed on.
    LIMITED = "limited"
    #: 400, 413, 414, 415, 422: the content of the request is refused, and would be again.
    INVALID = "invalid"
    #: 408, 425, 500, 502, 503, 504: not now; a request that changes something may have been acted on.
    UNAVAILABLE = "unavailable"
    #: Any other 4xx: it was refused.
    REFUSED = "refused"
    #: Any other status: it says nothing that is known.
    UNKNOWN = "unknown"


_KINDS = {
    HTTPStatus.OK: StatusKind.OK,
    HTTPStatus.UNAUTHORIZED: StatusKind.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN: StatusKind.FORBIDDEN,
    HTTPStatus.NOT_FOUND: StatusKind.NOT_FOUND,
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: StatusKind.PROXY_LOGIN,
    HTTPStatus.CONFLICT: StatusKind.CONFLICT,
    HTTPStatus.LOCKED: StatusKind.BUSY,
    HTTPStatus.TOO_MANY_REQUESTS: StatusKind.LIMITED,
    **dict.fromkeys((400, 413, 414, 415, 422), StatusKind.INVALID),
    **dict.fromkeys((408, 425, 500, 502, 503, 504), StatusKind.UNAVAILABLE),
}
_REST = {2: StatusKind.ACCEPTED, 3: StatusKind.REDIRECT, 4: StatusKind.REFUSED}

#: The request was done, or will be.
SUCCESS = frozenset({StatusKind.OK, StatusKind.ACCEPTED})


def kind_of(status: int) -> StatusKind:
    """Return the kind of the status."""
    return _KINDS.get(status) or _REST.get(status // 100, StatusKind.UNKNOWN)


def kind_at_start(line: str) -> StatusKind:
    """Return the kind of the status at the start of a line such as ``407 Proxy Authentication Required``."""
    word = line[:3]
    return kind_of(int(word)) if word.isascii() and word.isdigit() else StatusKind.UNKNOWN


def blames_request(status: int) -> bool:
    """Return whether the status says that the request is at fault: 4xx."""
    return status // 100 == 4  # noqa: PLR2004  the class of the status


def phrase(status: int) -> str:
    """Return the standard words for the status, such as ``Not Found``; empty for one that has none."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
