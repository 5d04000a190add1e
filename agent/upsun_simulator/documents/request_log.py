"""The books as JSON: the truth that promises are checked against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upsun_simulator.documents.access import invitation, mail
from upsun_simulator.documents.activity import activity as activity_document
from upsun_simulator.documents.backup import backup as backup_document
from upsun_simulator.documents.timestamp import written
from upsun_simulator.request_log import SECRET
from upsun_simulator.user import OWNER

if TYPE_CHECKING:
    from upsun_simulator.authority import Certificate
    from upsun_simulator.environment import DataNote, Environment
    from upsun_simulator.platform import Platform
    from upsun_simulator.request_log import RecordedRequest
    from upsun_simulator.state import World
    from upsun_simulator.variable import Variable


def books(platform: Platform, requests: list[RecordedRequest]) -> dict[str, Any]:
    """Requests in the order of arrival, activities, backups and e-mails in the order of creation."""
    world = platform.world
    return {
        "now": written(world.now),
        "requests": [request.entry() for request in requests],
        "activities": [
            {
                **activity_document(world, one, payload=one.payload),
                "number": one.number,
                "user": one.user.id,
                "commit": one.commit,
            }
            for one in world.activities
        ],
        "backups": [backup_document(world, one, OWNER) for one in world.backups],
        "evicted_backups": [
            {**backup_document(world, one, OWNER), "evicted_at": written(one.evicted_at)} for one in world.evicted
        ],
        "members": [
            {"user": one.user.id, "email": one.user.email, "permissions": list(one.permissions)}
            for one in world.members.all()
        ],
        "invitations": [invitation(world, one) for one in world.invitations.all],
        "mails": [mail(one) for one in world.invitations.mails],
        "variables": [_variable(one) for one in world.variables],
        "certificates": [_certificate(one) for one in platform.authority.issued],
        "environments": {name: _environment(world, one) for name, one in world.environments.items()},
    }


def _environment(world: World, one: Environment) -> dict[str, Any]:
    return {
        "status": world.status_of(one),
        "is_dirty": bool(world.unfinished(one.id)),
        "staged": [activity.id for activity in world.staged(one.id)],
        "head_commit": one.head,
        "deployed_commit": one.deployed,
        "last_backup_at": written(one.last_backup_at),
        "data_from": _note(one.data_from),
        "data_restored_from": _note(one.data_restored_from),
        "commits": [
            {
                "sha": each.sha,
                "at": written(each.at),
                "by": each.by,
                "parents": list(world.history.parents(each.sha)),
                "breaks": world.history.breaks(each.sha),
            }
            for each in one.commits
        ],
        "deployments": [
            {
                "at": written(each.at),
                "commit": each.commit,
                "activity": each.activity,
                "successful": each.successful,
            }
            for each in one.deployments
        ],
    }


def _note(one: DataNote | None) -> dict[str, Any] | None:
    return None if one is None else {"source": one.source, "at": written(one.at)}


def _variable(one: Variable) -> dict[str, Any]:
    found = {**vars(one), "created_at": written(one.created_at), "updated_at": written(one.updated_at)}
    return found | ({"value": SECRET} if one.is_sensitive else {})


def _certificate(one: Certificate) -> dict[str, Any]:
    return {**vars(one), "valid_after": written(one.valid_after), "valid_before": written(one.valid_before)}
