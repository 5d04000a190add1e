"""The current deployment of an environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upsun_simulator.documents import links
from upsun_simulator.documents.account import ORGANIZATION
from upsun_simulator.documents.container import profiles, services, workers
from upsun_simulator.documents.environment import http_access, settings_of
from upsun_simulator.documents.project import subscription
from upsun_simulator.documents.route import routes
from upsun_simulator.documents.task import sizing
from upsun_simulator.documents.timestamp import written
from upsun_simulator.documents.variable import deployed_variable
from upsun_simulator.documents.webapp import webapps
from upsun_simulator.operations import guard
from upsun_simulator.operations.runs import runnable

if TYPE_CHECKING:
    from upsun_simulator.environment import Environment
    from upsun_simulator.state import PlatformState
    from upsun_simulator.user import User


def deployment(state: PlatformState, one: Environment, asking: User, name: str = "current") -> dict[str, Any]:
    """Return what is live on the environment, or with `next` what the next deployment brings.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        one: the environment.
        asking: who reads it; the links show what this user may do.
        name: `current` or `next`.
    """
    last = one.deployments[-1]
    path = f"{links.environment_path(state.scenario, one.id)}/deployments/{name}"
    current = name == "current"
    variables = one.live if current else state.variables.deployed(state.lineage(one.id))
    sizes = one.sized if current else one.sizes
    settings = settings_of(state, one)
    return {
        "id": name,
        "created_at": written(last.at),
        "updated_at": written(last.at),
        "fingerprint": (one.deployed if current else one.head) or "",
        "cluster_name": one.machine_name,
        "project_info": _project_info(state),
        "environment_info": _environment_info(state, one),
        "deployment_target": "local",
        "vpn": None,
        "http_access": http_access(one.guarded if current else one.http_access),
        "enable_smtp": settings["enable_smtp"],
        "restrict_robots": settings["restrict_robots"],
        "variables": [deployed_variable(each) for each in variables],
        "access": [],
        "subscription": subscription(),
        "services": services(sizes),
        "routes": routes(state, one),
        "webapps": webapps(state, one, sizes),
        "workers": workers(one, sizes),
        "container_profiles": profiles(),
        "tasks": sizing(state, sizes),
        "_links": _links(state, one, asking, path, name),
    }


def _links(state: PlatformState, one: Environment, asking: User, path: str, name: str) -> links.Links:
    scenario = state.scenario
    found: links.Links = {"self": links.resource(scenario, path, "Deployment")}
    if name == "current":
        possible = guard.unready(state, one, asking) is None and bool(runnable(state, one, asking))
        found |= {"#operations": links.action(scenario, f"{path}/operations")} if possible else {}
    elif guard.obstacle(state, one, asking) is None:
        found["#edit"] = links.action(scenario, path, "patch")
    return {rel: link for rel, link in found.items() if rel not in scenario.absent_links}


def _project_info(state: PlatformState) -> dict[str, Any]:
    return {
        "title": state.title,
        "name": state.scenario.project,
        "namespace": None,
        "organization": ORGANIZATION,
        "capabilities": {},
        "settings": {},
    }


def _environment_info(state: PlatformState, one: Environment) -> dict[str, Any]:
    return {
        "name": one.id,
        "status": state.status_of(one),
        "is_main": one.id == state.scenario.environment,
        "is_production": one.type == "production",
        "constraints": {},
        "reference": f"refs/heads/{one.id}",
        "machine_name": one.machine_name,
        "environment_type": one.type,
        "links": {},
    }
