"""Commands that run in a container: runtime operations and tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upsun_simulator.environment import APP

if TYPE_CHECKING:
    from datetime import datetime

    from upsun_simulator.activity import Activity
    from upsun_simulator.state import PlatformState


def container(activity: Activity) -> str:
    """Return the app or the task in whose container the activity runs."""
    name: str = activity.parameters.get("service") or activity.parameters.get("task") or APP
    return name


def succeed(state: PlatformState, activity: Activity, at: datetime) -> None:  # noqa: ARG001 - the signature of all effects
    """Report that the command ended well.

    Args:
        state: what the platform has: environments, activities, users, the clock.
        activity: the activity whose effect it is.
        at: when it happens, by the platform's clock.
    """
    activity.commands = [{"app": container(activity), "type": activity.type, "exit_code": 0}]
    activity.write(at, "The command ended with 0\n")
