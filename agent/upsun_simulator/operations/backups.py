"""Making, deleting and restoring backups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upsun_simulator.activity import BACKUP, BACKUP_DELETE, RESTORE, Activity, Plan
from upsun_simulator.ids import identifier
from upsun_simulator.operations.summary import brief

if TYPE_CHECKING:
    from upsun_simulator.backup import Backup
    from upsun_simulator.environment import Environment
    from upsun_simulator.state import World
    from upsun_simulator.user import User


def back_up(world: World, environment: Environment, user: User, *, safe: bool) -> Activity:
    """Queue a backup; its name is known from the start."""
    scenario = world.scenario
    name = identifier(scenario.project, "backup", world.count())
    outcome = scenario.backup_outcome
    return world.add_activity(
        BACKUP,
        environment.id,
        user=user,
        plan=Plan(
            seconds=scenario.backup_seconds,
            ending=outcome if outcome in ("failure", "cancelled") else "success",
            backup=outcome,
        ),
        parameters={"safe": safe, "backup_name": name},
        payload={"backup_name": name, "environment": brief(environment)},
    )


def delete_backup(world: World, backup: Backup, user: User) -> Activity:
    """Queue the removal of a backup."""
    backup.status = "DELETING"
    return world.add_activity(
        BACKUP_DELETE,
        backup.environment,
        user=user,
        plan=Plan(seconds=world.scenario.housekeeping_seconds),
        parameters={"backup_name": backup.id},
        payload={"backup_name": backup.id, "environment": brief(world.environments[backup.environment])},
    )


def restore(
    world: World, backup: Backup, target: Environment, user: User, *, code: bool = True, resources: bool = True
) -> Activity:
    """Queue the restoring of a backup to an environment."""
    return world.add_activity(
        RESTORE,
        target.id,
        user=user,
        plan=Plan(seconds=world.scenario.restore_seconds, ending=world.scenario.restore_outcome),
        parameters={"backup_name": backup.id, "restore_code": code, "restore_resources": resources},
        payload={"backup_name": backup.id, "environment": brief(target)},
    )
