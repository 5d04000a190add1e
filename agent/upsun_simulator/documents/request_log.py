"""The request log as JSON: every request, and the state of the platform now."""

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
    from upsun_simulator.state import PlatformState
    from upsun_simulator.variable import Variable


def request_log(platform: Platform, requests: list[RecordedRequest]) -> dict[str, Any]:
    """Return requests in the order of arrival, activities, backups and e-mails in the order of creation."""
    state = platform.state
    return {
        "now": written(state.now),
        "requests": [request.entry() for request in requests],
        "activities": [
            {
                **activity_document(state, one, payload=one.payload),
                "number": one.number,
                "user": one.user.id,
                "commit": one.commit,
            }
            for one in state.activities
        ],
        "backups": [backup_document(state, one, OWNER) for one in state.backups],
        "evicted_backups": [
            {**backup_document(state, one, OWNER), "evicted_at": written(one.evicted_at)} for one in state.evicted
        ],
        "members": [
            {"user": one.user.id, "email": one.user.email, "permissions": list(one.permissions)}
            for one in state.members.all()
        ],
        "invitations": [invitation(state, one) for one in state.invitations.all],
        "mails": [mail(one) for one in state.invitations.mails],
        "variables": [_variable(one) for one in state.variables],
        "certificates": [_certificate(one) for one in platform.authority.issued],
        "environments": {name: _environment(state, one) for name, one in state.environments.items()},
    }


def _environment(state: PlatformState, one: Environment) -> dict[str, Any]:
    return {
        "status": state.status_of(one),
        "is_dirty": bool(state.unfinished(one.id)),
        "staged": [activity.id for activity in state.staged(one.id)],
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
                "parents": list(state.history.parents(each.sha)),
                "breaks": state.history.breaks(each.sha),
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
