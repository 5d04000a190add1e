"""Environments, and the operations on them."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from agent.simulator import operations
from agent.simulator.answers import Refusal, document
from agent.simulator.documents.activity import activity as activity_document
from agent.simulator.documents.backup import backup as backup_document
from agent.simulator.documents.deployment import deployment as deployment_document
from agent.simulator.documents.environment import environment as environment_document

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from agent.simulator.activity import Activity
    from agent.simulator.backup import Backup
    from agent.simulator.call import Call
    from agent.simulator.environment import Environment


def named_environment(call: Call) -> Environment:
    """The environment that the path names."""
    try:
        return call.world.environments[call.values["environment"]]
    except KeyError:
        raise Refusal(HTTPStatus.NOT_FOUND, "There is no such environment.") from None


def accepted(call: Call, *activities: Activity, entity: dict[str, Any] | None = None) -> Response:
    """The answer to an operation that became activities, shown as they are by now."""
    call.world.settle(call.now)
    embedded: dict[str, Any] = {"activities": [activity_document(call.world, one) for one in activities]}
    if entity is not None:
        embedded["entity"] = entity
    status = HTTPStatus.ACCEPTED
    return document({"status": status.phrase, "code": int(status), "_embedded": embedded}, status)


def environments(call: Call) -> Response:
    """All environments of the project."""
    world, asking = call.world, call.bearer().user
    return document([environment_document(world, one, asking, in_list=True) for one in world.environments.values()])


def environment(call: Call) -> Response:
    """One environment."""
    return document(environment_document(call.world, named_environment(call), call.bearer().user))


def settings(call: Call) -> Response:
    """The settings of an environment."""
    named_environment(call)
    return document({"enable_manual_deployments": call.world.scenario.manual_deployment})


def back_up(call: Call) -> Response:
    """Ask for a backup."""
    one = named_environment(call)
    body = call.json_body()
    safe = body.get("safe", True)
    if not isinstance(safe, bool) or set(body) - {"safe"}:
        raise Refusal(HTTPStatus.BAD_REQUEST, "The body may only hold safe, true or false.")
    operations.check_possible(call.world, one, call.bearer().user)
    return accepted(call, operations.back_up(call.world, one, call.bearer().user, safe=safe))


def backups(call: Call) -> Response:
    """The backups of an environment, newest first."""
    one = named_environment(call)
    found = [backup for backup in call.world.backups if backup.environment == one.id]
    found.sort(key=lambda backup: (backup.created_at, backup.number), reverse=True)
    return document([backup_document(call.world, backup, call.bearer().user) for backup in found])


def _named_backup(call: Call) -> Backup:
    one = named_environment(call)
    for backup in call.world.backups:
        if backup.environment == one.id and backup.id == call.values["backup"]:
            return backup
    raise Refusal(HTTPStatus.NOT_FOUND, "There is no such backup.")


def backup(call: Call) -> Response:
    """One backup."""
    return document(backup_document(call.world, _named_backup(call), call.bearer().user))


def delete_backup(call: Call) -> Response:
    """Ask for a backup's removal."""
    one = _named_backup(call)
    operations.check_possible(call.world, call.world.environments[one.environment], call.bearer().user)
    if one.status == "DELETING":
        raise Refusal(HTTPStatus.CONFLICT, "The backup is being deleted already.")
    return accepted(call, operations.delete_backup(call.world, one, call.bearer().user))


def source_operations(call: Call) -> Response:
    """The source operations that the app defines."""
    named_environment(call)
    return document(
        [
            {"id": f"{app}:{name}", "app": app, "operation": name, "command": f"./update.sh {name}"}
            for app, name in operations.defined(call.world)
        ]
    )


def run_source_operation(call: Call) -> Response:
    """Ask for a source operation."""
    one = named_environment(call)
    body = call.json_body()
    name, variables = body.get("operation"), body.get("variables", {})
    if not isinstance(name, str) or set(body) - {"operation", "variables"}:
        raise Refusal(HTTPStatus.BAD_REQUEST, "The body must hold operation, and may hold variables.")
    # An empty map is written as a list by some clients of PHP.
    variables = {} if variables == [] else variables
    if not isinstance(variables, dict) or not all(isinstance(group, dict) for group in variables.values()):
        raise Refusal(HTTPStatus.BAD_REQUEST, "The variables must be a map of maps.")
    operations.check_possible(call.world, one, call.bearer().user)
    if one.is_pr:
        raise Refusal(HTTPStatus.BAD_REQUEST, "Source operations are not possible on pull-request environments.")
    if name not in [each for _, each in operations.defined(call.world)]:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"The source operation {name!r} is not defined.")
    user = call.bearer().user
    activity = operations.run_source_operation(call.world, one, user, operation=name, variables=variables)
    return accepted(call, activity)


def redeploy(call: Call) -> Response:
    """Ask for a deployment of what is there."""
    one = named_environment(call)
    operations.check_possible(call.world, one, call.bearer().user)
    return accepted(call, operations.redeploy(call.world, one, call.bearer().user))


def deployments(call: Call) -> Response:
    """The deployments that can be read: the current one."""
    return document([deployment_document(call.world, named_environment(call))])


def deployment(call: Call) -> Response:
    """The current deployment."""
    one = named_environment(call)
    if call.values["deployment"] != "current":
        raise Refusal(HTTPStatus.NOT_FOUND, "There is no such deployment.")
    return document(deployment_document(call.world, one))
