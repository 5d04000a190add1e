"""A deployment of a larger project: more apps, services, workers and routes than the simulated one has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from upsun_simulator.scenario import Scenario

# What a web app has, and a service or a worker has not.
OF_WEB_APPS = ("web", "hooks", "crons", "source", "operations", "preflight", "build", "dependencies", "endpoints")
SERVICES = ("mariadb:11.4", "redis:7.2", "opensearch:2", "rabbitmq:4.1")
MOUNTS = ("var/cache", "var/log", "var/sessions", "public/uploads", "private")
EXTENSIONS = ("amqp", "apcu", "bcmath", "blackfire", "gd", "igbinary", "imagick", "intl", "mbstring", "redis", "soap")


def enlarged(deployment: dict[str, Any], scenario: Scenario) -> dict[str, Any]:
    """Return the deployment with as many containers and routes as the scenario asks for, never fewer than it has."""
    apps = deployment["webapps"]
    bare = {name: value for name, value in next(iter(apps.values())).items() if name not in OF_WEB_APPS}
    commands = {"pre_start": None, "start": "./work.sh", "post_start": None}

    def app(_: int) -> dict[str, Any]:
        return {**next(iter(apps.values())), **_equipped(scenario), "web": _web(), "crons": _crons()}

    def worker(_: int) -> dict[str, Any]:
        return {**bare, **_equipped(scenario), "worker": {"commands": commands, "disk": None}}

    def service(number: int) -> dict[str, Any]:
        return {**bare, "type": SERVICES[number % len(SERVICES)], "configuration": {"schemas": ["main"]}}

    return {
        **deployment,
        "webapps": _more(apps, scenario.apps, "app", app),
        "services": _more(deployment["services"], scenario.services, "service", service),
        "workers": _more(deployment["workers"], scenario.workers, "app--worker", worker),
        "routes": _more_routes(deployment["routes"], scenario.routes),
    }


def _more(known: dict[str, Any], wanted: int, name: str, make: Callable[[int], dict[str, Any]]) -> dict[str, Any]:
    """Return the wanted number of containers: the existing ones, and new ones from `make`."""
    found = dict(known)
    while len(found) < wanted:
        number = len(found)
        found[f"{name}{number}"] = {**make(number), "name": f"{name}{number}"}
    return found


def _more_routes(known: dict[str, Any], wanted: int) -> dict[str, Any]:
    found = dict(known)
    url, first = next(iter(known.items()))
    while len(found) < wanted:
        host = url.replace("://", f"://site{len(found)}.", 1)
        paths = {f"/old-{number}": {"to": f"/new-{number}", "regexp": False, "code": 301} for number in range(4)}
        redirects = {"expires": "-1s", "paths": paths}
        found[host] = {**first, "primary": False, "production_url": host, "redirects": redirects}
    return found


def _equipped(scenario: Scenario) -> dict[str, Any]:
    """Return what an app and a worker of an ordinary project have: relationships, mounts, extensions, variables."""
    services = [f"service{number}" for number in range(scenario.services)]
    return {
        "relationships": {name: {"service": name, "endpoint": "main"} for name in services},
        "mounts": {path: {"source": "storage", "source_path": path, "service": None} for path in MOUNTS},
        "runtime": {"extensions": list(EXTENSIONS), "request_terminate_timeout": 300},
        "variables": {"env": {f"SETTING_{number}": f"value {number}" for number in range(10)}},
    }


def _crons() -> dict[str, Any]:
    timing = {"shutdown_timeout": None, "timeout": 86_400}
    return {
        name: {"spec": "H * * * *", "commands": {"start": f"./run.sh {name}", "stop": None}, **timing}
        for name in ("mail", "index", "clean")
    }


def _web() -> dict[str, Any]:
    rule = {"allow": True, "passthru": False, "expires": "3600s", "scripts": None, "headers": {}}
    place = {**rule, "root": "public", "index": ["index.html"], "rules": {r"\.css$": rule, r"\.js$": rule, "^/x": rule}}
    return {"locations": {"/": place, "/uploads": place}, "move_to_root": False, "commands": {"start": "./serve.sh"}}
