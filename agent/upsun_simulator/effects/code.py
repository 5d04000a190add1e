"""Commits: make them, bring them to other environments, and deploy them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from upsun_simulator import activity as kinds
from upsun_simulator import user
from upsun_simulator.activity import Activity, Arrival, Plan
from upsun_simulator.effects.log import write_deployment
from upsun_simulator.environment import APP, FAILED_COMMAND, Commit, DataNote, Deployment
from upsun_simulator.history import Content, Origin

if TYPE_CHECKING:
    from datetime import datetime

    from upsun_simulator.environment import Environment
    from upsun_simulator.state import PlatformState
    from upsun_simulator.user import User

UPDATE_MESSAGE = "Auto dependency updates via source operation"
DEPLOYING = (kinds.PUSH, kinds.REDEPLOY, kinds.DEPLOY, *kinds.VARIABLE_CHANGES, *kinds.SETTING_CHANGES)


def commit(state: PlatformState, activity: Activity, at: datetime) -> None:
    """Make the commit of a source operation, and queue its deployment.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        activity: the activity whose effect it is.
        at: when it happens, by the platform's clock.
    """
    environment = state.environments[activity.environment]
    plan = activity.plan
    # The trailer tells the commits of two operations apart that change the same at the same moment.
    message = f"{UPDATE_MESSAGE}\n\nActivity: {activity.id}\n"
    origin, content = Origin(at, activity.user, message), _updated(state, environment, activity)
    sha = activity.commit = state.history.commit((environment.head,), content, origin, outside=plan.outside)
    activity.write(at, f"Committed {sha}\n")
    if plan.outside:
        delay = timedelta(seconds=plan.outside_seconds)
        state.arrivals.append(Arrival(at + delay, environment.id, sha, plan))
        return
    environment.move_head(Commit(sha, at, activity.id))
    activity.deploys = not plan.staged and plan.deploy_mode != "follows"
    if not activity.deploys and not plan.stages_itself:
        push(state, environment.id, sha, who=activity.user, plan=plan, at=at)


def _updated(state: PlatformState, environment: Environment, activity: Activity) -> Content:
    """Return what the tree holds after a source operation: other versions, or what it held before the last commit."""
    update, history = activity.plan.update, state.history
    if update is None:
        before = history.parents(environment.head) or (environment.head,)
        return Content(activity.plan.breaks, history[before[0]].content.locked)
    locked = history[environment.head].content.locked
    return Content(activity.plan.breaks, update.carried_out(locked, activity.number))


def merge(state: PlatformState, activity: Activity, at: datetime) -> None:
    """Bring the child's head into its parent, which deploys it unless it only stages.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        activity: the activity whose effect it is.
        at: when it happens, by the platform's clock.
    """
    child = state.environments[activity.parameters["environment"]]
    moved = _take(state, activity, state.environments[activity.environment], child.head, at)
    activity.deploys = moved and not activity.plan.staged


def synchronize(state: PlatformState, activity: Activity, at: datetime) -> None:
    """Bring the parent's code, data or both into its child, which is redeployed in any case (spec).

    Args:
        state: what the platform has: environments, activities, users, the clock.
        activity: the activity whose effect it is.
        at: when it happens, by the platform's clock.
    """
    environment = state.environments[activity.environment]
    parent = state.environments[activity.parameters["from"]]
    if activity.parameters["synchronize_data"]:
        environment.data_from = DataNote(parent.id, at)
    moved = activity.parameters["synchronize_code"] and _take(state, activity, environment, parent.head, at)
    activity.deploys = not (moved and activity.plan.staged)


def _take(state: PlatformState, activity: Activity, into: Environment, sha: str, at: datetime) -> bool:
    """Bring a commit into a branch; return whether that moved its head."""
    rebase = bool(activity.parameters.get("rebase", False))
    source = activity.parameters["from" if activity.type == kinds.SYNCHRONIZE else "environment"]
    origin = Origin(at, activity.user, f"Merge branch '{source}'\n")
    head = state.history.joined(into.head, sha, origin, rebase=rebase)
    if head == into.head:
        activity.write(at, "Already up to date\n")
        return False
    activity.commit = head
    into.move_head(Commit(head, at, activity.id))
    activity.write(at, f"Updated {into.id} to {head}\n")
    if activity.plan.staged and not activity.plan.stages_itself:
        push(state, into.id, head, who=activity.user, plan=activity.plan, at=at)
    return True


def arrive(state: PlatformState, arrival: Arrival) -> None:
    """Bring back a commit that went through a source integration."""
    push(state, arrival.environment, arrival.commit, who=user.PLATFORM, plan=arrival.plan, at=arrival.at)


def push(state: PlatformState, environment: str, sha: str, *, who: User, plan: Plan, at: datetime) -> Activity:
    """Queue the deployment of a commit, or stage it.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        environment: the id of the environment.
        sha: the hash of the commit.
        who: who pushed it.
        plan: what will become of the deployment.
        at: when it happens, by the platform's clock.
    """
    place = state.environments[environment]
    activity = state.add_activity(
        kinds.PUSH,
        environment,
        user=who,
        plan=Plan(seconds=plan.deploy_seconds, ending=plan.deploy, breaks=plan.breaks),
        parameters={"old_commit": _before(place, sha), "new_commit": sha},
        payload={"commits": [{"sha": sha}], "environment": place.summary()},
        at=at,
    )
    activity.commit = sha
    if plan.staged:
        state.stage(activity)
        receive(state, activity, at)
    activity.write(at, f"Received {sha}\n")
    return activity


def _before(place: Environment, sha: str) -> str:
    """Return the head before a commit."""
    shas = [one.sha for one in place.commits]
    return shas[shas.index(sha) - 1] if sha in shas[1:] else place.head


def receive(state: PlatformState, activity: Activity, at: datetime) -> None:
    """Make the pushed commit the head, unless the branch has had it already.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        activity: the activity whose effect it is.
        at: when it happens, by the platform's clock.
    """
    place = state.environments[activity.environment]
    if activity.commit is not None and activity.commit not in {one.sha for one in place.commits}:
        state.history.arrive(activity.commit)
        place.move_head(Commit(activity.commit, at, activity.id))


def deploy(state: PlatformState, activity: Activity, at: datetime) -> None:
    """Deploy the head, or fail; the deployment of staged changes completes the activities that wait for it.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        activity: the activity whose effect it is.
        at: when it happens, by the platform's clock.
    """
    environment = state.environments[activity.environment]
    good = activity.result == "success"
    code = 0 if good else FAILED_COMMAND
    activity.deployed = True
    activity.commands = [{"app": APP, "type": "deploy", "exit_code": code}]
    write_deployment(state, activity, environment, at)
    environment.record(Deployment(at, environment.head, activity.id, successful=good, commands=activity.commands))
    if good:
        environment.live = state.variables.deployed(state.lineage(environment.id))
        environment.guarded = environment.http_access
        environment.sized = dict(environment.sizes)
    if activity.type == kinds.DEPLOY:
        for one in state.staged(environment.id):
            _release(one, activity, at)


def _release(staged: Activity, by: Activity, at: datetime) -> None:
    """Complete a staged activity with the result of the deployment that it waited for."""
    staged.state, staged.result, staged.commands = "complete", by.result, by.commands
    staged.deployed = True
    staged.failure_reason = None if by.result == "success" else "shell"
    staged.started_at, staged.completed_at = by.started_at, at
    staged.write(at, f"Deployed by {by.id}: {by.result}\n")
