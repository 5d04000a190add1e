"""HAL links: where a resource is, and what may be done with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from upsun_simulator.scenario import Scenario

# What an operation's link says of its answer, whichever operation it is.
ANSWERED = {"responses": {"default": {"description": ""}}, "parameters": []}

# A link is an object; `pf:routes` is a list of them.
Links = dict[str, Any]


def segment(name: str) -> str:
    """Return an id as one segment of a path."""
    return quote(name, safe="")


def project_path(scenario: Scenario) -> str:
    """Return the project's path, without a prefix."""
    return f"/projects/{segment(scenario.project)}"


def environment_path(scenario: Scenario, environment: str) -> str:
    """Return the environment's path, without a prefix."""
    return f"{project_path(scenario)}/environments/{segment(environment)}"


def resource(scenario: Scenario, path: str, schema: str = "") -> dict[str, Any]:
    """Return a link to a resource; on the live platform these may name a regional host.

    A `self` link says in its `meta` of which schema the resource is (the OpenAPI document, "HAL Links").

    Args:
        scenario: the behaviours that are played.
        path: the path of the resource.
        schema: the name of its schema; empty: the link does not say it.
    """
    found: dict[str, Any] = {"href": f"{scenario.region_url}/api{path}" if scenario.regional_links else path}
    return {**found, "meta": {"type": "object", "title": schema}} if schema else found


def action(scenario: Scenario, path: str, method: str = "post") -> dict[str, Any]:
    """Return a link to an operation: a path only, with the operation's HTTP method in its `meta`.

    Args:
        scenario: the behaviours that are played.
        path: the path of the operation.
        method: its HTTP method, in lower case.
    """
    return {"href": f"/api{path}" if scenario.regional_links else path, "meta": {method: ANSWERED}}
