"""Access through a team or the organization is access: every command agrees with what the platform offers."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.harness.cli_app import App
from tests.integration.cli.test_setup import NEW
from tests.integration.cli.test_setup_token import NAME, store

OWN, ALL = "GET */user-access/*", "GET */extended-access*"
UNUSABLE = "html x* status=403"


@pytest.fixture
def team(make_app: Callable[..., App]) -> App:
    """An app whose token's user has its role through a team only."""
    app = make_app()
    app.simulator.set_permissions(["viewer", "production:admin"])
    app.simulator.add_token(NEW, name="new")
    app.simulator.add_fault(f"{OWN} 404 x*")
    return app


def test_token_check_shows_the_roles(team: App) -> None:
    said = team.call("token", "check")
    assert said.code == 0
    assert "viewer, production:admin" in said.out
    assert "has no access" not in said.out
    assert team.call("token", "check", "--json").document["roles"]["types"] == {"production": "admin"}


def test_check_has_no_complaint(team: App) -> None:
    found = {each["name"]: each for each in team.call("check", "--json").document["findings"]}
    assert (found["roles"]["level"], found["backup"]["level"]) == ("ok", "ok")


def test_setup_token_stores_it(team: App) -> None:
    assert store(team).code == 0
    assert team.simulator.variable(NAME) is not None


@pytest.mark.parametrize("answer", ["403 x*", 'json x* status=200 body={"items": []}'])
def test_where_no_list_names_the_user_what_is_offered_counts(team: App, answer: str) -> None:
    team.simulator.add_fault(f"{ALL} {answer}")
    said = team.call("token", "check")
    assert said.code == 0
    assert "no roles of the user are listed" in said.out
    assert "has no access" not in said.out
    found = {each["name"]: each for each in team.call("check", "--json").document["findings"]}
    assert (found["roles"]["level"], found["backup"]["level"]) == ("warn", "ok")
    assert store(team).code == 0


def test_roles_that_say_less_than_the_platform_offers_are_no_failure(make_app: Callable[..., App]) -> None:
    app = make_app()
    rows = [{"resource_type": "project", "resource_id": "abcdefgh1234z", "permissions": ["viewer"]}]
    app.simulator.add_fault(f"{OWN} 404 x*")
    app.simulator.add_fault(f"{ALL} json x* body={json.dumps({'items': rows})}")
    found = {each["name"]: each for each in app.call("check", "--json").document["findings"]}
    assert (found["roles"]["level"], found["backup"]["level"]) == ("ok", "ok")
    assert "is missing" not in app.call("token", "check").out


def test_a_user_without_access_stores_nothing(make_app: Callable[..., App]) -> None:
    app = make_app()
    app.simulator.add_token(NEW, name="new")
    app.simulator.set_permissions([])
    said = store(app)
    assert said.code == 77
    assert "nothing was stored: the user has no access" in said.err
    assert "has no access" in app.call("token", "check").out


def test_a_gateway_that_hides_the_roles_is_no_verdict_on_them(make_app: Callable[..., App]) -> None:
    app = make_app()
    app.simulator.add_token(NEW, name="new")
    app.simulator.add_fault(f"{OWN} {UNUSABLE}")
    app.simulator.add_fault(f"{ALL} {UNUSABLE}")
    said = app.call("token", "check")
    assert said.code == 0
    assert "cannot be read" in said.out
    assert store(app).code == 65
