"""How long runs and their steps took, from events and rows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from msgspec import Struct

from upsun_agent.journal import RunRow
from upsun_agent.model import events as ev

#: Outcomes of runs that did nothing: they took no time, not even none.
NEVER_RAN = frozenset({"missed", "skipped"})


class StepSpan(Struct, frozen=True):
    """From the first thing that a step did to its end; ``ended_at`` is None while it is not over."""

    #: When the step began; None if it has not.
    began_at: datetime
    #: When it ended; None if it has not.
    ended_at: datetime | None = None

    @property
    def length(self) -> timedelta | None:
        """How long it took; None while it is not over."""
        return None if self.ended_at is None else self.ended_at - self.began_at


def between(begin: datetime, end: datetime) -> timedelta:
    """The time from one moment to the other, never less than none: clocks are set back."""
    return max(end - begin, timedelta())


def took(row: RunRow) -> timedelta | None:
    """How long the run took; None for one that is in flight or never ran."""
    if row.closed_at is None or row.outcome in NEVER_RAN:
        return None
    return between(row.opened_at, row.closed_at)


def step_spans(events: Iterable[ev.Event]) -> dict[int, StepSpan]:
    """When each step that began did so, and when it ended; retries are part of the step."""
    found: dict[int, StepSpan] = {}
    for event in events:
        step = getattr(event, "step", None)
        if step is None:
            continue
        began_at = found[step].began_at if step in found else event.at
        over = isinstance(event, ev.StepDone | ev.StepFailed)
        found[step] = StepSpan(began_at, max(event.at, began_at) if over else None)
    return found
