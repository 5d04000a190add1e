"""Restoring backups: what comes back, and what does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from upsun_simulator import ManualClock

    from tests.harness.simulator_client import Talker


def _backup_then_update(ask: Talker, clock: ManualClock) -> str:
    """A backup of production, from before an update that is live."""
    ask.back_up()
    ask.update()
    clock.advance(60)
    name: str = ask.get(f"{ask.main}/backups")[0]["id"]
    return name


def _activity(ask: Talker, activity: Any) -> Any:
    return ask.get(f"{ask.project}/activities/{activity['id']}")


def test_a_restore_deploys_the_commit_of_the_backup_and_leaves_the_branch_alone(
    ask: Talker, clock: ManualClock
) -> None:
    before = ask.place()["head_commit"]
    name = _backup_then_update(ask, clock)
    head = ask.place()["head_commit"]
    assert head != before
    activity = ask.post(f"{ask.main}/backups/{name}/restore", {})
    assert (activity["type"], activity["environments"]) == ("environment.restore", ["main"])
    assert activity["parameters"]["backup_name"] == name == activity["payload"]["backup_name"]
    assert activity["parameters"]["restore_code"] is True
    clock.advance(39.9)
    assert ask.place()["deployed_commit"] == head
    clock.advance(0.1)
    place = ask.place()
    assert (place["deployed_commit"], place["head_commit"]) == (before, head)
    assert place["data_restored_from"] == {"source": name, "at": "2026-03-01T12:01:40.000000+00:00"}
    assert _activity(ask, activity)["result"] == "success"
    assert [one["id"] for one in ask.get(f"{ask.main}/backups")] == [name], "the backup is still there"


def test_the_next_deployment_after_a_restore_brings_the_head_again(ask: Talker, clock: ManualClock) -> None:
    name = _backup_then_update(ask, clock)
    ask.post(f"{ask.main}/backups/{name}/restore", {})
    ask.post(f"{ask.main}/redeploy")
    clock.advance(60)
    assert ask.place()["deployed_commit"] == ask.place()["head_commit"]


def test_without_code_only_the_data_come_back(ask: Talker, clock: ManualClock) -> None:
    name = _backup_then_update(ask, clock)
    before = ask.place()
    ask.post(f"{ask.main}/backups/{name}/restore", {"restore_code": False})
    clock.advance(40)
    after = ask.place()
    assert (after["deployed_commit"], after["deployments"]) == (before["deployed_commit"], before["deployments"])
    assert after["data_restored_from"]["source"] == name


@pytest.mark.parametrize("code", [True, False])
def test_a_restore_with_code_brings_back_the_variables_of_the_backup(
    ask: Talker, clock: ManualClock, *, code: bool
) -> None:
    def live() -> list[str]:
        return [one["name"] for one in ask.get(f"{ask.main}/deployments/current")["variables"]]

    ask.simulator.add_variable("env:OLD", "1")
    name = ask.simulator.add_backup().id
    ask.simulator.remove_variable("env:OLD")
    assert live() == []
    ask.post(f"{ask.main}/backups/{name}/restore", {"restore_code": code})
    clock.advance(40)
    assert live() == (["env:OLD"] if code else [])
    ask.post(f"{ask.main}/redeploy")
    clock.advance(20)
    assert live() == []


@pytest.mark.parametrize(
    ("outcome", "state", "result"), [("failure", "complete", "failure"), ("cancelled", "cancelled", "failure")]
)
def test_a_restore_that_does_not_succeed_changes_nothing(
    make: Callable[..., Talker], clock: ManualClock, outcome: str, state: str, result: str | None
) -> None:
    ask = make(restore_outcome=outcome)
    name = _backup_then_update(ask, clock)
    before = ask.place()
    activity = ask.post(f"{ask.main}/backups/{name}/restore", {})
    clock.advance(40)
    seen = _activity(ask, activity)
    assert (seen["state"], seen["result"]) == (state, result)
    assert ask.place() == {**before, "is_dirty": False}


def test_a_backup_may_be_restored_to_another_environment(ask: Talker, clock: ManualClock) -> None:
    name = _backup_then_update(ask, clock)
    before = ask.place("main")
    activity = ask.post(f"{ask.main}/backups/{name}/restore", {"environment_name": "staging"})
    assert activity["environments"] == ["staging"]
    clock.advance(40)
    assert ask.place("main") == before
    assert ask.place("staging")["data_restored_from"]["source"] == name
    assert ask.place("staging")["deployed_commit"] == ask.place("main")["commits"][0]["sha"]


def test_a_backup_may_be_restored_to_a_new_environment(ask: Talker, clock: ManualClock) -> None:
    name = _backup_then_update(ask, clock)
    wishes = {"environment_name": "rescue", "branch_from": "main", "resources": {"init": "backup"}}
    ask.post(f"{ask.main}/backups/{name}/restore", wishes)
    rescue = f"{ask.project}/environments/rescue"
    seen = ask.get(rescue)
    assert (seen["status"], seen["parent"], seen["type"]) == ("dirty", "main", "development")
    clock.advance(40)
    assert ask.get(rescue)["status"] == "active"
    place = ask.place("rescue")
    assert place["head_commit"] == ask.place("main")["head_commit"] != place["deployed_commit"]
    assert place["data_restored_from"]["source"] == name


def test_a_backup_that_another_one_replaced_meanwhile_cannot_be_restored(ask: Talker, clock: ManualClock) -> None:
    name = _backup_then_update(ask, clock)
    before = ask.place()
    activity = ask.post(f"{ask.main}/backups/{name}/restore", {})
    ask.simulator.drop_backup(name)
    clock.advance(40)
    seen = _activity(ask, activity)
    assert (seen["result"], seen["failure_reason"]) == ("failure", "error")
    assert ask.place()["deployed_commit"] == before["deployed_commit"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"environment_name": "nowhere"}, 400),
        ({"environment_name": "nowhere", "branch_from": "nowhere"}, 400),
        ({"environment_name": "two words", "branch_from": "main"}, 400),
        ({"environment_name": 7}, 400),
        ({"restore_code": "yes"}, 400),
        ({"resources": {"init": "plenty"}}, 400),
        ({"resources": {"other": "backup"}}, 400),
        ({"extra": 1}, 400),
    ],
)
def test_a_restore_that_makes_no_sense_is_refused(ask: Talker, body: Any, status: int) -> None:
    backup = ask.simulator.add_backup()
    assert ask("POST", f"{ask.main}/backups/{backup.id}/restore", body).status == status
    assert ask.states() == []
    assert set(ask.simulator.request_log()["environments"]) == {"main", "staging", "feature/login"}


def test_only_a_backup_that_can_be_restored_has_the_link(ask: Talker) -> None:
    def links(backup: str) -> set[str]:
        return ask.links(f"{ask.main}/backups/{backup}")

    good, bad = ask.simulator.add_backup(), ask.simulator.add_backup(restorable=False)
    assert links(good.id) == {"#restore", "#delete"}
    assert links(bad.id) == {"#delete"}
    assert ask("POST", f"{ask.main}/backups/{bad.id}/restore", {}).status == 409
    assert ask("DELETE", f"{ask.main}/backups/{good.id}").status == 202
    assert links(good.id) == {"#delete"}
    assert ask("POST", f"{ask.main}/backups/{good.id}/restore", {}).status == 409
    assert ask("POST", f"{ask.main}/backups/none/restore", {}).status == 404
    other = ask.simulator.add_backup()
    ask.simulator.change(absent_links=("#restore",))
    assert links(other.id) == {"#delete"}
    ask.simulator.change(absent_links=(), role="contributor")
    assert links(other.id) == set()
    assert ask("POST", f"{ask.main}/backups/{other.id}/restore", {}).status == 403


def test_the_target_has_to_be_active_and_the_users_own_to_change(ask: Talker) -> None:
    backup = ask.simulator.add_backup()
    path, to_staging = f"{ask.main}/backups/{backup.id}/restore", {"environment_name": "staging"}
    ask.simulator.pause("staging")
    assert ask("POST", path, to_staging).status == 409
    ask.simulator.set_status("active", "staging")
    ask.simulator.change(other_role="viewer")
    assert ask("POST", path, to_staging).status == 403
    assert ask("POST", path, {"environment_name": "rescue", "branch_from": "staging"}).status == 403
    assert ask("POST", path, {"environment_name": None}).status == 202
