"""Delay reads: answers do not show new objects yet."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

from upsun_simulator.answers import Refusal

if TYPE_CHECKING:
    from upsun_simulator.backup import Backup
    from upsun_simulator.environment import Environment
    from upsun_simulator.state import PlatformState
    from upsun_simulator.variable import Variables


def environment(state: PlatformState, one: Environment) -> Environment:
    """Return the environment with the commits, backups and deployments that its reads show by now."""
    lag = state.scenario.environment_lag_seconds
    return one.seen_at(state.now - timedelta(seconds=lag)) if lag else one


def backups(state: PlatformState) -> list[Backup]:
    """Return the backups that reads show by now."""
    shown = state.now - timedelta(seconds=state.scenario.backup_lag_seconds)
    return [one for one in state.backups if one.created_at <= shown]


def variables(state: PlatformState) -> Variables:
    """Return the variables as reads show them by now."""
    lag = state.scenario.variable_lag_seconds
    return state.variables.seen_at(state.now - timedelta(seconds=lag)) if lag else state.variables


def check_deployment(state: PlatformState, one: Environment) -> None:
    """Refuse to show a deployment that is too new to be read."""
    lag = timedelta(seconds=state.scenario.deployment_lag_seconds)
    if lag and one.deployments[-1].at + lag > state.now:
        raise Refusal(HTTPStatus.NOT_FOUND, "There is no such deployment.")
