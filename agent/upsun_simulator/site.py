"""The site of an environment: where it answers, and what."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from upsun_simulator import activity as kinds
from upsun_simulator.effects.code import DEPLOYING

if TYPE_CHECKING:
    from upsun_simulator.environment import Environment
    from upsun_simulator.state import World

DOMAIN = "simulator.invalid"
# Where the sites are for a client that cannot choose the host it names, and in the books for every client.
PREFIX = "/_site/"
BRINGING_UP = (*DEPLOYING, kinds.RESTORE, kinds.BRANCH, kinds.ACTIVATE, kinds.RESUME)


def host(environment: Environment) -> str:
    """The host name of the environment's primary route."""
    return f"{environment.machine_name}.{DOMAIN}"


def hosts(world: World, environment: Environment) -> list[str]:
    """Return every host name that the site answers at: its domains, the default one first, else its own."""
    default = world.domains.default(environment.id)
    if default is None:
        return [host(environment)]
    others = [one.name for one in world.domains.of(environment.id) if one is not default]
    return [default.name, *others]


def at_host(world: World, name: str) -> Environment | None:
    """Return the environment whose site has this host name, with a port or without."""
    wanted = name.partition(":")[0].lower()
    domain = world.domains.named(wanted)
    if domain is not None:
        return world.environments[domain.environment]
    if not wanted.endswith(f".{DOMAIN}"):
        return None
    return next((one for one in world.environments.values() if host(one) == wanted), None)


def status(world: World, environment: Environment) -> int:
    """What the site answers with at this moment."""
    if world.status_of(environment) != "active" or environment.deployed is None:
        return HTTPStatus.SERVICE_UNAVAILABLE
    if world.scenario.site_down_while_deploying and _deploying(world, environment):
        return HTTPStatus.SERVICE_UNAVAILABLE
    if world.history.breaks(environment.deployed) in (environment.type, "everywhere"):
        return HTTPStatus.INTERNAL_SERVER_ERROR
    return world.scenario.site_status


def page(world: World, environment: Environment) -> tuple[int, str]:
    """The status and the HTML of the site; only a site that works names its commit."""
    found = status(world, environment)
    try:
        title = HTTPStatus(found).phrase
    except ValueError:
        title = "Answer"
    failed = found in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.INTERNAL_SERVER_ERROR)
    text = "Please come back later." if failed else f"commit {environment.deployed}"
    return found, f"<!doctype html><title>{title}</title><p>{text}</p>\n"


def _deploying(world: World, environment: Environment) -> bool:
    running = [one for one in world.unfinished(environment.id) if one.state == "in_progress"]
    return any(one.deploys or one.type in BRINGING_UP for one in running)
