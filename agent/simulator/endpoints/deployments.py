"""Deployments: what is live, deploying again or what is staged, and runtime operations."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from agent.simulator import body, late
from agent.simulator.answers import Refusal, document
from agent.simulator.documents.deployment import deployment as deployment_document
from agent.simulator.endpoints.environments import accepted, named_environment
from agent.simulator.operations import deployments as requests
from agent.simulator.operations import guard, runs
from agent.simulator.operations.code import defined
from agent.simulator.permissions import NOT_ALLOWED, may_run

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from agent.simulator.call import Call
    from agent.simulator.environment import Environment


def redeploy(call: Call) -> Response:
    """Ask for a deployment of what is there."""
    one, user = named_environment(call), call.bearer().user
    body.fields(call, {})
    guard.check(call.world, one, user, "redeploy")
    return accepted(call, requests.redeploy(call.world, one, user))


def deploy(call: Call) -> Response:
    """Ask for a deployment of what is staged."""
    one, user = named_environment(call), call.bearer().user
    wishes = body.fields(call, {}, {"strategy": body.one_of("stopstart", "rolling")})
    guard.check(call.world, one, user, "deploy")
    strategy = wishes.get("strategy", "stopstart")
    if strategy == "rolling" and not call.world.scenario.rolling_deployments:
        raise Refusal(HTTPStatus.BAD_REQUEST, "Rolling deployments are not available for this environment.")
    return accepted(call, requests.deploy(call.world, one, user, strategy=strategy))


def deployments(call: Call) -> Response:
    """The deployments that can be read: the current one, once there is one."""
    one = named_environment(call)
    found = [deployment_document(call.world, one, call.bearer().user)] if one.deployments else []
    return document(found)


def _deployed_environment(call: Call) -> Environment:
    one = named_environment(call)
    if call.values["deployment"] != "current" or not one.deployments:
        raise Refusal(HTTPStatus.NOT_FOUND, "There is no such deployment.")
    return one


def deployment(call: Call) -> Response:
    """The current deployment."""
    one = _deployed_environment(call)
    late.check_deployment(call.world, one)
    return document(deployment_document(call.world, one, call.bearer().user))


def run_operation(call: Call) -> Response:
    """Ask for a runtime operation, which a contributor may run (docs:create-apps/runtime-operations)."""
    one, user = _deployed_environment(call), call.bearer().user
    wishes = body.fields(call, {"service": body.text, "operation": body.text}, {"parameters": body.texts})
    if not may_run(call.world, one, user):
        raise Refusal(HTTPStatus.FORBIDDEN, NOT_ALLOWED)
    obstacle = guard.unready(call.world, one, user)
    if obstacle is not None:
        raise obstacle
    service, name = wishes["service"], wishes["operation"]
    if (service, name) not in defined(call.world.scenario.runtime_operations):
        raise Refusal(HTTPStatus.BAD_REQUEST, f"The runtime operation {name!r} is not defined on {service!r}.")
    parameters = wishes.get("parameters", [])
    activity = runs.run_operation(call.world, one, user, service=service, operation=name, parameters=parameters)
    return accepted(call, activity)
