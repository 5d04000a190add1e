"""The lifecycle of an activity: its start, its commit, its end."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import TYPE_CHECKING

from upsun_simulator import activity as kinds
from upsun_simulator.effects import backups, code, lifecycle, runs
from upsun_simulator.environment import FAILED_COMMAND

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from upsun_simulator.activity import Activity
    from upsun_simulator.state import PlatformState

    Effect = Callable[[PlatformState, Activity, datetime], None]

# What an activity commits, before its own deployment if it has one.
WORK: dict[str, Effect] = {
    kinds.SOURCE_OPERATION: code.commit,
    kinds.SYNCHRONIZE: code.synchronize,
    kinds.MERGE: code.merge,
}
# What is done at the end of an activity that succeeds.
DONE: dict[str, Effect] = {
    kinds.BACKUP: backups.keep,
    kinds.BACKUP_DELETE: backups.delete,
    kinds.RESTORE: backups.restore,
    kinds.BRANCH: lifecycle.bring_up,
    kinds.ACTIVATE: lifecycle.bring_up,
    kinds.RESUME: lifecycle.bring_up,
    kinds.PAUSE: lifecycle.pause,
    kinds.DEACTIVATE: lifecycle.deactivate,
    kinds.DELETE: lifecycle.delete,
    kinds.OPERATION: runs.succeed,
    kinds.TASK: runs.succeed,
}


def begin(state: PlatformState, activity: Activity, at: datetime) -> None:
    """Start a pending activity; a push that came back from outside moves the head only now.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        activity: the activity whose effect it is.
        at: when it happens, by the platform's clock.
    """
    activity.state = "in_progress"
    if activity.type == kinds.PUSH:
        code.receive(state, activity, at)
    activity.started_at = at
    plan = activity.plan
    if plan.seconds is not None:
        activity.ends_at = at + timedelta(seconds=plan.seconds)
    if plan.commits_after is not None:
        activity.commits_at = at + timedelta(seconds=plan.commits_after)
    activity.write(at, f"Starting {activity.type}\n")


def work(state: PlatformState, activity: Activity, at: datetime) -> None:
    """Make the commit of an activity; if that leaves nothing to deploy, the activity is over.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        activity: the activity whose effect it is.
        at: when it happens, by the platform's clock.
    """
    activity.worked = True
    activity.commits_at = None
    WORK[activity.type](state, activity, at)
    if not activity.deploys and activity.plan.commits_after is not None:
        activity.ends_at = at
        activity.plan = dataclasses.replace(activity.plan, ending="success")


def end(state: PlatformState, activity: Activity, at: datetime) -> None:
    """Finish a running activity as planned, and apply its effects.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        activity: the activity whose effect it is.
        at: when it happens, by the platform's clock.
    """
    activity.ends_at = at
    if activity.plan.ending == "cancelled":
        cancel(state, activity, at)
        return
    if activity.plan.commits and not activity.worked and activity.plan.ending == "success":
        work(state, activity, at)
    activity.completed_at = at
    activity.result = activity.plan.ending
    if activity.plan.stages_itself and activity.commit is not None and activity.result == "success":
        _stage(state, activity, at)
        return
    activity.state = "complete"
    if activity.type in code.DEPLOYING or activity.deploys:
        code.deploy(state, activity, at)
    elif activity.result == "failure":
        activity.commands = [{"app": runs.container(activity), "type": activity.type, "exit_code": FAILED_COMMAND}]
    elif activity.type in DONE:
        DONE[activity.type](state, activity, at)
    if activity.result == "failure":
        activity.failure_reason = "shell" if activity.commands else "error"
        lifecycle.give_up(state, activity)
    elif activity.plan.exit_code:
        fail_command(activity)
    activity.write(at, f"Finished: {activity.result}\n")


def fail_command(activity: Activity) -> None:
    """Make the last command a failed one, which does not change the result.

    https://developer.upsun.com/docs/integrations/activity
    """
    code = activity.plan.exit_code
    if not activity.commands:
        activity.commands = [{"app": runs.container(activity), "type": activity.type, "exit_code": code}]
    activity.commands[-1]["exit_code"] = code


def _stage(state: PlatformState, activity: Activity, at: datetime) -> None:
    """Stage what an activity changed: the rest of the activity is the deployment that a person starts."""
    plan = activity.plan
    activity.deploys = True
    activity.plan = dataclasses.replace(
        plan, seconds=plan.deploy_seconds, ending=plan.deploy, commits=False, staged=False, stages_itself=False
    )
    state.stage(activity)
    activity.write(at, f"Staged {activity.commit}\n")


def cancel(state: PlatformState, activity: Activity, at: datetime) -> None:
    """Stop an activity; what it had not done yet will not happen.

    Its result is failure: the official client tells a cancelled activity from a failed one by the state.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        activity: the activity whose effect it is.
        at: when it happens, by the platform's clock.
    """
    activity.state = "cancelled"
    activity.cancelled_at = activity.completed_at = at
    activity.result = "failure"
    activity.commits_at = None
    if activity.type == kinds.BACKUP_DELETE:
        backups.keep_after_all(state, activity)
    if activity.type == kinds.BACKUP and state.scenario.cancelled_backups_listed:
        backups.leave_trace(state, activity, at)
    lifecycle.give_up(state, activity)
    activity.write(at, "Cancelled\n")
