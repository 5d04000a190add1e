"""Cron expressions and time zones turned into slots, decided on the local wall clock.

A slot is a wall-clock minute that the expression names. Each happens once: in autumn at its first occurrence, in
spring's gap (for a schedule with fixed hours) when the gap ends. Slots of the next days come from the calendar; for
later ones croniter steps through plain fields on a naive clock. Zones, ``H``, aliases and what is refused are our own
rules, since croniter fires fixed hours twice in autumn, invents slots in spring and hashes aliases.
"""

from __future__ import annotations

import hashlib
import re
import zoneinfo
from collections.abc import Iterable, Iterator
from datetime import MAXYEAR, UTC, date, datetime, time, timedelta, tzinfo
from itertools import takewhile
from typing import TYPE_CHECKING

from msgspec import Struct

from upsun_agent.engine.due import Slot
from upsun_agent.lazy_imports import instead
from upsun_agent.limits import EXPRESSION_MOST, SLOTS_MOST
from upsun_agent.model.job import Job

with instead("croniter"):  # or it starts a program
    import croniter

if TYPE_CHECKING:
    from upsun_agent.platform.container import Container

ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}

_MONTHS = {
    name: i
    for i, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
}
_DAYS = {name: i for i, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}


class _Field(Struct, frozen=True):
    """One of the five fields: its bounds, its names, and the range that ``H`` picks from."""

    #: The name of the field, for messages.
    label: str
    #: The least value.
    low: int
    #: The greatest value.
    high: int
    #: The numbers of names such as ``mon``, by name.
    names: dict[str, int]
    #: The least and the greatest value that ``H`` picks from.
    hashed: tuple[int, int]


FIELDS = (
    _Field("minute", 0, 59, {}, (0, 59)),
    _Field("hour", 0, 23, {}, (0, 23)),
    _Field("day of month", 1, 31, {}, (1, 28)),  # H must exist in every month
    _Field("month", 1, 12, _MONTHS, (1, 12)),
    _Field("day of week", 0, 7, _DAYS, (0, 6)),
)

#: The most days a month can have: 29 February comes round.
_MONTH_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

#: How often ``H`` picks anew where its day does not exist; each pick hits one that does in at least a third of cases.
_PICKS = 100

_ITEM = re.compile(r"(\*|[0-9]{1,2}|[a-z]{3})(?:-([0-9]{1,2}|[a-z]{3}))?(?:/([0-9]{1,2}))?", re.ASCII)
_HASHED = re.compile(r"h(?:\(([0-9]{1,2})-([0-9]{1,2})\))?(?:/([0-9]{1,2}))?", re.ASCII)


class ExpressionError(ValueError):
    """The cron expression is not one the agent runs; the text says why."""


def plain(expression: str, salt: str = "") -> str:
    """Return the expression with aliases, names and ``H`` replaced by numbers: five plain fields.

    ``salt`` is what makes ``H`` this job's own: project, environment and job name.

    Raises:
        ExpressionError: it is not a five-field expression that can ever be due.
    """
    if len(expression) > EXPRESSION_MOST:
        raise ExpressionError(f"longer than {EXPRESSION_MOST} characters")
    text = expression.strip().lower()
    if text.startswith("@"):
        if text not in ALIASES:
            raise ExpressionError(f"unknown alias {expression.strip()!r}; known are {', '.join(ALIASES)}")
        text = ALIASES[text]
    parts = text.split()
    if len(parts) != len(FIELDS):
        raise ExpressionError(f"{len(parts)} fields, a schedule has 5: minute hour day-of-month month day-of-week")
    for pick in range(_PICKS):
        own = f"{salt}|{pick}" if pick else salt
        fields = [_plain_field(part, field, own) for part, field in zip(parts, FIELDS, strict=True)]
        if _ever_due(fields):
            return " ".join(fields)
    raise ExpressionError("no day ever matches it")


def expression_fault(expression: str) -> str | None:
    """Return what is wrong with the expression, or None."""
    try:
        plain(expression, "any")
    except ExpressionError as error:
        return f"is no schedule: {error}"
    return None


def zone_fault(name: str) -> str | None:
    """Return what is wrong with the name of a time zone, or None."""
    try:
        _zone(name)
    except ExpressionError as error:
        return str(error)
    return None


def _plain_field(part: str, field: _Field, salt: str) -> str:
    items = [_plain_item(item, field, salt) for item in part.split(",")]
    return "*" if "*" in items else ",".join(items)  # croniter drops a day field such as 5,*


def _plain_item(item: str, field: _Field, salt: str) -> str:
    if item.startswith("h") and (hashed := _HASHED.fullmatch(item)):
        return _from_hash(hashed, field, salt)
    match = _ITEM.fullmatch(item)
    if match is None:
        raise ExpressionError(f"{field.label}: {item!r} is not a value, range, list or step")
    first, last, step = match.groups()
    if first == "*":
        if last is not None:
            raise ExpressionError(f"{field.label}: {item!r} has a range after *")
        low, high = field.low, field.high
    else:
        low = _value(first, field)
        high = _value(last, field) if last is not None else (field.high if step else low)
    if low > high:
        raise ExpressionError(f"{field.label}: {item!r} runs backwards")
    if step is not None:
        _check_step(int(step), high - low, field, item)
    if low == high:  # croniter takes 5-5 for *
        return str(low)
    span = "*" if first == "*" else f"{low}-{high}"
    return span if step is None else f"{span}/{int(step)}"


def _check_step(step: int, span: int, field: _Field, item: str) -> None:
    if step < 1:
        raise ExpressionError(f"{field.label}: the step in {item!r} is 0")
    if step > max(span, 1):
        raise ExpressionError(f"{field.label}: the step in {item!r} is larger than its range")


def _value(text: str, field: _Field) -> int:
    if text in field.names:
        return field.names[text]
    if not text.isdigit():
        raise ExpressionError(f"{field.label}: {text!r} is no value of it")
    if not field.low <= int(text) <= field.high:
        raise ExpressionError(f"{field.label}: {text} is not between {field.low} and {field.high}")
    return int(text)


def _from_hash(match: re.Match[str], field: _Field, salt: str) -> str:
    """Return a number of this job's own. sha256 per field, so that minute and hour do not depend on each other."""
    low, high = (int(match[1]), int(match[2])) if match[1] else field.hashed
    if not field.low <= low <= high <= field.high:
        raise ExpressionError(f"{field.label}: {match[0]!r} is not within {field.low} to {field.high}")
    digest = hashlib.sha256(f"{salt}|{field.label}".encode()).digest()
    number = int.from_bytes(digest[:8], "big")
    if match[3] is None:
        return str(low + number % (high - low + 1))
    step = int(match[3])
    _check_step(step, high - low, field, match[0])
    start = low + number % step
    return f"{start}-{high}/{step}" if start + step <= high else str(start)


def _either_day(fields: list[str]) -> bool:
    """Like cron: both day fields must match where one of them begins with *, either where none does."""
    return not (fields[2].startswith("*") or fields[4].startswith("*"))


def _ever_due(fields: list[str]) -> bool:
    """Return whether any month of the expression has a day of the expression.

    Each date meets every weekday in some year.
    """
    if _either_day(fields):
        return True
    first_day = min(_values(fields[2], FIELDS[2]))
    return any(first_day <= _MONTH_DAYS[month - 1] for month in _values(fields[3], FIELDS[3]))


def _values(plain_field: str, field: _Field) -> Iterator[int]:
    """Yield the numbers that a plain field stands for."""
    for item in plain_field.split(","):
        span, _, step = item.partition("/")
        first, _, last = span.partition("-")
        low, high = (field.low, field.high) if span == "*" else (int(first), int(last or first))
        yield from range(low, high + 1, int(step or 1))


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
        self._either_day = _either_day(fields)
        self._minutes, self._hours, days, months, weekdays = (
            sorted(set(_values(text, field))) for text, field in zip(fields, FIELDS, strict=True)
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
