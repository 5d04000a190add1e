"""HAL links: where a resource is, and what may be done with it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from agent.simulator.scenario import Scenario

REGION = "eu-5.platform.sh"

Links = dict[str, dict[str, str]]


def segment(name: str) -> str:
    """An id as one segment of a path."""
    return quote(name, safe="")


def project_path(scenario: Scenario) -> str:
    """The project's path, without a prefix."""
    return f"/projects/{segment(scenario.project)}"


def environment_path(scenario: Scenario, environment: str) -> str:
    """The environment's path, without a prefix."""
    return f"{project_path(scenario)}/environments/{segment(environment)}"


def resource(scenario: Scenario, path: str) -> dict[str, str]:
    """A link to a resource; on the live platform these may name a regional host."""
    return {"href": f"https://{REGION}/api{path}" if scenario.regional_links else path}


def action(scenario: Scenario, path: str) -> dict[str, str]:
    """A link to an operation, which is a path only."""
    return {"href": f"/api{path}" if scenario.regional_links else path}
