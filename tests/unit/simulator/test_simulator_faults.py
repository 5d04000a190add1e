from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from upsun_simulator import ConnectionCut, Fault, Simulator

from tests.harness.simulator_client import Talker

if TYPE_CHECKING:
    from upsun_simulator import ManualClock


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("POST */backup cut-after", Fault("cut-after", "POST", "*/backup")),
        (
            "GET */activities/* 503 x3 retry-after=5",
            Fault("status", "GET", "*/activities/*", times=3, status=503, retry_after="5"),
        ),
        ("post /ssh status-after status=502 #2", Fault("status-after", "POST", "/ssh", nth=2, status=502)),
        ("* * delay seconds=0.5 nth=2 times=4", Fault("delay", nth=2, times=4, seconds=0.5)),
        ('GET * json x2 body={"a": 1}', Fault("json", "GET", "*", times=2, body='{"a": 1}')),
        ("GET * json body=", Fault("json", "GET", "*", body="")),
        ("* * reset x*", Fault("reset", times=1_000_000_000)),
    ],
)
def test_a_fault_is_read_from_its_text(text: str, expected: Fault) -> None:
    assert vars(Fault.parse(text)) == vars(expected)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "a fault is METHOD PATH KIND"),
        ("POST */backup", "a fault is METHOD PATH KIND"),
        ("POST */backup explode", "'explode' is not a kind of fault"),
        ("POST */backup status", "needs a status"),
        ("POST */backup 99", "99 is not an HTTP status"),
        ("POST */backup 503 x0", "count from 1"),
        ("POST */backup 503 xx", "'xx' is not a valid option"),
        ("POST */backup 503 nth=two", "'two' is not a valid value for nth"),
        ("POST */backup 503 x2 times=3", "times is given twice"),
        ("POST */backup delay seconds=-1", "less than nothing"),
        ("POST */backup json", "needs a body"),
    ],
)
def test_a_fault_that_cannot_be_read_says_why(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=r"^'") as caught:
        Fault.parse(text)
    assert problem in str(caught.value)


def test_a_fault_hits_the_nth_match_and_as_many_after_it_as_it_says(ask: Talker) -> None:
    ask.get("/users/me")
    fault = ask.simulator.add_fault("GET /users/me 503 #2 x2 retry-after=5")
    answers = [ask("GET", "/users/me") for _ in range(4)]
    assert [one.status for one in answers] == [200, 503, 503, 200]
    assert answers[1].headers["Retry-After"] == "5"
    assert answers[1].content["code"] == 503
    assert fault.seen == 4
    assert [one.fault for one in ask.simulator.requests[-4:]] == [None, "status", "status", None]


def test_a_fault_matches_decoded_paths_without_the_prefix(ask: Talker) -> None:
    ask.get("/users/me")
    ask.simulator.add_fault("POST /projects/*/environments/feature/login/backup 500")
    assert ask("POST", f"/api{ask.project}/environments/feature%2Flogin/backup").status == 500
    assert ask("POST", f"/api{ask.project}/environments/feature%2Flogin/backup").status == 202


@pytest.mark.parametrize(
    ("kind", "acts"),
    [
        ("cut-before", False),
        ("cut-after", True),
        ("half-headers", True),
        ("half-body", True),
        ("drip", True),
        ("reset", False),
        ("reset-after", True),
    ],
)
def test_in_process_a_broken_connection_is_raised(ask: Talker, kind: str, acts: bool) -> None:  # noqa: FBT001 - a parameter of the table
    ask.get("/users/me")
    ask.simulator.add_fault(f"POST */backup {kind}")
    with pytest.raises(ConnectionCut, match=kind) as caught:
        ask("POST", f"{ask.main}/backup", {"safe": True})
    assert (caught.value.phase, caught.value.acted) == (kind, acts)
    request = ask.simulator.requests[-1]
    assert (request.status, request.fault, request.acted) == (None, kind, acts)
    assert len(ask.simulator.request_log()["activities"]) == int(acts)


@pytest.mark.parametrize(
    ("text", "status", "acts", "part"),
    [
        ("500", 500, False, "simulated fault"),
        ("status-after status=502", 502, True, "simulated fault"),
        ("redirect", 302, False, ""),
        ("empty", 202, True, ""),
        ("html", 200, False, "<!doctype html>"),
        ("expired-bearer", 401, False, "expired"),
        ('json body={"half":', 202, True, '{"half":'),
        ("json status=503 retry-after=1 body={}", 503, True, "{}"),
        ("html status=502", 502, False, "<!doctype html>"),
        ("empty status=200", 200, True, ""),
        ("redirect status=307", 307, False, ""),
    ],
)
def test_a_fault_spoils_the_answer_after_or_instead_of_the_act(
    ask: Talker,
    text: str,
    status: int,
    acts: bool,  # noqa: FBT001 - a column of the table
    part: str,
) -> None:
    ask.get("/users/me")
    ask.simulator.add_fault(f"POST */backup {text}")
    answer = ask("POST", f"{ask.main}/backup", {"safe": True})
    assert answer.status == status
    assert part in answer.text
    request = ask.simulator.requests[-1]
    assert (request.status, request.acted) == (status, acts)
    assert len(ask.simulator.request_log()["activities"]) == int(acts)
    if text.startswith("redirect"):
        assert answer.headers["Location"] == f"https://elsewhere.invalid{ask.main}/backup"
    if not part:
        assert answer.text == ""
    assert answer.headers.get("Retry-After") == ("1" if "retry-after" in text else None)


def test_a_request_that_is_refused_anyway_is_not_said_to_have_acted(ask: Talker) -> None:
    ask.simulator.change(role="viewer")
    ask.simulator.add_fault("POST */backup cut-after")
    with pytest.raises(ConnectionCut):
        ask("POST", f"{ask.main}/backup")
    assert not ask.simulator.requests[-1].acted


def test_in_process_waits_move_a_manual_clock(ask: Talker, clock: ManualClock) -> None:
    ask.get("/users/me")
    before = clock.now()
    ask.simulator.add_fault("GET /users/me delay seconds=30")
    ask.get("/users/me")
    assert (clock.now() - before).total_seconds() == 30
    ask.simulator.change(latency_seconds=0.25)
    ask.get("/users/me")
    assert (clock.now() - before).total_seconds() == 30.25


def test_with_the_time_of_the_machine_a_wait_is_a_wait() -> None:
    simulator = Simulator()
    fault = simulator.add_fault(Fault("delay", seconds=0.05))
    before = simulator.clock.now()
    assert Talker(simulator).exchange().status == 200
    assert (simulator.clock.now() - before).total_seconds() >= 0.05
    assert fault.seen == 1


def test_every_fault_counts_for_itself_and_the_first_that_hits_wins(ask: Talker) -> None:
    ask.get("/users/me")
    ask.simulator.faults += [Fault.parse("GET /users/* 500 x2"), Fault.parse("GET /users/me 418 #2 x2")]
    assert [ask("GET", "/users/me").status for _ in range(4)] == [500, 500, 418, 200]
