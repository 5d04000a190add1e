"""How long to pause before a read is tried again."""

from __future__ import annotations


def pause(
    attempt: int, retry_after: float | None, spread: float, *, first: float, most: float, wish_most: float
) -> float | None:
    """Return seconds to wait before attempt number ``attempt`` + 1, or None to leave it to the next tick.

    Args:
        attempt: how many attempts were made, 1 or more.
        retry_after: the server's wish in seconds, if it gave one; a wish beyond ``wish_most`` is not waited for.
        spread: a random number in [0, 1) that keeps many containers from knocking together.
        first: the pause after the first attempt; it doubles with each.
        most: no pause is longer than this, but for the server's wish.
        wish_most: the longest wish that is honoured here and now.
    """
    backoff = float(min(most, first * 2 ** min(attempt - 1, 30)))
    if retry_after is not None:
        return None if retry_after > wish_most else max(retry_after, 0.0) + spread * first
    return backoff * (0.5 + spread / 2)
