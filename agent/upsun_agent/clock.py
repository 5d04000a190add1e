"""Time as a part that is passed in: the system's, or a virtual one for rehearsals and tests."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What the agent asks of time."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""

    def monotonic(self) -> float:
        """Return seconds that never go backwards, for deadlines."""

    def sleep(self, seconds: float) -> None:
        """Sleep for that many seconds."""


class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that never go backwards, for deadlines."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Sleep for that many seconds."""
        time.sleep(seconds)


class MovableClock(Protocol):
    """A clock that somebody moves by hand, such as the simulator's."""

    def now(self) -> datetime:
        """Return the moment it shows."""

    def advance(self, seconds: float) -> object:
        """Move it on."""


class VirtualClock:
    """The agent's time taken from a clock moved by hand: sleeping moves it, so that months fit into seconds."""

    def __init__(self, clock: MovableClock) -> None:
        self._clock = clock
        self._start = clock.now()

    def now(self) -> datetime:
        """Return the virtual moment, aware, in UTC."""
        return self._clock.now()

    def monotonic(self) -> float:
        """Virtual seconds since the start."""
        return (self._clock.now() - self._start).total_seconds()

    def sleep(self, seconds: float) -> None:
        """Move on by that many seconds at once."""
        self._clock.advance(seconds)


class SetClock:
    """A clock that can be set by another's word for as long as it is used, such as the platform's for one tick."""

    def __init__(self, inner: Clock) -> None:
        self._inner = inner
        self._ahead = timedelta()

    @property
    def error(self) -> timedelta:
        """How far the clock below is ahead of what it was set by; nothing where it was not set."""
        return self._ahead

    def set(self, now: datetime) -> None:
        """Set the clock to this moment."""
        self._ahead = self._inner.now() - now

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        return self._inner.now() - self._ahead

    def monotonic(self) -> float:
        """Return seconds that never go backwards, for deadlines."""
        return self._inner.monotonic()

    def sleep(self, seconds: float) -> None:
        """Sleep for that many seconds."""
        self._inner.sleep(seconds)
