"""What a health check reads of the project and its environments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from upsun_simulator import Scenario

from tests.harness.simulator_client import MAIN, PROJECT, Talker

if TYPE_CHECKING:
    from collections.abc import Callable


def _apps(ask: Talker, environment: str = "main") -> Any:
    return ask.get(f"{PROJECT}/environments/{environment}/deployments/current")["webapps"]


def test_the_deployment_shows_cron_mounts_and_source_operations(ask: Talker) -> None:
    app = _apps(ask)["app"]
    assert app["crons"]["agent"]["spec"] == "*/5 * * * *"
    assert app["crons"]["agent"]["commands"]["start"] == ".upsun-agent/bin/upsun-agent tick"
    assert app["mounts"] == {"var/agent": {"source": "storage", "source_path": "agent", "service": None}}
    assert list(app["source"]["operations"]) == ["update"]


def test_cron_and_mounts_may_be_missing_or_others(make: Callable[..., Talker]) -> None:
    app = _apps(make(cron_spec="", mounts=("/state=tmp", "data=instance")))["app"]
    assert app["crons"] == {}
    assert {path: mount["source"] for path, mount in app["mounts"].items()} == {"/state": "tmp", "data": "instance"}


def test_several_apps_may_define_source_operations(make: Callable[..., Talker]) -> None:
    ask = make(source_operations=("update", "admin:update", "admin:tidy"))
    assert {name: list(app["source"]["operations"]) for name, app in _apps(ask).items()} == {
        "app": ["update"],
        "admin": ["update", "tidy"],
    }
    listed = ask.get(f"{MAIN}/source-operations")
    assert [(one["id"], one["app"]) for one in listed] == [
        ("app:update", "app"),
        ("admin:update", "admin"),
        ("admin:tidy", "admin"),
    ]
    assert ask("POST", f"{MAIN}/source-operation", {"operation": "tidy"}).status == 202
    assert ask("POST", f"{MAIN}/source-operation", {"operation": "admin:tidy"}).status == 400


def test_integrations_are_listed_for_an_admin_of_the_project_and_settings_for_everybody(
    ask: Talker, boss: Talker
) -> None:
    assert boss.get(f"{PROJECT}/integrations") == []
    ask.simulator.change(source_integration=True)
    found = boss.get(f"{PROJECT}/integrations")
    assert [(one["type"], one["fetch_branches"]) for one in found] == [("github", True)]
    assert ask("GET", f"{PROJECT}/integrations").status == 403
    assert ask.get(f"{PROJECT}/settings")["enable_codesource_integration_push"] is True


def test_a_pull_request_takes_backups_and_no_source_operations(ask: Talker) -> None:
    ask.simulator.add_environment("pr-7", is_pr=True)
    path = f"{PROJECT}/environments/pr-7"
    found = ask.get(path)
    assert (found["is_pr"], found["parent"], found["type"]) == (True, "main", "development")
    assert "#backup" in found["_links"]
    assert "#source-operation" not in found["_links"]
    assert ask("POST", f"{path}/source-operation", {"operation": "update"}).status == 400
    assert ask("POST", f"{path}/backup", {"safe": True}).status == 202


def test_quota_crons_and_the_type_of_deployment_can_be_read(make: Callable[..., Talker]) -> None:
    ask = make(backup_limit=2, manual_deployment=True)
    settings = ask.get(f"{PROJECT}/settings")
    assert settings["data_retention"]["production"]["default_config"]["manual_count"] == 2
    assert settings["allow_manual_deployments"] is True
    assert ask.get(f"{MAIN}/settings")["enable_manual_deployments"] is True
    ask.simulator.set_crons("paused")
    assert ask.get(MAIN)["deployment_state"]["crons"] == {"enabled": False, "status": "paused"}


def test_mounts_are_held_to_sources_that_there_are() -> None:
    for mounts in (("var/agent",), ("var/agent=cloud",)):
        with pytest.raises(ValueError, match="mount"):
            Scenario(mounts=mounts)
