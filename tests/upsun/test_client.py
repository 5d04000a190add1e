"""Reads are repeated where that helps, requests that change something never; what is asked for is what was meant."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from email.utils import format_datetime

import pytest
from wire import MAIN, PROJECT, Desk

from agent.errors import BadReply, ConfigInvalid, NotFound, NotPermitted, TokenRefused, Unreachable
from agent.simulator import serve
from agent.upsun.client import Client, OutOfTime
from agent.upsun.endpoints import API, AUTH, Endpoints
from agent.upsun.transport import NoAnswer, Transport

Make = Callable[..., Desk]
GET_MAIN = "GET */environments/main"


def read(desk: Desk) -> str:
    """One read."""
    return desk.client.environment(PROJECT, "main").id


# --- 401 --------------------------------------------------------------------------------------------------------


def test_a_bearer_that_is_refused_once_is_exchanged_once(desk: Desk) -> None:
    desk.simulator.add_fault(f"{GET_MAIN} expired-bearer")
    assert read(desk) == "main"
    assert desk.requests == ["POST /oauth2/token", f"GET {MAIN}", "POST /oauth2/token", f"GET {MAIN}"]


def test_a_bearer_that_is_refused_twice_is_the_end_of_it(desk: Desk) -> None:
    desk.simulator.add_fault(f"{GET_MAIN} expired-bearer x*")
    with pytest.raises(TokenRefused, match="refuses the bearer"):
        read(desk)
    assert (desk.asked("/oauth2/token"), desk.asked("/environments/main")) == (2, 2)
    assert desk.clock.sleeps == []


# --- passing faults -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    ["408", "425", "429", "500", "502", "503", "504", "cut-before", "cut-after", "half-body", "drip", "reset"],
)
def test_a_read_is_tried_again_after_a_pause_that_grows(desk: Desk, fault: str) -> None:
    desk.simulator.add_fault(f"{GET_MAIN} {fault} x2")
    assert read(desk) == "main"
    assert desk.asked("/environments/main") == 3
    first, second = desk.clock.sleeps
    assert 0.25 <= first <= 0.5
    assert 0.5 <= second <= 1.0


def test_pauses_differ_so_that_many_containers_do_not_knock_together(make: Make) -> None:
    pauses = set()
    for _ in range(5):
        desk = make()
        desk.simulator.add_fault(f"{GET_MAIN} 503")
        read(desk)
        pauses.update(desk.clock.sleeps)
    assert len(pauses) > 1


@pytest.mark.parametrize("fault", ["503", "cut-before"])
def test_a_read_that_goes_on_failing_is_unreachable_after_three_attempts(desk: Desk, fault: str) -> None:
    desk.simulator.add_fault(f"{GET_MAIN} {fault} x*")
    with pytest.raises(Unreachable, match="environment") as caught:
        read(desk)
    assert not isinstance(caught.value, OutOfTime)
    assert desk.asked("/environments/main") == 3


def test_a_wish_of_the_server_is_honoured(desk: Desk) -> None:
    desk.simulator.add_fault(f"{GET_MAIN} 429 retry-after=7")
    read(desk)
    (pause,) = desk.clock.sleeps
    assert 7.0 <= pause <= 7.5


def test_a_wish_may_be_a_date(desk: Desk) -> None:
    moment = format_datetime(desk.hands.now() + timedelta(seconds=9), usegmt=True)
    desk.simulator.add_fault(f"{GET_MAIN} 503").retry_after = moment
    read(desk)
    (pause,) = desk.clock.sleeps
    assert 9.0 <= pause <= 9.5


@pytest.mark.parametrize("wish", ["16", "3600", "999999999999999999"])
def test_a_wish_for_longer_than_a_tick_has_is_left_to_the_next_tick(desk: Desk, wish: str) -> None:
    desk.simulator.add_fault(f"{GET_MAIN} 429 retry-after={wish} x*")
    with pytest.raises(Unreachable):
        read(desk)
    assert desk.clock.sleeps == []
    assert desk.asked("/environments/main") == 1


@pytest.mark.parametrize(
    "wish", ["soon", "", "-5", "1.5", "٣", "Mon, 99 Foo 2026", "Fri, 31 Dec 9999 23:59:59 -2359"], ids=ascii
)
def test_a_wish_that_makes_no_sense_is_no_wish(desk: Desk, wish: str) -> None:
    desk.simulator.add_fault(f"{GET_MAIN} 503").retry_after = wish
    try:
        assert read(desk) == "main"
    except UnicodeEncodeError:
        pytest.skip("no server could send this header")
    (pause,) = desk.clock.sleeps
    assert pause <= 0.5


def test_no_pause_reaches_beyond_the_time_there_is(desk: Desk) -> None:
    desk.simulator.add_fault(f"{GET_MAIN} 429 retry-after=14 x*")
    desk.client.begin(12)
    with pytest.raises(Unreachable):
        read(desk)
    assert desk.clock.sleeps == []


def test_no_request_is_begun_when_the_time_is_used_up(desk: Desk) -> None:
    desk.client.begin(0.9)
    with pytest.raises(OutOfTime):
        read(desk)
    with pytest.raises(OutOfTime):
        desk.client.post(f"{MAIN}/backup", {"safe": True})
    assert desk.simulator.requests == []


@pytest.mark.parametrize(
    ("status", "error"), [(400, BadReply), (403, NotPermitted), (410, BadReply), (418, BadReply), (302, BadReply)]
)
def test_another_refusal_of_a_read_is_not_tried_again(desk: Desk, status: int, error: type[Exception]) -> None:
    desk.simulator.add_fault(f"{GET_MAIN} {status} x*")
    with pytest.raises(error):
        read(desk)
    assert desk.asked("/environments/main") == 1


# --- requests that change something ------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["408", "429 retry-after=1", "500", "502", "503", "504", "html", "empty", "redirect"])
def test_a_request_that_changes_something_is_never_repeated_after_an_answer(desk: Desk, fault: str) -> None:
    desk.simulator.add_fault(f"POST */backup {fault} x*")
    desk.client.post(f"{MAIN}/backup", {"safe": True})
    assert desk.asked("/backup") == 1
    assert desk.clock.sleeps == []


@pytest.mark.parametrize("fault", ["cut-before", "cut-after", "half-headers", "half-body", "drip", "reset"])
def test_a_request_that_changes_something_is_never_repeated_without_an_answer(desk: Desk, fault: str) -> None:
    desk.simulator.add_fault(f"POST */backup {fault} x*")
    with pytest.raises(NoAnswer) as caught:
        desk.client.post(f"{MAIN}/backup", {"safe": True})
    assert caught.value.sent is True
    assert desk.asked("/backup") == 1


def test_after_a_401_the_same_request_goes_out_once_more(desk: Desk) -> None:
    desk.simulator.add_fault("POST */backup expired-bearer")
    assert desk.client.post(f"{MAIN}/backup", {"safe": True}).status == 202
    first, second = (each for each in desk.simulator.requests if each.path.endswith("/backup"))
    assert (first.status, second.status) == (401, 202)
    assert first.body == second.body == {"safe": True}
    assert (first.acted, second.acted) == (False, True)


def test_after_a_second_401_it_does_not(desk: Desk) -> None:
    desk.simulator.add_fault("POST */backup expired-bearer x*")
    assert desk.client.post(f"{MAIN}/backup", {"safe": True}).status == 401
    assert (desk.asked("/backup"), desk.asked("/oauth2/token")) == (2, 2)


def test_without_a_bearer_no_request_goes_out(desk: Desk) -> None:
    desk.simulator.revoke_token()
    with pytest.raises(TokenRefused):
        desk.client.post(f"{MAIN}/backup", {"safe": True})
    assert desk.asked("/backup") == 0


def test_a_refused_connection_is_said_to_be_surely_unsent(desk: Desk) -> None:
    desk.client.prepare()
    server = serve(desk.simulator)
    server.close()
    away = Client(Transport("test"), Endpoints(server.url, server.url), "token", clock=desk.clock)
    away._auth = desk.client._auth
    with pytest.raises(NoAnswer) as caught:
        away.post("/backup", {})
    assert caught.value.sent is False


# --- what is not there --------------------------------------------------------------------------------------------


def test_a_missing_environment_is_told_from_a_missing_project(desk: Desk) -> None:
    with pytest.raises(NotFound, match=f"project {PROJECT} has no environment 'gone'") as caught:
        desk.client.environment(PROJECT, "gone")
    assert "not the machine name" in caught.value.remedy
    with pytest.raises(NotFound, match="no project 'wrongproject0' for this token"):
        desk.client.environment("wrongproject0", "main")


def test_a_thing_that_does_not_exist_is_none(desk: Desk) -> None:
    assert desk.client.activity(PROJECT, "gone") is None
    assert desk.client.backup(PROJECT, "main", "gone") is None


# --- paths on the wire ---------------------------------------------------------------------------------------------


def test_ids_are_percent_encoded_on_the_wire(desk: Desk) -> None:
    with serve(desk.simulator) as server:
        client = Client(Transport("test"), Endpoints(server.url, server.url), "simulated-token", clock=desk.clock)
        assert client.environment(PROJECT, "feature/login").type == "development"
        client.activities(PROJECT, "feature/login")
        assert client.backup(PROJECT, "feature/login", "a/b c?d#e") is None
        assert client.activity(PROJECT, "../x") is None
        client.close()
    place = f"/projects/{PROJECT}/environments/feature%2Flogin"
    assert [each.raw_path.partition("?")[0] for each in desk.simulator.requests[1:]] == [
        place,
        f"{place}/activities",
        f"{place}/backups/a%2Fb%20c%3Fd%23e",
        f"/projects/{PROJECT}/activities/..%2Fx",
    ]


def test_paths_go_below_an_address_that_has_a_path_itself() -> None:
    assert Endpoints.of({}, api="http://127.0.0.1:1/api/").api == "http://127.0.0.1:1/api"


@pytest.mark.parametrize(
    ("environ", "options", "found"),
    [
        ({}, (None, None), (API, AUTH)),
        ({"UPSUN_CLI_API_URL": "http://a"}, (None, None), ("http://a", AUTH)),
        ({"UPSUN_CLI_AUTH_URL": "http://b/"}, (None, None), (API, "http://b")),
        ({"UPSUN_CLI_API_URL": "http://a"}, ("https://c", "https://d"), ("https://c", "https://d")),
        ({"UPSUN_CLI_API_URL": ""}, (None, None), (API, AUTH)),
    ],
)
def test_addresses_come_from_options_then_variables_then_the_platform(
    environ: dict[str, str], options: tuple[str | None, str | None], found: tuple[str, str]
) -> None:
    endpoints = Endpoints.of(environ, *options)
    assert (endpoints.api, endpoints.auth) == found


@pytest.mark.parametrize(
    "address",
    [
        "api.upsun.com",
        "ftp://x",
        "http://",
        "https://user:canary@x",
        "https://x y",
        "https://x\n",
        "https:x",
        "http://x:99999",
        "http://x:seven",
        "http://x:0",
    ],
)
def test_what_is_no_address_is_refused_without_its_password(address: str) -> None:
    with pytest.raises(ConfigInvalid, match="--api-url or UPSUN_CLI_API_URL") as caught:
        Endpoints.of({"UPSUN_CLI_API_URL": address})
    assert "canary" not in str(caught.value)
