"""A backup."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upsun_simulator.documents import links
from upsun_simulator.documents.timestamp import written
from upsun_simulator.permissions import allowed

if TYPE_CHECKING:
    from upsun_simulator.backup import Backup
    from upsun_simulator.state import PlatformState
    from upsun_simulator.user import User

SIZE = 1_234_567


def backup(state: PlatformState, one: Backup, asking: User) -> dict[str, Any]:
    """Return the backup as the API gives it.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        one: the backup.
        asking: who reads it; the links show what this user may do.
    """
    scenario = state.scenario
    path = f"{links.environment_path(scenario, one.environment)}/backups/{links.segment(one.id)}"
    found = {"self": links.resource(scenario, path, "Backup")}
    # Its environment may be gone, of which the request log still tells.
    place = state.environments.get(one.environment)
    if place is not None and allowed(state, place, asking):
        found["#delete"] = links.action(scenario, path, "delete")
        if one.restorable and one.status == "CREATED" and "#restore" not in scenario.absent_links:
            found["#restore"] = links.action(scenario, f"{path}/restore")
    return {
        "id": one.id,
        "created_at": written(one.created_at),
        "updated_at": written(one.created_at),
        "attributes": {},
        "status": one.status,
        "expires_at": None,
        "index": one.number,
        "commit_id": one.commit_id,
        "environment": one.environment,
        "safe": one.safe,
        "size_of_volumes": SIZE,
        "size_used": SIZE,
        "size_object_storage": None,
        "deployment": None,
        "restorable": one.restorable,
        "automated": one.automated,
        "_links": found,
    }
