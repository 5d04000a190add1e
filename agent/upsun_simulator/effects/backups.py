"""What activities do to backups: store, restore, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upsun_simulator.backup import Backup
from upsun_simulator.effects import lifecycle
from upsun_simulator.environment import APP, DataNote, Deployment

if TYPE_CHECKING:
    from datetime import datetime

    from upsun_simulator.activity import Activity
    from upsun_simulator.state import PlatformState


def keep(state: PlatformState, activity: Activity, at: datetime) -> None:
    """Store the backup that an activity made, and delete the oldest manual one if there are too many.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        activity: the activity whose effect it is.
        at: when it happens, by the platform's clock.
    """
    if activity.plan.backup == "missing":
        return
    environment = state.environments[activity.environment]
    state.backups.append(
        Backup(
            id=activity.payload["backup_name"],
            number=state.count(),
            environment=environment.id,
            created_at=at,
            commit_id=environment.head,
            safe=bool(activity.parameters.get("safe", True)),
            restorable=activity.plan.backup != "unrestorable",
            automated=bool(activity.parameters.get("automated", False)),
            activity=activity.id,
            variables=list(environment.live),
        )
    )
    environment.backup_moments.append(at)
    evict(state, environment.id, at)


def leave_trace(state: PlatformState, activity: Activity, at: datetime) -> None:
    """List the backup of a cancelled activity, as one that cannot be restored.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        activity: the activity whose effect it is.
        at: when it happens, by the platform's clock.
    """
    environment = state.environments[activity.environment]
    trace = Backup(
        id=activity.payload["backup_name"],
        number=state.count(),
        environment=environment.id,
        created_at=at,
        commit_id=environment.head,
        safe=bool(activity.parameters.get("safe", True)),
        restorable=False,
        automated=False,
        activity=activity.id,
    )
    state.backups.append(trace)


def evict(state: PlatformState, environment: str, at: datetime) -> None:
    """Remove the oldest manual backups past the limit; automated ones do not count.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        environment: the id of the environment.
        at: when it happens, by the platform's clock.
    """
    manual = [one for one in state.backups if one.environment == environment and not one.automated]
    manual.sort(key=lambda one: (one.created_at, one.number))
    kept = state.scenario.backups_kept(state.environments[environment].type)
    for backup in manual[: max(0, len(manual) - kept)]:
        state.drop_backup(backup, at)


def delete(state: PlatformState, activity: Activity, at: datetime) -> None:  # noqa: ARG001 - the signature of all effects
    """Remove the backup that somebody asked to be deleted.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        activity: the activity whose effect it is.
        at: when it happens, by the platform's clock.
    """
    state.backups[:] = [one for one in state.backups if one.id != activity.parameters["backup_name"]]


def keep_after_all(state: PlatformState, activity: Activity) -> None:
    """Leave the backup whose deletion was cancelled."""
    for backup in state.backups:
        if backup.id == activity.parameters["backup_name"]:
            backup.status = "CREATED"


def restore(state: PlatformState, activity: Activity, at: datetime) -> None:
    """Put the data back and, unless it is left out, deploy the app and the variables as they were.

    The Git repository stays as it is, so that any later deployment builds the head
    (https://developer.upsun.com/docs/environments/restore).
    A backup that another one replaced meanwhile cannot be restored any more. A restore that names no backup is
    somebody else's, of whom nothing else is known.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        activity: the activity whose effect it is.
        at: when it happens, by the platform's clock.
    """
    if "backup_name" not in activity.parameters:
        return
    found = [one for one in state.backups if one.id == activity.parameters["backup_name"]]
    if not found:
        activity.result = "failure"
        activity.write(at, "The backup is gone\n")
        return
    backup = found[0]
    environment = state.environments[activity.environment]
    if state.status_of(environment) != "active":
        lifecycle.bring_up(state, activity, at)
    environment.data_restored_from = DataNote(backup.id, at)
    if activity.parameters["restore_code"]:
        activity.commands = [{"app": APP, "type": "deploy", "exit_code": 0}]
        environment.record(Deployment(at, backup.commit_id, activity.id, successful=True, commands=activity.commands))
        environment.live = list(backup.variables)
