"""Moments and lengths of time as text: how long ago, how long it took, when it is due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

from upsun_agent.model import durations

DAY = timedelta(days=1)


def iso(moment: datetime | None) -> str | None:
    """Return a moment as ISO 8601 text to the second, for JSON; None for None."""
    return None if moment is None else moment.isoformat(timespec="seconds")


def ago(moment: datetime | None, now: datetime) -> str:
    """How long ago a moment was, or how far ahead, in one unit."""
    if moment is None:
        return "never"
    seconds = (now - moment).total_seconds()
    text = span(timedelta(seconds=abs(seconds)))
    return f"{text} ago" if seconds >= 0 else f"in {text}"


def span(length: timedelta) -> str:
    """Return a length of time as everything tells it."""
    return durations.span(length.total_seconds())


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
