"""Reads that lag: what is new in the world, and not yet in the answers."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

from upsun_simulator.answers import Refusal

if TYPE_CHECKING:
    from upsun_simulator.backup import Backup
    from upsun_simulator.environment import Environment
    from upsun_simulator.state import World
    from upsun_simulator.variable import Variables


def environment(world: World, one: Environment) -> Environment:
    """Return the environment with the commits, backups and deployments that its reads show by now."""
    lag = world.scenario.environment_lag_seconds
    return one.seen_at(world.now - timedelta(seconds=lag)) if lag else one


def backups(world: World) -> list[Backup]:
    """Return the backups that reads show by now."""
    shown = world.now - timedelta(seconds=world.scenario.backup_lag_seconds)
    return [one for one in world.backups if one.created_at <= shown]


def variables(world: World) -> Variables:
    """Return the variables as reads show them by now."""
    lag = world.scenario.variable_lag_seconds
    return world.variables.seen_at(world.now - timedelta(seconds=lag)) if lag else world.variables


def check_deployment(world: World, one: Environment) -> None:
    """Refuse to show a deployment that is too new to be read."""
    lag = timedelta(seconds=world.scenario.deployment_lag_seconds)
    if lag and one.deployments[-1].at + lag > world.now:
        raise Refusal(HTTPStatus.NOT_FOUND, "There is no such deployment.")
