"""Deploying what is there, or what is staged; and stopping what runs."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from upsun_simulator.activity import DEPLOY, REDEPLOY, Activity, Plan
from upsun_simulator.answers import Refusal
from upsun_simulator.effects import progress
from upsun_simulator.operations.summary import brief

if TYPE_CHECKING:
    from upsun_simulator.environment import Environment
    from upsun_simulator.state import World
    from upsun_simulator.user import User


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


def deploy(world: World, environment: Environment, user: User, *, strategy: str = "stopstart") -> Activity:
    """Queue the deployment of what is staged."""
    return world.add_activity(
        DEPLOY,
        environment.id,
        user=user,
        plan=deploy_plan(world),
        parameters={"strategy": strategy},
        payload={"environment": brief(environment)},
    )


def deploy_staged(world: World, environment: Environment) -> list[Activity]:
    """Let the staged activities of the environment go one by one, as somebody does by hand."""
    released = world.staged(environment.id)
    for activity in released:
        world.release(activity)
    return released


def cancel(world: World, activity: Activity) -> None:
    """Cancel what is pending or in progress; the rest cannot be cancelled."""
    if not activity.unfinished:
        raise Refusal(HTTPStatus.CONFLICT, f"The activity is {activity.state} and cannot be cancelled.")
    progress.cancel(world, activity, world.now)
