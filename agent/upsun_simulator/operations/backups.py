"""Making, deleting and restoring backups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upsun_simulator.activity import BACKUP, BACKUP_DELETE, RESTORE, Activity, Plan
from upsun_simulator.ids import identifier

if TYPE_CHECKING:
    from upsun_simulator.backup import Backup
    from upsun_simulator.environment import Environment
    from upsun_simulator.state import PlatformState
    from upsun_simulator.user import User


def back_up(state: PlatformState, environment: Environment, user: User, *, safe: bool) -> Activity:
    """Queue a backup; its name is known from the start.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        environment: the environment that is meant.
        user: who asks for it.
        safe: whether the app is stopped while it is taken.
    """
    scenario = state.scenario
    name = identifier(scenario.project, "backup", state.count())
    outcome = scenario.backup_outcome
    return state.add_activity(
        BACKUP,
        environment.id,
        user=user,
        plan=Plan(
            seconds=scenario.backup_seconds,
            ending=outcome if outcome in ("failure", "cancelled") else "success",
            backup=outcome,
        ),
        parameters={"safe": safe, "backup_name": name},
        payload={"backup_name": name, "environment": environment.summary()},
    )


def delete_backup(state: PlatformState, backup: Backup, user: User) -> Activity:
    """Queue the removal of a backup.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        backup: the backup.
        user: who asks for it.
    """
    backup.status = "DELETING"
    return state.add_activity(
        BACKUP_DELETE,
        backup.environment,
        user=user,
        plan=Plan(seconds=state.scenario.housekeeping_seconds),
        parameters={"backup_name": backup.id},
        payload={"backup_name": backup.id, "environment": state.environments[backup.environment].summary()},
    )


def restore(
    state: PlatformState, backup: Backup, target: Environment, user: User, *, code: bool = True, resources: bool = True
) -> Activity:
    """Queue the restoring of a backup to an environment.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        backup: the backup.
        target: the environment that gets its data.
        user: who asks for it.
        code: whether its code is deployed too.
        resources: whether its sizes of containers are restored too.
    """
    return state.add_activity(
        RESTORE,
        target.id,
        user=user,
        plan=Plan(seconds=state.scenario.restore_seconds, ending=state.scenario.restore_outcome),
        parameters={"backup_name": backup.id, "restore_code": code, "restore_resources": resources},
        payload={"backup_name": backup.id, "environment": target.summary()},
    )
