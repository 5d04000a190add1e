"""Durations, rounded: in words, and in seconds for documents."""

from __future__ import annotations

from datetime import timedelta

UNITS = ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))
EXACT = 10  # of a unit: from then on the smaller one says nothing that matters


def span(length: timedelta | float) -> str:
    """Return a duration (a number counts seconds) as text, such as "1 h 54 min", rounded down.

    It has two units, or one from ten of the larger one on.
    """
    whole = max(0, int(length.total_seconds() if isinstance(length, timedelta) else length))
    for size, unit, smaller, name in UNITS:
        if whole >= size:
            count, rest = whole // size, whole % size // smaller
            return f"{count} {unit} {rest} {name}" if rest and count < EXACT else f"{count} {unit}"
    return f"{whole} s"


def seconds(length: timedelta) -> float:
    """Return a duration in seconds, to the millisecond."""
    return round(length.total_seconds(), 3)
