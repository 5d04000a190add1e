"""Routes: the URLs that an environment's site answers at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upsun_simulator.environment import APP
from upsun_simulator.site import hosts

if TYPE_CHECKING:
    from upsun_simulator.environment import Environment
    from upsun_simulator.state import PlatformState

DEFAULT = "{default}"


def routes(state: PlatformState, one: Environment) -> dict[str, Any]:
    """Return every route by its URL, the primary one first: it goes to the app, and plain HTTP leads to it.

    `original_url` is what the configuration says; the official document leaves it out, its examples and the official
    CLI have it.
    """
    found: dict[str, Any] = {}
    for host in hosts(state, one):
        found[f"https://{host}/"] = _upstream(primary=not found)
        found[f"http://{host}/"] = _redirect(f"https://{host}/")
    return found


def _common(original: str, kind: str, *, primary: bool) -> dict[str, Any]:
    strict: dict[str, Any] = {"enabled": None, "include_subdomains": None, "preload": None}
    return {
        "id": original,
        "original_url": original,
        "primary": primary,
        "production_url": None,
        "attributes": {},
        "type": kind,
        "tls": {
            "strict_transport_security": strict,
            "min_version": None,
            "client_authentication": None,
            "client_certificate_authorities": [],
        },
        "redirects": {"expires": "-1s", "paths": {}},
    }


def _upstream(*, primary: bool) -> dict[str, Any]:
    return {
        **_common(f"https://{DEFAULT}/", "upstream", primary=primary),
        "cache": {"enabled": True, "default_ttl": 0, "cookies": ["*"], "headers": ["Accept", "Accept-Language"]},
        "ssi": {"enabled": False},
        "upstream": f"{APP}:http",
        "sticky": {"enabled": False},
    }


def _redirect(to: str) -> dict[str, Any]:
    return {**_common(f"http://{DEFAULT}/", "redirect", primary=False), "to": to}
