"""Changes to variables: check the request, and queue the deployment that follows.

A change to an environment's variable redeploys that environment and no other, and rebuilds it where the build
sees the variable; a project's variable waits for the next deployment
(https://developer.upsun.com/docs/development/variables/set-variables).
"""

from __future__ import annotations

import dataclasses
import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from upsun_simulator.answers import Refusal
from upsun_simulator.operations.deployments import deploy_plan
from upsun_simulator.request_log import SECRET
from upsun_simulator.variable import Variable

if TYPE_CHECKING:
    from upsun_simulator.activity import Activity
    from upsun_simulator.call import Call
    from upsun_simulator.environment import Environment
    from upsun_simulator.state import PlatformState
    from upsun_simulator.user import User

FLAGS = ("is_json", "is_sensitive", "visible_build", "visible_runtime")
ENVIRONMENT_FLAGS = ("is_enabled", "is_inheritable")
REBUILD = "Rebuilding, since the build sees the variable\n"


def create(state: PlatformState, environment: str | None, body: dict[str, Any]) -> Variable:
    """Add a variable; one that is only inherited so far may be overridden.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        environment: the id of the environment; None: it is the project's.
        body: the fields of the request.
    """
    fields = _checked(body, environment)
    if not isinstance(fields.get("name"), str) or not fields["name"] or "value" not in fields:
        raise Refusal(HTTPStatus.BAD_REQUEST, "The fields name and value are required.")
    if state.variables.own(environment, fields["name"]) is not None:
        raise Refusal(HTTPStatus.CONFLICT, f"There is a variable {fields['name']} already.")
    fields = {"visible_build": environment is None, **fields}
    made = Variable(environment=environment, created_at=state.now, updated_at=state.now, **fields)
    _check_value(made)
    state.variables.put(made)
    return made


def update(state: PlatformState, environment: str | None, known: Variable, body: dict[str, Any]) -> Variable:
    """Change a variable; the change of an inherited one becomes the environment's own.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        environment: the id of the environment; None: it is the project's.
        known: the variable as it is.
        body: the fields of the request.
    """
    fields = _checked(body, environment)
    if fields.get("name", known.name) != known.name:
        raise Refusal(HTTPStatus.BAD_REQUEST, "A variable cannot be renamed.")
    if known.is_sensitive and fields.get("is_sensitive") is False:
        raise Refusal(HTTPStatus.BAD_REQUEST, "A sensitive variable stays sensitive.")
    made_at = known.created_at if known.environment == environment else state.now
    changed = dataclasses.replace(known, **fields, environment=environment, created_at=made_at, updated_at=state.now)
    _check_value(changed)
    state.variables.put(changed)
    return changed


def redeploy(
    state: PlatformState, environment: Environment, user: User, kind: str, variable: Variable, *, rebuild: bool
) -> list[Activity]:
    """Queue the deployment that makes the change live, or stage it; an inactive environment has none.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        environment: the environment that is meant.
        user: who asks for it.
        kind: the type of the activity.
        variable: the variable that changed.
        rebuild: whether the apps are built again.
    """
    if state.status_of(environment) != "active":
        return []
    activity = state.add_activity(
        kind,
        environment.id,
        user=user,
        plan=deploy_plan(state),
        parameters={"name": variable.name},
        payload={"variable": {"name": variable.name}, "environment": environment.summary()},
    )
    if rebuild:
        activity.write(state.now, REBUILD)
    if state.deploys_manually(environment):
        state.stage(activity)
    return [activity]


def _checked(body: dict[str, Any], environment: str | None) -> dict[str, Any]:
    """Return the fields of a request, checked against the official document's types."""
    flags = (*FLAGS, *(ENVIRONMENT_FLAGS if environment is not None else ()))
    for name, value in body.items():
        if name in flags:
            right = isinstance(value, bool)
        elif name in ("name", "value"):
            right = isinstance(value, str)
        elif name == "application_scope":
            right = isinstance(value, list) and all(isinstance(one, str) for one in value)
        else:
            right = name == "attributes" and isinstance(value, dict)
        if not right:
            raise Refusal(HTTPStatus.BAD_REQUEST, f"The field {name} is unknown here or of the wrong type.")
    return body


def _check_value(variable: Variable) -> None:
    try:
        if variable.is_json:
            json.loads(variable.value)
    except ValueError:
        raise Refusal(HTTPStatus.BAD_REQUEST, "The value is not valid JSON.") from None


def without_values(call: Call) -> Any:
    """Return the body of a request as the request log may hold it: a sensitive value is hidden before it is stored."""
    _, found, name = call.target.decoded.rpartition("/variables")
    body = call.body
    if not found or not isinstance(body, dict) or "value" not in body:
        return body
    wanted = name.removeprefix("/")
    known = any(one.is_sensitive for one in call.state.variables if one.name == wanted)
    return {**body, "value": SECRET} if body.get("is_sensitive") or known else body
