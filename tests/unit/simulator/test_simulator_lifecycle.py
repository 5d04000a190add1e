"""Branching, activating, pausing, resuming, and deploying what is staged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from upsun_simulator import ManualClock

    from tests.harness.simulator_client import Talker

BRANCH = {"title": "Spring sale", "name": "feature/sale"}
SALE = "/projects/abcdefgh1234z/environments/feature%2Fsale"


def test_a_branch_is_there_at_once_and_active_at_the_end(ask: Talker, clock: ManualClock) -> None:
    activity = ask.post(f"{ask.main}/branch", {**BRANCH, "type": "staging"})
    assert (activity["type"], activity["environments"]) == ("environment.branch", ["feature/sale"])
    assert activity["parameters"]["parent"] == "main"
    seen = ask.get(SALE)
    assert (seen["status"], seen["title"], seen["type"]) == ("dirty", "Spring sale", "staging")
    assert (seen["parent"], seen["has_deployment"], seen["deployment_state"]) == ("main", False, None)
    assert seen["head_commit"] == ask.get(ask.main)["head_commit"]
    readings = {"#activities", "#domains", "#routes", "#settings", "#source-operations", "#variables"}
    assert ask.links(SALE) == readings | {"#edit", "#manage-domains", "#manage-variables"}
    assert ask("GET", f"{SALE}/deployments/current").status == 404
    assert ask.get(f"{SALE}/deployments") == []
    assert [one["id"] for one in ask.get(f"{ask.project}/environments")][-1] == "feature/sale"
    for place in (SALE, ask.main):
        assert ask.states(place) == [("branch", "in_progress")]
    clock.advance(30)
    seen = ask.get(SALE)
    assert (seen["status"], seen["has_deployment"]) == ("active", True)
    assert ask.place("feature/sale")["data_from"]["source"] == "main"
    assert "#backup" in ask.links(SALE)
    assert ask.get(f"{SALE}/deployments/current")["environment_info"]["name"] == "feature/sale"


def test_a_branch_need_not_have_the_parents_data(ask: Talker, clock: ManualClock) -> None:
    ask.post(f"{ask.staging}/branch", {**BRANCH, "clone_parent": False})
    clock.advance(30)
    assert ask.get(SALE)["type"] == "development"
    assert ask.place("feature/sale")["data_from"] is None


@pytest.mark.parametrize("end", ["cancel", "fail"])
def test_a_branch_that_did_not_come_up_can_be_activated(ask: Talker, clock: ManualClock, end: str) -> None:
    activity = ask.post(f"{ask.main}/branch", BRANCH)
    if end == "cancel":
        ask("POST", f"{ask.project}/activities/{activity['id']}/cancel")
    else:
        ask.simulator.finish_activity(activity["id"], "failure")
    assert ask.get(SALE)["status"] == "inactive"
    ask.post(f"{SALE}/activate")
    clock.advance(10)
    assert ask.get(SALE)["status"] == "active"


def test_a_name_can_be_taken_once(ask: Talker) -> None:
    assert ask("POST", f"{ask.main}/branch", {"title": "Again", "name": "staging"}).status == 409
    assert ask("POST", f"{ask.main}/branch", BRANCH).status == 202
    assert ask("POST", f"{ask.main}/branch", BRANCH).status == 409


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"title": "No name"},
        {"name": "no-title"},
        {**BRANCH, "name": ""},
        {**BRANCH, "name": "two words"},
        {**BRANCH, "name": "/first"},
        {**BRANCH, "type": "production"},
        {**BRANCH, "clone_parent": "yes"},
        {**BRANCH, "extra": 1},
    ],
)
def test_a_branch_that_makes_no_sense_is_refused(ask: Talker, body: Any) -> None:
    assert ask("POST", f"{ask.main}/branch", body).status == 400
    assert set(ask.simulator.request_log()["environments"]) == {"main", "staging", "feature/login"}


def test_an_inactive_environment_can_only_be_activated(ask: Talker, clock: ManualClock) -> None:
    ask.simulator.set_status("inactive", "staging")
    assert ask.links(ask.staging) >= {"#activate", "#manage-variables"}
    assert not ask.links(ask.staging) & {"#backup", "#synchronize", "#merge", "#pause", "#resume", "#branch"}
    assert ask("POST", f"{ask.staging}/pause").status == 409
    activity = ask.post(f"{ask.staging}/activate", {"resources": {"init": "parent"}})
    assert activity["type"] == "environment.activate"
    assert ask.get(ask.staging)["status"] == "inactive"
    clock.advance(10)
    seen = ask.get(ask.staging)
    assert seen["status"] == "active"
    assert seen["deployment_state"]["last_deployment_at"] == "2026-03-01T12:00:10.000000+00:00"
    assert ask.place("staging")["data_from"]["source"] == "main"
    assert "#activate" not in ask.links(ask.staging)
    assert ask("POST", f"{ask.staging}/activate").status == 409


@pytest.mark.parametrize("outcome", ["failure", "cancelled"])
def test_an_activation_that_does_not_succeed_leaves_it_inactive(
    make: Callable[..., Talker], clock: ManualClock, outcome: str
) -> None:
    ask = make(activate_outcome=outcome)
    ask.simulator.set_status("inactive", "staging")
    ask.post(f"{ask.staging}/activate")
    clock.advance(10)
    assert ask.get(ask.staging)["status"] == "inactive"


def test_a_paused_environment_can_only_be_resumed_and_keeps_its_data(ask: Talker, clock: ManualClock) -> None:
    assert {"#pause"} == ask.links(ask.staging) & {"#pause", "#resume", "#activate"}
    assert ask.post(f"{ask.staging}/pause")["type"] == "environment.pause"
    assert ask.get(ask.staging)["status"] == "active"
    clock.advance(10)
    assert ask.get(ask.staging)["status"] == "paused"
    assert {"#resume"} == ask.links(ask.staging) & {"#pause", "#resume", "#activate", "#merge", "#backup"}
    assert ask("POST", f"{ask.staging}/backup", {"safe": True}).status == 409
    assert ask.post(f"{ask.staging}/resume")["type"] == "environment.resume"
    clock.advance(10)
    assert ask.get(ask.staging)["status"] == "active"
    assert ask.place("staging")["data_from"] is None
    assert ask("POST", f"{ask.staging}/resume").status == 409


def test_production_is_never_paused_by_request_but_can_be_resumed(ask: Talker, clock: ManualClock) -> None:
    assert "#pause" not in ask.links()
    assert ask("POST", f"{ask.main}/pause").status == 400
    ask.simulator.pause()
    assert "#resume" in ask.links()
    ask.post(f"{ask.main}/resume")
    clock.advance(10)
    assert ask.get(ask.main)["status"] == ask.simulator.scenario.status == "active"


def test_what_is_staged_is_deployed_all_at_once(make: Callable[..., Talker], clock: ManualClock) -> None:
    ask = make(manual_deployment=True)
    assert "#deploy" not in ask.links()
    assert ask("POST", f"{ask.main}/deploy").status == 409
    for _ in range(2):
        ask.update()
        clock.advance(20)
    assert len(ask.place()["staged"]) == 2
    assert "#deploy" in ask.links()
    assert "#deploy" not in ask.links(ask.staging)
    activity = ask.post(f"{ask.main}/deploy", {"strategy": "rolling"})
    assert (activity["type"], activity["parameters"]["strategy"]) == ("environment.deploy", "rolling")
    clock.advance(19)
    assert len(ask.place()["staged"]) == 2
    clock.advance(1)
    place = ask.place()
    assert (place["staged"], place["deployed_commit"]) == ([], place["head_commit"])
    assert place["deployments"][-1]["activity"] == activity["id"]
    assert len(place["deployments"]) == 2, "the first one, and one for all that was staged"
    updates = ask.get(f"{ask.main}/activities?type=environment.source-operation")
    assert [(one["state"], one["result"]) for one in updates] == [("complete", "success")] * 2
    assert "#deploy" not in ask.links()


def test_a_deployment_of_what_is_staged_may_fail_or_be_cancelled(
    make: Callable[..., Talker], clock: ManualClock
) -> None:
    ask = make(manual_deployment=True, deploy_outcome="failure")
    before = ask.place()["deployed_commit"]
    ask.update()
    clock.advance(15)
    activity = ask.post(f"{ask.main}/deploy")
    ask("POST", f"{ask.project}/activities/{activity['id']}/cancel")
    assert len(ask.place()["staged"]) == 1
    ask.post(f"{ask.main}/deploy", {"strategy": "stopstart"})
    clock.advance(20)
    assert (ask.place()["staged"], ask.place()["deployed_commit"]) == ([], before)
    update = ask.get(f"{ask.main}/activities?type=environment.source-operation")[0]
    assert (update["state"], update["result"], update["failure_reason"]) == ("complete", "failure", "shell")


def test_a_strategy_has_to_be_known_and_available(make: Callable[..., Talker], clock: ManualClock) -> None:
    ask = make(manual_deployment=True, rolling_deployments=False)
    ask.update()
    clock.advance(15)
    assert ask.get(ask.main)["can_rolling_deploy"] is False
    for strategy in ("rolling", "bluegreen", None):
        assert ask("POST", f"{ask.main}/deploy", {"strategy": strategy}).status == 400
    assert len(ask.place()["staged"]) == 1


def test_a_staged_change_of_a_variable_is_deployed_too(make: Callable[..., Talker], clock: ManualClock) -> None:
    ask = make(manual_deployment=True)
    ask("POST", f"{ask.main}/variables", {"name": "env:NEW", "value": "1"})
    assert ask.get(f"{ask.main}/deployments/current")["variables"] == []
    ask.post(f"{ask.main}/deploy")
    clock.advance(20)
    assert [one["name"] for one in ask.get(f"{ask.main}/deployments/current")["variables"]] == ["env:NEW"]
    assert ask.place()["staged"] == []
