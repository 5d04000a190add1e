"""When the lease row of a journal in a file ends, by this process's clock."""

from __future__ import annotations

from datetime import datetime

from upsun_agent.limits import CLOCK_BACK


def lease_end(lease: str, seen: str, now: datetime, until: datetime) -> tuple[float, str | None]:
    """Return when the lease ends: at its stored time, or one lease length after it was first seen.

    One that says more than a lease lasts is of a clock that is ahead: how much of it is left cannot be known. One of a
    clock that is ahead by more than any clock in order is not believed at all.

    Args:
        lease: the row: when it ends, in seconds since 1970, a space, and who works.
        seen: when this lease was first seen, a space, and the row; empty if none was.
        now: the present.
        until: when a lease that begins now would end.

    Returns:
        The end in seconds since 1970, and what to write down as seen; None: nothing.
    """
    expires = _seconds(lease.partition(" ")[0])
    if expires <= until.timestamp():
        return expires, None
    if not expires <= until.timestamp() + CLOCK_BACK:  # more than that, or not a number
        return 0.0, None
    since, _, row = seen.partition(" ")
    first = _seconds(since)
    if row == lease and 0 <= first <= now.timestamp():
        return first + (until - now).total_seconds(), None
    return until.timestamp(), f"{now.timestamp()} {lease}"


def _seconds(text: str) -> float:
    """Return the number in the text; 0 if it is not a number, so that a damaged lease counts as expired."""
    try:
        return float(text)
    except ValueError:
        return 0.0
