"""An app of a deployment: what a container of it is made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.simulator.environment import APP
from agent.simulator.operations.code import defined
from agent.simulator.operations.runs import ROLE

if TYPE_CHECKING:
    from agent.simulator.environment import Environment
    from agent.simulator.world import World

CRON_SECONDS = 300


def webapps(world: World, one: Environment) -> dict[str, Any]:
    """Every app: the one that has the cron and the mounts, and those that only define operations."""
    source, runtime = defined(world.scenario.source_operations), defined(world.scenario.runtime_operations)
    names = dict.fromkeys((APP, *(app for app, _ in (*source, *runtime))))
    return {name: _webapp(world, one, name, _of(name, source), _of(name, runtime)) for name in names}


def _of(app: str, operations: list[tuple[str, str]]) -> list[str]:
    return [name for owner, name in operations if owner == app]


def _webapp(world: World, one: Environment, name: str, source: list[str], runtime: list[str]) -> dict[str, Any]:
    main = name == APP
    return {
        **_constant(),
        "name": name,
        "tree_id": one.deployed or "",
        "mounts": _mounts(world) if main else {},
        "crons": _crons(world) if main else {},
        "source": {
            "root": None if main else name,
            "operations": {each: {"command": f"./update.sh {each}"} for each in source},
        },
        "operations": {
            each: {"commands": {"start": f"./operate.sh {each}", "stop": None}, "timeout": None, "role": ROLE}
            for each in runtime
        },
        "config_id": f"config-{name}",
        "slug_id": f"slug-{name}",
    }


def _mounts(world: World) -> dict[str, Any]:
    found = {}
    for text in world.scenario.mounts:
        path, _, source = text.partition("=")
        found[path] = {"source": source, "source_path": path.rpartition("/")[2], "service": None}
    return found


def _crons(world: World) -> dict[str, Any]:
    scenario = world.scenario
    if not scenario.cron_spec:
        return {}
    commands = {"start": scenario.cron_command, "stop": None}
    return {
        "agent": {"spec": scenario.cron_spec, "commands": commands, "shutdown_timeout": 10, "timeout": CRON_SECONDS}
    }


def _constant() -> dict[str, Any]:
    """What never changes here, and the official document requires."""
    return {
        "type": "python:3.13",
        "resources": None,
        "authorizations": [],
        "relationships": {},
        "additional_hosts": {},
        "timezone": None,
        "variables": {},
        "container_profile": "HIGH_CPU",
        "size": "AUTO",
        "disk": None,
        "access": {"ssh": "contributor"},
        "firewall": None,
        "egress": None,
        "preflight": {"enabled": True, "ignored_rules": []},
        "app_dir": "/app",
        "endpoints": None,
        "runtime": {},
        "web": {"locations": {}, "move_to_root": False},
        "hooks": {"build": "sh upsun-agent/hooks/build.sh", "deploy": None, "post_deploy": None},
        "build": {"flavor": None, "caches": {}},
        "dependencies": {},
        "stack": {"runtimes": [], "packages": []},
        "image": None,
        "is_across_submodule": False,
        "instance_count": None,
        "supports_horizontal_scaling": True,
    }
