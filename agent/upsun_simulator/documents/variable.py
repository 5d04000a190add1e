"""A variable; the value of a sensitive one is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upsun_simulator.documents import links
from upsun_simulator.documents.timestamp import written
from upsun_simulator.permissions import allowed, is_admin

if TYPE_CHECKING:
    from upsun_simulator.environment import Environment
    from upsun_simulator.state import PlatformState
    from upsun_simulator.user import User
    from upsun_simulator.variable import Variable


def environment_variable(state: PlatformState, one: Variable, place: Environment, asking: User) -> dict[str, Any]:
    """Return a variable as an environment shows it, its own or inherited.

    An inherited one has no `#delete`, by which the official CLI tells it apart, and its `#edit` overrides it.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        one: the variable.
        place: the environment that shows it.
        asking: who reads it; the links show what this user may do.
    """
    path = f"{links.environment_path(state.scenario, place.id)}/variables/{links.segment(one.name)}"
    inherited = one.environment != place.id
    return {
        **_common(one),
        "project": state.scenario.project,
        "environment": place.id,
        "inherited": inherited,
        "is_enabled": one.is_enabled,
        "is_inheritable": one.is_inheritable,
        "_links": _links(state, path, edit=allowed(state, place, asking), delete=not inherited),
    }


def project_variable(state: PlatformState, one: Variable, asking: User) -> dict[str, Any]:
    """Return a variable of the project.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        one: the variable.
        asking: who reads it; the links show what this user may do.
    """
    path = f"{links.project_path(state.scenario)}/variables/{links.segment(one.name)}"
    return {**_common(one), "_links": _links(state, path, edit=is_admin(state, asking), delete=True)}


def deployed_variable(one: Variable) -> dict[str, Any]:
    """Return a variable as a deployment lists it."""
    names = ("is_sensitive", "is_json", "visible_build", "visible_runtime")
    return {**_value(one), "name": one.name, **{name: getattr(one, name) for name in names}}


def _common(one: Variable) -> dict[str, Any]:
    return {
        "id": one.name,
        "created_at": written(one.created_at),
        "updated_at": written(one.updated_at),
        "name": one.name,
        "attributes": one.attributes,
        **_value(one),
        "is_json": one.is_json,
        "is_sensitive": one.is_sensitive,
        "visible_build": one.visible_build,
        "visible_runtime": one.visible_runtime,
        "application_scope": one.application_scope,
    }


def _value(one: Variable) -> dict[str, Any]:
    return {} if one.is_sensitive else {"value": one.value}


def _links(state: PlatformState, path: str, *, edit: bool, delete: bool) -> links.Links:
    found = {"self": links.resource(state.scenario, path, "Variable")}
    if edit:
        found["#edit"] = links.action(state.scenario, path, "patch")
        if delete:
            found["#delete"] = links.action(state.scenario, path, "delete")
    return found
