"""The project and what belongs to it as a whole."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from upsun_simulator import body
from upsun_simulator.answers import Refusal, document
from upsun_simulator.documents import project as shapes
from upsun_simulator.documents.settings import settings as settings_document
from upsun_simulator.endpoints.environments import accepted
from upsun_simulator.members import ROLES
from upsun_simulator.permissions import check_admin

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from upsun_simulator.call import Call


def project(call: Call) -> Response:
    """Answer with the project itself."""
    return document(shapes.project(call.state, call.bearer().user))


def update(call: Call) -> Response:
    """Change what the project is called, and where it is."""
    user = check_admin(call)
    wishes = call.fields({}, {"title": body.text, "description": body.words, "timezone": body.text})
    for name, value in wishes.items():
        setattr(call.state, name, value)
    return accepted(call, entity=shapes.project(call.state, user))


def clear_build_cache(call: Call) -> Response:
    """Empty the project's build cache."""
    check_admin(call)
    return accepted(call)


def settings(call: Call) -> Response:
    """Answer with the project's settings."""
    return document(settings_document(call.state))


def system(call: Call) -> Response:
    """Answer with the software that runs the project."""
    return document(shapes.system(call.state))


def capabilities(call: Call) -> Response:
    """Answer with what the project's plan allows."""
    return document(shapes.capabilities(call.state))


def environment_types(call: Call) -> Response:
    """Answer with all types of environments."""
    return document([shapes.environment_type(call.state, kind) for kind in shapes.ENVIRONMENT_TYPES])


def environment_type(call: Call) -> Response:
    """Answer with one type of environment."""
    return document(shapes.environment_type(call.state, _kind(call)))


def environment_type_access(call: Call) -> Response:
    """Answer with the roles of all users on a type of environments, for the project's admins."""
    check_admin(call)
    kind = _kind(call)
    rows = [(one, one.role_on(kind)) for one in call.state.members.all()]
    return document([shapes.type_access(call.state, kind, one, role) for one, role in rows if role is not None])


def one_environment_type_access(call: Call) -> Response:
    """Answer with the role of one user on a type of environments."""
    check_admin(call)
    kind, one = _kind(call), call.state.members.member(call.values["user"])
    role = None if one is None else one.role_on(kind)
    if one is None or role is None:
        raise Refusal(HTTPStatus.NOT_FOUND, "The user has no role on this type of environments.")
    return document(shapes.type_access(call.state, kind, one, role))


def set_environment_type_access(call: Call) -> Response:
    """Give a user with access to the project a role on a type of environments, or another one."""
    check_admin(call)
    kind, wishes = _kind(call), call.fields({"role": body.one_of(*ROLES)}, {"user": body.text})
    return _grant(call, kind, call.values.get("user") or wishes.get("user", ""), wishes["role"])


def remove_environment_type_access(call: Call) -> Response:
    """Remove a user's role on a type of environments."""
    check_admin(call)
    return _grant(call, _kind(call), call.values["user"], None)


def _grant(call: Call, kind: str, user: str, role: str | None) -> Response:
    one = call.state.members.member(user)
    if one is None:
        raise Refusal(HTTPStatus.NOT_FOUND, "The user has no access to this project.")
    if one.is_admin:
        raise Refusal(HTTPStatus.BAD_REQUEST, "An admin of the project is admin of every environment.")
    kept = [each for each in one.permissions if not each.startswith(f"{kind}:")]
    call.state.members.grant(one.user, (*kept, *([f"{kind}:{role}"] if role else [])), call.now)
    changed = call.state.members.member(user)
    entity = shapes.type_access(call.state, kind, changed, role) if role and changed is not None else None
    return accepted(call, entity=entity)


def _kind(call: Call) -> str:
    if call.values["kind"] not in shapes.ENVIRONMENT_TYPES:
        raise Refusal(HTTPStatus.NOT_FOUND, "There is no such environment type.")
    return call.values["kind"]
