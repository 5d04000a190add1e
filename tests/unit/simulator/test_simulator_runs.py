"""Runtime operations, and tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from upsun_simulator.user import MACHINE

if TYPE_CHECKING:
    from collections.abc import Callable

    from upsun_simulator import ManualClock

    from tests.harness.simulator_client import Talker

CURRENT = "/projects/abcdefgh1234z/environments/main/deployments/current"
CLEAR = {"service": "app", "operation": "clear-cache"}
TASKS = "/projects/abcdefgh1234z/environments/main/tasks"
ENDINGS = [("success", "complete", "success", 0), ("failure", "complete", "failure", 1)]


@pytest.mark.parametrize(("outcome", "state", "result", "code"), ENDINGS)
def test_a_runtime_operation_ends_as_the_scenario_says_with_its_exit_code(
    make: Callable[..., Talker], clock: ManualClock, outcome: str, state: str, result: str, code: int
) -> None:
    ask = make(operation_outcome=outcome)
    before = ask.place()
    activity = ask.post(f"{CURRENT}/operations", {**CLEAR, "parameters": ["--all"]})
    assert (activity["type"], activity["environments"]) == ("environment.operation", ["main"])
    assert activity["parameters"] == {"user": MACHINE.id, "environment": "main", **CLEAR, "parameters": ["--all"]}
    clock.advance(5)
    seen = ask.get(f"{ask.main}/activities")[0]
    assert (seen["state"], seen["result"]) == (state, result)
    assert [(one["app"], one["exit_code"]) for one in seen["commands"]] == [("app", code)]
    assert ask.place() == {**before, "is_dirty": False}


def test_a_runtime_operation_may_be_cancelled(make: Callable[..., Talker], clock: ManualClock) -> None:
    ask = make(operation_outcome="cancelled")
    ask.post(f"{CURRENT}/operations", CLEAR)
    clock.advance(5)
    seen = ask.get(f"{ask.main}/activities")[0]
    assert (seen["state"], seen["result"], seen["commands"]) == ("cancelled", "failure", [])


def test_the_deployment_says_which_runtime_operations_there_are(make: Callable[..., Talker]) -> None:
    ask = make(runtime_operations=("clear-cache", "worker:restart"))
    apps = ask.get(CURRENT)["webapps"]
    assert list(apps["app"]["operations"]) == ["clear-cache"]
    assert apps["worker"]["operations"]["restart"]["role"] == "contributor"
    assert ask("POST", f"{CURRENT}/operations", {"service": "worker", "operation": "restart"}).status == 202
    assert ask("POST", f"{CURRENT}/operations", {"service": "worker", "operation": "clear-cache"}).status == 400


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"service": "app"},
        {"operation": "clear-cache"},
        {**CLEAR, "operation": "none"},
        {**CLEAR, "service": "none"},
        {**CLEAR, "parameters": "--all"},
        {**CLEAR, "parameters": [1]},
        {**CLEAR, "extra": 1},
    ],
)
def test_a_runtime_operation_that_makes_no_sense_is_refused(ask: Talker, body: Any) -> None:
    assert ask("POST", f"{CURRENT}/operations", body).status == 400
    assert ask.states() == []


def test_who_may_run_a_runtime_operation_and_when(ask: Talker) -> None:
    def seen() -> tuple[bool, int]:
        return "#operations" in ask.links(CURRENT), ask("POST", f"{CURRENT}/operations", CLEAR).status

    assert seen() == (True, 202)
    ask.simulator.change(links_vanish_when_busy=True)
    assert seen() == (False, 409)
    ask.simulator.change(links_vanish_when_busy=False, role="contributor")
    assert seen() == (True, 202)
    ask.simulator.change(role="viewer")
    assert seen() == (False, 403)
    ask.simulator.change(role="admin", status="paused")
    assert seen() == (False, 409)
    ask.simulator.change(status="active", absent_links=("#operations",))
    assert seen() == (False, 202)
    ask.simulator.change(absent_links=(), runtime_operations=())
    assert seen() == (False, 400)
    assert ask("POST", f"{ask.main}/deployments/next/operations", CLEAR).status == 404


@pytest.mark.parametrize(("outcome", "state", "result", "code"), ENDINGS)
def test_a_task_ends_as_the_scenario_says(
    make: Callable[..., Talker], clock: ManualClock, outcome: str, state: str, result: str, code: int
) -> None:
    ask = make(tasks=("migrate",), task_outcome=outcome)
    variables = {"env": {"CHANNEL": "stable"}}
    activity = ask.post(f"{TASKS}/migrate/run", {"variables": variables})
    assert activity["type"] == "environment.task"
    expected = {"user": MACHINE.id, "environment": "main", "task": "migrate", "variables": variables}
    assert activity["parameters"] == expected
    clock.advance(10)
    seen = ask.get(f"{ask.main}/activities")[0]
    assert (seen["state"], seen["result"]) == (state, result)
    assert [(one["app"], one["exit_code"]) for one in seen["commands"]] == [("migrate", code)]


def test_a_project_without_tasks_lists_none(ask: Talker) -> None:
    assert ask.get(TASKS) == []
    for method, path in (("GET", f"{TASKS}/migrate"), ("POST", f"{TASKS}/migrate/run")):
        assert ask(method, path).status == 404
    assert ask.get(CURRENT)["tasks"] == {}
    assert ask.get(f"{ask.project}/capabilities")["tasks"] == {"enabled": False}


def test_tasks_are_listed_and_read(make: Callable[..., Talker]) -> None:
    ask = make(tasks=("migrate", "warm-up"))
    assert [one["name"] for one in ask.get(TASKS)] == ["migrate", "warm-up"]
    assert ask.get(f"{TASKS}/warm-up")["run"]["command"] == "./task.sh warm-up"
    assert list(ask.get(CURRENT)["tasks"]) == ["migrate", "warm-up"]
    assert ask.links(f"{TASKS}/migrate") == set()
    for path in (f"{TASKS}/other", f"{TASKS}/other/run"):
        assert ask("GET" if path.endswith("other") else "POST", path).status == 404
    for body in ({"variables": "x"}, {"variables": {"env": "x"}}, {"extra": 1}):
        assert ask("POST", f"{TASKS}/migrate/run", body).status == 400
    ask.simulator.change(role="contributor")
    assert ask("POST", f"{TASKS}/migrate/run", {}).status == 403
    ask.simulator.change(role="admin", status="inactive")
    assert ask("POST", f"{TASKS}/migrate/run", {}).status == 409
