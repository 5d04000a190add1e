"""Variables of environments and of the project."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from upsun_simulator import read_lag, variable_changes
from upsun_simulator.activity import VARIABLE_CREATE, VARIABLE_DELETE, VARIABLE_UPDATE
from upsun_simulator.answers import Refusal, document
from upsun_simulator.documents.variable import environment_variable, project_variable
from upsun_simulator.endpoints.environments import accepted, named_environment
from upsun_simulator.permissions import check_admin, check_allowed

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from upsun_simulator.call import Call
    from upsun_simulator.environment import Environment
    from upsun_simulator.variable import Variable, Variables


def _seen(call: Call, environment: Environment, variables: Variables | None = None) -> Variable:
    """Return the variable in the path, the environment's own or an inherited one."""
    for one in (variables or call.state.variables).seen(call.state.lineage(environment.id)):
        if one.name == call.values["variable"]:
            return one
    raise Refusal(HTTPStatus.NOT_FOUND, "There is no such variable.")


def _of_project(call: Call, variables: Variables | None = None) -> Variable:
    found = (variables or call.state.variables).own(None, call.values["variable"])
    if found is None:
        raise Refusal(HTTPStatus.NOT_FOUND, "There is no such variable.")
    return found


def _changed(call: Call, environment: Environment, kind: str, one: Variable, *, rebuild: bool) -> Response:
    state, user = call.state, call.bearer().user
    activities = variable_changes.redeploy(state, environment, user, kind, one, rebuild=rebuild)
    shown = environment_variable(state, one, environment, user)
    status = HTTPStatus.CREATED if kind == VARIABLE_CREATE else HTTPStatus.ACCEPTED
    return accepted(call, *activities, entity=None if kind == VARIABLE_DELETE else shown, status=status)


def of_environment(call: Call) -> Response:
    """Answer with the variables that an environment has or inherits."""
    place, user = named_environment(call), call.bearer().user
    found = read_lag.variables(call.state).seen(call.state.lineage(place.id))
    return document([environment_variable(call.state, one, place, user) for one in found])


def one_of_environment(call: Call) -> Response:
    """Answer with one variable of an environment."""
    place = named_environment(call)
    one = _seen(call, place, read_lag.variables(call.state))
    return document(environment_variable(call.state, one, place, call.bearer().user))


def create_in_environment(call: Call) -> Response:
    """Add a variable to an environment."""
    place = named_environment(call)
    check_allowed(call.state, place, call.bearer().user)
    one = variable_changes.create(call.state, place.id, call.json_body())
    return _changed(call, place, VARIABLE_CREATE, one, rebuild=one.visible_build)


def update_in_environment(call: Call) -> Response:
    """Change a variable of an environment."""
    place = named_environment(call)
    check_allowed(call.state, place, call.bearer().user)
    known = _seen(call, place)
    one = variable_changes.update(call.state, place.id, known, call.json_body())
    return _changed(call, place, VARIABLE_UPDATE, one, rebuild=known.visible_build or one.visible_build)


def delete_in_environment(call: Call) -> Response:
    """Remove a variable from an environment; an inherited one stays where it is."""
    place = named_environment(call)
    check_allowed(call.state, place, call.bearer().user)
    one = _seen(call, place)
    if one.environment != place.id:
        raise Refusal(HTTPStatus.CONFLICT, "The variable is inherited and cannot be deleted here.")
    call.state.variables.remove(one, call.now)
    return _changed(call, place, VARIABLE_DELETE, one, rebuild=one.visible_build)


def of_project(call: Call) -> Response:
    """Answer with the variables of the project."""
    user = call.bearer().user
    return document([project_variable(call.state, one, user) for one in read_lag.variables(call.state).of_project()])


def one_of_project(call: Call) -> Response:
    """Answer with one variable of the project."""
    one = _of_project(call, read_lag.variables(call.state))
    return document(project_variable(call.state, one, call.bearer().user))


def create_in_project(call: Call) -> Response:
    """Add a variable to the project; the next deployment of each environment brings it."""
    user = check_admin(call)
    one = variable_changes.create(call.state, None, call.json_body())
    return accepted(call, entity=project_variable(call.state, one, user), status=HTTPStatus.CREATED)


def update_in_project(call: Call) -> Response:
    """Change a variable of the project."""
    user = check_admin(call)
    one = variable_changes.update(call.state, None, _of_project(call), call.json_body())
    return accepted(call, entity=project_variable(call.state, one, user))


def delete_in_project(call: Call) -> Response:
    """Remove a variable from the project."""
    check_admin(call)
    call.state.variables.remove(_of_project(call), call.now)
    return accepted(call)
