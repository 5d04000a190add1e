"""Users, and references to resources."""

from __future__ import annotations

import base64
import hashlib
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Response

from upsun_simulator import body
from upsun_simulator.answers import Refusal, document
from upsun_simulator.documents import account
from upsun_simulator.documents.access import extended_access as extended_access_document
from upsun_simulator.documents.account import ssh_key
from upsun_simulator.documents.organization import team_reference
from upsun_simulator.documents.reference import is_signed, reference
from upsun_simulator.ssh_key import SshKey

if TYPE_CHECKING:
    from upsun_simulator.call import Call


def me(call: Call) -> Response:
    """Answer with the user that the bearer belongs to."""
    return document(account.user(call.state, call.bearer().user))


def user(call: Call) -> Response:
    """Answer with a user; only one's own account is readable."""
    asking = call.bearer().user
    if call.values["user"] != asking.id:
        raise Refusal(HTTPStatus.FORBIDDEN, "You may only read your own account.")
    return document(account.user(call.state, asking))


def extended_access(call: Call) -> Response:
    """Answer with what the user has access to."""
    asking = call.bearer().user
    if call.values["user"] != asking.id:
        raise Refusal(HTTPStatus.FORBIDDEN, "You may only read your own access.")
    kind = call.first("filter[resource_type]")
    member = call.state.members.member(asking.id)
    items = [extended_access_document(call.state, member)] if member and kind in (None, "project") else []
    links = {
        "self": {"href": call.target.encoded},
        "ref:projects:0": reference("projects", call.state.scenario.project),
        "ref:organizations:0": reference("organizations", account.ORGANIZATION),
        "ref:users:0": reference("users", asking.id),
    }
    return document({"items": items, "_links": links})


def _wanted(call: Call, kind: str) -> list[str]:
    """Return the ids that are asked for; only a list that the platform signed may be read."""
    ids, signature = call.first("in"), call.first("sig")
    if not ids or not signature:
        raise Refusal(HTTPStatus.BAD_REQUEST, "The parameters in and sig are required.")
    if not is_signed(kind, ids.split(","), signature):
        raise Refusal(HTTPStatus.FORBIDDEN, "The signature is invalid.")
    return ids.split(",")


def reference_users(call: Call) -> Response:
    """Answer with short forms of users, by id; unknown ones are null."""
    found: dict[str, Any] = {}
    for name in _wanted(call, "users"):
        one = call.state.members.accounts.get(name)
        found[name] = None if one is None else account.reference(call.state, one)
    return document(found)


def reference_projects(call: Call) -> Response:
    """Answer with short forms of projects, by id."""
    known = call.state.scenario.project
    content = account.project_reference(call.state)
    return document({name: content if name == known else None for name in _wanted(call, "projects")})


def reference_organizations(call: Call) -> Response:
    """Answer with short forms of organizations, by id."""
    content = account.organization_reference(call.state)
    return document(
        {name: content if name == account.ORGANIZATION else None for name in _wanted(call, "organizations")}
    )


def reference_teams(call: Call) -> Response:
    """Answer with short forms of teams, by id."""
    teams = call.state.members.teams
    return document({name: team_reference(teams[name]) if name in teams else None for name in _wanted(call, "teams")})


def legacy_account(call: Call) -> Response:
    """Answer with the account as the older API gives it, with its SSH keys."""
    asking = call.bearer().user
    keys = [ssh_key(one) for one in call.state.ssh_keys if one.user == asking.id]
    projects = [account.project_reference(call.state)] if call.state.members.member(asking.id) else []
    return document({**account.user(call.state, asking), "uuid": asking.id, "projects": projects, "ssh_keys": keys})


def add_ssh_key(call: Call) -> Response:
    """Add a public key to the account; deployments bring it to the containers."""
    wishes = call.fields({"value": body.text}, {"title": body.words, "uuid": body.text})
    words = wishes["value"].split()
    try:
        data = base64.b64decode(words[1], validate=True)
    except (IndexError, ValueError):
        raise Refusal(HTTPStatus.BAD_REQUEST, "The value is not a valid SSH public key.") from None
    asking = call.bearer().user
    made = SshKey(
        id=call.state.count(),
        user=asking.id,
        title=wishes.get("title", ""),
        value=wishes["value"],
        fingerprint=hashlib.md5(data, usedforsecurity=False).hexdigest(),
        changed=call.now,
    )
    call.state.ssh_keys.append(made)
    return document(ssh_key(made), HTTPStatus.CREATED)


def _named_key(call: Call) -> SshKey:
    asking = call.bearer().user
    for one in call.state.ssh_keys:
        if str(one.id) == call.values["key"] and one.user == asking.id:
            return one
    raise Refusal(HTTPStatus.NOT_FOUND, "There is no such SSH key.")


def one_ssh_key(call: Call) -> Response:
    """Answer with one public key of the account."""
    return document(ssh_key(_named_key(call)))


def delete_ssh_key(call: Call) -> Response:
    """Take a public key from the account."""
    call.state.ssh_keys.remove(_named_key(call))
    return Response(status=HTTPStatus.NO_CONTENT)
