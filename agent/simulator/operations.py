"""What may be asked of the platform: each request becomes an activity with a plan, or is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.simulator import effects
from agent.simulator.activity import BACKUP, BACKUP_DELETE, REDEPLOY, SOURCE_OPERATION, Activity, Plan
from agent.simulator.answers import Refusal
from agent.simulator.identifier import identifier
from agent.simulator.permissions import check_allowed

if TYPE_CHECKING:
    from agent.simulator.backup import Backup
    from agent.simulator.environment import Environment
    from agent.simulator.user import User
    from agent.simulator.world import World

CONFLICT = 409
APP = "app"


def check_possible(world: World, environment: Environment, user: User) -> None:
    """Refuse an operation on an environment where it is not allowed or not possible now."""
    check_allowed(world, environment, user)
    status = world.status_of(environment)
    if status != "active":
        raise Refusal(CONFLICT, f"The environment is not active: it is {status}.")
    if world.scenario.links_vanish_when_busy and world.unfinished(environment.id):
        raise Refusal(CONFLICT, "An activity is currently pending or in progress on this environment.")


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


def run_source_operation(
    world: World, environment: Environment, user: User, *, operation: str, variables: dict[str, Any]
) -> Activity:
    """Queue a source operation; what its commit will cause is settled now."""
    return world.add_activity(
        SOURCE_OPERATION,
        environment.id,
        user=user,
        plan=update_plan(world),
        parameters={"operation": operation, "variables": variables},
        payload={"operation": operation, "environment": brief(environment)},
    )


def defined(world: World) -> list[tuple[str, str]]:
    """The source operations that the apps define, each as the app and the name."""
    return [(app or APP, name) for app, _, name in (one.rpartition(":") for one in world.scenario.source_operations)]


def update_plan(world: World) -> Plan:
    """What a source operation asked for now will do, by the present scenario."""
    scenario = world.scenario
    outcome = scenario.update_outcome
    commits = outcome == "commit"
    apart = scenario.manual_deployment or scenario.source_integration or scenario.deploy_mode == "follows"
    inclusive = commits and not apart
    ending = outcome if outcome in ("failure", "cancelled") else "success"
    return Plan(
        seconds=scenario.source_operation_seconds + (scenario.deploy_seconds if inclusive else 0),
        ending=scenario.deploy_outcome if inclusive else ending,
        commits=commits,
        commits_after=scenario.source_operation_seconds if inclusive else None,
        deploy=scenario.deploy_outcome,
        deploy_seconds=scenario.deploy_seconds,
        deploy_mode=scenario.deploy_mode,
        staged=scenario.manual_deployment,
        outside=scenario.source_integration,
        outside_seconds=scenario.integration_seconds,
    )


def deploy_plan(world: World) -> Plan:
    """What a deployment asked for now will do, by the present scenario."""
    return Plan(seconds=world.scenario.deploy_seconds, ending=world.scenario.deploy_outcome)


def redeploy(world: World, environment: Environment, user: User) -> Activity:
    """Queue a deployment of the head as it is."""
    return world.add_activity(
        REDEPLOY,
        environment.id,
        user=user,
        plan=deploy_plan(world),
        payload={"environment": brief(environment)},
    )


def deploy_staged(world: World, environment: Environment) -> list[Activity]:
    """Let the staged activities of the environment go, as somebody does by hand."""
    released = world.staged(environment.id)
    for activity in released:
        world.release(activity)
    return released


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


def cancel(world: World, activity: Activity) -> None:
    """Cancel what is pending or in progress; the rest cannot be cancelled."""
    if not activity.unfinished:
        raise Refusal(CONFLICT, f"The activity is {activity.state} and cannot be cancelled.")
    effects.cancel(world, activity, world.now)


def brief(environment: Environment) -> dict[str, Any]:
    """The few fields of an environment that an activity's payload carries."""
    return {
        "id": environment.id,
        "name": environment.id,
        "title": environment.title,
        "machine_name": environment.machine_name,
        "type": environment.type,
    }
