"""The lifecycle of an environment: start, pause, deactivate, delete, and a failed start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upsun_simulator import activity as kinds
from upsun_simulator.environment import DataNote, Deployment

if TYPE_CHECKING:
    from datetime import datetime

    from upsun_simulator.activity import Activity
    from upsun_simulator.state import PlatformState


def bring_up(state: PlatformState, activity: Activity, at: datetime) -> None:
    """Deploy the head of an environment that did not run.

    A new one, or one that was inactive, has a copy of its parent's data
    (https://developer.upsun.com/docs/glossary); a paused one has its own.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        activity: the activity whose effect it is.
        at: when it happens, by the platform's clock.
    """
    environment = state.environments[activity.environment]
    environment.record(Deployment(at, environment.head, activity.id, successful=True))
    environment.live = state.variables.deployed(state.lineage(environment.id))
    cloned = activity.type == kinds.ACTIVATE or activity.parameters.get("clone_parent", False)
    if cloned and environment.parent is not None:
        environment.data_from = DataNote(environment.parent, at)
    state.set_status(environment, "active", at)


def pause(state: PlatformState, activity: Activity, at: datetime) -> None:
    """Stop what runs on the environment, and keep its data.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        activity: the activity whose effect it is.
        at: when it happens, by the platform's clock.
    """
    state.set_status(state.environments[activity.environment], "paused", at)


def deactivate(state: PlatformState, activity: Activity, at: datetime) -> None:
    """Remove the environment's containers and data; its branch stays.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        activity: the activity whose effect it is.
        at: when it happens, by the platform's clock.
    """
    environment = state.environments[activity.environment]
    environment.live = []
    environment.data_from = environment.data_restored_from = None
    state.set_status(environment, "inactive", at)


def delete(state: PlatformState, activity: Activity, at: datetime) -> None:
    """Remove an environment with its branch, backups, variables and domains.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        activity: the activity whose effect it is.
        at: when it happens, by the platform's clock.
    """
    state.remove_environment(activity.environment, at)


def give_up(state: PlatformState, activity: Activity) -> None:
    """Leave a new environment that failed to start as a branch without containers.

    One that was to be deleted, and is not, stays as inactive as it was.
    """
    environment = state.environments[activity.environment]
    if activity.type == kinds.DELETE:
        environment.status = "inactive"
    new = activity.type in (kinds.BRANCH, kinds.RESTORE) and not environment.deployments
    if new and environment.status == "dirty":
        environment.status = "inactive"
