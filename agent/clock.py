"""Time as a part that is passed in: the system's, or a virtual one for rehearsals and tests."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What the agent asks of time."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""

    def monotonic(self) -> float:
        """Seconds that never go backwards, for deadlines."""

    def sleep(self, seconds: float) -> None:
        """Let that many seconds pass."""


class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never go backwards, for deadlines."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let that many seconds pass."""
        time.sleep(seconds)


class VirtualClock:
    """Time that passes only when told to, so that months fit into seconds."""

    def __init__(self, start: datetime) -> None:
        self._now = start.astimezone(UTC)
        self._passed = 0.0

    def now(self) -> datetime:
        """The virtual moment, aware, in UTC."""
        return self._now

    def monotonic(self) -> float:
        """Virtual seconds since the start."""
        return self._passed

    def sleep(self, seconds: float) -> None:
        """Move on by that many seconds at once."""
        self._now += timedelta(seconds=seconds)
        self._passed += seconds
