"""What somebody else does to environments, by hand and over control requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from upsun_simulator.user import named

if TYPE_CHECKING:
    from collections.abc import Callable

    from upsun_simulator import ManualClock

    from tests.harness.simulator_client import Talker


def _by(ask: Talker, path: str) -> tuple[str, str]:
    found = ask.get(f"{path}/activities")[0]
    return found["type"], named(found["payload"]["user"]["id"]).username


def test_somebody_elses_merge_and_synchronization_are_real_ones(ask: Talker, clock: ManualClock) -> None:
    ask.simulator.push("staging")
    clock.advance(20)
    ask.simulator.merge("staging", user="ada")
    assert _by(ask, ask.main) == _by(ask, ask.staging) == ("environment.merge", "ada")
    clock.advance(30)
    assert ask.place("main")["deployed_commit"] == ask.place("staging")["head_commit"]
    ask.simulator.synchronize("staging")
    clock.advance(40)
    assert _by(ask, ask.staging) == ("environment.synchronize", "grace")
    assert ask.place("staging")["data_from"]["source"] == "main"


def test_somebody_elses_restore_is_a_real_one(ask: Talker, clock: ManualClock) -> None:
    backup = ask.simulator.add_backup()
    ask.simulator.push()
    clock.advance(20)
    ask.simulator.restore(backup.id, code_too=False)
    ask.simulator.restore(backup.id, "staging")
    clock.advance(40)
    assert _by(ask, ask.main) == _by(ask, ask.staging) == ("environment.restore", "grace")
    assert ask.place("main")["deployed_commit"] == ask.place("main")["head_commit"]
    assert ask.place("staging")["data_restored_from"]["source"] == backup.id


def test_somebody_branches_activates_resumes_deploys_and_runs_things(
    make: Callable[..., Talker], clock: ManualClock
) -> None:
    ask = make(tasks=("migrate",), manual_deployment=True)
    sim = ask.simulator
    sim.branch("new", "staging", "staging")
    sim.set_status("inactive", "staging")
    sim.activate("staging")
    clock.advance(30)
    assert ask.get(f"{ask.project}/environments/new")["parent"] == "staging"
    assert [ask.get(f"{ask.project}/environments/{name}")["status"] for name in ("new", "staging")] == ["active"] * 2
    sim.pause("new")
    sim.resume("new")
    ask.update()
    clock.advance(15)
    sim.deploy()
    sim.run_operation("clear-cache", "staging")
    sim.run_task("migrate", "staging")
    clock.advance(40)
    assert ask.place()["staged"] == []
    assert ask.get(f"{ask.project}/environments/new")["status"] == "active"
    assert [kind for kind, _ in ask.states(ask.staging)] == ["branch", "activate", "operation", "task"]


@pytest.mark.parametrize(
    "deed",
    [
        lambda sim: sim.merge("main"),
        lambda sim: sim.synchronize("main"),
        lambda sim: sim.merge("nowhere"),
        lambda sim: sim.restore("none"),
        lambda sim: sim.branch("staging"),
        lambda sim: sim.branch("new", "nowhere"),
        lambda sim: sim.branch("new", kind="production"),
        lambda sim: sim.add_environment("new", parent="nowhere"),
    ],
)
def test_what_cannot_be_is_an_error_of_the_test(ask: Talker, deed: Callable[[Any], Any]) -> None:
    with pytest.raises(ValueError, match=r"parent|no environment|no backup|already|not one of"):
        deed(ask.simulator)


@pytest.mark.parametrize(
    "kind",
    [
        "environment.merge",
        "environment.synchronize",
        "environment.restore",
        "environment.operation",
        "environment.task",
        "environment.pause",
        "environment.deactivate",
    ],
)
def test_an_activity_of_any_kind_can_stand_in_a_queue(ask: Talker, clock: ManualClock, kind: str) -> None:
    ask.simulator.start_activity("staging", kind, seconds=5)
    clock.advance(5)
    found = ask.get(f"{ask.staging}/activities")[0]
    assert (found["type"], found["result"]) == (kind, "success")
    left = {"environment.pause": "paused", "environment.deactivate": "inactive"}
    assert ask.get(ask.staging)["status"] == left.get(kind, "active")


@pytest.mark.parametrize(
    ("wishes", "queue"),
    [
        ({"do": "merge", "environment": "staging", "user": "ada"}, "main"),
        ({"do": "synchronize", "environment": "staging", "data": False}, "staging"),
        ({"do": "branch", "name": "new"}, "new"),
        ({"do": "run-operation", "operation": "clear-cache"}, "main"),
        ({"do": "run-task", "task": "migrate", "environment": "staging"}, "staging"),
    ],
)
def test_over_control_requests_too(ask: Talker, wishes: dict[str, Any], queue: str) -> None:
    here, secret = {"REMOTE_ADDR": "127.0.0.1"}, {"Simulator-Secret": ask.simulator.control_secret}
    with ask.client.post("/_simulator/act", json=wishes, headers=secret, environ_overrides=here) as answer:
        assert answer.status_code == 200, answer.get_data(as_text=True)
        made = answer.json["result"] if answer.json else None
    found = ask.simulator.request_log()["activities"][-1]
    assert (found["id"], found["environments"]) == (made, [queue])
