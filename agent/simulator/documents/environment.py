"""An environment, with links for what the one who asks may do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.simulator.documents import links
from agent.simulator.documents.moment import written
from agent.simulator.operations import guard
from agent.simulator.permissions import allowed

if TYPE_CHECKING:
    from agent.simulator.environment import Environment
    from agent.simulator.user import User
    from agent.simulator.world import World

# What anybody who may read the environment sees.
READINGS = {
    "#activities": "activities",
    "#source-operations": "source-operations",
    "#variables": "variables",
    "backups": "backups",
}


def environment(world: World, one: Environment, asking: User, *, in_list: bool = False) -> dict[str, Any]:
    """The environment as the API gives it, in a list or alone."""
    scenario = world.scenario
    return {
        "id": one.id,
        "created_at": written(one.created_at),
        "updated_at": written(one.updated_at),
        "name": one.id,
        "machine_name": one.machine_name,
        "title": one.title,
        "attributes": {},
        "type": one.type,
        "parent": one.parent,
        "status": world.status_of(one),
        "project": scenario.project,
        "is_main": one.id == scenario.environment,
        "is_dirty": bool(world.unfinished(one.id)),
        "has_staged_activities": bool(world.staged(one.id)),
        "head_commit": one.head,
        "last_backup_at": written(one.last_backup_at),
        "last_active_at": written(one.updated_at),
        "deployment_state": _deployment_state(world, one),
        "merge_info": _merge_info(world, one),
        "has_deployment": one.deployed is not None,
        "can_rolling_deploy": scenario.rolling_deployments,
        "supports_rolling_deployments": scenario.rolling_deployments,
        **_constant(one),
        "_links": _links(world, one, asking, in_list=in_list),
    }


def _merge_info(world: World, one: Environment) -> dict[str, Any]:
    parent = world.parent_of(one)
    if parent is None:
        return {"commits_ahead": 0, "commits_behind": 0, "parent_ref": None}
    return {
        "commits_ahead": world.history.ahead(one.head, parent.head),
        "commits_behind": world.history.ahead(parent.head, one.head),
        "parent_ref": parent.id,
    }


def _deployment_state(world: World, one: Environment) -> dict[str, Any] | None:
    if not one.deployments:
        return None
    last = one.deployments[-1]
    return {
        "last_state_update_successful": True,
        "last_deployment_successful": last.successful,
        "last_deployment_failure_reason": None if last.successful else "shell",
        "last_deployment_commands": last.commands,
        "last_deployment_at": written(last.at),
        "last_autoscale_up_at": None,
        "last_autoscale_down_at": None,
        "last_maintenance_at": None,
        "crons": {
            "enabled": one.crons == "running",
            "status": "paused" if world.status_of(one) == "paused" else one.crons,
        },
    }


def _links(world: World, one: Environment, asking: User, *, in_list: bool) -> links.Links:
    scenario = world.scenario
    path = links.environment_path(scenario, one.id)
    found = {
        "self": links.resource(scenario, path),
        "project": links.resource(scenario, links.project_path(scenario)),
    }
    for name, end in READINGS.items():
        found[name] = links.action(scenario, f"{path}/{end}")
    if allowed(world, one, asking):
        # Variables are settings: nothing has to run for them to change.
        found["#manage-variables"] = links.action(scenario, f"{path}/variables")
        for name in guard.RULES:
            if guard.unready(world, one, asking, name) is None:
                found[f"#{name}"] = links.action(scenario, f"{path}/{name}")
    absent = {*scenario.absent_links, *(scenario.absent_list_links if in_list else ())}
    return {name: link for name, link in found.items() if name not in absent}


def _constant(one: Environment) -> dict[str, Any]:
    """What never changes here, and the official document requires."""
    production = one.type == "production"
    return {
        "default_domain": None,
        "has_domains": production,
        "clone_parent_on_create": True,
        "deployment_target": "local",
        "is_pr": one.is_pr,
        "has_remote": one.is_pr,
        "http_access": {"is_enabled": True, "addresses": [], "basic_auth": {}},
        "enable_smtp": production,
        "restrict_robots": not production,
        "edge_hostname": f"{one.machine_name}.{links.REGION}",
        "sizing": None,
        "resources_overrides": {},
        "max_instance_count": None,
        "has_code": True,
        "supports_restrict_robots": True,
    }
