"""Lengths of time in words."""

from __future__ import annotations

UNITS = ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))
EXACT = 10  # of a unit: from then on the smaller one says nothing that matters


def span(seconds: float) -> str:
    """Return a length of time, rounded down: in two units, or from ten of the larger one on in that one."""
    whole = max(0, int(seconds))
    for size, unit, smaller, name in UNITS:
        if whole >= size:
            count, rest = whole // size, whole % size // smaller
            return f"{count} {unit} {rest} {name}" if rest and count < EXACT else f"{count} {unit}"
    return f"{whole} s"
