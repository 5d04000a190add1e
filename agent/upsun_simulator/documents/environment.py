"""An environment, with links for the operations that the user may do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upsun_simulator.documents import links
from upsun_simulator.documents.container import containers
from upsun_simulator.documents.route import routes
from upsun_simulator.documents.timestamp import written
from upsun_simulator.operations import guard
from upsun_simulator.permissions import allowed, may_run
from upsun_simulator.scenario import REGION

if TYPE_CHECKING:
    from upsun_simulator.environment import Environment, HttpAccess
    from upsun_simulator.state import PlatformState
    from upsun_simulator.user import User

# What anybody who may read the environment sees, by the end of its path.
READINGS = {
    "#activities": "activities",
    "#domains": "domains",
    "#routes": "routes",
    "#settings": "settings",
    "#source-operations": "source-operations",
    "#variables": "variables",
    "backups": "backups",
    "deployments": "deployments",
}
# Settings, which change whether anything runs or not.
MANAGED = {"#manage-variables": "variables", "#manage-domains": "domains"}


def environment(state: PlatformState, one: Environment, asking: User, *, in_list: bool = False) -> dict[str, Any]:
    """Return the environment as the API gives it, in a list or alone.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        one: the environment.
        asking: who reads it; the links show what this user may do.
        in_list: whether it is one of a list, where some links are absent.
    """
    scenario = state.scenario
    return {
        "id": one.id,
        "created_at": written(one.created_at),
        "updated_at": written(one.updated_at),
        "name": one.id,
        "machine_name": one.machine_name,
        "title": one.title,
        "attributes": one.attributes,
        "type": one.type,
        "parent": one.parent,
        "status": state.status_of(one),
        "project": scenario.project,
        "is_main": one.id == scenario.environment,
        "is_dirty": bool(state.unfinished(one.id)),
        "has_staged_activities": bool(state.staged(one.id)),
        "head_commit": one.head,
        "last_backup_at": written(one.last_backup_at),
        "last_active_at": written(one.updated_at),
        "deployment_state": _deployment_state(state, one),
        "merge_info": _merge_info(state, one),
        "has_deployment": one.deployed is not None and state.status_of(one) != "inactive",
        "can_rolling_deploy": scenario.rolling_deployments and scenario.has_larger_plan,
        "supports_rolling_deployments": scenario.rolling_deployments and scenario.has_larger_plan,
        **settings_of(state, one),
        **_constant(one),
        "_links": _links(state, one, asking, in_list=in_list),
    }


def _merge_info(state: PlatformState, one: Environment) -> dict[str, Any]:
    parent = state.parent_of(one)
    if parent is None:
        return {"commits_ahead": 0, "commits_behind": 0, "parent_ref": None}
    return {
        "commits_ahead": state.history.ahead(one.head, parent.head),
        "commits_behind": state.history.ahead(parent.head, one.head),
        "parent_ref": parent.id,
    }


def _deployment_state(state: PlatformState, one: Environment) -> dict[str, Any] | None:
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
            "status": "paused" if state.status_of(one) == "paused" else one.crons,
        },
    }


def _links(state: PlatformState, one: Environment, asking: User, *, in_list: bool) -> links.Links:
    scenario = state.scenario
    path = links.environment_path(scenario, one.id)
    found: links.Links = {"self": links.resource(scenario, path, "Environment")}
    for name, end in READINGS.items():
        found[name] = links.action(scenario, f"{path}/{end}", "get")
    if allowed(state, one, asking):
        for name, end in MANAGED.items():
            found[name] = links.action(scenario, f"{path}/{end}")
    for name, rule in guard.RULES.items():
        if guard.obstacle(state, one, asking, name) is None:
            end = name if rule.path is None else rule.path
            found[f"#{name}"] = links.action(scenario, f"{path}/{end}".rstrip("/"), rule.method)
    if one.deployed is not None and state.status_of(one) == "active":
        found |= _addresses(state, one, asking)
    absent = {*scenario.absent_links, *(scenario.absent_list_links if in_list else ())}
    return {name: link for name, link in found.items() if name not in absent}


def _addresses(state: PlatformState, one: Environment, asking: User) -> links.Links:
    """Return the addresses of a running environment's site and, for users who may log in, containers."""
    urls = [{"href": url} for url in routes(state, one)]
    found: links.Links = {"public-url": urls[0], "pf:routes": urls}
    if may_run(state, one, asking):
        names = containers(state)
        found["ssh"] = {"href": _ssh(state, one, names[0])}
        found |= {f"pf:ssh:{name}": {"href": _ssh(state, one, name)} for name in names}
    return found


def _ssh(state: PlatformState, one: Environment, container: str) -> str:
    """Return the address of a container, whose user name says which one.

    https://developer.upsun.com/docs/development/ssh
    """
    return f"ssh://{state.scenario.project}-{one.machine_name}--{container}@ssh.{REGION}"


def settings_of(state: PlatformState, one: Environment) -> dict[str, Any]:
    """Return the settings that users changed, and the platform's defaults for the others."""
    production = one.type == "production"
    domain = state.domains.default(one.id)
    return {
        "default_domain": None if domain is None else domain.name,
        "has_domains": domain is not None,
        "clone_parent_on_create": one.clone_parent_on_create,
        "has_remote": state.integrations.source is not None,
        "http_access": http_access(one.http_access),
        "enable_smtp": production if one.enable_smtp is None else one.enable_smtp,
        "restrict_robots": not production if one.restrict_robots is None else one.restrict_robots,
    }


def settings(state: PlatformState, one: Environment, asking: User) -> dict[str, Any]:
    """Return the environment's settings that are a resource of their own.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        one: the environment.
        asking: who reads it; the links show what this user may do.
    """
    path = f"{links.environment_path(state.scenario, one.id)}/settings"
    found: links.Links = {"self": links.resource(state.scenario, path, "EnvironmentSettings")}
    if guard.obstacle(state, one, asking, "edit") is None:
        found["#edit"] = links.action(state.scenario, path, "patch")
    return {"enable_manual_deployments": state.deploys_manually(one), "_links": found}


def http_access(one: HttpAccess) -> dict[str, Any]:
    """Return the access control of the site."""
    return {"is_enabled": one.is_enabled, "addresses": one.addresses, "basic_auth": one.basic_auth}


def _constant(one: Environment) -> dict[str, Any]:
    """Return the fields that the official document requires and that are constant here."""
    return {
        "deployment_target": "local",
        "is_pr": one.is_pr,
        "edge_hostname": f"{one.machine_name}.{REGION}",
        "sizing": None,
        "resources_overrides": {},
        "max_instance_count": None,
        "has_code": True,
        "supports_restrict_robots": True,
    }
