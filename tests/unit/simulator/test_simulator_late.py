"""What is new is read late, where the scenario says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.simulator_client import Talker

if TYPE_CHECKING:
    from collections.abc import Callable

    from upsun_simulator import ManualClock


def test_a_backup_is_read_late_alone_and_in_the_list(make: Callable[..., Talker], clock: ManualClock) -> None:
    ask = make(backup_lag_seconds=30)
    name = ask.back_up()["payload"]["backup_name"]
    clock.advance(20 + 29)
    assert ask.get(f"{ask.main}/activities")[0]["result"] == "success"
    assert (ask.get(f"{ask.main}/backups"), ask("GET", f"{ask.main}/backups/{name}").status) == ([], 404)
    clock.advance(1)
    assert [one["id"] for one in ask.get(f"{ask.main}/backups")] == [name]
    assert ask.get(f"{ask.main}/backups/{name}")["restorable"] is True


def test_an_environment_shows_its_head_its_backup_and_its_deployment_late(
    make: Callable[..., Talker], clock: ManualClock
) -> None:
    ask = make(environment_lag_seconds=10, deploy_mode="inclusive")
    before = ask.get(ask.main)
    ask.back_up()
    ask.update()
    clock.advance(20 + 15 + 20 + 9)
    head = ask.place()["head_commit"]
    seen = ask.get(ask.main)
    assert seen["head_commit"] == head != before["head_commit"]
    assert seen["last_backup_at"] is not None
    assert seen["deployment_state"] == before["deployment_state"]
    clock.advance(1)
    listed = next(one for one in ask.get(f"{ask.project}/environments") if one["id"] == "main")
    for one in (ask.get(ask.main), listed):
        assert one["deployment_state"]["last_deployment_at"] > before["deployment_state"]["last_deployment_at"]


@pytest.mark.parametrize("field", ["head_commit", "last_backup_at"])
def test_what_has_just_changed_is_not_shown_yet(make: Callable[..., Talker], clock: ManualClock, field: str) -> None:
    ask = make(environment_lag_seconds=10)
    before = ask.get(ask.main)[field]
    if field == "head_commit":
        ask.simulator.push()
    else:
        ask.simulator.add_backup()
    clock.advance(9)
    assert ask.get(ask.main)[field] == before
    clock.advance(1)
    assert ask.get(ask.main)[field] == ask.place()[field] != before


def _value(ask: Talker, path: str) -> Any:
    answer = ask("GET", path)
    return answer.content["value"] if answer.status == 200 else answer.status


@pytest.mark.parametrize("level", ["environment", "project"])
def test_a_variable_reads_back_late_when_it_is_made_changed_and_deleted(
    boss: Talker, clock: ManualClock, level: str
) -> None:
    boss.simulator.change(variable_lag_seconds=5)
    variables = f"{boss.project if level == 'project' else boss.main}/variables"
    seen: list[Any] = []
    deeds = (("POST", "", {"name": "P", "value": "1"}), ("PATCH", "/P", {"value": "2"}), ("DELETE", "/P", None))
    for method, end, body in deeds:
        assert boss(method, f"{variables}{end}", body).status < 300
        seen.append(_value(boss, f"{variables}/P"))
        clock.advance(5)
        seen.append(_value(boss, f"{variables}/P"))
        assert len(boss.get(variables)) == (method != "DELETE")
    assert seen == [404, "1", "1", "2", "2", 404]


def test_a_write_sees_a_variable_that_reads_do_not_show_yet(make: Callable[..., Talker]) -> None:
    ask = make(variable_lag_seconds=60)
    body = {"name": "P", "value": "1"}
    assert ask("POST", f"{ask.main}/variables", body).status == 201
    assert ask("GET", f"{ask.main}/variables/P").status == 404
    assert ask("POST", f"{ask.main}/variables", body).status == 409
    assert ask("PATCH", f"{ask.main}/variables/P", {"value": "2"}).status == 202


def test_there_is_no_current_deployment_for_a_while_after_each(make: Callable[..., Talker], clock: ManualClock) -> None:
    ask = make(deployment_lag_seconds=60)
    assert ask("GET", f"{ask.main}/deployments/current").status == 200
    ask.post(f"{ask.main}/redeploy")
    clock.advance(20)
    assert ask("GET", f"{ask.main}/deployments/current").status == 404
    clock.advance(60)
    assert ask("GET", f"{ask.main}/deployments/current").status == 200
