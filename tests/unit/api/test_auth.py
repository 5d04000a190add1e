"""The API token exchanged for a bearer: when, how often, and every way it can go wrong."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

import pytest
from upsun_agent.api.auth import subject
from upsun_agent.errors import AgentError, BadReply, TokenMissing, TokenRefused, Unreachable
from upsun_simulator.user import MACHINE

from tests.harness.api_client import PROJECT, Desk, Scripted

Make = Callable[..., Desk]


def exchanges(desk: Desk) -> int:
    return desk.asked("/oauth2/token")


def refused(desk: Desk, error: type[AgentError] = TokenRefused) -> str:
    """What the error of a read says whose bearer cannot be fetched."""
    with pytest.raises(error) as caught:
        desk.client.environment(PROJECT, "main")
    assert type(caught.value) is error
    assert desk.asked("/environments/main") == 0
    return f"{caught.value} {caught.value.remedy}"


def test_one_exchange_serves_every_request_while_the_bearer_lives(desk: Desk) -> None:
    for _ in range(3):
        desk.client.environment(PROJECT, "main")
    assert exchanges(desk) == 1
    assert desk.simulator.requests[0].body == {
        "client_id": "upsun-cli",
        "client_secret": "",
        "grant_type": "api_token",
        "api_token": "<secret>",
    }


@pytest.mark.parametrize(("seconds", "exchanged"), [(839, 1), (841, 2)])
def test_a_bearer_is_renewed_a_minute_before_it_ends(desk: Desk, seconds: float, exchanged: int) -> None:
    desk.client.environment(PROJECT, "main")
    desk.manual_clock.advance(seconds)
    desk.client.begin(60)
    desk.client.environment(PROJECT, "main")
    assert exchanges(desk) == exchanged


def test_a_bearer_of_a_few_seconds_is_used_for_half_of_them(make: Make) -> None:
    desk = make(bearer_seconds=10)
    for _ in range(3):
        desk.client.environment(PROJECT, "main")
        desk.manual_clock.advance(2)
    assert exchanges(desk) == 1
    desk.client.environment(PROJECT, "main")
    assert exchanges(desk) == 2


def test_no_bearer_is_asked_for_before_it_is_needed(desk: Desk) -> None:
    desk.client_with("some-token")
    assert desk.simulator.requests == []


@pytest.mark.parametrize("around", ["{}\n", "{}\r\n", " {}", "\t{}\n\n", "\ufeff{}".replace("\ufeff", "")])
def test_white_space_around_the_token_is_dropped(desk: Desk, around: str) -> None:
    desk.client = desk.client_with(around.format(desk.simulator.scenario.token))
    assert desk.client.environment(PROJECT, "main").id == "main"


@pytest.mark.parametrize("token", [None, "", " ", "\n"])
def test_without_a_token_nothing_is_sent_and_the_variable_is_named(desk: Desk, token: str | None) -> None:
    desk.client = desk.client_with(token)
    said = refused(desk, TokenMissing)
    assert "UPSUN_CLI_TOKEN is not set" in said
    assert "visible at runtime" in said
    assert desk.simulator.requests == []


@pytest.mark.parametrize(
    "token", ["two tokens", "tök€n-canary", "token\x00canary", "token\ncanary", "\ufefftoken-canary"], ids=ascii
)
def test_what_cannot_be_a_token_is_refused_here_and_not_repeated(desk: Desk, token: str) -> None:
    desk.client = desk.client_with(token)
    said = refused(desk)
    assert "UPSUN_CLI_TOKEN is not a valid API token" in said
    assert token not in said
    assert desk.simulator.requests == []


def test_a_revoked_token_is_refused_in_the_services_words(desk: Desk) -> None:
    desk.simulator.revoke_token()
    said = refused(desk)
    assert "Invalid API token" in said
    assert "create a new token" in said
    assert exchanges(desk) == 1, "a refusal is not tried again"


def test_an_unknown_token_is_refused_and_not_shown(desk: Desk) -> None:
    desk.client = desk.client_with("unknown-canary-token")
    assert "unknown-canary-token" not in refused(desk)


def test_a_service_that_repeats_the_token_does_not_get_it_into_our_messages(desk: Desk) -> None:
    echo = b'{"error": "invalid_grant", "error_description": "no such token: a-canary-token-123"}'
    desk.client = desk.client_with("a-canary-token-123", Scripted({"/oauth2/token": ("400 Bad Request", echo)}))
    with pytest.raises(TokenRefused) as caught:
        desk.client.environment(PROJECT, "main")
    assert "a-canary-token-123" not in str(caught.value)
    assert "no such token: [hidden]" in str(caught.value)


def test_an_api_that_repeats_the_bearer_does_not_get_it_into_our_messages(desk: Desk) -> None:
    echo = b'{"message": "header was: Bearer opaque-access-token"}'
    path = f"/projects/{PROJECT}/environments/main"
    desk.client = desk.client_with("a-token", Scripted({path: ("400 Bad Request", echo)}))
    with pytest.raises(BadReply) as caught:
        desk.client.environment(PROJECT, "main")
    assert "opaque-access-token" not in str(caught.value)
    assert "Bearer [hidden]" in str(caught.value)


def test_whoever_keeps_secrets_hears_of_token_and_bearer_before_they_are_used(desk: Desk) -> None:
    desk.client.environment(PROJECT, "main")
    assert desk.hidden[0] == desk.simulator.scenario.token
    assert desk.hidden[-1].startswith("eyJ")
    assert "eyJ" not in repr(desk.client._auth._bearer)


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_an_exchange_that_fails_in_passing_is_tried_again(desk: Desk, status: int) -> None:
    desk.simulator.add_fault(f"POST /oauth2/token {status} x2")
    assert desk.client.environment(PROJECT, "main").id == "main"
    assert exchanges(desk) == 3


@pytest.mark.parametrize("fault", ["503 x*", "cut-before x*"])
def test_an_exchange_that_goes_on_failing_is_unreachable(desk: Desk, fault: str) -> None:
    desk.simulator.add_fault(f"POST /oauth2/token {fault}")
    assert "token exchange" in refused(desk, Unreachable)
    assert exchanges(desk) == 3


@pytest.mark.parametrize("fault", ["html", "empty", "redirect", "404", "json body=null"])
def test_an_exchange_with_another_answer_is_a_bad_reply(desk: Desk, fault: str) -> None:
    desk.simulator.add_fault(f"POST /oauth2/token {fault} x*" if "body" not in fault else f"POST /oauth2/token {fault}")
    assert "token exchange" in refused(desk, BadReply)


GOOD = {"access_token": "abc", "expires_in": 900}


@pytest.mark.parametrize(
    "body",
    [
        [GOOD],
        {},
        {"expires_in": 900},
        {**GOOD, "access_token": None},
        {**GOOD, "access_token": 7},
        {**GOOD, "access_token": ""},
        {**GOOD, "access_token": "with space"},
        {**GOOD, "access_token": "ünicode"},
        {**GOOD, "access_token": "line\nbreak"},
        {**GOOD, "access_token": "x" * 20_000},
        {"access_token": "abc"},
        {**GOOD, "expires_in": None},
        {**GOOD, "expires_in": "900"},
        {**GOOD, "expires_in": 900.5},
        {**GOOD, "expires_in": True},
        {**GOOD, "expires_in": 0},
        {**GOOD, "expires_in": -900},
        {**GOOD, "expires_in": 10**12},
        {**GOOD, "expires_in": float("nan")},
        {**GOOD, "expires_in": float("inf")},
    ],
    ids=lambda body: json.dumps(body)[:60],
)
def test_a_bearer_that_makes_no_sense_is_a_bad_reply(desk: Desk, body: object) -> None:
    desk.simulator.add_fault(f"POST /oauth2/token json body={json.dumps(body)}")
    refused(desk, BadReply)


def test_a_key_that_stands_twice_in_the_exchange_is_a_bad_reply(desk: Desk) -> None:
    body = '{"access_token": "a", "access_token": "b", "expires_in": 900}'
    desk.simulator.add_fault(f"POST /oauth2/token json body={body}")
    refused(desk, BadReply)


# --- whose bearer it is -----------------------------------------------------------------------------------------


def test_the_owner_is_read_from_the_bearer_itself_where_it_says(desk: Desk) -> None:
    assert desk.client.owner() == MACHINE.id
    assert desk.asked("/users/me") == 0


@pytest.mark.parametrize(
    ("body", "owner"), [(b'{"id": "some-user"}', "some-user"), (b'{"id": 7}', None), (b"[]", None)]
)
def test_the_owner_of_an_opaque_bearer_is_asked_for(desk: Desk, body: bytes, owner: str | None) -> None:
    desk.client = desk.client_with("a-token", Scripted({"/users/me": body}))
    assert desk.client.owner() == owner


def _jwt(claims: bytes) -> str:
    return f"head.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.signature"


@pytest.mark.parametrize(
    ("token", "user"),
    [
        (_jwt(b'{"sub": "me"}'), "me"),
        (_jwt(b'{"sub": ""}'), None),
        (_jwt(b'{"sub": 7}'), None),
        (_jwt(b"[]"), None),
        (_jwt(b"\xff"), None),
        (_jwt(b"[" * 100_000), None),
        ("a.!!!.b", None),
        ("a.b", None),
        ("opaque", None),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_bearer_that_is_no_token_of_known_shape_names_nobody(token: str, user: str | None) -> None:
    assert subject(token) == user
