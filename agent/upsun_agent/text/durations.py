"""Durations of runs and their steps, from events and rows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from msgspec import Struct

from upsun_agent.journal import RunRow
from upsun_agent.model import events as ev
from upsun_agent.model.events import NEVER_RAN


class StepSpan(Struct, frozen=True):
    """When a step began and ended."""

    #: When the step began; None if it has not.
    began_at: datetime
    #: When it ended; None if it has not.
    ended_at: datetime | None = None

    @property
    def length(self) -> timedelta | None:
        """The duration; None while the step is in flight."""
        return None if self.ended_at is None else self.ended_at - self.began_at


def between(begin: datetime, end: datetime) -> timedelta:
    """Return the time between two moments, at least zero: clocks may be set back."""
    return max(end - begin, timedelta())


def took(row: RunRow) -> timedelta | None:
    """Return the duration of the run; None if it is in flight or never ran."""
    if row.closed_at is None or row.outcome in NEVER_RAN:
        return None
    return between(row.opened_at, row.closed_at)


def step_spans(events: Iterable[ev.Event]) -> dict[int, StepSpan]:
    """Return when each step began and ended, by index; retries are part of the step."""
    found: dict[int, StepSpan] = {}
    for event in events:
        step = getattr(event, "step", None)
        if step is None or isinstance(event, ev.ChangesRead):  # read after the step is over
            continue
        began_at = found[step].began_at if step in found else event.at
        over = isinstance(event, ev.StepDone | ev.StepFailed)
        found[step] = StepSpan(began_at, max(event.at, began_at) if over else None)
    return found
