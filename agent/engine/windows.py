"""Windows of the local day, days of the week, and dates on which nothing is done. Pure text and calendar."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def opens(window: str, days: Iterable[str], local: datetime) -> bool:
    """Whether a window such as ``22:00-05:00`` is open at a local moment.

    The end is not part of it; one that passes midnight belongs to the day on which it opens. No days: every day.
    """
    start, end = (time.fromisoformat(part) for part in window.split("-"))
    now, wanted = local.time(), set(days) or set(DAYS)
    day = local.weekday()
    if start < end:
        return start <= now < end and DAYS[day] in wanted
    if now >= start:
        return DAYS[day] in wanted
    return now < end and DAYS[(day - 1) % 7] in wanted


def dates_fault(text: str) -> str | None:
    """What is wrong with a date, or two with a slash between them; None where it is good."""
    try:
        first, last = (date.fromisoformat(part) for part in (text if "/" in text else f"{text}/{text}").split("/"))
    except ValueError as error:
        return f"is no date: {error}"
    return "ends before it begins" if last < first else None


def falls_on(dates: Iterable[str], day: date) -> str | None:
    """The first of some dates, or spans of dates such as ``2026-12-20/2027-01-03``, that the day falls on."""
    for text in dates:
        first, _, last = text.partition("/")
        if date.fromisoformat(first) <= day <= date.fromisoformat(last or first):
            return text
    return None
