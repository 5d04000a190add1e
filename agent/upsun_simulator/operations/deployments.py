"""Redeploy, deploy staged changes, and cancel activities."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from upsun_simulator.activity import DEPLOY, REDEPLOY, Activity, Plan
from upsun_simulator.answers import Refusal
from upsun_simulator.effects import progress

if TYPE_CHECKING:
    from upsun_simulator.environment import Environment
    from upsun_simulator.state import PlatformState
    from upsun_simulator.user import User


def deploy_plan(state: PlatformState) -> Plan:
    """Return the plan of a deployment requested now, from the present scenario."""
    return Plan(seconds=state.scenario.deploy_seconds, ending=state.scenario.deploy_outcome)


def redeploy(state: PlatformState, environment: Environment, user: User) -> Activity:
    """Queue a deployment of the head as it is.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        environment: the environment that is meant.
        user: who asks for it.
    """
    return state.add_activity(
        REDEPLOY,
        environment.id,
        user=user,
        plan=deploy_plan(state),
        payload={"environment": environment.summary()},
    )


def deploy(state: PlatformState, environment: Environment, user: User, *, strategy: str = "stopstart") -> Activity:
    """Queue the deployment of what is staged.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        environment: the environment that is meant.
        user: who asks for it.
        strategy: `stopstart` or `rolling`.
    """
    return state.add_activity(
        DEPLOY,
        environment.id,
        user=user,
        plan=deploy_plan(state),
        parameters={"strategy": strategy},
        payload={"environment": environment.summary()},
    )


def deploy_staged(state: PlatformState, environment: Environment) -> list[Activity]:
    """Deploy the staged activities of the environment one by one, as a person would."""
    released = state.staged(environment.id)
    for activity in released:
        state.release(activity)
    return released


def cancel(state: PlatformState, activity: Activity) -> None:
    """Cancel what is pending or in progress; the rest cannot be cancelled."""
    if not activity.unfinished:
        raise Refusal(HTTPStatus.CONFLICT, f"The activity is {activity.state} and cannot be cancelled.")
    progress.cancel(state, activity, state.now)
