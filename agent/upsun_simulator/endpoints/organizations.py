"""The organization, its members, teams and subscriptions."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from upsun_simulator import body
from upsun_simulator.answers import Refusal, document
from upsun_simulator.documents import organization as shapes
from upsun_simulator.documents.account import ORGANIZATION
from upsun_simulator.documents.reference import reference
from upsun_simulator.user import OWNER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from werkzeug.wrappers import Response

    from upsun_simulator.call import Call
    from upsun_simulator.team import Team


def _items(call: Call, items: list[dict[str, Any]], **references: Iterable[str]) -> Response:
    """Answer with a collection of an account API, and links to short forms of what it names."""
    links = {"self": {"href": call.target.encoded}}
    for kind, ids in references.items():
        names = list(dict.fromkeys(ids))
        links |= {f"ref:{kind}:0": reference(kind, *names)} if names else {}
    return document({"count": len(items), "items": items, "_links": links})


def _check_organization(call: Call, *, owner: bool = False) -> None:
    """Refuse users outside the organization; with `owner`, refuse everybody except its owner."""
    if call.values["organization"] not in (ORGANIZATION, f"name={call.state.organization['name']}"):
        raise Refusal(HTTPStatus.NOT_FOUND, "There is no such organization.")
    asking = call.bearer().user
    if call.state.members.member(asking.id) is None or (owner and asking.id != OWNER.id):
        raise Refusal(HTTPStatus.FORBIDDEN, "You do not have permission to view this part of the organization.")


def of_user(call: Call) -> Response:
    """Answer with the organizations that a user belongs to."""
    asking = call.bearer().user
    if call.values["user"] != asking.id:
        raise Refusal(HTTPStatus.FORBIDDEN, "You may only read your own organizations.")
    return _organizations(call)


def organizations(call: Call) -> Response:
    """Answer with the organizations of the user, or of an owner."""
    owner = call.first("filter[owner_id]")
    return _organizations(call) if owner in (None, OWNER.id) else _items(call, [])


def _organizations(call: Call) -> Response:
    asking = call.bearer().user
    belongs = call.state.members.member(asking.id) is not None
    items = [shapes.organization(call.state, asking)] if belongs else []
    return _items(call, items, users=[OWNER.id])


def organization(call: Call) -> Response:
    """Answer with the organization."""
    _check_organization(call)
    return document(shapes.organization(call.state, call.bearer().user))


def update(call: Call) -> Response:
    """Change the organization's names and country."""
    _check_organization(call, owner=True)
    wishes = call.fields({}, {"name": body.text, "label": body.text, "country": body.text})
    call.state.organization |= wishes
    return document(shapes.organization(call.state, call.bearer().user))


def members(call: Call) -> Response:
    """Answer with the members of the organization."""
    _check_organization(call, owner=True)
    found = call.state.members.all()
    return _items(call, [shapes.member(one) for one in found], users=[one.user.id for one in found])


def member(call: Call) -> Response:
    """Answer with one member of the organization."""
    _check_organization(call, owner=True)
    one = call.state.members.direct(call.values["user"])
    if one is None:
        raise Refusal(HTTPStatus.NOT_FOUND, "There is no such member.")
    return document(shapes.member(one))


def address(call: Call) -> Response:
    """Answer with the organization's address."""
    _check_organization(call, owner=True)
    return document(shapes.address())


def profile(call: Call) -> Response:
    """Answer with the organization's billing profile."""
    _check_organization(call, owner=True)
    return document(shapes.profile(call.state))


def subscriptions(call: Call) -> Response:
    """Answer with the subscriptions of the organization: one for each project."""
    _check_organization(call, owner=True)
    return _items(call, [shapes.subscription(call.state)])


def subscription(call: Call) -> Response:
    """Answer with one subscription."""
    _check_organization(call)
    if call.values["subscription"] != shapes.SUBSCRIPTION:
        raise Refusal(HTTPStatus.NOT_FOUND, "There is no such subscription.")
    return document(shapes.subscription(call.state))


def _named_team(call: Call) -> Team:
    one = call.state.members.teams.get(call.values["team"])
    asking = call.bearer().user
    if one is None or (asking.id != OWNER.id and asking.id not in one.users):
        raise Refusal(HTTPStatus.NOT_FOUND, "There is no such team.")
    return one


def teams(call: Call) -> Response:
    """Answer with the teams: all of them for the organization's owner, else the user's own."""
    asking, wanted = call.bearer().user, call.first("filter[id][in]")
    ids = None if wanted is None else wanted.split(",")
    found = [one for one in call.state.members.teams.values() if asking.id == OWNER.id or asking.id in one.users]
    return _items(call, [shapes.team(one) for one in found if ids is None or one.id in ids])


def team(call: Call) -> Response:
    """Answer with one team."""
    return document(shapes.team(_named_team(call)))


def team_members(call: Call) -> Response:
    """Answer with the members of a team."""
    one = _named_team(call)
    return _items(call, [shapes.team_member(one, user) for user in one.users], users=one.users)


def team_projects(call: Call) -> Response:
    """Answer with the projects that a team has access to."""
    one = _named_team(call)
    return _items(call, [shapes.team_access(call.state, one)] if one.has_project else [])


def teams_of_user(call: Call) -> Response:
    """Answer with the teams that a user is in."""
    asking = call.bearer().user
    if call.values["user"] != asking.id:
        raise Refusal(HTTPStatus.FORBIDDEN, "You may only read your own teams.")
    return _items(call, [shapes.team(one) for one in call.state.members.teams.values() if asking.id in one.users])


def of_project(call: Call) -> Response:
    """Answer with the teams that have access to the project."""
    found = [one for one in call.state.members.teams.values() if one.has_project]
    return _items(call, [shapes.team_access(call.state, one) for one in found], teams=[one.id for one in found])
