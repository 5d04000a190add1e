from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.simulator_client import MAIN, PROJECT, Talker

if TYPE_CHECKING:
    from upsun_simulator import ManualClock

VARIABLES = f"{MAIN}/variables"
STAGING = f"{PROJECT}/environments/staging/variables"
SECRET = "a-very-secret-value"
TOKEN = {"name": "env:TOKEN", "value": SECRET, "is_sensitive": True, "is_inheritable": False}


def _live(ask: Talker, environment: str = "main") -> dict[str, Any]:
    found = ask.get(f"{PROJECT}/environments/{environment}/deployments/current")["variables"]
    return {one["name"]: one for one in found}


def test_a_variable_is_stored_at_once_and_live_after_its_deployment(ask: Talker, clock: ManualClock) -> None:
    answer = ask("POST", VARIABLES, TOKEN)
    assert (answer.status, answer.activity["type"]) == (201, "environment.variable.create")
    entity = answer.content["_embedded"]["entity"]
    flags = ("is_sensitive", "is_inheritable", "is_enabled", "visible_build", "visible_runtime", "inherited")
    assert [entity[name] for name in flags] == [True, False, True, False, True, False]
    assert "value" not in entity
    assert ask.get(f"{VARIABLES}/env%3ATOKEN") == ask.get(f"{VARIABLES}/env:TOKEN") == entity
    assert _live(ask) == {}
    clock.advance(20)
    assert _live(ask)["env:TOKEN"]["is_sensitive"] is True
    assert ask.get(f"{VARIABLES}/env:TOKEN")["_links"]["#edit"]["href"].endswith("/variables/env%3ATOKEN")


def test_a_deployment_that_fails_leaves_the_old_variables_live(ask: Talker, clock: ManualClock) -> None:
    ask.simulator.change(deploy_outcome="failure")
    ask("POST", VARIABLES, TOKEN)
    clock.advance(20)
    assert _live(ask) == {}
    assert ask.get(f"{VARIABLES}/env:TOKEN")["name"] == "env:TOKEN"


def test_with_manual_deployment_the_change_is_staged(ask: Talker, clock: ManualClock) -> None:
    ask.simulator.change(manual_deployment=True)
    assert ask("POST", VARIABLES, TOKEN).activity["state"] == "staged"
    clock.advance(3600)
    assert _live(ask) == {}
    assert ask.get(MAIN)["has_staged_activities"]
    ask.simulator.deploy_staged()
    clock.advance(20)
    assert list(_live(ask)) == ["env:TOKEN"]


def test_an_inactive_environment_takes_variables_without_a_deployment(ask: Talker) -> None:
    ask.simulator.set_status("inactive")
    assert "#manage-variables" in ask.get(MAIN)["_links"]
    assert ask("POST", VARIABLES, TOKEN).content["_embedded"]["activities"] == []


def test_a_sensitive_value_never_reaches_answers_or_books(ask: Talker) -> None:
    answers = [
        ask("POST", VARIABLES, TOKEN).text,
        ask("PATCH", f"{VARIABLES}/env:TOKEN", {"value": f"{SECRET}-two"}).text,
        ask("GET", VARIABLES).text,
        json.dumps(_live(ask)),
        json.dumps(ask.simulator.request_log()),
        json.dumps([one.entry() for one in ask.simulator.requests]),
    ]
    assert SECRET not in "".join(answers)
    stored = ask.simulator.variable("env:TOKEN")
    assert stored is not None
    assert stored.value == f"{SECRET}-two"
    assert ask.simulator.request_log()["variables"][0]["value"] == "<secret>"


def test_what_exists_is_a_conflict_and_what_changed_is_redeployed(ask: Talker, clock: ManualClock) -> None:
    ask("POST", VARIABLES, {"name": "A", "value": "1"})
    assert ask("POST", VARIABLES, {"name": "A", "value": "2"}).status == 409
    clock.advance(60)
    answer = ask("PATCH", f"{VARIABLES}/A", {"value": "2", "visible_build": True})
    assert answer.activity["type"] == "environment.variable.update"
    assert "Rebuilding" in answer.activity["log"]
    entity = answer.content["_embedded"]["entity"]
    assert (entity["value"], entity["visible_build"]) == ("2", True)
    assert entity["created_at"] < entity["updated_at"]
    answer = ask("DELETE", f"{VARIABLES}/A")
    assert answer.activity["type"] == "environment.variable.delete"
    assert ask("GET", f"{VARIABLES}/A").status == 404


def test_children_inherit_what_is_inheritable_until_they_override_it(ask: Talker, clock: ManualClock) -> None:
    ask("POST", VARIABLES, {"name": "SHARED", "value": "above"})
    ask("POST", VARIABLES, TOKEN)
    listed = ask.get(STAGING)
    assert [(one["name"], one["inherited"], one["value"]) for one in listed] == [("SHARED", True, "above")]
    assert set(listed[0]["_links"]) == {"self", "#edit"}
    assert ask("DELETE", f"{STAGING}/SHARED").status == 409
    clock.advance(60)
    # A change deploys its own environment and no child.
    assert _live(ask, "staging") == {}
    assert ask("PATCH", f"{STAGING}/SHARED", {"value": "here"}).status == 202
    assert ask.get(f"{STAGING}/SHARED")["inherited"] is False
    below = ask.get(f"{PROJECT}/environments/feature%2Flogin/variables")
    assert [(one["inherited"], one["value"]) for one in below] == [(True, "here")]
    assert ask.get(f"{VARIABLES}/SHARED")["value"] == "above"


def test_a_variable_of_the_project_waits_for_the_next_deployment(ask: Talker, boss: Talker, clock: ManualClock) -> None:
    body = {"name": "P", "value": "1"}
    assert ask("POST", f"{PROJECT}/variables", body).status == 403
    answer = boss("POST", f"{PROJECT}/variables", body)
    assert (answer.status, answer.content["_embedded"]["activities"]) == (201, [])
    assert answer.content["_embedded"]["entity"]["visible_build"] is True
    assert boss("POST", f"{PROJECT}/variables", body).status == 409
    assert boss("POST", f"{PROJECT}/variables", {**body, "name": "Q", "is_enabled": True}).status == 400
    assert ask.get(VARIABLES) == []
    assert _live(ask) == {}
    ask.simulator.redeploy()
    clock.advance(20)
    assert _live(ask)["P"]["value"] == "1"
    assert boss("PATCH", f"{PROJECT}/variables/P", {"value": "2"}).status == 202
    assert "#edit" not in ask.get(f"{PROJECT}/variables/P")["_links"]
    assert boss("DELETE", f"{PROJECT}/variables/P").status == 202
    assert boss.get(f"{PROJECT}/variables") == []


@pytest.mark.parametrize(
    "body",
    [
        {"name": "A"},
        {"value": "1"},
        {"name": "", "value": "1"},
        {"name": "A", "value": 1},
        {"name": "A", "value": "1", "is_sensitive": "true"},
        {"name": "A", "value": "1", "colour": "red"},
        {"name": "A", "value": "1", "application_scope": "app"},
        {"name": "A", "value": "{", "is_json": True},
    ],
)
def test_what_is_no_variable_is_refused(ask: Talker, body: dict[str, Any]) -> None:
    assert ask("POST", VARIABLES, body).status == 400
    assert ask.simulator.request_log()["variables"] == []


def test_a_variable_is_neither_renamed_nor_made_public_again(ask: Talker) -> None:
    ask("POST", VARIABLES, TOKEN)
    assert ask("PATCH", f"{VARIABLES}/env:TOKEN", {"name": "env:OTHER"}).status == 400
    assert ask("PATCH", f"{VARIABLES}/env:TOKEN", {"is_sensitive": False}).status == 400


@pytest.mark.parametrize("role", ["contributor", "viewer", None])
def test_too_small_a_role_reads_variables_and_changes_none(ask: Talker, role: str | None) -> None:
    ask.simulator.add_variable("A", "1")
    ask.simulator.change(role=role)
    assert set(ask.get(MAIN)["_links"]) & {"#variables", "#manage-variables"} == {"#variables"}
    assert set(ask.get(f"{VARIABLES}/A")["_links"]) == {"self"}
    for method, path in (("POST", VARIABLES), ("PATCH", f"{VARIABLES}/A"), ("DELETE", f"{VARIABLES}/A")):
        assert ask(method, path, {"name": "B", "value": "2"}).status == 403


def test_a_change_whose_answer_is_lost_is_stored_all_the_same(ask: Talker) -> None:
    ask.simulator.add_fault("POST */variables status-after status=502")
    assert ask("POST", VARIABLES, TOKEN).status == 502
    assert ask("POST", VARIABLES, TOKEN).status == 409


def test_the_hands_of_a_test_put_variables_live_at_once(ask: Talker) -> None:
    ask.simulator.add_variable("A", "1", "staging", is_enabled=False)
    ask.simulator.add_variable("A", "0", project=True)
    assert _live(ask, "staging")["A"]["value"] == "0"
    ask.simulator.remove_variable("A", project=True)
    assert _live(ask, "staging") == {}
    with pytest.raises(ValueError, match="no variable"):
        ask.simulator.remove_variable("A", project=True)
