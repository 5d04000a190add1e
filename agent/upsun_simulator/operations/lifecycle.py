"""Branching, activating, pausing and resuming environments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upsun_simulator.activity import ACTIVATE, BRANCH, DEACTIVATE, DELETE, PAUSE, RESUME, Activity, Plan
from upsun_simulator.operations.summary import brief

if TYPE_CHECKING:
    from upsun_simulator.environment import Environment, EnvironmentType
    from upsun_simulator.state import World
    from upsun_simulator.user import User


def branch(
    world: World,
    parent: Environment,
    user: User,
    *,
    name: str,
    title: str,
    kind: EnvironmentType = "development",
    clone_parent: bool = True,
) -> Activity:
    """Create an environment now, and queue what brings it up."""
    made = world.branch_off(parent, name, kind, title=title)
    return world.add_activity(
        BRANCH,
        made.id,
        user=user,
        plan=Plan(seconds=world.scenario.branch_seconds),
        parameters={"parent": parent.id, "name": name, "title": title, "type": kind, "clone_parent": clone_parent},
        payload={"environment": brief(made), "parent": brief(parent)},
        concerns=(parent.id,),
        source=parent.id,
    )


def activate(world: World, environment: Environment, user: User) -> Activity:
    """Queue what brings an inactive environment up."""
    scenario = world.scenario
    return _switch(
        world, environment, user, ACTIVATE, Plan(seconds=scenario.switch_seconds, ending=scenario.activate_outcome)
    )


def pause(world: World, environment: Environment, user: User) -> Activity:
    """Queue the pausing of an environment."""
    return _switch(world, environment, user, PAUSE, Plan(seconds=world.scenario.switch_seconds))


def resume(world: World, environment: Environment, user: User) -> Activity:
    """Queue what brings a paused environment up again."""
    return _switch(world, environment, user, RESUME, Plan(seconds=world.scenario.switch_seconds))


def deactivate(world: World, environment: Environment, user: User) -> Activity:
    """Queue the removal of what runs on an environment."""
    return _switch(world, environment, user, DEACTIVATE, Plan(seconds=world.scenario.switch_seconds))


def delete(world: World, environment: Environment, user: User) -> Activity:
    """Queue the removal of an environment; it is being deleted from now on."""
    world.set_status(environment, "deleting", world.now)
    return _switch(world, environment, user, DELETE, Plan(seconds=world.scenario.switch_seconds))


def _switch(world: World, environment: Environment, user: User, kind: str, plan: Plan) -> Activity:
    return world.add_activity(kind, environment.id, user=user, plan=plan, payload={"environment": brief(environment)})
