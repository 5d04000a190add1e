"""What the beginning and the end of an activity change in the world."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from agent.simulator import user
from agent.simulator.activity import (
    BACKUP,
    BACKUP_DELETE,
    PUSH,
    REDEPLOY,
    SOURCE_OPERATION,
    VARIABLE_CHANGES,
    VARIABLE_CREATE,
    VARIABLE_DELETE,
    VARIABLE_UPDATE,
    Activity,
    Plan,
)
from agent.simulator.backup import Backup
from agent.simulator.environment import Commit, Deployment
from agent.simulator.identifier import commit_hash

if TYPE_CHECKING:
    from datetime import datetime

    from agent.simulator.user import User
    from agent.simulator.world import Arrival, World

DEEDS = {
    BACKUP: "created a backup of",
    BACKUP_DELETE: "deleted a backup of",
    SOURCE_OPERATION: "ran a source operation on",
    PUSH: "pushed to",
    REDEPLOY: "redeployed",
    VARIABLE_CREATE: "created a variable of",
    VARIABLE_UPDATE: "changed a variable of",
    VARIABLE_DELETE: "deleted a variable of",
}
DEPLOYING = (PUSH, REDEPLOY, *VARIABLE_CHANGES)
FAILED_COMMAND = 1


def sentence(kind: str, who: User, title: str, *, html: bool) -> str:
    """The one-line story of an activity, as its `text` (plain) and its `description` (HTML)."""
    name = f"{who.first_name} {who.last_name}"
    deed = DEEDS.get(kind, f"triggered {kind} on")
    if html:
        return f"<user>{name}</user> {deed} environment <environment>{title}</environment>"
    return f"{name} {deed} environment {title}"


def begin(world: World, activity: Activity, at: datetime) -> None:
    """Start a pending activity; a push that came back from outside moves the head only now."""
    activity.state = "in_progress"
    if activity.type == PUSH:
        _receive(world, activity, at)
    activity.started_at = at
    plan = activity.plan
    if plan.seconds is not None:
        activity.ends_at = at + timedelta(seconds=plan.seconds)
    if plan.commits_after is not None:
        activity.commits_at = at + timedelta(seconds=plan.commits_after)
    activity.write(at, f"Starting {activity.type}\n")


def end(world: World, activity: Activity, at: datetime) -> None:
    """Finish a running activity the way its plan says, with all that follows from it."""
    activity.ends_at = at
    if activity.plan.ending == "cancelled":
        cancel(world, activity, at)
        return
    if activity.plan.commits and activity.commit is None and activity.plan.ending == "success":
        commit(world, activity, at)
    activity.state = "complete"
    activity.completed_at = at
    activity.result = activity.plan.ending
    if activity.type in DEPLOYING or _deploys_itself(activity):
        _deploy(world, activity, at)
    elif activity.result == "failure":
        activity.commands = [{"app": "app", "type": activity.type, "exit_code": FAILED_COMMAND}]
    elif activity.type == BACKUP:
        _keep_backup(world, activity, at)
    elif activity.type == BACKUP_DELETE:
        world.backups[:] = [one for one in world.backups if one.id != activity.parameters["backup_name"]]
    if activity.result == "failure":
        activity.failure_reason = "shell" if activity.commands else "error"
    activity.write(at, f"Finished: {activity.result}\n")


def cancel(world: World, activity: Activity, at: datetime) -> None:
    """Stop an activity; what it had not done yet will not happen."""
    activity.state = "cancelled"
    activity.cancelled_at = activity.completed_at = at
    activity.result = None
    activity.commits_at = activity.ends_at = None
    for backup in world.backups:
        if activity.type == BACKUP_DELETE and backup.id == activity.parameters["backup_name"]:
            backup.status = "CREATED"
    activity.write(at, "Cancelled\n")


def commit(world: World, activity: Activity, at: datetime) -> None:
    """Let a source operation leave its commit, and what the commit causes."""
    environment = world.environments[activity.environment]
    activity.commit = commit_hash(environment.head, activity.id)
    activity.write(at, f"Committed {activity.commit}\n")
    plan = activity.plan
    if plan.outside:
        from agent.simulator.world import Arrival  # noqa: PLC0415 - world imports this module

        delay = timedelta(seconds=plan.outside_seconds)
        world.arrivals.append(Arrival(at + delay, environment.id, activity.commit, plan))
        return
    environment.move_head(Commit(activity.commit, at, activity.id))
    if plan.staged or plan.deploy_mode == "follows":
        push(world, environment.id, activity.commit, who=activity.user, plan=plan, at=at)


def arrive(world: World, arrival: Arrival) -> None:
    """Bring back a commit that went through a source integration."""
    push(world, arrival.environment, arrival.commit, who=user.PLATFORM, plan=arrival.plan, at=arrival.at)


def push(world: World, environment: str, sha: str, *, who: User, plan: Plan, at: datetime) -> Activity:
    """Queue the deployment of a commit, or stage it."""
    activity = world.add_activity(
        PUSH,
        environment,
        user=who,
        plan=Plan(seconds=plan.deploy_seconds, ending=plan.deploy),
        payload={"commits": [{"sha": sha}], "environment": {"id": environment}},
        at=at,
    )
    activity.commit = sha
    if plan.staged:
        activity.state = "staged"
        _receive(world, activity, at)
    activity.write(at, f"Received {sha}\n")
    return activity


def _receive(world: World, activity: Activity, at: datetime) -> None:
    """Make the pushed commit the head, unless the branch has had it already."""
    place = world.environments[activity.environment]
    if activity.commit is not None and activity.commit not in {one.sha for one in place.commits}:
        place.move_head(Commit(activity.commit, at, activity.id))


def _deploys_itself(activity: Activity) -> bool:
    plan = activity.plan
    apart = plan.outside or plan.staged or plan.deploy_mode == "follows"
    return activity.commit is not None and not apart


def _deploy(world: World, activity: Activity, at: datetime) -> None:
    environment = world.environments[activity.environment]
    good = activity.result == "success"
    code = 0 if good else FAILED_COMMAND
    activity.commands = [{"app": "app", "type": "deploy", "exit_code": code}]
    environment.record(Deployment(at, environment.head, activity.id, successful=good, commands=activity.commands))
    if good:
        environment.live = world.variables.deployed(world.environments, environment.id)


def _keep_backup(world: World, activity: Activity, at: datetime) -> None:
    """Store the backup that an activity made, and let the oldest manual one go if there are too many."""
    if activity.plan.backup == "missing":
        return
    environment = world.environments[activity.environment]
    world.backups.append(
        Backup(
            id=activity.payload["backup_name"],
            number=world.count(),
            environment=environment.id,
            created_at=at,
            commit_id=environment.head,
            safe=bool(activity.parameters.get("safe", True)),
            restorable=activity.plan.backup != "unrestorable",
            automated=bool(activity.parameters.get("automated", False)),
            activity=activity.id,
        )
    )
    environment.last_backup_at = at
    evict(world, environment.id, at)


def evict(world: World, environment: str, at: datetime) -> None:
    """Remove the oldest manual backups past the limit; automated ones do not count."""
    manual = [one for one in world.backups if one.environment == environment and not one.automated]
    manual.sort(key=lambda one: (one.created_at, one.number))
    for backup in manual[: max(0, len(manual) - world.scenario.backup_limit)]:
        drop(world, backup, at)


def drop(world: World, backup: Backup, at: datetime) -> None:
    """Remove a backup, and remember that it was there."""
    backup.evicted_at = at
    world.backups.remove(backup)
    world.evicted.append(backup)
