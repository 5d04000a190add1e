"""Activities as the platform may show them, and as no client expects them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from upsun_simulator.faults import DOCS, KINDS, Fault

from tests.harness.simulator_client import Talker

if TYPE_CHECKING:
    from collections.abc import Callable

    from upsun_simulator import ManualClock


@pytest.mark.parametrize(
    ("kind", "looks"),
    [
        ("complete-null", ("complete", None)),
        ("unknown-result", ("complete", "partial")),
        ("unknown-state", ("finished", "success")),
    ],
)
@pytest.mark.parametrize("path", ["activities/{}", "activities"])
def test_a_fault_makes_activities_look_ended_for_as_many_looks_as_it_says(
    ask: Talker, clock: ManualClock, kind: str, looks: tuple[str, str | None], path: str
) -> None:
    activity = ask.back_up()
    ask.simulator.add_fault(f"GET */{path.format('*')} {kind} x2")
    clock.advance(10)
    seen = []
    for _ in range(3):
        found = ask.get(f"{ask.main}/{path.format(activity['id'])}")
        one = found[0] if isinstance(found, list) else found
        seen.append((one["state"], one["result"], one["completion_percent"], one["completed_at"] is not None))
    assert seen == [(*looks, 100, True)] * 2 + [("in_progress", None, 50, False)]
    clock.advance(10)
    assert ask.get(f"{ask.main}/activities/{activity['id']}")["result"] == "success"


def test_the_activity_that_a_write_answers_with_may_look_ended_too(ask: Talker) -> None:
    ask.simulator.add_fault("POST */backup complete-null")
    activity = ask.back_up()
    assert (activity["state"], activity["result"]) == ("complete", None)


def test_an_absent_activity_is_told_as_the_api_tells_it_and_comes_back(ask: Talker) -> None:
    activity = ask.back_up()
    ask.simulator.add_fault("GET */activities/* absent")
    answers = [ask("GET", f"{ask.main}/activities/{activity['id']}") for _ in range(2)]
    assert [one.status for one in answers] == [404, 200]
    assert answers[0].headers["Content-Type"] == "application/json"


def test_the_newest_item_may_be_missing_from_a_list(ask: Talker) -> None:
    first, second = ask.back_up(), ask.back_up()
    ask.simulator.add_fault("GET */activities not-listed")
    listed = [[one["id"] for one in ask.get(f"{ask.main}/activities")] for _ in range(2)]
    assert listed == [[first["id"]], [second["id"], first["id"]]]


def test_a_fault_of_activities_leaves_an_answer_alone_that_has_none(ask: Talker) -> None:
    before = ask.get(ask.main)
    ask.simulator.add_fault("GET * complete-null x2")
    assert ask.get(ask.main) == before
    assert ask("GET", f"{ask.main}/nothing").status == 404


@pytest.mark.parametrize(
    ("text", "status", "part"),
    [
        ("gateway-403", 403, "<h1>403 Forbidden</h1>"),
        ("gateway-400", 400, "<h1>400 Bad Request</h1>"),
        ("gateway", 403, "<h1>403 Forbidden</h1>"),
        ("gateway-520", 520, "<h1>520 Error</h1>"),
        ("captive", 200, "Sign in to the network"),
        ("empty-401", 401, ""),
        ("invalid-grant", 400, '"error": "invalid_grant"'),
        ("invalid-client", 401, '"error": "invalid_client"'),
        ("request-unauthorized", 401, '"error_hint": "The API token is invalid."'),
        ("step-up", 401, '"amr": ["mfa"]'),
    ],
)
def test_a_refusal_that_is_planted_has_its_own_form(ask: Talker, text: str, status: int, part: str) -> None:
    ask.simulator.add_fault(f"POST /oauth2/token {text}")
    answer = ask.exchange()
    assert (answer.status, part in answer.text) == (status, True)
    assert answer.headers.get("Content-Type", "").startswith("text/html") is ("gateway" in text or text == "captive")
    assert ("insufficient_user_authentication" in answer.headers.get("WWW-Authenticate", "")) is (text == "step-up")
    assert not ask.simulator.requests[-1].acted
    assert bool(part) or answer.text == ""


def test_every_kind_of_fault_is_explained_and_can_be_written() -> None:
    for name in DOCS:
        text = name.replace("STATUS", "503")
        more = {"status-after": " status=503", "json": " body={}"}.get(name, "")
        assert Fault.parse(f"GET * {text}{more}").kind in KINDS
    spelled = {"status": "STATUS", "gateway": "gateway-STATUS", "refused-empty": "empty-STATUS"}
    assert {spelled.get(kind, kind) for kind in KINDS} == set(DOCS)


def _update(ask: Talker, clock: ManualClock) -> Any:
    ask.update()
    clock.advance(100)
    return {one["type"].removeprefix("environment."): one for one in ask.get(f"{ask.main}/activities")}


def test_a_command_may_fail_in_an_activity_that_succeeds(make: Callable[..., Talker], clock: ManualClock) -> None:
    ask = make(failing_commands=["source-operation=3", "push"])
    seen = _update(ask, clock)
    assert seen["source-operation"]["result"] == seen["push"]["result"] == "success"
    assert [one["exit_code"] for one in seen["source-operation"]["commands"]] == [3]
    assert seen["push"]["commands"][-1]["exit_code"] == 1
    state = ask.get(ask.main)["deployment_state"]
    assert state["last_deployment_successful"] is True
    assert state["last_deployment_commands"] == seen["push"]["commands"]


def test_a_failing_command_is_a_type_and_a_whole_number(make: Callable[..., Talker]) -> None:
    with pytest.raises(ValueError, match="is not TYPE or TYPE=CODE"):
        make(failing_commands=("push=one",))


def test_an_activity_may_be_put_off_once_when_its_turn_comes(make: Callable[..., Talker], clock: ManualClock) -> None:
    ask = make(reschedule_seconds=30)
    activity = ask.back_up()
    assert activity["state"] == "scheduled"
    assert ask.get(ask.main)["is_dirty"] is True
    clock.advance(29)
    assert ask.states() == [("backup", "scheduled")]
    clock.advance(1)
    assert ask.states() == [("backup", "in_progress")]
    clock.advance(20)
    assert ask.states() == [("backup", "complete")]


def test_what_comes_after_an_activity_that_is_put_off_goes_first(
    make: Callable[..., Talker], clock: ManualClock
) -> None:
    ask = make(reschedule_seconds=30)
    ask.back_up()
    ask.simulator.change(reschedule_seconds=0)
    ask.update()
    assert ask.states() == [("backup", "scheduled"), ("source-operation", "in_progress")]


def test_a_scheduled_activity_may_be_cancelled(make: Callable[..., Talker], clock: ManualClock) -> None:
    ask = make(reschedule_seconds=30)
    activity = ask.back_up()
    ask.post(f"{ask.main}/activities/{activity['id']}/cancel")
    clock.advance(100)
    assert ask.states() == [("backup", "cancelled")]


def test_an_activity_may_end_in_a_state_that_no_document_has(make: Callable[..., Talker], clock: ManualClock) -> None:
    ask = make(final_state="finished")
    ask.back_up()
    clock.advance(20)
    one = ask.get(f"{ask.main}/activities?state=finished")[0]
    assert (one["state"], one["result"], one["completion_percent"]) == ("finished", "success", 100)
    assert one["completed_at"] is not None
    assert ask.get(f"{ask.main}/activities?state=complete") == []


def test_a_single_activity_and_its_log_may_be_read_late(make: Callable[..., Talker], clock: ManualClock) -> None:
    ask = make(activity_lag_seconds=5)
    activity = ask.back_up()
    path = f"{ask.project}/activities/{activity['id']}"
    assert [ask("GET", each).status for each in (path, f"{path}/log")] == [404, 404]
    assert [one["id"] for one in ask.get(f"{ask.main}/activities")] == [activity["id"]]
    clock.advance(5)
    assert ask.get(path)["state"] == "in_progress"


def test_a_cancelled_activity_keeps_how_far_it_was(ask: Talker, clock: ManualClock) -> None:
    activity = ask.back_up()
    clock.advance(5)
    ask.post(f"{ask.main}/activities/{activity['id']}/cancel")
    clock.advance(100)
    one = ask.get(f"{ask.main}/activities/{activity['id']}")
    assert (one["state"], one["result"], one["completion_percent"]) == ("cancelled", "failure", 25)
