"""Routes: the URLs that an environment's site answers at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.simulator.environment import APP
from agent.simulator.site import host

if TYPE_CHECKING:
    from agent.simulator.environment import Environment


def routes(one: Environment) -> dict[str, Any]:
    """Every route by its URL: the primary one, which goes to the app."""
    return {f"https://{host(one)}/": _route("https://{default}/")}


def _route(original: str) -> dict[str, Any]:
    strict: dict[str, Any] = {"enabled": None, "include_subdomains": None, "preload": None}
    return {
        "id": original,
        "primary": True,
        "production_url": None,
        "attributes": {},
        "type": "upstream",
        "tls": {
            "strict_transport_security": strict,
            "min_version": None,
            "client_authentication": None,
            "client_certificate_authorities": [],
        },
        "cache": {"enabled": True, "default_ttl": 0, "cookies": ["*"], "headers": ["Accept", "Accept-Language"]},
        "ssi": {"enabled": False},
        "upstream": f"{APP}:http",
        "redirects": {"expires": "-1s", "paths": {}},
        "sticky": {"enabled": False},
    }
