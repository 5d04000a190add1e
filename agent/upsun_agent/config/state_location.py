"""Where the job file may say that the state is, and the hosts that it may allow to get the token."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from upsun_agent.platform.paths import URL_VARIABLE
from upsun_agent.validators import SECRET_VARIABLE, ListOf, Path, Problem, Text


class StatePlace(Text, frozen=True):
    """An absolute path, ``relationship:NAME`` or ``url-variable:NAME``; never a URL, which holds a password."""

    def check(self, value: Any, path: Path) -> Iterator[Problem]:
        """Yield everything that is wrong with the value."""
        if isinstance(value, str) and "://" in value:
            remedy = 'put the URL into a variable, such as env:STATE_URL, and write state = "url-variable:STATE_URL"'
            yield Problem(path, "must not be a URL: a password does not belong in the job file", remedy)
        elif isinstance(value, str) and value.startswith(URL_VARIABLE):
            yield from SECRET_VARIABLE.check(value.removeprefix(URL_VARIABLE), path)
        else:
            yield from Text.check(self, value, path)

    def schema(self) -> dict[str, Any]:
        """Return the shape as JSON Schema."""
        return {**Text.schema(self), "not": {"pattern": "://"}}


STATE = StatePlace(
    r"(?:/[^\x00-\x1f\x7f]*|relationship:[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}|url-variable:[A-Za-z_][A-Za-z0-9_]{0,127})",
    "an absolute path, relationship:NAME or url-variable:NAME",
    1000,
)

#: A host that may get the token: its name or address, with a port or not, and http:// where it needs no TLS.
API_HOST = Text(
    r"(?:https?://)?(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])"
    r"(?::(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}))?",
    "a host, such as api.example.com",
    300,
    remedy="write it without a path",
)
API_HOSTS = ListOf(API_HOST, most=10)
