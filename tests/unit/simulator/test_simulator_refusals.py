"""Refusals in the forms that the official client tells apart, statuses of writes, and packed answers."""

from __future__ import annotations

import gzip
import http.client
import json
from typing import TYPE_CHECKING, Any

import pytest
from upsun_simulator import ConnectionCut, ManualClock, Scenario, Simulator, serve

from tests.harness.simulator_client import START, Talker

if TYPE_CHECKING:
    from collections.abc import Callable

CODE = {"synchronize_code": True, "synchronize_data": False, "rebase": False}


@pytest.mark.parametrize(
    ("form", "status", "fields"),
    [
        ("invalid_grant", 400, {"error", "error_description"}),
        ("request_unauthorized", 401, {"error", "error_description", "error_hint"}),
    ],
)
def test_a_revoked_token_is_refused_in_one_of_two_forms(
    make: Callable[..., Talker], form: str, status: int, fields: set[str]
) -> None:
    ask = make(refused_token=form)
    ask.simulator.revoke_token()
    answer = ask.exchange()
    assert (answer.status, answer.content["error"], set(answer.content)) == (status, form, fields)
    assert "API token" in answer.text


def test_an_unknown_client_is_refused_in_the_form_of_the_standard(ask: Talker) -> None:
    answer = ask.exchange(client_id="nobody")
    assert (answer.status, set(answer.content)) == (401, {"error", "error_description"})
    assert answer.content["error"] == "invalid_client"


@pytest.mark.parametrize(("operation", "body"), [("merge", {}), ("synchronize", CODE)])
def test_where_an_integration_has_the_code_the_reason_is_in_the_detail(
    make: Callable[..., Talker], operation: str, body: dict[str, Any]
) -> None:
    ask = make(source_integration=True)
    answer = ask("POST", f"{ask.staging}/{operation}", body)
    assert answer.status == 400
    assert "integration" in answer.content["detail"]["error"]


def test_a_variable_that_is_made_is_answered_with_201_and_itself(boss: Talker) -> None:
    for path in (boss.main, boss.project):
        answer = boss("POST", f"{path}/variables", {"name": "P", "value": "1"})
        content = answer.content
        assert (answer.status, content["code"], content["status"]) == (201, 201, "Created")
        assert content["_embedded"]["entity"]["name"] == "P"


def _ask(port: int, path: str, bearer: str, coding: str | None) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"Authorization": f"Bearer {bearer}", **({"Accept-Encoding": coding} if coding else {})}
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    try:
        return answer, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("coding", "packs"), [("gzip", True), ("deflate, gzip;q=0.5", True), (None, False), ("identity", False)]
)
def test_answers_are_packed_for_a_client_that_can_unpack_them(coding: str | None, packs: bool) -> None:  # noqa: FBT001 - a column of the table
    simulator = Simulator(Scenario(), ManualClock(START))
    talker = Talker(simulator)
    plain = talker.get(talker.main)
    with serve(simulator) as server:
        answer, body = _ask(server.port, talker.main, str(talker.bearer), coding)
    assert (answer.getheader("Content-Encoding") == "gzip") is packs
    assert answer.getheader("Content-Length") == str(len(body))
    assert json.loads(gzip.decompress(body) if packs else body) == plain


def test_a_short_answer_is_not_packed(ask: Talker) -> None:
    assert ask.bearer is None
    ask.get("/users/me")
    head = {"Authorization": f"Bearer {ask.bearer}", "Accept-Encoding": "gzip"}
    short = ask.send("GET", f"{ask.main}/backups", headers=head)
    assert (short.text, "Content-Encoding" in short.headers) == ("[]", False)


def test_a_broken_answer_breaks_off_in_the_middle_of_what_is_packed(ask: Talker) -> None:
    ask.get("/users/me")
    ask.simulator.add_fault("GET * half-body")
    head = {"Authorization": f"Bearer {ask.bearer}", "Accept-Encoding": "gzip"}
    with pytest.raises(ConnectionCut) as caught:
        ask.send("GET", ask.main, headers=head)
    assert dict(caught.value.headers)["Content-Encoding"] == "gzip"
    assert gzip.decompress(caught.value.body)[:1] == b"{"
