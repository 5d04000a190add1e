"""Times and durations as text."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta, tzinfo

from upsun_agent.model.durations import span

DAY = timedelta(days=1)


def iso(moment: datetime | None) -> str | None:
    """Return a time as ISO 8601 text to the second, for JSON; None for None."""
    return None if moment is None else moment.isoformat(timespec="seconds")


def ago(moment: datetime | None, now: datetime) -> str:
    """Return how long ago a time was, or how far in the future it is, in one unit."""
    if moment is None:
        return "never"
    seconds = (now - moment).total_seconds()
    text = span(abs(seconds))
    return f"{text} ago" if seconds >= 0 else f"in {text}"


def coming(name: str, due_at: datetime, now: datetime, timezone: str) -> str:
    """Return when a slot comes, short enough for a column: with its date only if it is a day away.

    Args:
        name: the slot's local time.
        due_at: when it is due.
        now: the present.
        timezone: the job's time zone.
    """
    local = datetime.fromisoformat(name)
    far = due_at - now
    day = "" if far < DAY else f"{local:%d %b} " if far < 300 * DAY else f"{local:%b %Y} "
    return f"{day}{local:%H:%M} {due_at.astimezone(zone_named(timezone)):%Z} (in {span(far)})"


def zone_named(timezone: str) -> tzinfo:
    """Return the time zone with this name.

    UTC if this machine does not know it, which the check of the job file reports.
    """
    if timezone == "UTC":
        return UTC
    try:
        return zoneinfo.ZoneInfo(timezone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def minute(moment: datetime, zone: tzinfo) -> str:
    """Return the time to the minute in the zone, with the zone's abbreviation."""
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M %Z}"


def second(moment: datetime, zone: tzinfo) -> str:
    """Return the time of day to the second in the zone, with the zone's abbreviation."""
    return f"{moment.astimezone(zone):%H:%M:%S %Z}"
