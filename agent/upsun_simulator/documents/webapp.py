"""An app of a deployment: what a container of it is made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upsun_simulator.documents.container import apps, relationships, resources
from upsun_simulator.environment import APP
from upsun_simulator.operations.code import defined
from upsun_simulator.operations.runs import operations

if TYPE_CHECKING:
    from upsun_simulator.documents.container import Sizes
    from upsun_simulator.environment import Environment
    from upsun_simulator.state import PlatformState

CRON_SECONDS = 300
FIXED_DISK = 512  # MB
PROFILE = "HIGH_CPU"


def webapps(state: PlatformState, one: Environment, sizes: Sizes) -> dict[str, Any]:
    """Return every app, with its resources as `sizes` has them.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        one: the environment.
        sizes: what was set for each container, by its name.
    """
    return {name: _webapp(state, one, name, sizes) for name in apps(state)}


def _webapp(state: PlatformState, one: Environment, name: str, sizes: Sizes) -> dict[str, Any]:
    main = name == APP
    source = [each for app, each in defined(state.scenario.source_operations) if app == name]
    return {
        **_constant(),
        "name": name,
        "resources": resources(name, PROFILE, sizes, is_app=True),
        "container_profile": PROFILE,
        "instance_count": sizes.get(name, {}).get("instance_count"),
        "relationships": relationships() if main else {},
        "tree_id": one.deployed or "",
        "mounts": _mounts(state) if main else {},
        "disk": FIXED_DISK if main and state.scenario.is_fixed else None,
        "crons": _crons(state) if main else {},
        "source": {
            "root": None if main else name,
            "operations": {each: {"command": f"./update.sh {each}"} for each in source},
        },
        "operations": {
            each.name: {
                "commands": {"start": f"./operate.sh {each.name}", "stop": None},
                "timeout": None,
                "role": each.role,
            }
            for each in operations(state)
            if each.app == name
        },
        "config_id": f"config-{name}",
        "slug_id": f"slug-{name}",
    }


def _mounts(state: PlatformState) -> dict[str, Any]:
    found = {}
    for text in state.scenario.mounts:
        path, _, source = text.partition("=")
        source = "local" if state.scenario.is_fixed and source == "storage" else source
        found[path] = {"source": source, "source_path": path.rpartition("/")[2], "service": None}
    return found


def _crons(state: PlatformState) -> dict[str, Any]:
    scenario = state.scenario
    if not scenario.cron_spec:
        return {}
    commands = {"start": scenario.cron_command, "stop": None}
    seconds = None if scenario.is_fixed else CRON_SECONDS
    return {"agent": {"spec": scenario.cron_spec, "commands": commands, "shutdown_timeout": 10, "timeout": seconds}}


def _constant() -> dict[str, Any]:
    """Return the fields that the official document requires and that are constant here."""
    return {
        "type": "python:3.13",
        "authorizations": [],
        "additional_hosts": {},
        "timezone": None,
        "variables": {},
        "size": "AUTO",
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
        "supports_horizontal_scaling": True,
    }
