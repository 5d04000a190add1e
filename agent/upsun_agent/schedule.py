"""Cron expressions and time zones turned into slots, decided on the local wall clock.

A slot is a wall-clock minute that the expression names. Each happens once: in autumn at its first occurrence, in
spring's gap (for a schedule with fixed hours) when the gap ends. Slots of the next days come from the calendar; for
later ones croniter steps through plain fields on a naive clock. Zones, ``H``, aliases and what is refused are our own
rules, since croniter fires fixed hours twice in autumn, invents slots in spring and hashes aliases.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable, Iterator
from datetime import MAXYEAR, UTC, date, datetime, time, timedelta, tzinfo
from itertools import takewhile
from typing import TYPE_CHECKING

from upsun_agent.cron_expression import FIELDS, ExpressionError, either_day, plain, values_of
from upsun_agent.engine.due import Slot
from upsun_agent.lazy_imports import instead
from upsun_agent.limits import SLOTS_MOST
from upsun_agent.model.job import Job

with instead("croniter"):  # or it starts a program
    import croniter

if TYPE_CHECKING:
    from upsun_agent.platform.container import Container


def zone_fault(name: str) -> str | None:
    """Return what is wrong with the name of a time zone, or None."""
    try:
        _zone(name)
    except ExpressionError as error:
        return str(error)
    return None


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ExpressionError(f"unknown time zone {name!r}; names look like Europe/Paris or UTC") from None


def zone_of(job: Job) -> tzinfo:
    """Return the job's zone; UTC where this machine does not know it, which the job file's check has said."""
    try:
        return _zone(job.timezone)
    except ExpressionError:
        return UTC


def schedule_of(container: Container, job: Job) -> Schedule | None:
    """Return the job's schedule in this container; None where the job has none and only runs by hand.

    An ``H`` in it stands for a value of this project, environment and job.
    """
    if job.schedule is None:
        return None
    return Schedule(job.schedule, job.timezone, f"{container.project}|{container.environment}|{job.name}")


#: Days around a moment whose wall clocks can show its time.
_MARGIN = timedelta(days=2)
_NEAR_DAYS = 10  # days whose slots come from the calendar: a weekly schedule has one in them


class Schedule:
    """The slots of one expression in one zone.

    Args:
        expression: five fields or an alias.
        timezone: an IANA zone name.
        salt: what makes ``H`` this job's own.

    Raises:
        ExpressionError: the expression or the zone is not usable.
    """

    def __init__(self, expression: str, timezone: str = "UTC", salt: str = "") -> None:
        self.fields = plain(expression, salt)
        self._zone = _zone(timezone)
        fields = self.fields.split()
        self._fixed_hours = not fields[1].startswith("*")
        self._either_day = either_day(fields)
        self._minutes, self._hours, days, months, weekdays = (
            sorted(set(values_of(text, field))) for text, field in zip(fields, FIELDS, strict=True)
        )
        self._days, self._months = frozenset(days), frozenset(months)
        self._weekdays = frozenset(day % 7 for day in weekdays)
        self._slots_a_day = len(self._minutes) * len(self._hours)

    def after(self, moment: datetime) -> Iterator[Slot]:
        """Yield all slots due after ``moment``, ascending, without end (but for the calendar's)."""
        return self._slots_of(self._walls_after(self._local(moment)), moment)

    def _walls_after(self, wall: datetime) -> Iterator[datetime]:
        """Yield the wall-clock minutes that match, ascending, from one before which no slot can be due later.

        The next days come from the calendar: most slots that anybody asks for are among them, and croniter costs as
        much as three ticks to import. It finds all later ones.
        """
        if wall.year >= MAXYEAR - 1:
            yield from self._walls(wall - _MARGIN)
            return
        # Where a clock is set nearby, walls before this one can be due after it: zones once skipped whole days.
        start = wall if self._stands_still(wall.date()) else wall - _MARGIN
        first = start.date()
        for day in (first + timedelta(days=number) for number in range(_NEAR_DAYS)):
            if self._matches(day):
                yield from (each for each in self._walls_of(day) if each >= start)
        yield from self._walls(datetime.combine(first + timedelta(days=_NEAR_DAYS), time()) - timedelta(minutes=1))

    def _walls_of(self, day: date) -> Iterator[datetime]:
        """Yield the wall-clock minutes of a day that the expression names."""
        midnight = datetime.combine(day, time())
        for hour in self._hours:
            for minute in self._minutes:
                yield midnight + timedelta(hours=hour, minutes=minute)

    def _local(self, moment: datetime) -> datetime:
        return moment.astimezone(self._zone).replace(tzinfo=None, second=0, microsecond=0)

    def _slots_of(self, walls: Iterable[datetime], moment: datetime) -> Iterator[Slot]:
        """Yield the slots after ``moment`` of wall-clock minutes, ascending as these are."""
        pending: Slot | None = None
        for wall in walls:
            slot = self._slot(wall)
            if slot is None or slot.due_at <= moment:
                continue
            if pending is not None and slot.due_at > pending.due_at:
                yield pending
            pending = slot  # of several due at one instant (the end of a gap) the latest name stands
        if pending is not None:
            yield pending

    def between(self, after: datetime, until: datetime) -> list[Slot]:
        """Return the slots due in (after, until], ascending, at most the bound of ``limits.SLOTS_MOST``."""
        found: list[Slot] = []
        long = until - after > _MARGIN
        slots = self._slots_of(self._walls_between(after, until), after) if long else self.after(after)
        for slot in slots:
            if slot.due_at > until or len(found) >= SLOTS_MOST:
                break
            found.append(slot)
        return found

    def count(self, after: datetime, until: datetime) -> int:
        """Return how many slots are due in (after, until], without listing those of days on which no clock is set."""
        total, begin = 0, after
        day = self._local(after).date() + timedelta(days=1)
        while (end := _before(day + timedelta(days=1), self._zone)) <= until:
            if self._stands_still(day):
                total += self._listed(begin, _before(day, self._zone))
                total += self._slots_a_day if self._matches(day) else 0
                begin = end
            day += timedelta(days=1)
        return total + self._listed(begin, until)

    def _listed(self, after: datetime, until: datetime) -> int:
        slots = self._slots_of(self._walls_between(after, until), after) if until > after else iter(())
        return sum(1 for _ in takewhile(lambda slot: slot.due_at <= until, slots))

    def _stands_still(self, day: date) -> bool:
        """Return whether no clock is set between the days around this one."""
        around = (datetime.combine(day + timedelta(days=n), time(), self._zone).utcoffset() for n in (-1, 0, 1, 2))
        return len(set(around)) == 1

    def _matches(self, day: date) -> bool:
        """Return whether the expression names the day."""
        in_month, in_week = day.day in self._days, day.isoweekday() % 7 in self._weekdays
        fits = in_month or in_week if self._either_day else in_month and in_week
        return day.month in self._months and fits

    def _walls_between(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """Wall-clock minutes that match, of all days that can matter for (after, until], ascending."""
        day, last = (self._local(after) - _MARGIN).date(), (self._local(until) + _MARGIN).date()
        while day <= last:
            if self._matches(day):
                yield from self._walls_of(day)
            day += timedelta(days=1)

    def next(self, after: datetime) -> Slot | None:
        """Return the first slot after ``after``; None where the calendar ends before one."""
        return next(self.after(after), None)

    def _walls(self, start: datetime) -> Iterator[datetime]:
        """Wall-clock minutes that match, ascending, on a clock without zone."""
        steps = croniter.croniter(self.fields, start, day_or=self._either_day)
        while True:
            try:
                yield steps.get_next(datetime)
            except (ValueError, OverflowError):  # croniter's own error is a ValueError: nothing left in its horizon
                return

    def _slot(self, wall: datetime) -> Slot | None:
        """Return the slot of a wall-clock minute, or None where it does not exist and is not made up for."""
        aware = wall.replace(tzinfo=self._zone)
        instant = aware.astimezone(UTC)
        back = instant.astimezone(self._zone).replace(tzinfo=None)
        name = wall.strftime("%Y-%m-%dT%H:%M")
        if back == wall:
            return Slot(instant, name)
        if not self._fixed_hours:
            return None
        return Slot(_end_of_gap(instant, self._zone), name)


def _before(day: date, zone: tzinfo) -> datetime:
    """Return the second before the day begins in the zone, in UTC."""
    return datetime.combine(day, time(), zone).astimezone(UTC) - timedelta(seconds=1)


def _end_of_gap(instant: datetime, zone: tzinfo) -> datetime:
    """Return the end of the gap that holds ``instant``: a wall-clock time that does not exist, with the old offset."""
    after = instant.astimezone(zone).utcoffset()
    low, high = 0, 2 * 86400  # seconds before ``instant``: no zone moves its clock twice within two days
    while high - low > 1:
        middle = (low + high) // 2
        if (instant - timedelta(seconds=middle)).astimezone(zone).utcoffset() == after:
            low = middle
        else:
            high = middle
    return instant - timedelta(seconds=low)
