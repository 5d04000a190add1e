"""Daily windows, weekdays and excluded dates. Pure functions of text and calendar."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime, time, timedelta, tzinfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def opens(window: str, days: Iterable[str], local: datetime) -> bool:
    """Return whether a window such as ``22:00-05:00`` is open at a local moment.

    The end is not part of it; one that passes midnight belongs to the day on which it opens. No days: every day.

    Args:
        window: the window, as ``HH:MM-HH:MM``.
        days: the days on which it opens, as `mon`; none: every day.
        local: the moment on the clock of the job's time zone.
    """
    start, end = (time.fromisoformat(part) for part in window.split("-"))
    now, wanted = local.time(), set(days) or set(DAYS)
    day = local.weekday()
    if _opens_after_a_gap(start, end, wanted, local):
        return True
    if start < end:
        return start <= now < end and DAYS[day] in wanted
    if now >= start:
        return DAYS[day] in wanted
    return now < end and DAYS[(day - 1) % 7] in wanted


def _opens_after_a_gap(start: time, end: time, wanted: Collection[str], local: datetime) -> bool:
    """Return whether a window that lay wholly in the hour skipped by the clocks is open now instead.

    It then opens at the end of that gap, for as long as it is on other days.
    """
    if local.tzinfo is None:
        return False
    for back in (0, 1):
        day = local.date() - timedelta(days=back)
        opening, closing = datetime.combine(day, start), datetime.combine(day, end)
        if closing <= opening:
            closing += timedelta(days=1)
        if DAYS[day.weekday()] not in wanted or _exists(opening, local.tzinfo):
            continue
        gap_end = opening
        while gap_end < closing and not _exists(gap_end, local.tzinfo):
            gap_end += timedelta(minutes=1)
        if gap_end < closing:
            continue  # part of the window is there
        while not _exists(gap_end, local.tzinfo) and gap_end < closing + timedelta(days=2):
            gap_end += timedelta(minutes=1)
        if gap_end <= local.replace(tzinfo=None) < gap_end + (closing - opening):
            return True
    return False


def _exists(wall: datetime, zone: tzinfo) -> bool:
    """Return whether clocks of the zone ever show this time of this day."""
    return wall.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) == wall


def dates_fault(text: str) -> str | None:
    """Return what is wrong with a date or a span of two dates; None if it is valid."""
    try:
        first, last = (date.fromisoformat(part) for part in (text if "/" in text else f"{text}/{text}").split("/"))
    except ValueError as error:
        return f"is not a valid date: {error}"
    return "ends before it begins" if last < first else None


def falls_on(dates: Iterable[str], day: date) -> str | None:
    """Return the first of the dates and spans (``2026-12-20/2027-01-03``) that contains the day, or None."""
    for text in dates:
        first, _, last = text.partition("/")
        if date.fromisoformat(first) <= day <= date.fromisoformat(last or first):
            return text
    return None
