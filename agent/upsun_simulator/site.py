"""The site of an environment: its host names and its answers."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from upsun_simulator import activity as kinds
from upsun_simulator.effects.code import DEPLOYING

if TYPE_CHECKING:
    from upsun_simulator.environment import Environment
    from upsun_simulator.state import PlatformState

DOMAIN = "simulator.invalid"
# Where the sites are for a client that cannot choose the host it names, and in the request log for every client.
PREFIX = "/_site/"
BRINGING_UP = (*DEPLOYING, kinds.RESTORE, kinds.BRANCH, kinds.ACTIVATE, kinds.RESUME)


def host(environment: Environment) -> str:
    """Return the host name of the environment's primary route."""
    return f"{environment.machine_name}.{DOMAIN}"


def hosts(state: PlatformState, environment: Environment) -> list[str]:
    """Return every host name that the site answers at: its domains, the default one first, else its own."""
    default = state.domains.default(environment.id)
    if default is None:
        return [host(environment)]
    others = [one.name for one in state.domains.of(environment.id) if one is not default]
    return [default.name, *others]


def at_host(state: PlatformState, name: str) -> Environment | None:
    """Return the environment whose site has this host name, with a port or without."""
    wanted = name.partition(":")[0].lower()
    domain = state.domains.named(wanted)
    if domain is not None:
        return state.environments[domain.environment]
    if not wanted.endswith(f".{DOMAIN}"):
        return None
    return next((one for one in state.environments.values() if host(one) == wanted), None)


def status(state: PlatformState, environment: Environment) -> int:
    """Return the status that the site answers with now."""
    if state.status_of(environment) != "active" or environment.deployed is None:
        return HTTPStatus.SERVICE_UNAVAILABLE
    if state.scenario.site_down_while_deploying and _deploying(state, environment):
        return HTTPStatus.SERVICE_UNAVAILABLE
    if state.history.breaks(environment.deployed) in (environment.type, "everywhere"):
        return HTTPStatus.INTERNAL_SERVER_ERROR
    return state.scenario.site_status


def page(state: PlatformState, environment: Environment) -> tuple[int, str]:
    """Return the status and the HTML of the site; only a site that works names its commit."""
    found = status(state, environment)
    try:
        title = HTTPStatus(found).phrase
    except ValueError:
        title = "Answer"
    failed = found in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.INTERNAL_SERVER_ERROR)
    text = "Please come back later." if failed else f"commit {environment.deployed}"
    return found, f"<!doctype html><title>{title}</title><p>{text}</p>\n"


def _deploying(state: PlatformState, environment: Environment) -> bool:
    running = [one for one in state.unfinished(environment.id) if one.state == "in_progress"]
    return any(one.deploys or one.type in BRINGING_UP for one in running)
