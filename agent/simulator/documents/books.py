"""The books as JSON: the truth that promises are checked against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.simulator.documents.activity import activity as activity_document
from agent.simulator.documents.backup import backup as backup_document
from agent.simulator.documents.moment import written

if TYPE_CHECKING:
    from agent.simulator.books import RecordedRequest
    from agent.simulator.environment import Environment
    from agent.simulator.world import World


def books(world: World, requests: list[RecordedRequest]) -> dict[str, Any]:
    """Requests in the order of arrival, activities and backups in the order of creation."""
    return {
        "now": written(world.now),
        "requests": [request.entry() for request in requests],
        "activities": [
            {**activity_document(world, one), "number": one.number, "user": one.user.id, "commit": one.commit}
            for one in world.activities
        ],
        "backups": [backup_document(world, one) for one in world.backups],
        "evicted_backups": [
            {**backup_document(world, one), "evicted_at": written(one.evicted_at)} for one in world.evicted
        ],
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
        "commits": [{"sha": each.sha, "at": written(each.at), "by": each.by} for each in one.commits],
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
