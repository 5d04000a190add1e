"""Settings of an environment, and its end: what a change brings live, and what a deletion takes along."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from tests.harness.simulator_client import Talker

if TYPE_CHECKING:
    from collections.abc import Callable

    from upsun_simulator import ManualClock

LOGIN = f"/projects/abcdefgh1234z/environments/{quote('feature/login', safe='')}"
BASIC = {"basic_auth": {"me": "secret-word"}}


def _visit(ask: Talker, name: str = "", password: str = "", environment: str = "main") -> int:
    coded = base64.b64encode(f"{name}:{password}".encode()).decode()
    headers = {"Authorization": f"Basic {coded}"} if name else None
    return ask.send("GET", f"/_site/{environment}/", headers=headers).status


def _change(ask: Talker, clock: ManualClock, body: dict[str, Any], path: str | None = None) -> Any:
    answer = ask("PATCH", path or ask.main, body)
    assert answer.status == 202, answer.text
    clock.advance(60)
    return answer.content["_embedded"]


def test_a_password_is_asked_for_once_it_is_deployed(ask: Talker, clock: ManualClock) -> None:
    answer = ask("PATCH", ask.main, {"http_access": BASIC})
    assert answer.activity["type"] == "environment.update.http_access"
    assert answer.content["_embedded"]["entity"]["http_access"]["basic_auth"] == BASIC["basic_auth"]
    assert _visit(ask) == 200, "the deployment is under way"
    clock.advance(60)
    assert [_visit(ask), _visit(ask, "me", "wrong"), _visit(ask, "me", "secret-word")] == [401, 401, 200]
    assert ask.get(f"{ask.main}/deployments/current")["http_access"]["basic_auth"] == BASIC["basic_auth"]
    assert _visit(ask, environment="staging") == 200
    _change(ask, clock, {"http_access": {"is_enabled": False}})
    assert _visit(ask) == 200
    _change(ask, clock, {"http_access": {"is_enabled": True, "basic_auth": None}})
    assert (_visit(ask), ask.get(ask.main)["http_access"]["basic_auth"]) == (200, {})
    assert "secret-word" not in str(ask.simulator.request_log())


@pytest.mark.parametrize(
    ("rules", "status"),
    [
        ([("deny", "0.0.0.0/0")], 403),
        ([("allow", "127.0.0.1/32"), ("deny", "0.0.0.0/0")], 200),
        ([("deny", "0.0.0.0/0"), ("allow", "127.0.0.1/32")], 403),
        ([("deny", "192.0.2.0/24")], 200),
        ([("deny", "::/0")], 200),
    ],
)
def test_the_first_rule_that_fits_an_address_decides(
    ask: Talker, clock: ManualClock, rules: list[tuple[str, str]], status: int
) -> None:
    addresses = [{"permission": permission, "address": address} for permission, address in rules]
    _change(ask, clock, {"http_access": {"addresses": addresses}})
    assert _visit(ask) == status


def test_titles_change_at_once_and_robots_and_mail_by_an_activity(ask: Talker, clock: ManualClock) -> None:
    assert _change(ask, clock, {"title": "Shop"})["activities"] == []
    assert ask.get(ask.main)["title"] == "Shop"
    body = {"enable_smtp": False, "restrict_robots": True}
    assert [one["type"] for one in _change(ask, clock, body)["activities"]] == [
        "environment.update.smtp",
        "environment.update.restrict_robots",
    ]
    seen = ask.get(ask.main)
    assert (seen["enable_smtp"], seen["restrict_robots"]) == (False, True)
    ask.simulator.pause("staging")
    assert _change(ask, clock, body, ask.staging)["activities"] == [], "nothing runs there"


@pytest.mark.parametrize(
    "body",
    [
        {"status": "inactive"},
        {"title": ""},
        {"parent": "none"},
        {"parent": "staging"},
        {"parent": "feature/login"},
        {"type": "production"},
        {"http_access": {"is_enabled": "yes"}},
        {"http_access": {"addresses": [{"permission": "allow", "address": "here"}]}},
        {"http_access": {"addresses": [{"permission": "maybe", "address": "192.0.2.1"}]}},
        {"http_access": {"basic_auth": {"me": 1}}},
        {"http_access": {"other": 1}},
    ],
)
def test_what_no_environment_can_be_is_refused_and_changes_nothing(ask: Talker, body: dict[str, Any]) -> None:
    before = ask.get(ask.staging)
    assert ask("PATCH", ask.staging, {"title": "Other", **body}).status == 400
    assert ask.get(ask.staging) == before


def test_another_parent_is_taken(ask: Talker, clock: ManualClock) -> None:
    _change(ask, clock, {"parent": "main"}, LOGIN)
    assert ask.get(LOGIN)["parent"] == "main"


def test_one_environment_deploys_by_hand_until_it_is_automatic_again(ask: Talker, clock: ManualClock) -> None:
    settings = f"{ask.main}/settings"
    assert ask("PATCH", settings, {"enable_manual_deployments": True}).status == 202
    assert [ask.get(f"{path}/settings")["enable_manual_deployments"] for path in (ask.main, ask.staging)] == [
        True,
        False,
    ]
    ask.update()
    ask.update(ask.staging)
    clock.advance(60)
    assert len(ask.place()["staged"]) == 1
    assert ask.place("staging")["deployed_commit"] == ask.place("staging")["head_commit"]
    answer = ask("PATCH", settings, {"enable_manual_deployments": False})
    assert answer.activity["type"] == "environment.deploy"
    clock.advance(60)
    place = ask.place()
    assert (place["staged"], place["deployed_commit"]) == ([], place["head_commit"])


def test_a_deactivated_environment_keeps_its_branch_and_nothing_else(ask: Talker, clock: ManualClock) -> None:
    head = ask.place("staging")["head_commit"]
    assert ask.post(f"{ask.staging}/deactivate")["type"] == "environment.deactivate"
    clock.advance(10)
    seen = ask.get(ask.staging)
    assert (seen["status"], seen["has_deployment"], seen["head_commit"]) == ("inactive", False, head)
    assert {"#activate", "#delete", "#edit"} <= ask.links(ask.staging)
    assert not {"#backup", "#branch", "#deactivate"} & ask.links(ask.staging)
    assert ask("GET", f"{ask.staging}/deployments/current").status == 404
    assert ask.site("staging").status == 503
    ask.post(f"{ask.staging}/activate")
    clock.advance(60)
    assert ask.place("staging")["data_from"]["source"] == "main", "it is cloned from its parent again"


def test_a_deletion_takes_all_that_belongs_to_the_environment_along(ask: Talker, clock: ManualClock) -> None:
    simulator = ask.simulator
    simulator.add_backup("staging")
    simulator.add_variable("env:OLD", "one", "staging")
    simulator.set_status("inactive", "staging")
    answer = ask("DELETE", ask.staging)
    assert (answer.status, answer.activity["type"]) == (202, "environment.delete")
    assert ask.get(ask.staging)["status"] == "deleting"
    clock.advance(10)
    assert ask("GET", ask.staging).status == 404
    assert ask.get(LOGIN)["parent"] == "main"
    assert ask.get(f"{ask.project}/activities")[0]["result"] == "success"
    request_log = simulator.request_log()
    assert (request_log["backups"], request_log["variables"], "staging" in request_log["environments"]) == (
        [],
        [],
        False,
    )
    assert [one["environment"] for one in request_log["evicted_backups"]] == ["staging"]
    assert ask("POST", f"{ask.main}/branch", {"name": "staging", "title": "Again"}).status == 202


def test_a_deletion_that_is_cancelled_leaves_it_inactive(ask: Talker) -> None:
    ask.simulator.set_status("inactive", "staging")
    activity = ask("DELETE", ask.staging).activity
    ask.simulator.cancel_activity(activity["id"])
    assert ask.get(ask.staging)["status"] == "inactive"


@pytest.mark.parametrize(
    ("path", "status"), [(LOGIN, 409), ("/projects/abcdefgh1234z/environments/main", 409)], ids=["active", "main"]
)
def test_what_is_active_is_not_deleted(ask: Talker, path: str, status: int) -> None:
    assert ask("DELETE", path).status == status
    ask.simulator.set_status("inactive")
    assert ask("DELETE", ask.main).status == 400
    assert ask("POST", f"{ask.main}/deactivate").status == 409


def test_neither_is_what_an_integration_manages(make: Callable[..., Talker]) -> None:
    ask = make(source_integration=True)
    ask.simulator.set_status("inactive", "staging")
    assert ask("DELETE", ask.staging).status == 400
    assert "#delete" not in ask.links(ask.staging)


@pytest.mark.parametrize("role", ["contributor", "viewer"])
def test_only_an_admin_of_the_type_changes_settings_or_ends_anything(make: Callable[..., Talker], role: str) -> None:
    ask = make(other_role=role)
    asked = [
        ask("PATCH", ask.staging, {"title": "Other"}),
        ask("PATCH", f"{ask.staging}/settings", {"enable_manual_deployments": True}),
        ask("POST", f"{ask.staging}/deactivate"),
        ask("DELETE", ask.staging),
        ask("POST", f"{ask.staging}/domains", {"name": "example.com"}),
        ask("PATCH", f"{ask.staging}/deployments/next", {"webapps": {}}),
    ]
    assert [one.status for one in asked] == [403] * len(asked)
