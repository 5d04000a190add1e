"""Environments: reading, branching, and what brings them up or down."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from upsun_simulator import body, read_lag
from upsun_simulator.activity_queue import settle
from upsun_simulator.answers import Refusal, document
from upsun_simulator.documents.activity import activity as activity_document
from upsun_simulator.documents.environment import environment as environment_document
from upsun_simulator.documents.environment import settings as settings_document
from upsun_simulator.operations import changes, deployments, guard, lifecycle

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from upsun_simulator.activity import Activity
    from upsun_simulator.call import Call
    from upsun_simulator.environment import Environment


def named_environment(call: Call) -> Environment:
    """Return the environment that the path names."""
    try:
        return call.state.environments[call.values["environment"]]
    except KeyError:
        raise Refusal(HTTPStatus.NOT_FOUND, "There is no such environment.") from None


def accepted(
    call: Call,
    *activities: Activity,
    entity: dict[str, Any] | None = None,
    status: HTTPStatus = HTTPStatus.ACCEPTED,
) -> Response:
    """Answer with the answer to an operation that became activities, shown as they are by now.

    Args:
        call: the request.
        *activities: what the operation became.
        entity: what it was done to, as the API gives it; None: the answer holds none.
        status: the HTTP status.
    """
    settle(call.state, call.now)
    embedded: dict[str, Any] = {"activities": [activity_document(call.state, one) for one in activities]}
    if entity is not None:
        embedded["entity"] = entity
    return document({"status": status.phrase, "code": int(status), "_embedded": embedded}, status)


def environments(call: Call) -> Response:
    """Answer with all environments of the project."""
    state, asking = call.state, call.bearer().user
    found = [read_lag.environment(state, one) for one in state.environments.values()]
    return document([environment_document(state, one, asking, in_list=True) for one in found])


def environment(call: Call) -> Response:
    """Answer with one environment."""
    one = read_lag.environment(call.state, named_environment(call))
    return document(environment_document(call.state, one, call.bearer().user))


def settings(call: Call) -> Response:
    """Answer with the settings of an environment."""
    return document(settings_document(call.state, named_environment(call), call.bearer().user))


def update_settings(call: Call) -> Response:
    """Change the deployment type; if deployments become automatic again, deploy what is staged."""
    state, one, user = call.state, named_environment(call), call.bearer().user
    wishes = call.fields({"enable_manual_deployments": body.flag})
    guard.check(state, one, user, "edit")
    one.manual_deployment = wishes["enable_manual_deployments"]
    deployed = [] if one.manual_deployment or not state.staged(one.id) else [deployments.deploy(state, one, user)]
    return accepted(call, *deployed, entity=settings_document(state, one, user))


def update(call: Call) -> Response:
    """Change an environment's fields; an activity deploys changes to its containers or site."""
    state, one, user = call.state, named_environment(call), call.bearer().user
    wishes = call.fields(
        {},
        {
            "title": body.text,
            "parent": body.optional_text,
            "type": body.one_of("development", "staging", "production"),
            "enable_smtp": body.flag,
            "restrict_robots": body.flag,
            "clone_parent_on_create": body.flag,
            "attributes": body.mapping,
            "http_access": body.mapping,
        },
    )
    guard.check(state, one, user, "edit")
    changes.check(state, one, wishes)
    activities = changes.change(state, one, user, wishes)
    return accepted(call, *activities, entity=environment_document(state, one, user))


def delete(call: Call) -> Response:
    """Ask for an inactive environment, and its branch, to be removed."""
    one, user = named_environment(call), call.bearer().user
    guard.check(call.state, one, user, "delete")
    return accepted(call, lifecycle.delete(call.state, one, user))


def deactivate(call: Call) -> Response:
    """Ask for an environment to be deactivated: its containers and data are removed."""
    one, user = named_environment(call), call.bearer().user
    call.fields({})
    guard.check(call.state, one, user, "deactivate")
    return accepted(call, lifecycle.deactivate(call.state, one, user))


def branch(call: Call) -> Response:
    """Ask for a new environment, branched off this one."""
    parent, user = named_environment(call), call.bearer().user
    wishes = call.fields(
        {"title": body.text, "name": body.text},
        {
            "clone_parent": body.flag,
            "type": body.one_of("development", "staging"),
            "resources": body.resources("default", "minimum", "parent"),
        },
    )
    guard.check(call.state, parent, user, "branch")
    name = wishes["name"]
    check_new(call, name)
    activity = lifecycle.branch(
        call.state,
        parent,
        user,
        name=name,
        title=wishes["title"],
        kind=wishes.get("type", "development"),
        clone_parent=wishes.get("clone_parent", True),
    )
    return accepted(call, activity)


def check_new(call: Call, name: str) -> None:
    """Refuse a name that another environment has, or that no branch can have."""
    if name in call.state.environments:
        raise Refusal(HTTPStatus.CONFLICT, f"There is an environment {name} already.")
    if any(sign.isspace() for sign in name) or name.startswith("/") or name.endswith("/"):
        raise Refusal(HTTPStatus.BAD_REQUEST, f"{name!r} is not a valid name for a branch.")


def activate(call: Call) -> Response:
    """Ask for an inactive environment to be activated."""
    one = named_environment(call)
    call.fields({}, {"resources": body.resources("default", "minimum", "parent")})
    guard.check(call.state, one, call.bearer().user, "activate")
    return accepted(call, lifecycle.activate(call.state, one, call.bearer().user))


def pause(call: Call) -> Response:
    """Ask for an environment to be paused."""
    one = named_environment(call)
    call.fields({})
    guard.check(call.state, one, call.bearer().user, "pause")
    return accepted(call, lifecycle.pause(call.state, one, call.bearer().user))


def resume(call: Call) -> Response:
    """Ask for a paused environment to be resumed."""
    one = named_environment(call)
    call.fields({})
    guard.check(call.state, one, call.bearer().user, "resume")
    return accepted(call, lifecycle.resume(call.state, one, call.bearer().user))
