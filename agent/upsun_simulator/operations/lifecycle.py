"""Branching, activating, pausing and resuming environments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upsun_simulator.activity import ACTIVATE, BRANCH, DEACTIVATE, DELETE, PAUSE, RESUME, Activity, Plan

if TYPE_CHECKING:
    from upsun_simulator.environment import Environment, EnvironmentType
    from upsun_simulator.state import PlatformState
    from upsun_simulator.user import User


def branch(
    state: PlatformState,
    parent: Environment,
    user: User,
    *,
    name: str,
    title: str,
    kind: EnvironmentType = "development",
    clone_parent: bool = True,
) -> Activity:
    """Create an environment now, and queue its activation.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        parent: the environment that it branches off.
        user: who asks for it.
        name: the name of the branch.
        title: the title.
        kind: the type.
        clone_parent: whether it begins with the parent's data.
    """
    made = state.branch_off(parent, name, kind, title=title)
    return state.add_activity(
        BRANCH,
        made.id,
        user=user,
        plan=Plan(seconds=state.scenario.branch_seconds),
        parameters={"parent": parent.id, "name": name, "title": title, "type": kind, "clone_parent": clone_parent},
        payload={"environment": made.summary(), "parent": parent.summary()},
        concerns=(parent.id,),
        source=parent.id,
    )


def activate(state: PlatformState, environment: Environment, user: User) -> Activity:
    """Queue the activation of an inactive environment.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        environment: the environment that is meant.
        user: who asks for it.
    """
    scenario = state.scenario
    return _switch(
        state, environment, user, ACTIVATE, Plan(seconds=scenario.switch_seconds, ending=scenario.activate_outcome)
    )


def pause(state: PlatformState, environment: Environment, user: User) -> Activity:
    """Queue the pausing of an environment.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        environment: the environment that is meant.
        user: who asks for it.
    """
    return _switch(state, environment, user, PAUSE, Plan(seconds=state.scenario.switch_seconds))


def resume(state: PlatformState, environment: Environment, user: User) -> Activity:
    """Queue the resuming of a paused environment.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        environment: the environment that is meant.
        user: who asks for it.
    """
    return _switch(state, environment, user, RESUME, Plan(seconds=state.scenario.switch_seconds))


def deactivate(state: PlatformState, environment: Environment, user: User) -> Activity:
    """Queue the deactivation of an environment.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        environment: the environment that is meant.
        user: who asks for it.
    """
    return _switch(state, environment, user, DEACTIVATE, Plan(seconds=state.scenario.switch_seconds))


def delete(state: PlatformState, environment: Environment, user: User) -> Activity:
    """Queue the removal of an environment; it is being deleted from now on.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        environment: the environment that is meant.
        user: who asks for it.
    """
    state.set_status(environment, "deleting", state.now)
    return _switch(state, environment, user, DELETE, Plan(seconds=state.scenario.switch_seconds))


def _switch(state: PlatformState, environment: Environment, user: User, kind: str, plan: Plan) -> Activity:
    return state.add_activity(
        kind, environment.id, user=user, plan=plan, payload={"environment": environment.summary()}
    )
