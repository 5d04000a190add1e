"""Moments and lengths of time in words: how long ago, how long it took, when it is due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

UNITS = ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))
DAY = timedelta(days=1)
EXACT = 10  # of a unit: from then on the smaller one says nothing that matters


def ago(moment: datetime | None, now: datetime) -> str:
    """How long ago a moment was, or how far ahead, in one unit."""
    if moment is None:
        return "never"
    seconds = (now - moment).total_seconds()
    text = span(timedelta(seconds=abs(seconds)))
    return f"{text} ago" if seconds >= 0 else f"in {text}"


def span(length: timedelta) -> str:
    """A length of time, rounded down: in two units, or from ten of the larger one on in that one. All are told so."""
    seconds = max(0, int(length.total_seconds()))
    for size, unit, smaller, name in UNITS:
        if seconds >= size:
            count, rest = seconds // size, seconds % size // smaller
            return f"{count} {unit} {rest} {name}" if rest and count < EXACT else f"{count} {unit}"
    return f"{seconds} s"


def coming(name: str, due_at: datetime, now: datetime, timezone: str) -> str:
    """When a slot of that local name comes, short enough for a column: its date only where it is a day away."""
    local = datetime.fromisoformat(name)
    far = due_at - now
    day = "" if far < DAY else f"{local:%d %b} " if far < 300 * DAY else f"{local:%b %Y} "
    return f"{day}{local:%H:%M} {due_at.astimezone(zone_named(timezone)):%Z} (in {span(far)})"


def zone_named(timezone: str) -> tzinfo:
    """The zone of that name; UTC where this machine does not know it, which the job file's check has said."""
    if timezone == "UTC":
        return UTC
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415  late: most jobs are in UTC

    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def minute(moment: datetime, zone: tzinfo) -> str:
    """The moment to the minute on that zone's clock, with the clock's name."""
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M %Z}"


def second(moment: datetime, zone: tzinfo) -> str:
    """The time of day to the second on that zone's clock, with the clock's name."""
    return f"{moment.astimezone(zone):%H:%M:%S %Z}"
