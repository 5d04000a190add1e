"""Cron expressions: five fields, aliases, names and ``H`` turned into plain fields of numbers, or refused."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from msgspec import Struct

from upsun_agent.limits import EXPRESSION_MOST

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


class Field(Struct, frozen=True):
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
    Field("minute", 0, 59, {}, (0, 59)),
    Field("hour", 0, 23, {}, (0, 23)),
    Field("day of month", 1, 31, {}, (1, 28)),  # H must exist in every month
    Field("month", 1, 12, _MONTHS, (1, 12)),
    Field("day of week", 0, 7, _DAYS, (0, 6)),
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
        return f"is not a valid schedule: {error}"
    return None


def _plain_field(part: str, field: Field, salt: str) -> str:
    items = [_plain_item(item, field, salt) for item in part.split(",")]
    return "*" if "*" in items else ",".join(items)  # croniter drops a day field such as 5,*


def _plain_item(item: str, field: Field, salt: str) -> str:
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
        raise ExpressionError(f"{field.label}: {item!r} ends before it begins")
    if step is not None:
        _check_step(int(step), high - low, field, item)
    if low == high:  # croniter takes 5-5 for *
        return str(low)
    span = "*" if first == "*" else f"{low}-{high}"
    return span if step is None else f"{span}/{int(step)}"


def _check_step(step: int, span: int, field: Field, item: str) -> None:
    if step < 1:
        raise ExpressionError(f"{field.label}: the step in {item!r} is 0")
    if step > max(span, 1):
        raise ExpressionError(f"{field.label}: the step in {item!r} is larger than its range")


def _value(text: str, field: Field) -> int:
    if text in field.names:
        return field.names[text]
    if not text.isdigit():
        raise ExpressionError(f"{field.label}: {text!r} is not a valid value")
    if not field.low <= int(text) <= field.high:
        raise ExpressionError(f"{field.label}: {text} is not between {field.low} and {field.high}")
    return int(text)


def _from_hash(match: re.Match[str], field: Field, salt: str) -> str:
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


def either_day(fields: list[str]) -> bool:
    """Like cron: both day fields must match where one of them begins with *, either where none does."""
    return not (fields[2].startswith("*") or fields[4].startswith("*"))


def _ever_due(fields: list[str]) -> bool:
    """Return whether any month of the expression has a day of the expression.

    Each date meets every weekday in some year.
    """
    if either_day(fields):
        return True
    first_day = min(values_of(fields[2], FIELDS[2]))
    return any(first_day <= _MONTH_DAYS[month - 1] for month in values_of(fields[3], FIELDS[3]))


def values_of(plain_field: str, field: Field) -> Iterator[int]:
    """Yield the numbers that a plain field stands for."""
    for item in plain_field.split(","):
        span, _, step = item.partition("/")
        first, _, last = span.partition("-")
        low, high = (field.low, field.high) if span == "*" else (int(first), int(last or first))
        yield from range(low, high + 1, int(step or 1))
