"""A substitute for the cookie modules that httpx imports: the API sets no cookies, and they are slow to import."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from upsun_agent.lazy_imports import LazyModule, lazy_function


class NoCookies:
    """A cookie jar that keeps nothing and sends nothing."""

    def __iter__(self) -> Iterator[Any]:
        """Return an iterator over no cookies."""
        return iter(())

    def extract_cookies(self, response: object, request: object) -> None:
        """Ignore the cookies of a response."""


class Shown:
    """The wrapper in which httpx passes a request to a cookie jar; ours ignores it."""

    def __init__(self, *_: object, **__: object) -> None:
        pass


#: In place of ``http.cookiejar`` and of ``urllib.request``, which httpx also asks for proxies and for logins.
COOKIEJAR = LazyModule("http.cookiejar", CookieJar=NoCookies, Cookie=object)
REQUEST = LazyModule(
    "urllib.request",
    Request=Shown,
    getproxies=lazy_function("urllib.request", "getproxies"),
    parse_http_list=lazy_function("urllib.request", "parse_http_list"),
)
#: For files that are sent, which the agent does not.
PATHS = LazyModule("pathlib", Path=lazy_function("pathlib", "Path"))
