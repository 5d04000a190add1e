"""A second opinion on slots: a walk through time minute by minute, without croniter and without cleverness.

Promised in docs and DESIGN: a slot is a wall-clock minute that the expression names; each happens once. In autumn it is
the first of the two, in spring a minute that the clocks skip happens when the gap ends if the hours are fixed, and not
at all if they begin with ``*``. Of several that fall on one instant the latest name stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Part:
    """One field as text, with the numbers that it stands for."""

    text: str
    numbers: frozenset[int]


@dataclass(frozen=True)
class Expression:
    """Five fields, each as text and as numbers."""

    parts: tuple[Part, Part, Part, Part, Part]

    @property
    def text(self) -> str:
        return " ".join(part.text for part in self.parts)

    def names(self, wall: datetime) -> bool:
        """Whether cron would run at this wall-clock minute."""
        minute, hour = self.parts[:2]
        return wall.minute in minute.numbers and wall.hour in hour.numbers and self.names_day(wall)

    def names_day(self, wall: datetime) -> bool:
        """Whether it would run at all on this day."""
        day, month, weekday = self.parts[2:]
        if wall.month not in month.numbers:
            return False
        on_day = wall.day in day.numbers
        on_weekday = wall.isoweekday() % 7 in weekday.numbers
        starred = any(part.text.startswith("*") or "*" in part.text.split(",") for part in (day, weekday))
        return (on_day and on_weekday) if starred else (on_day or on_weekday)


def walk(expression: Expression, zone: ZoneInfo, after: datetime, until: datetime) -> list[tuple[datetime, str]]:
    """Every slot in (after, until] as its instant and its name."""
    hours = expression.parts[1].text
    fixed = not hours.startswith("*") and "*" not in hours.split(",")
    moment = after.replace(second=0, microsecond=0)
    before = moment.astimezone(zone).replace(tzinfo=None)
    found: dict[datetime, str] = {}
    while moment <= until:
        local = moment.astimezone(zone)
        wall = local.replace(tzinfo=None)
        skipped = [before + step * MINUTE for step in range(1, (wall - before) // MINUTE)] if fixed else []
        first = local.fold == 0
        for each in (*skipped, wall):
            if expression.names(each) and (each is not wall or first):
                found[moment] = f"{each:%Y-%m-%dT%H:%M}"
        before, moment = wall, moment + MINUTE
    return [(due, name) for due, name in found.items() if after < due <= until]


@cache
def changes(zone: str, year: int) -> tuple[datetime, ...]:
    """The moments of that year at which the zone's clocks change, to the minute."""
    place, found = ZoneInfo(zone), []
    hour = datetime(year, 1, 1, tzinfo=UTC)
    offset = hour.astimezone(place).utcoffset()
    while hour.year == year:
        now = hour.astimezone(place).utcoffset()
        if now != offset:
            minute = hour - timedelta(hours=6)
            while minute.astimezone(place).utcoffset() == offset:
                minute += MINUTE
            found.append(minute)
            offset = now
        hour += timedelta(hours=6)
    return tuple(found)


# --- random expressions ------------------------------------------------------------------------------------------

BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


@st.composite
def part(draw: st.DrawFn, index: int) -> Part:
    """A field: a star, a value, a range, a step, or a list of them."""
    low, high = BOUNDS[index]
    texts, numbers = [], set[int]()
    for _ in range(draw(st.sampled_from((1, 1, 1, 2, 3)))):
        text, values = draw(item(low, high))
        texts.append(text)
        numbers.update(values)
    if index == len(BOUNDS) - 1:
        numbers = {number % 7 for number in numbers}
    return Part(",".join(texts), frozenset(numbers))


@st.composite
def item(draw: st.DrawFn, low: int, high: int) -> tuple[str, range]:
    first = draw(st.integers(low, high))
    last = draw(st.integers(first, high))
    kinds = ("value", "star step", "range step", "value step", "range", "star", "star")
    kind = draw(st.sampled_from(kinds if high < 59 else (*kinds[:4], *kinds[:4], *kinds)))  # few walk every minute
    if kind in {"star", "star step"}:
        first, last = low, high
    elif kind == "value step":
        last = high
    step = draw(st.integers(1, max(last - first, 1))) if "step" in kind else 1
    if kind == "value":
        return str(first), range(first, first + 1)
    text = {"star": "*", "star step": f"*/{step}", "range": f"{first}-{last}", "value step": f"{first}/{step}"}.get(
        kind, f"{first}-{last}/{step}"
    )
    return text, range(first, last + 1, step)


def expressions() -> st.SearchStrategy[Expression]:
    """Any expression; the day fields are stars more often than not, so that most have slots soon."""
    star = [Part("*", frozenset(range(low, high + 1))) for low, high in BOUNDS]
    fields = [part(0), part(1), *(st.one_of(st.just(star[i]), st.just(star[i]), part(i)) for i in (2, 3, 4))]
    return st.tuples(*fields).map(Expression)


def of(text: str) -> Expression:
    """An expression of stars, values and ranges, for tests that name theirs."""
    *parts, weekday = [Part(field, frozenset(_numbers(field, *BOUNDS[i]))) for i, field in enumerate(text.split())]
    return Expression((*parts, Part(weekday.text, frozenset(number % 7 for number in weekday.numbers))))  # type: ignore[arg-type]  # four and one


def _numbers(field: str, low: int, high: int) -> Iterator[int]:
    for each in field.split(","):
        span, _, step = each.partition("/")
        first, _, last = span.partition("-")
        begin, end = (low, high) if first == "*" else (int(first), int(last or (high if step else first)))
        yield from range(begin, end + 1, int(step or 1))
