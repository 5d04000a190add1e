"""Reads are repeated where that helps, requests that change something never; what is asked for is what was meant."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from upsun_agent.api.client import Client, OutOfTime
from upsun_agent.api.endpoints import API, AUTH, Endpoints
from upsun_agent.api.http import NoAnswer, Transport
from upsun_agent.clock import SystemClock
from upsun_agent.errors import (
    BadReply,
    ConfigInvalid,
    NotFound,
    NotPermitted,
    SettingsInvalid,
    TokenRefused,
    Unreachable,
)
from upsun_simulator import serve

from tests.harness.api_client import MAIN, PROJECT, Desk, Misbehaving, answer

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
    moment = format_datetime(desk.manual_clock.now() + timedelta(seconds=9), usegmt=True)
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
        with pytest.raises(BadReply, match="lead to another resource"):
            client.activity(PROJECT, "../x")
        client.close()
    place = f"/projects/{PROJECT}/environments/feature%2Flogin"
    assert [each.raw_path.partition("?")[0] for each in desk.simulator.requests[1:]] == [
        place,
        f"{place}/activities",
        f"{place}/backups/a%2Fb%20c%3Fd%23e",
    ]


ENVIRONMENT = "/projects/p/environments/main"


@pytest.mark.parametrize(
    ("address", "path", "url"),
    [
        ("https://h", ENVIRONMENT, f"https://h{ENVIRONMENT}"),
        ("https://h", f"/api{ENVIRONMENT}/backup", f"https://h/api{ENVIRONMENT}/backup"),
        ("https://h/api", ENVIRONMENT, f"https://h/api{ENVIRONMENT}"),
        ("https://h/api/", f"/api{ENVIRONMENT}/backup", f"https://h/api{ENVIRONMENT}/backup"),
        ("https://h:81/gateway/api", f"/api{ENVIRONMENT}", f"https://h:81/gateway/api{ENVIRONMENT}"),
        ("https://h/gateway/api", f"/gateway/api{ENVIRONMENT}", f"https://h/gateway/api{ENVIRONMENT}"),
        ("https://h/gateway", f"/api{ENVIRONMENT}", f"https://h/gateway/api{ENVIRONMENT}"),
        ("https://h/xapi", f"/api{ENVIRONMENT}", f"https://h/xapi/api{ENVIRONMENT}"),
        ("https://h/api", f"/apis{ENVIRONMENT}", f"https://h/api/apis{ENVIRONMENT}"),
    ],
)
def test_a_path_or_link_goes_below_the_address_and_never_with_its_prefix_twice(
    address: str, path: str, url: str
) -> None:
    assert Endpoints.of({}, api=address).at(path) == url


@pytest.mark.parametrize("prefix", ["", "/api"])
@pytest.mark.parametrize("href", ["/api{}", "{}", "https://eu-2.platform.sh/api{}", "https://eu-2.platform.sh{}"])
def test_links_of_every_form_are_followed_at_an_address_with_a_path(
    misbehaving: Callable[..., Misbehaving], prefix: str, href: str
) -> None:
    body = {"id": "main", "type": "production", "status": "active"}
    links = {"#backup": {"href": href.format(f"{MAIN}/backup")}}

    def behave(connection: Any, server: Misbehaving) -> None:
        line = server.heard[-1].split(b"\r\n", 1)[0].decode()
        served = line.split()[1].removeprefix("/api")
        if "/oauth2/token" in line:
            connection.sendall(answer(body=b'{"access_token": "opaque-access-token", "expires_in": 900}'))
        elif served == MAIN:
            connection.sendall(answer(body=json.dumps({**body, "_links": links}).encode()))
        else:
            connection.sendall(answer("202 Accepted" if served == f"{MAIN}/backup" else "404 Not Found"))

    server = misbehaving(behave)
    client = Client(Transport("test"), Endpoints.of({}, f"{server.url}{prefix}", server.url), "t", clock=SystemClock())
    path = client.environment(PROJECT, "main").links["#backup"]
    assert client.post(path, {"safe": True}).status == 202
    client.close()


@pytest.mark.parametrize(
    ("environ", "options", "found"),
    [
        ({}, (None, None), (API, AUTH)),
        ({"UPSUN_CLI_API_URL": "https://api.platform.sh"}, (None, None), ("https://api.platform.sh", AUTH)),
        ({"UPSUN_CLI_AUTH_URL": "https://auth.api.platform.sh/"}, (None, None), (API, "https://auth.api.platform.sh")),
        ({"UPSUN_CLI_API_URL": "https://a"}, ("https://c", "https://d"), ("https://c", "https://d")),
        ({"UPSUN_CLI_API_URL": ""}, (None, None), (API, AUTH)),
        ({"UPSUN_CLI_API_URL": "HTTPS://api.Upsun.com./api/"}, (None, None), ("https://api.Upsun.com./api", AUTH)),
        ({"UPSUN_CLI_API_URL": "HTTP://127.0.0.1:1"}, (None, None), ("http://127.0.0.1:1", AUTH)),
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
        "https:///path",
        "https://x/a/../b",
        "https://x\\y",
        "https://x?key=value",
        "https://x/api?",
        "https://x/#part",
        "https://256.1.1.1",
        "https://[v1.x]",
        f"https://{'a.' * 200}example",
    ],
)
def test_what_is_no_address_is_refused_without_its_password(address: str) -> None:
    with pytest.raises(ConfigInvalid, match="--api-url or UPSUN_CLI_API_URL") as caught:
        Endpoints.of({"UPSUN_CLI_API_URL": address})
    assert "canary" not in str(caught.value)
    assert caught.value.exit_code == 78


LOCAL = ["http://localhost:1", "http://a.localhost", "http://127.8.9.1", "http://[::1]:1", "http://[::ffff:127.0.0.1]"]


@pytest.mark.parametrize("address", LOCAL)
def test_a_token_goes_to_this_machine_without_tls(address: str) -> None:
    assert Endpoints.of({}, address, address).api == address


@pytest.mark.parametrize(
    "address", ["http://api.upsun.com", "http://10.0.0.1:8080", "http://[fd00::1]", "HTTP://a/api"]
)
def test_a_token_goes_to_another_machine_without_tls_only_where_that_is_asked_for(address: str) -> None:
    for environ, variable in (
        ({"UPSUN_CLI_API_URL": address}, "UPSUN_CLI_API_URL"),
        ({"UPSUN_CLI_AUTH_URL": address}, "UPSUN_CLI_AUTH_URL"),
    ):
        with pytest.raises(SettingsInvalid, match=variable) as caught:
            Endpoints.of(environ)
        assert "UPSUN_AGENT_ALLOW_HTTP=1" in caught.value.remedy
        assert caught.value.exit_code == 78
        with pytest.raises(SettingsInvalid):
            Endpoints.of({**environ, "UPSUN_AGENT_ALLOW_HTTP": "1"})
        named = caught.value.remedy.partition('["')[2].partition('"]')[0]
        assert named.startswith("http://")
        assert Endpoints.of(environ, hosts=[named].copy)
        with pytest.raises(SettingsInvalid):
            Endpoints.of(environ, hosts=[named.removeprefix("http://")].copy)
    with pytest.raises(SettingsInvalid):
        Endpoints.of({}, address)
    assert Endpoints.of({"UPSUN_AGENT_ALLOW_HTTP": "1"}, address)


FOREIGN = [
    "https://evil.example",
    "https://api.upsun.com.evil.example",
    "https://evil-api.upsun.com",
    "https://main-abc.eu.platform.sh",
    "https://x.upsun.com",
    "https://upsun.com",
    "https://\u0430pi.upsun.com",
    "https://api.upsun.com:443.evil.example",
    "https://10.0.0.1",
    "https://[fd00::1]:8443",
]


@pytest.mark.parametrize("address", FOREIGN)
@pytest.mark.parametrize("number", [0, 1])
def test_a_variable_alone_sends_the_token_to_no_host_but_the_platforms(address: str, number: int) -> None:
    environ = {("UPSUN_CLI_API_URL", "UPSUN_CLI_AUTH_URL")[number]: address, "UPSUN_AGENT_ALLOW_HTTP": "1"}
    with pytest.raises(ConfigInvalid) as caught:
        Endpoints.of(environ, hosts=lambda: ["other.example"])
    assert caught.value.exit_code == 78


@pytest.mark.parametrize(
    ("entry", "address", "allowed"),
    [
        ("api.example.com", "https://api.example.com", True),
        ("api.example.com", "https://API.example.com.:8443/x", True),
        ("https://api.example.com", "https://api.example.com", True),
        ("api.example.com:8443", "https://api.example.com:8443", True),
        ("api.example.com:443", "https://api.example.com", True),
        ("http://api.example.com", "https://api.example.com", True),
        ("[fd00::1]", "https://[fd00::1]:1", True),
        ("api.example.com:8443", "https://api.example.com", False),
        ("api.example.com", "http://api.example.com", False),
        ("example.com", "https://api.example.com", False),
        ("api.example.com", "https://api.example.com.evil.example", False),
        ("https://api.example.com", "http://api.example.com", False),
    ],
)
def test_the_job_file_names_hosts_that_a_variable_may_name(entry: str, address: str, *, allowed: bool) -> None:
    environ = {"UPSUN_CLI_API_URL": address}
    if allowed:
        assert Endpoints.of(environ, hosts=lambda: [entry]).foreign == [address.removesuffix("/x")]
        return
    with pytest.raises(SettingsInvalid):
        Endpoints.of(environ, hosts=lambda: [entry])


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_the_address_of_this_machine_is_not_asked_through_a_proxy_elsewhere(name: str) -> None:
    environ = {"UPSUN_CLI_API_URL": "http://127.0.0.1:8080", name: "http://proxy.example:3128"}
    with pytest.raises(SettingsInvalid, match=name):
        Endpoints.of(environ)
    assert Endpoints.of({**environ, "NO_PROXY": "127.0.0.1"})
    assert Endpoints.of({**environ, name: "http://127.0.0.1:3128"})


@pytest.mark.parametrize(
    ("address", "words"), [(API, "status.upsun.com"), ("https://elsewhere.invalid", "UPSUN_CLI_API_URL")]
)
def test_what_helps_where_the_api_is_not_reached_depends_on_whose_address_it_is(address: str, words: str) -> None:
    assert words in Endpoints(address, address if address != API else AUTH).remedy()
