"""Synchronizing an environment from its parent, and merging it into its parent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from upsun_simulator.user import MACHINE

if TYPE_CHECKING:
    from collections.abc import Callable

    from upsun_simulator import ManualClock

    from tests.harness.simulator_client import Talker

CODE = {"synchronize_code": True, "synchronize_data": False, "rebase": False}
DATA = {"synchronize_code": False, "synchronize_data": True, "rebase": False}


def _head(ask: Talker, environment: str) -> str:
    sha: str = ask.place(environment)["head_commit"]
    return sha


def _parents(ask: Talker, environment: str) -> list[str]:
    found: list[str] = ask.place(environment)["commits"][-1]["parents"]
    return found


def _distance(ask: Talker) -> tuple[int, int]:
    found = ask.get(ask.staging)["merge_info"]
    return found["commits_ahead"], found["commits_behind"]


def test_a_child_begins_at_its_parents_head(ask: Talker) -> None:
    assert len({_head(ask, name) for name in ("main", "staging", "feature/login")}) == 1
    assert _distance(ask) == (0, 0)
    assert ask.get(ask.main)["merge_info"]["parent_ref"] is None


def test_synchronized_code_is_the_parents_and_is_deployed_by_the_same_activity(ask: Talker, clock: ManualClock) -> None:
    ask.simulator.push("main")
    clock.advance(20)
    assert _distance(ask) == (0, 1)
    activity = ask.post(f"{ask.staging}/synchronize", CODE)
    assert (activity["type"], activity["environments"]) == ("environment.synchronize", ["staging"])
    assert activity["parameters"]["environment"] == "staging"
    assert activity["parameters"]["from"] == "main"
    assert activity["parameters"]["synchronize_code"] is True
    clock.advance(20)
    place = ask.place("staging")
    assert place["head_commit"] == _head(ask, "main") != place["deployed_commit"]
    clock.advance(20)
    assert ask.states(ask.staging) == [("synchronize", "complete")]
    place = ask.place("staging")
    assert place["deployed_commit"] == place["head_commit"]
    assert place["deployments"][-1]["activity"] == activity["id"]
    assert place["data_from"] is None
    assert _distance(ask) == (0, 0)


@pytest.mark.parametrize("rebase", [False, True])
def test_what_was_committed_on_the_child_stays_there(ask: Talker, clock: ManualClock, *, rebase: bool) -> None:
    before = _head(ask, "main")
    ask.update(ask.staging)
    ask.simulator.push("main")
    clock.advance(40)
    own = _head(ask, "staging")
    assert _distance(ask) == (1, 1)
    ask.post(f"{ask.staging}/synchronize", {**CODE, "rebase": rebase})
    clock.advance(40)
    assert _head(ask, "staging") not in (before, own, _head(ask, "main"))
    assert _parents(ask, "staging") == ([_head(ask, "main")] if rebase else [own, _head(ask, "main")])
    assert _distance(ask)[1] == 0


def test_synchronized_data_come_from_the_parent_at_a_moment_and_the_environment_is_redeployed(
    ask: Talker, clock: ManualClock
) -> None:
    before = _head(ask, "staging")
    ask.simulator.push("main")
    clock.advance(20)
    activity = ask.post(f"{ask.staging}/synchronize", DATA)
    clock.advance(19.9)
    assert ask.place("staging")["data_from"] is None
    clock.advance(21)
    place = ask.place("staging")
    assert place["data_from"] == {"source": "main", "at": "2026-03-01T12:00:40.000000+00:00"}
    assert place["head_commit"] == before
    assert place["deployments"][-1]["activity"] == activity["id"]
    assert ask.place("main")["data_from"] is None


@pytest.mark.parametrize("body", [{}, {"rebase": True}, {"synchronize_code": False, "synchronize_data": False}])
def test_nothing_to_synchronize_is_refused(ask: Talker, body: Any) -> None:
    answer = ask("POST", f"{ask.staging}/synchronize", body)
    assert (answer.status, ask.states(ask.staging)) == (400, [])


def test_resources_alone_may_be_synchronized(ask: Talker, clock: ManualClock) -> None:
    before = ask.place("staging")
    ask.post(f"{ask.staging}/synchronize", {"synchronize_resources": True})
    clock.advance(40)
    assert (ask.place("staging")["head_commit"], ask.place("staging")["data_from"]) == (before["head_commit"], None)


@pytest.mark.parametrize(
    ("outcome", "state", "result"), [("failure", "complete", "failure"), ("cancelled", "cancelled", "failure")]
)
def test_a_synchronization_that_does_not_succeed_changes_nothing(
    make: Callable[..., Talker], clock: ManualClock, outcome: str, state: str, result: str | None
) -> None:
    ask = make(sync_outcome=outcome)
    ask.simulator.push("main")
    before = ask.place("staging")
    activity = ask.post(f"{ask.staging}/synchronize", {**CODE, **DATA, "synchronize_code": True})
    clock.advance(60)
    seen = ask.get(f"{ask.project}/activities/{activity['id']}")
    assert (seen["state"], seen["result"]) == (state, result)
    assert ask.place("staging") == {**before, "is_dirty": False}


def test_a_cron_of_the_parent_holds_a_synchronization_up(ask: Talker, clock: ManualClock) -> None:
    cron = ask.simulator.start_activity("main", seconds=None)
    ask.post(f"{ask.staging}/synchronize", DATA)
    clock.advance(3600)
    assert ask.states(ask.staging) == [("synchronize", "pending")]
    ask.simulator.finish_activity(cron.id)
    assert ask.states(ask.staging) == [("synchronize", "in_progress")]


def test_a_merge_belongs_to_the_parent_which_it_deploys_and_is_listed_for_both(ask: Talker, clock: ManualClock) -> None:
    ask.update(ask.staging)
    clock.advance(40)
    activity = ask.post(f"{ask.staging}/merge")
    assert (activity["type"], activity["environments"]) == ("environment.merge", ["main"])
    assert activity["parameters"] == {"user": MACHINE.id, "environment": "staging", "into": "main"}
    assert (activity["payload"]["environment"]["id"], activity["payload"]["into"]["id"]) == ("staging", "main")
    assert activity["text"] == "Update Bot merged Staging into Main"
    assert (ask.get(ask.main)["is_dirty"], ask.get(ask.staging)["is_dirty"]) == (True, False)
    clock.advance(10)
    assert ask.place("main")["head_commit"] == _head(ask, "staging") != ask.place("main")["deployed_commit"]
    clock.advance(20)
    assert ask.states(ask.main) == [("merge", "complete")]
    assert ask.states(ask.staging)[-1] == ("merge", "complete")
    assert ("merge", "complete") not in ask.states(f"{ask.project}/environments/feature%2Flogin")
    main = ask.place("main")
    assert main["deployed_commit"] == main["head_commit"] == _head(ask, "staging")
    assert main["deployments"][-1]["activity"] == activity["id"]
    for place in (ask.main, ask.staging):
        assert ask.get(f"{place}/activities/{activity['id']}")["result"] == "success"
    assert [one["commit"] for one in ask.simulator.request_log()["activities"]][-1] == main["head_commit"]


def test_a_merge_with_a_parent_that_went_on_makes_a_commit_of_both(ask: Talker, clock: ManualClock) -> None:
    ask.update(ask.staging)
    ask.simulator.push("main")
    clock.advance(40)
    heads = [_head(ask, "main"), _head(ask, "staging")]
    ask.post(f"{ask.staging}/merge")
    clock.advance(30)
    assert _head(ask, "main") not in heads
    assert _parents(ask, "main") == heads
    assert _distance(ask) == (0, 2)


def test_a_merge_of_what_the_parent_has_makes_no_commit_and_no_deployment(ask: Talker, clock: ManualClock) -> None:
    ask.simulator.change(deploy_outcome="failure")
    before = ask.place("main")
    activity = ask.post(f"{ask.staging}/merge")
    clock.advance(10)
    seen = ask.get(f"{ask.project}/activities/{activity['id']}")
    assert (seen["state"], seen["result"], seen["commands"]) == ("complete", "success", [])
    assert ask.place("main") == {**before, "is_dirty": False}


def test_a_merge_takes_the_childs_head_as_it_is_when_its_turn_comes(ask: Talker, clock: ManualClock) -> None:
    ask.simulator.start_activity("main", seconds=60)
    ask.post(f"{ask.staging}/merge")
    ask.update(ask.staging)
    clock.advance(200)
    assert _head(ask, "main") == _head(ask, "staging") != ask.place("main")["commits"][0]["sha"]


def test_a_merge_whose_deployment_fails_leaves_the_head_moved_and_the_old_commit_live(
    make: Callable[..., Talker], clock: ManualClock
) -> None:
    ask = make()
    ask.update(ask.staging)
    clock.advance(40)
    ask.simulator.change(deploy_outcome="failure")
    ask.post(f"{ask.staging}/merge")
    clock.advance(30)
    assert ask.get(f"{ask.main}/activities")[0]["result"] == "failure"
    main = ask.place("main")
    assert main["head_commit"] == _head(ask, "staging") != main["deployed_commit"]
    assert ask.get(ask.main)["deployment_state"]["last_deployment_successful"] is False


@pytest.mark.parametrize("outcome", ["failure", "cancelled"])
def test_a_merge_that_does_not_succeed_moves_nothing(
    make: Callable[..., Talker], clock: ManualClock, outcome: str
) -> None:
    ask = make(merge_outcome=outcome)
    ask.update(ask.staging)
    clock.advance(40)
    before = ask.place("main")
    ask.post(f"{ask.staging}/merge")
    clock.advance(30)
    assert ask.place("main") == {**before, "is_dirty": False}


@pytest.mark.parametrize("staging", ["own", "push"])
@pytest.mark.parametrize("operation", ["merge", "synchronize"])
def test_where_deployment_is_manual_the_head_moves_and_the_rest_is_staged(
    make: Callable[..., Talker], clock: ManualClock, operation: str, staging: str
) -> None:
    ask = make()
    ask.simulator.push("staging" if operation == "merge" else "main")
    clock.advance(20)
    ask.simulator.change(manual_deployment=True, staging=staging)
    into = "main" if operation == "merge" else "staging"
    before = ask.place(into)
    ask.post(f"{ask.staging}/{operation}", CODE if operation == "synchronize" else {})
    clock.advance(20)
    after = ask.place(into)
    assert after["head_commit"] == _head(ask, "staging") == _head(ask, "main") != before["head_commit"]
    assert after["deployed_commit"] == before["deployed_commit"]
    assert len(after["staged"]) == 1
    states = ask.states(f"{ask.project}/environments/{into}")
    by_push = [(operation, "complete"), ("push", "staged")]
    assert states[-2:] == by_push if staging == "push" else states[-1] == (operation, "staged")


def test_data_are_not_staged(make: Callable[..., Talker], clock: ManualClock) -> None:
    ask = make(manual_deployment=True)
    activity = ask.post(f"{ask.staging}/synchronize", DATA)
    clock.advance(20)
    place = ask.place("staging")
    assert (place["staged"], place["data_from"]["source"]) == ([], "main")
    assert place["deployments"][-1]["activity"] == activity["id"]


def test_a_merge_that_is_cancelled_on_its_way_keeps_what_it_did(ask: Talker, clock: ManualClock) -> None:
    ask.update(ask.staging)
    clock.advance(40)
    activity = ask.post(f"{ask.staging}/merge")
    clock.advance(15)
    assert ask("POST", f"{ask.project}/activities/{activity['id']}/cancel").status == 202
    clock.advance(60)
    main = ask.place("main")
    assert main["head_commit"] == _head(ask, "staging") != main["deployed_commit"]


def test_a_project_may_refuse_to_synchronize_code_to_an_environment_with_unmerged_commits(
    make: Callable[..., Talker], clock: ManualClock
) -> None:
    ask = make(unmerged_sync="refuse")
    ask.update(ask.staging)
    clock.advance(40)
    answer = ask("POST", f"{ask.staging}/synchronize", CODE)
    assert answer.status == 400
    assert "1 unmerged commit" in answer.content["detail"]["error"]
    for wishes in (DATA, {**CODE, "rebase": True}):
        ask.post(f"{ask.staging}/synchronize", wishes)
        clock.advance(40)
    ask.post(f"{ask.staging}/merge")
    clock.advance(30)
    ask.post(f"{ask.staging}/synchronize", CODE)
