"""Backups: making, reading, deleting and restoring them."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from upsun_simulator import body, read_lag
from upsun_simulator.answers import Refusal, document
from upsun_simulator.documents.backup import backup as backup_document
from upsun_simulator.endpoints.environments import accepted, check_new, named_environment
from upsun_simulator.operations import backups as requests
from upsun_simulator.operations import guard
from upsun_simulator.permissions import check_allowed

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from upsun_simulator.backup import Backup
    from upsun_simulator.call import Call
    from upsun_simulator.environment import Environment


def back_up(call: Call) -> Response:
    """Ask for a backup."""
    one, user = named_environment(call), call.bearer().user
    wishes = call.fields({}, {"safe": body.flag})
    guard.check(call.state, one, user, "backup")
    return accepted(call, requests.back_up(call.state, one, user, safe=wishes.get("safe", True)))


def backups(call: Call) -> Response:
    """Answer with the backups of an environment, newest first."""
    one = named_environment(call)
    found = [backup for backup in read_lag.backups(call.state) if backup.environment == one.id]
    found.sort(key=lambda backup: (backup.created_at, backup.number), reverse=True)
    return document([backup_document(call.state, backup, call.bearer().user) for backup in found])


def _named_backup(call: Call) -> Backup:
    one = named_environment(call)
    for backup in read_lag.backups(call.state):
        if backup.environment == one.id and backup.id == call.values["backup"]:
            return backup
    raise Refusal(HTTPStatus.NOT_FOUND, "There is no such backup.")


def backup(call: Call) -> Response:
    """Answer with one backup."""
    return document(backup_document(call.state, _named_backup(call), call.bearer().user))


def delete_backup(call: Call) -> Response:
    """Ask for a backup's removal."""
    one, user = _named_backup(call), call.bearer().user
    guard.check(call.state, call.state.environments[one.environment], user)
    if one.status == "DELETING":
        raise Refusal(HTTPStatus.CONFLICT, "The backup is being deleted already.")
    return accepted(call, requests.delete_backup(call.state, one, user))


def restore(call: Call) -> Response:
    """Ask for a backup to be restored, to its own environment, another one, or a new one."""
    one, user = _named_backup(call), call.bearer().user
    wishes = call.fields(
        {},
        {
            "environment_name": body.optional_text,
            "branch_from": body.optional_text,
            "restore_code": body.flag,
            "restore_resources": body.flag,
            "resources": body.resources("backup", "default", "minimum", "parent"),
        },
    )
    check_allowed(call.state, call.state.environments[one.environment], user)
    if not one.restorable or one.status != "CREATED":
        raise Refusal(HTTPStatus.CONFLICT, "The backup cannot be restored.")
    target = _target(call, one, wishes)
    code, resources = wishes.get("restore_code", True), wishes.get("restore_resources", True)
    return accepted(call, requests.restore(call.state, one, target, user, code=code, resources=resources))


def _target(call: Call, backup: Backup, wishes: dict[str, Any]) -> Environment:
    """Return the environment to restore to; branch it off the named parent if it does not exist."""
    state, user = call.state, call.bearer().user
    name, origin = wishes.get("environment_name") or backup.environment, wishes.get("branch_from")
    if name in state.environments:
        guard.check(state, state.environments[name], user)
        return state.environments[name]
    if origin not in state.environments:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"There is no environment {name}, and none to branch it off.")
    # Everybody may branch, but a backup's data goes only where its reader is an admin.
    check_allowed(state, state.environments[origin], user)
    guard.check(state, state.environments[origin], user, "branch")
    check_new(call, name)
    return state.branch_off(state.environments[origin], name, "development", title=name)
