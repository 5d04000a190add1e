"""Slots found the slow way: minute by minute on the UTC clock, looking at what the wall clock shows. Shares no code.

The rules, as documented: a wall-clock minute that the expression names is one slot, at its first occurrence; a
schedule with fixed hours also gets the minutes that a gap leaves out, at the gap's end; of several slots at one
instant the latest name stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


@dataclass(frozen=True)
class Fields:
    """Five plain fields as sets of numbers."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool
    fixed_hours: bool

    def name(self, wall: datetime) -> bool:
        """Whether the expression names this minute."""
        if wall.minute not in self.minutes or wall.hour not in self.hours or wall.month not in self.months:
            return False
        day, weekday = wall.day in self.days, wall.isoweekday() % 7 in self.weekdays
        return (day or weekday) if self.either_day else (day and weekday)


def fields(expression: str) -> Fields:
    """The expression read: numbers, lists, ranges, steps."""
    parts = expression.split()
    sets = [frozenset(_numbers(part, low, high)) for part, (low, high) in zip(parts, RANGES, strict=True)]
    weekdays = frozenset(each % 7 for each in sets[4])
    starred = [part.startswith("*") for part in parts]
    return Fields(*sets[:4], weekdays, not (starred[2] or starred[4]), not starred[1])  # type: ignore[call-arg, arg-type]  # four sets


def _numbers(part: str, low: int, high: int) -> Iterator[int]:
    for item in part.split(","):
        span, _, step = item.partition("/")
        first, _, last = span.partition("-")
        begin = low if span == "*" else int(first)
        end = high if span == "*" else int(last or first)
        yield from range(begin, end + 1, int(step or 1))


@dataclass(frozen=True)
class Minute:
    """A minute of UTC, what the wall clock shows in it, and what it left out just before."""

    moment: datetime
    wall: datetime
    left_out: tuple[datetime, ...]


def walls(zone: ZoneInfo, start: datetime, end: datetime) -> list[Minute]:
    """The UTC minutes of [start, end) in which the wall clock shows something for the first time.

    The walk must begin well before any change of the clock.
    """
    found: list[Minute] = []
    moment = start
    latest = start.astimezone(zone).replace(tzinfo=None) - MINUTE  # the latest that a wall clock showed so far
    while moment < end:
        wall = moment.astimezone(zone).replace(tzinfo=None)
        if wall > latest:  # else it is a repeated hour
            number = int((wall - latest) / MINUTE) - 1
            found.append(Minute(moment, wall, tuple(latest + MINUTE * each for each in range(1, number + 1))))
            latest = wall
        moment += MINUTE
    return found


def slots(of: Fields, walk: list[Minute]) -> list[tuple[datetime, str]]:
    """The slots in a walk: moments and names."""
    found: dict[datetime, datetime] = {}
    for minute in walk:
        if of.fixed_hours:
            found.update((minute.moment, each) for each in minute.left_out if of.name(each))
        if of.name(minute.wall):
            found[minute.moment] = minute.wall
    return [(moment, f"{wall:%Y-%m-%dT%H:%M}") for moment, wall in sorted(found.items())]


def changes(zone: ZoneInfo, first_year: int, last_year: int) -> list[datetime]:
    """The days (at 00:00 UTC) in which the zone's offset changes."""
    found = []
    day = datetime(first_year, 1, 1, tzinfo=UTC)
    offset = day.astimezone(zone).utcoffset()
    while day.year <= last_year:
        after = day + timedelta(days=1)
        now = after.astimezone(zone).utcoffset()
        if now != offset:
            found.append(day)
        day, offset = after, now
    return found
