"""Access is what the platform says it is: by roles of one's own, of teams and of the organization."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from upsun_agent.access.roles import Roles
from upsun_agent.api.people import People
from upsun_agent.errors import AgentError, BadReply, NotFound, SecondFactorNeeded, TokenRefused
from upsun_simulator.user import MACHINE

PROJECT = "abcdefgh1234z"
ORGANIZATION = "01H2X80DMRDZWR6CX753YQHTND"
OWN, ALL = "GET */user-access/*", "GET */extended-access*"
PAGE = "html status=403"


def row(*permissions: Any, kind: str = "project", resource: str = PROJECT, **more: Any) -> dict[str, Any]:
    """One row of what the user has access to."""
    return {"user_id": MACHINE.id, "resource_id": resource, "resource_type": kind, "permissions": permissions, **more}


def access(make: Callable[..., Any], *faults: str, rows: list[Any] | None = None, **scenario: Any) -> Roles | None:
    """What the user may do, with these faults and rows of access."""
    desk = make(**scenario)
    for each in faults:
        method, path, kind, *options = each.split(" ")
        desk.simulator.add_fault(" ".join([method, path, kind, "x*", *options]))
    if rows is not None:
        desk.simulator.add_fault(f"{ALL} json x* body={json.dumps({'items': rows, '_links': {}})}")
    return People(desk.client).access(PROJECT, MACHINE.id)


@pytest.mark.parametrize("own", ["404", "403", PAGE, "json body={}"])
@pytest.mark.parametrize(
    ("rows", "roles"),
    [
        ([row("viewer", "production:admin")], "viewer, production:admin"),
        ([row("admin")], "admin of the whole project"),
        (
            [row("viewer", "staging:admin"), row("viewer", "production:viewer")],
            "viewer, production:viewer, staging:admin",
        ),
        ([row("admin", resource="another"), row("viewer", "production:viewer")], "viewer, production:viewer"),
        (
            [row("members", "billing", kind="organization", resource=ORGANIZATION), row("admin")],
            "admin of the whole project",
        ),
    ],
    ids=str,
)
def test_roles_of_teams_are_roles(make: Callable[..., Any], own: str, rows: list[Any], roles: str) -> None:
    kind, _, body = own.partition(" body=")
    fault = f"{OWN} {kind}" if not body else f"{OWN} json status=200 body={body}"
    assert str(access(make, fault, rows=rows)) == roles


def test_the_higher_role_counts_where_a_user_has_several() -> None:
    mine = Roles("viewer", {"production": "viewer", "staging": "admin", "development": "none"})
    assert str(mine.with_those_of(Roles("viewer", {"production": "contributor"}))) == (
        "viewer, production:contributor, staging:admin"
    )
    assert mine.with_those_of(Roles("admin")).project == "admin"
    assert Roles("admin").with_those_of(mine).project == "admin"


@pytest.mark.parametrize(
    ("organization", "found"),
    [(ORGANIZATION, "admin of the whole project"), ("01OTHER", None), ("", None), (None, None)],
)
def test_an_admin_of_the_projects_own_organization_is_one_of_the_project(
    make: Callable[..., Any], organization: str | None, found: str | None
) -> None:
    project = json.dumps({"id": PROJECT, "organization": organization})
    rows = [row("admin", kind="organization", resource=ORGANIZATION)]
    faults = (f"{OWN} 404", f"GET */projects/{PROJECT} json body={project.replace(' ', '')}")
    if found is None:
        with pytest.raises(NotFound, match="no roles of the user are listed"):
            access(make, *faults, rows=rows)
    else:
        assert str(access(make, *faults, rows=rows)) == found


def test_the_next_page_of_access_is_read_too(make: Callable[..., Any]) -> None:
    desk = make()
    first = {
        "items": [row("admin", resource="x")],
        "_links": {"next": {"href": "/api/users/me/extended-access?page=2"}},
    }
    second = {"items": [row("viewer", "production:admin")], "_links": {}}
    desk.simulator.add_fault(f"{OWN} 404 x*")
    desk.simulator.add_fault(f"GET */users/{MACHINE.id}/extended-access json x* body={json.dumps(first)}")
    desk.simulator.add_fault(f"GET */users/me/extended-access json x* status=200 body={json.dumps(second)}")
    assert str(People(desk.client).access(PROJECT, MACHINE.id)) == "viewer, production:admin"


@pytest.mark.parametrize("rows", [[], [row("admin", resource="another")], [row(kind="team", resource="t1")]], ids=str)
def test_no_access_is_what_neither_lists_nor_the_project_show(make: Callable[..., Any], rows: list[Any]) -> None:
    assert access(make, f"{OWN} 404", f"GET */projects/{PROJECT} 404", rows=rows) is None
    assert access(make, f"{OWN} 403", f"GET */projects/{PROJECT} 403", rows=rows) is None
    with pytest.raises(NotFound, match="which it can read"):
        access(make, f"{OWN} 404", rows=rows)


@pytest.mark.parametrize(
    "faults",
    [
        (f"{OWN} {PAGE}", f"{ALL} {PAGE}"),
        (f"{OWN} 404", f"{ALL} {PAGE}"),
        (f"{OWN} {PAGE}", f"{ALL} 403"),
        (f"{OWN} 404", f"{ALL} 403", f"GET */projects/{PROJECT} {PAGE}"),
        (f"{OWN} 503", f"{ALL} 404"),
    ],
    ids=str,
)
def test_what_a_gateway_says_is_not_no_access(make: Callable[..., Any], faults: tuple[str, ...]) -> None:
    with pytest.raises(AgentError) as caught:
        access(make, *faults)
    assert caught.value.exit_code in {65, 69}


def test_roles_of_ones_own_are_enough_where_the_rest_cannot_be_read(make: Callable[..., Any]) -> None:
    desk = make()
    desk.simulator.set_permissions(["viewer", "production:admin"])
    for answer in ("403 x*", "503 x*", "html x*"):
        desk.simulator.add_fault(f"{ALL} {answer}")
        assert str(People(desk.client).access(PROJECT, MACHINE.id)) == "viewer, production:admin"


def test_what_would_stop_every_read_stops_this_one(make: Callable[..., Any]) -> None:
    mfa = '{"error":"insufficient_user_authentication","amr":["mfa"]}'
    with pytest.raises(SecondFactorNeeded):
        access(make, f"{OWN} json status=401 body={mfa}")
    with pytest.raises(TokenRefused):
        access(make, f"{OWN} 401")


@pytest.mark.parametrize("permissions", [None, 7, "admin", {"admin": True}, [7, None]], ids=str)
def test_permissions_that_are_none_give_nothing(make: Callable[..., Any], permissions: Any) -> None:
    rows = [{**row(), "permissions": permissions}, {**row(kind="organization"), "permissions": permissions}]
    try:
        found = access(make, f"{OWN} 404", rows=rows)
    except (BadReply, NotFound):
        return
    assert found == Roles("viewer")


def test_what_explains_a_missing_link_is_read(make: Callable[..., Any]) -> None:
    desk = make()
    people = People(desk.client)
    found = people.rights(PROJECT, "production")
    assert (found.admin, found.source_operations) == (True, True)
    desk.simulator.set_permissions(["viewer", "production:viewer"])
    desk.simulator.add_fault('GET */capabilities json x* body={"source_operations": {"enabled": false}}')
    found = people.rights(PROJECT, "production")
    assert (found.admin, found.source_operations) == (False, False)
    desk = make()
    people = People(desk.client)
    for path in (OWN, ALL, "GET */capabilities"):
        desk.simulator.add_fault(f"{path} html x* status=403")
    found = people.rights(PROJECT, "production")
    assert (found.admin, found.source_operations) == (None, None)
