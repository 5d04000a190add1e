"""Deployments: what is live, deploying again or what is staged, and runtime operations."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from upsun_simulator import body, read_lag
from upsun_simulator.answers import Refusal, document
from upsun_simulator.documents.deployment import deployment as deployment_document
from upsun_simulator.endpoints.environments import accepted, named_environment
from upsun_simulator.operations import changes, guard, runs
from upsun_simulator.operations import deployments as requests
from upsun_simulator.permissions import NOT_ALLOWED, has_role

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from upsun_simulator.call import Call
    from upsun_simulator.environment import Environment

GROUPS = ("webapps", "workers", "services", "tasks")


def redeploy(call: Call) -> Response:
    """Ask for a redeployment."""
    one, user = named_environment(call), call.bearer().user
    call.fields({})
    guard.check(call.state, one, user, "redeploy")
    return accepted(call, requests.redeploy(call.state, one, user))


def deploy(call: Call) -> Response:
    """Ask for a deployment of the staged changes."""
    one, user = named_environment(call), call.bearer().user
    wishes = call.fields({}, {"strategy": body.one_of("stopstart", "rolling")})
    guard.check(call.state, one, user, "deploy")
    strategy = wishes.get("strategy", "stopstart")
    if strategy == "rolling" and not call.state.scenario.rolling_deployments:
        raise Refusal(HTTPStatus.BAD_REQUEST, "Rolling deployments are not available for this environment.")
    return accepted(call, requests.deploy(call.state, one, user, strategy=strategy))


def deployments(call: Call) -> Response:
    """Return the deployments that can be read: the current one, unless the environment is inactive."""
    one = named_environment(call)
    live = one.deployments and call.state.status_of(one) != "inactive"
    found = [deployment_document(call.state, one, call.bearer().user)] if live else []
    return document(found)


def _deployed_environment(call: Call, *names: str) -> Environment:
    """Return the environment, if it has the deployment that the path names; an inactive one has none."""
    one = named_environment(call)
    inactive = call.state.status_of(one) == "inactive"
    if call.values["deployment"] not in names or not one.deployments or inactive:
        raise Refusal(HTTPStatus.NOT_FOUND, "There is no such deployment.")
    return one


def deployment(call: Call) -> Response:
    """Answer with the current deployment, or the next one."""
    one = _deployed_environment(call, "current", "next")
    if call.values["deployment"] == "current":
        read_lag.check_deployment(call.state, one)
    return document(deployment_document(call.state, one, call.bearer().user, call.values["deployment"]))


def resize(call: Call) -> Response:
    """Set the resources of containers for the next deployment, which follows at once."""
    one, user = _deployed_environment(call, "next"), call.bearer().user
    wishes = call.fields({}, dict.fromkeys(GROUPS, body.groups))
    guard.check(call.state, one, user)
    next_one = deployment_document(call.state, one, user, "next")
    sizes: dict[str, dict[str, Any]] = {}
    for group, containers in wishes.items():
        for name, wanted in dict(containers).items():
            if name not in next_one[group]:
                raise Refusal(HTTPStatus.BAD_REQUEST, f"There is no container {name!r}.")
            sizes[name] = _size(name, next_one[group][name], wanted, next_one["container_profiles"])
    activities = changes.resize(call.state, one, user, sizes)
    return accepted(call, *activities, entity=deployment_document(call.state, one, user, "next"))


def _size(name: str, known: dict[str, Any], wanted: dict[str, Any], profiles: dict[str, Any]) -> dict[str, Any]:
    """Return what is wanted of a container, held to what its profile and its kind can have."""
    profile = profiles[known.get("container_profile") or "BALANCED"]
    resources = wanted.get("resources") or {}
    size = resources.get("profile_size") if isinstance(resources, dict) else ""
    wrong = set(wanted) - {"resources", "instance_count", "disk"} or (size is not None and size not in profile)
    numbers: dict[str, Any] = {key: wanted[key] for key in ("instance_count", "disk") if key in wanted}
    if wrong or not all(body.number(value) for value in numbers.values()):
        raise Refusal(HTTPStatus.BAD_REQUEST, f"The resources of {name!r} are invalid.")
    return {**({} if size is None else {"profile_size": size}), **numbers}


def run_operation(call: Call) -> Response:
    """Ask for a runtime operation, which those may run whose role it asks for.

    https://developer.upsun.com/docs/configure-apps/runtime-operations
    """
    one, user = _deployed_environment(call, "current"), call.bearer().user
    wishes = call.fields({"service": body.text, "operation": body.text}, {"parameters": body.texts})
    if not has_role(call.state, one, user, "viewer"):
        raise Refusal(HTTPStatus.FORBIDDEN, NOT_ALLOWED)
    obstacle = guard.unready(call.state, one, user)
    if obstacle is not None:
        raise obstacle
    service, name = wishes["service"], wishes["operation"]
    found = [each for each in runs.operations(call.state) if (each.app, each.name) == (service, name)]
    if not found:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"The runtime operation {name!r} is not defined on {service!r}.")
    if not has_role(call.state, one, user, found[0].role):
        raise Refusal(HTTPStatus.FORBIDDEN, f"Only a user with the role {found[0].role} may run {name!r}.")
    parameters = wishes.get("parameters", [])
    activity = runs.run_operation(call.state, one, user, service=service, operation=name, parameters=parameters)
    return accepted(call, activity)
