"""The conditions of a job (``when``) that exclude a slot, judged by the slot's own time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from fnmatch import fnmatchcase
from typing import Any

from upsun_agent.engine.windows import DAYS, falls_on, opens


def skip_reason(when: Mapping[str, Any], local: datetime, environment: str, last_success: date | None) -> str | None:
    """Return why the conditions exclude a slot, or None; it does not matter how late the tick is.

    Args:
        when: the job's conditions, as the job file gives them.
        local: when the slot is due, on the wall clock of the job's zone.
        environment: the id of the environment that the agent runs on; its branch has the same name.
        last_success: the local date of the latest slot that succeeded, or of any that is to count, if there is one.
    """
    branches = tuple(when.get("branches") or ())
    if branches and not any(fnmatchcase(environment, each) for each in branches):
        return f"{environment} is not one of the branches {', '.join(branches)}"
    blackout = falls_on(when.get("not-on") or (), local.date())
    if blackout is not None:
        return f"{local:%Y-%m-%d} falls on {blackout}, on which the job does not run"
    days, window = tuple(when.get("days") or ()), when.get("window")
    if window and not opens(str(window), days, local):
        only = f" on {', '.join(days)}" if days else ""
        return f"{local:%a %H:%M} is outside the window {window}{only}"
    if days and not window and DAYS[local.weekday()] not in days:
        return f"{local:%A} is not on one of the days {', '.join(days)}"
    if when.get("once-a-day") and last_success == local.date():
        return f"it succeeded on {local:%Y-%m-%d} already, and runs once a day at most"
    return None
