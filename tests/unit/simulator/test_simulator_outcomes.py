from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from upsun_simulator.user import COLLEAGUE, MACHINE

if TYPE_CHECKING:
    from collections.abc import Callable

    from upsun_simulator import ManualClock

    from tests.harness.simulator_client import Talker


def _last(ask: Talker) -> Any:
    return ask.get(f"{ask.main}/activities")[0]


def _backups(ask: Talker) -> list[str]:
    return [one["id"] for one in ask.get(f"{ask.main}/backups")]


@pytest.mark.parametrize(
    ("outcome", "state", "result", "backups"),
    [
        ("success", "complete", "success", 1),
        ("failure", "complete", "failure", 0),
        ("cancelled", "cancelled", "failure", 0),
        ("unrestorable", "complete", "success", 1),
        ("missing", "complete", "success", 0),
    ],
)
def test_a_backup_ends_as_the_scenario_says(
    make: Callable[..., Talker], clock: ManualClock, outcome: str, state: str, result: str | None, backups: int
) -> None:
    ask = make(backup_outcome=outcome)
    ask.back_up()
    clock.advance(20)
    activity = _last(ask)
    assert (activity["state"], activity["result"]) == (state, result)
    assert (activity["completion_percent"] == 100) is (state == "complete")
    found = ask.get(f"{ask.main}/backups")
    assert len(found) == backups
    assert all(one["restorable"] is (outcome == "success") for one in found)
    assert (ask.get(ask.main)["last_backup_at"] is not None) is bool(backups)
    assert (activity["failure_reason"] == "shell") is (outcome == "failure")
    assert bool(activity["commands"]) is (outcome == "failure")
    assert (activity["cancelled_at"] is not None) is (state == "cancelled")


def test_the_oldest_manual_backup_makes_room_and_automated_ones_do_not_count(
    make: Callable[..., Talker], clock: ManualClock
) -> None:
    ask = make(backup_limit=2, backup_seconds=0)
    automated = ask.simulator.add_backup(age=9000, automated=True)
    oldest = ask.simulator.add_backup(age=8000)
    older = ask.simulator.add_backup(age=7000)
    clock.advance(1)
    new = ask.back_up()["payload"]["backup_name"]
    assert _backups(ask) == [new, older.id, automated.id]
    assert [one["id"] for one in ask.simulator.request_log()["evicted_backups"]] == [oldest.id]


def test_backups_of_other_environments_do_not_count(make: Callable[..., Talker]) -> None:
    ask = make(backup_limit=1, backup_seconds=0)
    there = ask.simulator.add_backup("staging", age=100)
    ask.back_up()
    assert [one["id"] for one in ask.get(f"{ask.project}/environments/staging/backups")] == [there.id]


def test_a_live_backup_is_marked_unsafe(make: Callable[..., Talker]) -> None:
    ask = make(backup_seconds=0)
    assert ask("POST", f"{ask.main}/backup", {"safe": False}).activity["parameters"]["safe"] is False
    assert ask.get(f"{ask.main}/backups")[0]["safe"] is False


def test_a_deleted_backup_is_deleting_while_the_activity_runs_and_then_gone(ask: Talker, clock: ManualClock) -> None:
    backup = ask.simulator.add_backup()
    answer = ask("DELETE", f"{ask.main}/backups/{backup.id}")
    assert answer.status == 202
    assert answer.activity["type"] == "environment.backup.delete"
    assert ask.get(f"{ask.main}/backups/{backup.id}")["status"] == "DELETING"
    assert ask("DELETE", f"{ask.main}/backups/{backup.id}").status == 409
    clock.advance(5)
    assert ask("GET", f"{ask.main}/backups/{backup.id}").status == 404


def test_a_cancelled_deletion_leaves_the_backup(ask: Talker) -> None:
    backup = ask.simulator.add_backup()
    activity = ask("DELETE", f"{ask.main}/backups/{backup.id}").activity
    assert ask("POST", f"{ask.project}/activities/{activity['id']}/cancel").status == 202
    assert ask.get(f"{ask.main}/backups/{backup.id}")["status"] == "CREATED"


@pytest.mark.parametrize(
    ("outcome", "state", "result"),
    [("no-commit", "complete", "success"), ("failure", "complete", "failure"), ("cancelled", "cancelled", "failure")],
)
def test_an_update_without_a_commit_moves_nothing_and_deploys_nothing(
    make: Callable[..., Talker], clock: ManualClock, outcome: str, state: str, result: str | None
) -> None:
    ask = make(update_outcome=outcome)
    before = ask.get(ask.main)
    ask.update()
    clock.advance(100)
    assert len(ask.states()) == 1
    assert (_last(ask)["state"], _last(ask)["result"]) == (state, result)
    after = ask.get(ask.main)
    assert after["head_commit"] == before["head_commit"]
    assert after["deployment_state"] == before["deployment_state"]


def test_a_commit_moves_the_head_and_a_push_that_follows_deploys_it(ask: Talker, clock: ManualClock) -> None:
    before = ask.get(ask.main)
    ask.update()
    clock.advance(15)
    between = ask.get(ask.main)
    assert between["head_commit"] != before["head_commit"]
    assert between["deployment_state"] == before["deployment_state"]
    clock.advance(20)
    after = ask.get(ask.main)
    assert after["deployment_state"]["last_deployment_at"] == "2026-03-01T12:00:35.000000+00:00"
    assert after["updated_at"] == after["deployment_state"]["last_deployment_at"]
    request_log = ask.simulator.request_log()["environments"]["main"]
    assert request_log["deployed_commit"] == request_log["head_commit"] == after["head_commit"]


def test_an_inclusive_update_lasts_until_the_deployment_is_done(
    make: Callable[..., Talker], clock: ManualClock
) -> None:
    ask = make(deploy_mode="inclusive")
    before = ask.get(ask.main)["head_commit"]
    ask.update()
    clock.advance(15)
    assert ask.states() == [("source-operation", "in_progress")]
    assert ask.get(ask.main)["head_commit"] != before
    clock.advance(20)
    assert ask.states() == [("source-operation", "complete")]
    assert ask.simulator.request_log()["environments"]["main"]["deployed_commit"] == ask.get(ask.main)["head_commit"]


@pytest.mark.parametrize("mode", ["follows", "inclusive"])
def test_a_failed_deployment_leaves_the_head_moved_and_the_old_commit_live(
    make: Callable[..., Talker], clock: ManualClock, mode: str
) -> None:
    ask = make(deploy_mode=mode, deploy_outcome="failure")
    before = ask.get(ask.main)["head_commit"]
    ask.update()
    clock.advance(35)
    assert _last(ask)["result"] == "failure"
    state = ask.get(ask.main)["deployment_state"]
    assert (state["last_deployment_successful"], state["last_deployment_failure_reason"]) == (False, "shell")
    assert state["last_deployment_commands"][0]["exit_code"] == 1
    request_log = ask.simulator.request_log()["environments"]["main"]
    assert request_log["deployed_commit"] == before != request_log["head_commit"]


@pytest.mark.parametrize(
    ("staging", "staged_by"),
    [
        ("own", [("source-operation", "staged")]),
        ("push", [("source-operation", "complete"), ("push", "staged")]),
    ],
)
def test_manual_deployment_stages_what_changes_until_somebody_deploys(
    make: Callable[..., Talker], clock: ManualClock, staging: str, staged_by: list[tuple[str, str]]
) -> None:
    ask = make(manual_deployment=True, staging=staging)
    before = ask.get(ask.main)
    ask.update()
    clock.advance(100)
    assert ask.states() == staged_by
    activity = ask.get(f"{ask.main}/activities?state=staged")[0]
    assert (activity["result"], activity["completion_percent"]) == ("success", 99)
    staged = ask.get(ask.main)
    assert (staged["has_staged_activities"], staged["is_dirty"]) == (True, False)
    assert staged["head_commit"] != before["head_commit"]
    assert staged["deployment_state"] == before["deployment_state"]
    ask.simulator.deploy_staged()
    clock.advance(20)
    assert ask.states()[-1] == (staged_by[-1][0], "complete")
    assert ask.place()["deployed_commit"] == staged["head_commit"]
    assert not ask.get(ask.main)["has_staged_activities"]


def test_through_a_source_integration_the_head_moves_only_when_the_push_comes_back(
    make: Callable[..., Talker], clock: ManualClock
) -> None:
    ask = make(source_integration=True, integration_seconds=30)
    before = ask.get(ask.main)["head_commit"]
    ask.update()
    clock.advance(15 + 29)
    quiet = ask.get(ask.main)
    assert (quiet["head_commit"], quiet["is_dirty"]) == (before, False)
    assert ask.states() == [("source-operation", "complete")]
    clock.advance(1)
    assert ask.states()[-1] == ("push", "in_progress")
    assert ask.get(ask.main)["head_commit"] != before


def test_a_push_from_outside_moves_the_head_and_queues(ask: Talker, clock: ManualClock) -> None:
    before = ask.get(ask.main)["head_commit"]
    ask.back_up()
    ask.simulator.push()
    assert ask.get(ask.main)["head_commit"] != before
    assert ask.states() == [("backup", "in_progress"), ("push", "pending")]
    clock.advance(40)
    assert ask.states() == [("backup", "complete"), ("push", "complete")]


def test_a_redeployment_deploys_the_head_again(ask: Talker, clock: ManualClock) -> None:
    before = ask.get(ask.main)
    assert ask("POST", f"{ask.main}/redeploy").activity["type"] == "environment.redeploy"
    ask.simulator.redeploy("staging")
    clock.advance(20)
    after = ask.get(ask.main)
    assert after["head_commit"] == before["head_commit"]
    assert after["deployment_state"]["last_deployment_at"] == "2026-03-01T12:00:20.000000+00:00"


def test_a_cancelled_activity_has_none_of_its_effects(ask: Talker, clock: ManualClock) -> None:
    backup, update = ask.back_up(), ask.update()
    for one in (backup, update):
        answer = ask("POST", f"{ask.main}/activities/{one['id']}/cancel")
        assert (answer.status, answer.activity["state"], answer.activity["result"]) == (202, "cancelled", "failure")
    clock.advance(100)
    assert _backups(ask) == []
    assert ask.states() == [("backup", "cancelled"), ("source-operation", "cancelled")]
    assert ask("POST", f"{ask.main}/activities/{backup['id']}/cancel").status == 409


def test_an_operation_that_is_not_defined_is_refused(ask: Talker) -> None:
    answer = ask("POST", f"{ask.main}/source-operation", {"operation": "upgrade", "variables": {}})
    assert answer.status == 400
    assert "upgrade" in answer.content["message"]
    assert ask.states() == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("backup", {"safe": "yes"}),
        ("backup", {"live": True}),
        ("backup", [1]),
        ("source-operation", {}),
        ("source-operation", {"operation": "update", "variables": {"env": "x"}}),
        ("source-operation", {"operation": "update", "extra": 1}),
    ],
)
def test_a_body_of_the_wrong_shape_is_refused(ask: Talker, path: str, body: Any) -> None:
    answer = ask("POST", f"{ask.main}/{path}", body)
    assert answer.status == 400
    assert answer.content["error"]
    assert ask.states() == []


def test_variables_of_a_source_operation_are_recorded_with_the_activity(ask: Talker) -> None:
    variables = {"env": {"CHANNEL": "stable"}}
    body = {"operation": "update", "variables": variables}
    activity = ask("POST", f"{ask.main}/source-operation", body).activity
    expected = {"user": MACHINE.id, "operation": "update", "variables": variables, "environment": "main"}
    assert activity["parameters"] == expected
    assert activity["payload"]["operation"] == "update"
    assert activity["payload"]["environment"]["id"] == "main"
    assert activity["payload"]["user"]["id"]


def test_somebody_elses_backup_is_a_real_one(ask: Talker, clock: ManualClock) -> None:
    foreign = ask.simulator.start_activity(type="environment.backup", user="grace", seconds=3)
    clock.advance(3)
    assert _backups(ask) == [foreign.payload["backup_name"]]
    assert _last(ask)["payload"]["user"]["id"] == COLLEAGUE.id


def test_an_activity_can_be_ended_by_hand(ask: Talker, clock: ManualClock) -> None:
    endless = ask.simulator.start_activity(type="environment.source-operation", seconds=None)
    before = ask.get(ask.main)["head_commit"]
    clock.advance(9999)
    ask.simulator.finish_activity(endless.id)
    assert ask.get(ask.main)["head_commit"] != before
    failed = ask.simulator.start_activity(seconds=None)
    ask.simulator.finish_activity(failed.id, "failure")
    assert _last(ask)["type"] == "environment.cron"
    assert failed.result == "failure"
