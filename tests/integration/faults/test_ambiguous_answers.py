"""Every request of a run met with every way an answer can go wrong: nothing is done twice, nothing gets stuck."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.harness.night import Night

REQUESTS = (
    "POST /oauth2/token",
    "GET */environments/main",
    "POST */backup",
    "GET */activities/*",
    "GET */backups/*",
    "POST */source-operation",
    "GET */activities",
    "GET */settings",
)

ANSWERS = (
    "cut-before",
    "cut-after",
    "half-headers",
    "half-body",
    "drip",
    "reset",
    "reset-after",
    "redirect",
    "empty status=202",
    "html",
    "401 x1",
    "401 x2",
    "403",
    "404",
    "408",
    "409",
    "423",
    "429 retry-after=999999999",
    "429 retry-after=-3",
    "429 retry-after=soon",
    "500",
    "502",
    "503",
    "504",
    "status-after status=500",
    "status-after status=502",
    "status-after status=504",
    "json body=[]",
    'json body={"_embedded": {"activities": []}}',
    "json body=" + '{"a":' * 60 + "1" + "}" * 60,
    "json body=NaN",
)


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("request_", REQUESTS)
def test_one_bad_answer_breaks_no_promise(request_: str, answer: str) -> None:
    night = Night(f"{request_} {answer}")
    night.play()
    night.assert_promises()


@pytest.mark.parametrize("answer", ["cut-after", "status-after status=502", "empty status=202", "half-body"])
@pytest.mark.parametrize("request_", ["POST */backup", "POST */source-operation"])
def test_a_request_that_was_acted_on_is_found_again_and_never_repeated(request_: str, answer: str) -> None:
    night = Night(f"{request_} {answer} x*")
    played = night.play()
    night.assert_promises()
    assert played.run is not None
    assert played.run.closed is not None
    assert played.run.closed.outcome == "succeeded"
    assert night.kinds()["activity-adopted"] == 1
    assert len([each for each in night.simulator.requests if each.method == "POST" and each.acted]) >= 2


@pytest.mark.parametrize("answer", ["cut-before", "reset", "500", "503", "redirect", "html"])
@pytest.mark.parametrize("request_", ["POST */backup", "POST */source-operation"])
def test_a_request_that_never_took_effect_is_made_again_once_the_list_is_settled(request_: str, answer: str) -> None:
    night = Night(f"{request_} {answer}")
    played = night.play()
    night.assert_promises()
    assert played.run is not None
    assert played.run.closed is not None
    assert played.run.closed.outcome == "succeeded"
    assert night.kinds()["intent-void"] == 1


@pytest.mark.parametrize("request_", ["POST */backup", "POST */source-operation"])
def test_requests_that_vanish_for_ever_end_the_run(request_: str) -> None:
    night = Night(f"{request_} cut-before x*")
    played = night.play()
    night.assert_promises()
    assert played.run is not None
    assert played.run.closed is not None
    assert played.run.closed.failure == "attempts"


@pytest.mark.parametrize("fault", ["GET * 503 x*", "GET * cut-before x*", "POST /oauth2/token 500 x*", "GET * html x*"])
def test_an_api_that_never_comes_back_ends_the_run_too_late(fault: str) -> None:
    night = Night(fault, more='misfire-grace = "1h"')
    played = night.play()
    night.assert_promises()
    assert played.run is not None
    assert played.run.closed is not None
    assert played.run.closed.failure == "too-late"
    assert night.mine("backup") == []


def test_an_absurd_retry_after_is_not_waited_for_in_the_tick_nor_for_ever_between_ticks() -> None:
    night = Night("POST */backup 429 retry-after=999999999")
    played = night.play()
    night.assert_promises()
    assert played.run is not None
    assert played.run.closed is not None
    # Six hours at most; the run has begun nothing that counts, so its grace of six hours may end it first.
    assert played.run.closed.outcome in {"succeeded", "failed"}
    assert played.run.closed.at - played.run.opened_at < timedelta(hours=7)
