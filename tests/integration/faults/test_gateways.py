"""Whole runs whose requests meet a gateway instead of the API: the run waits and goes on, and nothing is done twice."""

from __future__ import annotations

import pytest

from tests.harness.night import Night
from tests.integration.faults.test_ambiguous_answers import REQUESTS

PAGES = (
    "html status=400",
    "html status=401",
    "html status=403",
    "html status=404",
    "empty status=401",
    "empty status=404",
    "json status=403 body={}",
    'json status=403 body={"message": "Forbidden"}',
    'json status=404 body={"errors": [{"code": 7003}]}',
)
CHALLENGE = 'json x* status=401 body={"error": "insufficient_user_authentication", "amr": ["mfa"]}'


def fault(request: str, page: str, times: str) -> str:
    """The text of a fault that hits so many requests."""
    kind, _, rest = page.partition(" ")
    return f"{request} {kind} {times} {rest}"


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("request_", REQUESTS)
def test_a_gateway_that_answers_for_a_while_delays_a_run_and_ends_none(request_: str, page: str) -> None:
    night = Night(fault(request_, page, "x2"))
    played = night.play()
    night.assert_promises()
    assert played.run is not None
    assert played.run.closed is not None
    assert played.run.closed.outcome == "succeeded", played.run.closed.message


@pytest.mark.parametrize("request_", ["POST /oauth2/token", "GET */environments/main"])
def test_a_gateway_that_never_goes_away_ends_the_run_too_late(request_: str) -> None:
    night = Night(fault(request_, "html status=403", "x*"), more='misfire-grace = "1h"')
    played = night.play()
    night.assert_promises()
    assert played.run is not None
    assert played.run.closed is not None
    assert played.run.closed.failure == "too-late"
    assert "not the API's" in played.run.closed.message


@pytest.mark.parametrize("request_", ["GET */environments/main", "POST */backup"])
def test_a_challenge_for_a_second_factor_ends_the_run_with_its_remedy(request_: str) -> None:
    night = Night(f"{request_} {CHALLENGE}")
    played = night.play()
    night.assert_promises()
    assert played.run is not None
    assert played.run.closed is not None
    assert played.run.closed.failure == "second-factor"
    assert "two-factor authentication" in played.run.closed.remedy


@pytest.mark.parametrize("error", ["invalid_client", "unsupported_grant_type"])
def test_an_error_of_the_service_about_something_else_than_the_token_is_waited_for(error: str) -> None:
    night = Night(f'POST /oauth2/token json x3 status=401 body={{"error": "{error}"}}')
    played = night.play()
    assert played.run is not None
    assert played.run.closed is not None
    assert played.run.closed.outcome == "succeeded"


def test_a_refusal_is_told_with_its_details() -> None:
    body = '{"message": "Bad request", "detail": {"error": "the disk is full"}}'
    night = Night(f"POST */backup json x* status=400 body={body}")
    played = night.play()
    assert played.run is not None
    assert played.run.closed is not None
    assert played.run.closed.failure == "refused"
    assert "Bad request: the disk is full" in played.run.closed.message
