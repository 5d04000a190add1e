"""Users, their access, and references to resources."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from agent.simulator.answers import Refusal, document
from agent.simulator.documents import account
from agent.simulator.identifier import identifier
from agent.simulator.user import EVERYBODY, MACHINE, OWNER

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from agent.simulator.call import Call


def me(call: Call) -> Response:
    """The user that the bearer belongs to."""
    return document(account.user(call.world, call.bearer().user))


def user(call: Call) -> Response:
    """A user; only one's own account is readable."""
    asking = call.bearer().user
    if call.values["user"] != asking.id:
        raise Refusal(HTTPStatus.FORBIDDEN, "You may only read your own account.")
    return document(account.user(call.world, asking))


def extended_access(call: Call) -> Response:
    """What the user has access to."""
    asking = call.bearer().user
    if call.values["user"] != asking.id:
        raise Refusal(HTTPStatus.FORBIDDEN, "You may only read your own access.")
    kind = call.first("filter[resource_type]")
    items = [account.extended_access(call.world, asking)] if kind in (None, "project") else []
    links = {
        "self": {"href": call.target.encoded},
        "ref:projects:0": _reference("projects", call.world.scenario.project),
        "ref:organizations:0": _reference("organizations", account.ORGANIZATION),
        "ref:users:0": _reference("users", asking.id),
    }
    return document({"items": items, "_links": links})


def _reference(kind: str, *ids: str) -> dict[str, str]:
    """A link to short forms of resources; the platform signs the list of ids."""
    return {"href": f"/ref/{kind}?in={','.join(ids)}&sig={identifier('reference', *ids)}"}


def _wanted(call: Call) -> list[str]:
    ids = call.first("in")
    if not ids or not call.first("sig"):
        raise Refusal(HTTPStatus.BAD_REQUEST, "The parameters in and sig are required.")
    return ids.split(",")


def reference_users(call: Call) -> Response:
    """Short forms of users, by id; unknown ones are null."""
    found: dict[str, Any] = {}
    for name in _wanted(call):
        one = EVERYBODY.get(name)
        found[name] = None if one is None else account.reference(one)
    return document(found)


def reference_projects(call: Call) -> Response:
    """Short forms of projects, by id."""
    known = call.world.scenario.project
    content = account.project_reference(call.world)
    return document({name: content if name == known else None for name in _wanted(call)})


def reference_organizations(call: Call) -> Response:
    """Short forms of organizations, by id."""
    content = account.organization_reference(call.world)
    return document({name: content if name == account.ORGANIZATION else None for name in _wanted(call)})


def user_access(call: Call) -> Response:
    """Who may do what in the project."""
    people = (OWNER, MACHINE)
    links = {
        "self": {"href": call.target.encoded},
        "ref:users:0": _reference("users", *(one.id for one in people)),
    }
    return document({"items": [account.project_access(call.world, one) for one in people], "_links": links})


def one_user_access(call: Call) -> Response:
    """What one user may do in the project."""
    for one in (OWNER, MACHINE):
        if one.id == call.values["user"]:
            return document(account.project_access(call.world, one))
    raise Refusal(HTTPStatus.NOT_FOUND, "The user has no access to this project.")
