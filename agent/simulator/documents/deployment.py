"""The current deployment of an environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.simulator.documents import links
from agent.simulator.documents.account import ORGANIZATION, TITLE
from agent.simulator.documents.moment import written
from agent.simulator.documents.project import subscription
from agent.simulator.documents.route import routes
from agent.simulator.documents.task import sizing
from agent.simulator.documents.variable import deployed_variable
from agent.simulator.documents.webapp import webapps
from agent.simulator.operations import guard
from agent.simulator.permissions import may_run

if TYPE_CHECKING:
    from agent.simulator.environment import Environment
    from agent.simulator.user import User
    from agent.simulator.world import World


def deployment(world: World, one: Environment, asking: User) -> dict[str, Any]:
    """What is live on the environment, as far as the official document requires it."""
    scenario = world.scenario
    last = one.deployments[-1]
    path = f"{links.environment_path(scenario, one.id)}/deployments/current"
    return {
        "id": "current",
        "created_at": written(last.at),
        "updated_at": written(last.at),
        "fingerprint": one.deployed or "",
        "cluster_name": one.machine_name,
        "project_info": _project_info(world),
        "environment_info": _environment_info(world, one),
        "deployment_target": "local",
        "vpn": None,
        "http_access": {"is_enabled": True, "addresses": [], "basic_auth": {}},
        "enable_smtp": one.type == "production",
        "restrict_robots": one.type != "production",
        "variables": [deployed_variable(each) for each in one.live],
        "access": [],
        "subscription": subscription(),
        "services": {},
        "routes": routes(one),
        "webapps": webapps(world, one),
        "workers": {},
        "container_profiles": {},
        "tasks": sizing(world),
        "_links": _links(world, one, asking, path),
    }


def _links(world: World, one: Environment, asking: User, path: str) -> links.Links:
    scenario = world.scenario
    found = {"self": links.resource(scenario, path)}
    possible = bool(scenario.runtime_operations) and guard.unready(world, one, asking) is None
    if possible and may_run(world, one, asking) and "#operations" not in scenario.absent_links:
        found["#operations"] = links.action(scenario, f"{path}/operations")
    return found


def _project_info(world: World) -> dict[str, Any]:
    return {
        "title": TITLE,
        "name": world.scenario.project,
        "namespace": None,
        "organization": ORGANIZATION,
        "capabilities": {},
        "settings": {},
    }


def _environment_info(world: World, one: Environment) -> dict[str, Any]:
    return {
        "name": one.id,
        "status": world.status_of(one),
        "is_main": one.id == world.scenario.environment,
        "is_production": one.type == "production",
        "constraints": {},
        "reference": f"refs/heads/{one.id}",
        "machine_name": one.machine_name,
        "environment_type": one.type,
        "links": {},
    }
