"""Access to the project, and invitations to it."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Response

from upsun_simulator.answers import Refusal, document
from upsun_simulator.documents.access import invitation as invitation_document
from upsun_simulator.documents.access import project_access
from upsun_simulator.documents.reference import reference
from upsun_simulator.ids import account_id
from upsun_simulator.invitation import Invitation
from upsun_simulator.members import PROJECT_ROLES, ROLES, TYPES, check_permissions
from upsun_simulator.permissions import check_admin
from upsun_simulator.user import OWNER

if TYPE_CHECKING:
    from upsun_simulator.call import Call
    from upsun_simulator.members import Member

ADDRESS = re.compile(r"(?=.{3,254}\Z)[^@\s]+@[^@\s]+\.[^@\s]+")
MOST = 200


def user_access(call: Call) -> Response:
    """Answer with who may do what in the project, page by page; only its admins may see that."""
    check_admin(call)
    size, start = _number(call, "page[size]", MOST), _number(call, "page[after]", 0)
    everybody = call.state.members.all()
    page = everybody[start : start + max(1, size)]
    links = {"self": {"href": call.target.encoded}}
    if start + len(page) < len(everybody):
        links["next"] = {"href": f"{call.target.encoded}?page[size]={size}&page[after]={start + len(page)}"}
    links["ref:users:0"] = reference("users", *(one.user.id for one in page))
    asking = call.bearer().user
    return document({"items": [project_access(call.state, one, asking) for one in page], "_links": links})


def _number(call: Call, name: str, default: int) -> int:
    text = call.first(name)
    if text is not None and not text.isdigit():
        raise Refusal(HTTPStatus.BAD_REQUEST, f"The parameter {name} must be a number.")
    return default if text is None else int(text)


def _named(call: Call) -> Member:
    found = call.state.members.direct(call.values["user"])
    if found is None:
        raise Refusal(HTTPStatus.NOT_FOUND, "The user has no access to this project.")
    return found


def one_user_access(call: Call) -> Response:
    """Answer with what one user may do in the project; those who are not its admins see their own access."""
    asking = call.bearer().user
    if call.values["user"] != asking.id:
        check_admin(call)
    return document(project_access(call.state, _named(call), asking))


def _changeable(call: Call) -> Member:
    check_admin(call)
    member = _named(call)
    if member.user.id == OWNER.id:
        raise Refusal(HTTPStatus.BAD_REQUEST, "The owner's access cannot be changed.")
    return member


def _permissions(value: object) -> tuple[str, ...]:
    try:
        return check_permissions(value)
    except ValueError as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"The permissions are invalid: {error}.") from None


def grant(call: Call) -> Response:
    """Give accounts access that have none yet."""
    check_admin(call)
    members = call.state.members
    if not isinstance(call.body, list):
        raise Refusal(HTTPStatus.BAD_REQUEST, "The body must be a list.")
    wanted: list[tuple[Any, tuple[str, ...]]] = []
    for row in call.body:
        user = members.accounts.get(str(row.get("user_id"))) if isinstance(row, dict) else None
        if user is None:
            raise Refusal(HTTPStatus.BAD_REQUEST, "There is no such user.")
        if members.direct(user.id) is not None:
            raise Refusal(HTTPStatus.CONFLICT, "The user has access already.")
        wanted.append((user, _permissions(row.get("permissions"))))
    for user, permissions in wanted:
        members.grant(user, permissions, call.now)
    return Response(status=HTTPStatus.NO_CONTENT)


def update(call: Call) -> Response:
    """Replace what a user may do; the links that the user sees change with it."""
    member = _changeable(call)
    call.state.members.grant(member.user, _permissions(call.json_body().get("permissions")), call.now)
    return Response(status=HTTPStatus.NO_CONTENT)


def remove(call: Call) -> Response:
    """Remove a user's access."""
    call.state.members.remove(_changeable(call).user.id)
    return Response(status=HTTPStatus.NO_CONTENT)


def invitations(call: Call) -> Response:
    """Answer with the invitations that wait, or those of another state."""
    check_admin(call)
    wanted = call.first("filter[state]") or "pending"
    found = [one for one in call.state.invitations.all if one.state == wanted]
    return document([invitation_document(call.state, one) for one in found])


def invite(call: Call) -> Response:
    """Invite somebody by e-mail; repeat an open invitation (and e-mail) only with `force`."""
    owner = check_admin(call)
    body = call.json_body()
    email, role, force = body.get("email"), body.get("role", "viewer"), body.get("force", False)
    if not isinstance(email, str) or not ADDRESS.fullmatch(email):
        raise Refusal(HTTPStatus.BAD_REQUEST, "The e-mail address is invalid.")
    if role not in PROJECT_ROLES or not isinstance(force, bool):
        raise Refusal(HTTPStatus.BAD_REQUEST, "The role or force is invalid.")
    roles = _invited_roles(body.get("permissions", []))
    state = call.state
    account = state.members.with_address(email)
    if account is not None and state.members.direct(account.id) is not None:
        # Not documented: only the pending invitation has a status of its own, 409.
        raise Refusal(HTTPStatus.BAD_REQUEST, "The user has access to the project already.")
    pending = state.invitations.pending(email)
    if pending is not None and not force:
        raise Refusal(HTTPStatus.CONFLICT, "An invitation for this address is pending already.")
    if pending is not None:
        pending.finish("cancelled", call.now)
    made = Invitation(
        id=account_id("invitation", state.count()),
        email=email,
        role=str(role),
        roles=roles,
        owner=owner,
        created_at=call.now,
        updated_at=call.now,
    )
    state.invitations.send(made)
    return document(invitation_document(state, made), HTTPStatus.CREATED)


def _invited_roles(rows: object) -> dict[str, str]:
    found: dict[str, str] = {}
    for row in rows if isinstance(rows, list) else [rows]:
        kind, role = (row.get("type"), row.get("role")) if isinstance(row, dict) else (None, None)
        if kind not in TYPES or role not in ROLES:
            raise Refusal(HTTPStatus.BAD_REQUEST, "A permission needs a type and a role.")
        found[str(kind)] = str(role)
    return found


def cancel_invitation(call: Call) -> Response:
    """Cancel an invitation."""
    check_admin(call)
    for one in call.state.invitations.all:
        if one.id == call.values["invitation"] and one.state == "pending":
            one.finish("cancelled", call.now)
            return Response(status=HTTPStatus.NO_CONTENT)
    raise Refusal(HTTPStatus.NOT_FOUND, "There is no such pending invitation.")
