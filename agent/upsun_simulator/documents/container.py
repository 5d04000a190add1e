"""The containers of a deployment besides the apps: services and workers, and the sizes that any of them can have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upsun_simulator.environment import APP
from upsun_simulator.operations.code import defined
from upsun_simulator.operations.runs import operations

if TYPE_CHECKING:
    from upsun_simulator.environment import Environment
    from upsun_simulator.state import PlatformState

# CPU, and memory in MB, of each size of a profile (https://developer.upsun.com/docs/manage-resources/adjust-resources).
PROFILES = {
    "HIGH_CPU": {"0.1": 64, "0.25": 128, "0.5": 192, "1": 384, "2": 704, "4": 1280},
    "BALANCED": {"0.1": 352, "0.25": 640, "0.5": 1088, "1": 1920, "2": 3392, "4": 6080},
    "HIGH_MEMORY": {"0.1": 448, "0.25": 832, "0.5": 1408, "1": 2432, "2": 4352, "4": 7808},
    "HIGHER_MEMORY": {"0.1": 864, "0.25": 1600, "0.5": 2752, "1": 4864, "2": 8896, "4": 16320},
}
# By the name of the service: its type, profile, and its disk in MB if it keeps one.
SERVICES: dict[str, tuple[str, str, int | None]] = {
    "db": ("postgresql:16", "HIGH_MEMORY", 1024),
    "cache": ("redis:7.2", "HIGH_MEMORY", None),
}
WORKER = "queue"
DEFAULT_SIZE, SMALLEST = "0.5", "0.1"
SMALLEST_DISK = 256
Sizes = dict[str, dict[str, Any]]


def apps(state: PlatformState) -> list[str]:
    """Return the names of the apps: the one that has the cron and the mounts, and those that only define operations."""
    source = [app for app, _ in defined(state.scenario.source_operations)]
    return list(dict.fromkeys((APP, *source, *(one.app for one in operations(state)))))


def containers(state: PlatformState) -> list[str]:
    """Return the names of the containers that allow a login: apps and workers."""
    return [*apps(state), f"{APP}--{WORKER}"]


def profiles() -> dict[str, Any]:
    """Return every profile with its sizes."""
    return {
        name: {size: {"cpu": float(size), "memory": memory, "cpu_type": "shared"} for size, memory in sizes.items()}
        for name, sizes in PROFILES.items()
    }


def relationships() -> dict[str, Any]:
    """Return what an app or a worker is connected to, by the name that it has there."""
    return {
        "database": {"service": "db", "endpoint": "postgresql"},
        "cache": {"service": "cache", "endpoint": "redis"},
    }


def resources(
    name: str, profile: str, sizes: Sizes, *, disk: int | None = None, is_app: bool = False
) -> dict[str, Any]:
    """Return the resources of a container, as they were set or as they begin.

    Args:
        name: the name of the container.
        profile: the profile that it begins with.
        sizes: what was set for each container, by its name.
        disk: its disk in MB; None: it has none.
        is_app: whether it is an app.
    """
    own = {"temporary": None, "instance": None, "storage": None}
    return {
        "base_memory": PROFILES[profile][SMALLEST],
        "memory_ratio": PROFILES[profile]["1"] - PROFILES[profile][DEFAULT_SIZE],
        "profile_size": sizes.get(name, {}).get("profile_size", DEFAULT_SIZE),
        "minimum": _amount(profile, SMALLEST, None if disk is None else SMALLEST_DISK),
        "default": _amount(profile, DEFAULT_SIZE, disk),
        "disk": {**own, "object": None} if is_app else own,
    }


def _amount(profile: str, size: str, disk: int | None) -> dict[str, Any]:
    return {
        "cpu": float(size),
        "memory": PROFILES[profile][size],
        "cpu_type": "shared",
        "disk": disk,
        "profile_size": size,
    }


def services(sizes: Sizes) -> dict[str, Any]:
    """Return every service: a database and a cache."""
    return {name: _service(name, sizes) for name in SERVICES}


def _service(name: str, sizes: Sizes) -> dict[str, Any]:
    kind, profile, disk = SERVICES[name]
    return {
        "type": kind,
        "size": "AUTO",
        "disk": sizes.get(name, {}).get("disk", disk),
        "access": {},
        "configuration": {},
        "relationships": {},
        "firewall": None,
        "resources": resources(name, profile, sizes, disk=disk),
        "container_profile": profile,
        "endpoints": {},
        "instance_count": None,
        "supports_horizontal_scaling": False,
    }


def workers(one: Environment, sizes: Sizes) -> dict[str, Any]:
    """Return every worker: the one that takes jobs from the app's queue."""
    name = f"{APP}--{WORKER}"
    return {
        name: {
            "resources": resources(name, "HIGH_CPU", sizes),
            "authorizations": [],
            "relationships": relationships(),
            "additional_hosts": {},
            "mounts": {},
            "timezone": None,
            "variables": {},
            "container_profile": "HIGH_CPU",
            "size": "AUTO",
            "disk": None,
            "access": {"ssh": "contributor"},
            "firewall": None,
            "egress": None,
            "operations": {},
            "name": name,
            "type": "python:3.13",
            "preflight": {"enabled": True, "ignored_rules": []},
            "tree_id": one.deployed or "",
            "app_dir": "/app",
            "endpoints": None,
            "runtime": {},
            "worker": {"commands": {"pre_start": None, "start": "./work.sh", "post_start": None}, "disk": None},
            "app": APP,
            "stack": {"runtimes": [], "packages": []},
            "image": None,
            "instance_count": sizes.get(name, {}).get("instance_count"),
            "slug_id": f"slug-{name}",
            "supports_horizontal_scaling": True,
        }
    }
