"""Users, and references to resources."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from agent.simulator.answers import Refusal, document
from agent.simulator.documents import account
from agent.simulator.documents.access import extended_access as extended_access_document
from agent.simulator.identifier import identifier

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
    member = call.world.members.member(asking.id)
    items = [extended_access_document(call.world, member)] if member and kind in (None, "project") else []
    links = {
        "self": {"href": call.target.encoded},
        "ref:projects:0": reference("projects", call.world.scenario.project),
        "ref:organizations:0": reference("organizations", account.ORGANIZATION),
        "ref:users:0": reference("users", asking.id),
    }
    return document({"items": items, "_links": links})


def reference(kind: str, *ids: str) -> dict[str, str]:
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
        one = call.world.members.accounts.get(name)
        found[name] = None if one is None else account.reference(call.world, one)
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
