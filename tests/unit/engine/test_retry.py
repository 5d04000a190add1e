"""pause: how long to wait before a read is tried again, with the arithmetic of every case in sight."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from upsun_agent.backoff import pause


def rest(attempt: int, retry_after: float | None = None, spread: float = 0.0) -> float | None:
    """With a first pause of 0.5 s, at most 8 s, and wishes honoured up to 15 s."""
    return pause(attempt, retry_after, spread, first=0.5, most=8.0, wish_most=15.0)


@pytest.mark.parametrize(
    ("attempt", "spread", "seconds"),
    [
        # doubled from 0.5 and at most 8, times a half and half the spread
        (1, 0.0, 0.5 * 0.5),
        (1, 0.5, 0.5 * 0.75),
        (1, 0.999, 0.5 * 0.9995),
        (2, 0.0, 1.0 * 0.5),
        (2, 0.5, 1.0 * 0.75),
        (3, 0.0, 2.0 * 0.5),
        (4, 0.0, 4.0 * 0.5),
        (5, 0.0, 8.0 * 0.5),
        (6, 0.0, 8.0 * 0.5),  # 16 is more than the most
        (6, 0.5, 8.0 * 0.75),
        (31, 0.0, 8.0 * 0.5),
        (10_000, 0.0, 8.0 * 0.5),  # 2 ** 9999 is never worked out
    ],
)
def test_without_a_wish_pauses_double_up_to_the_most_and_are_spread_over_their_upper_half(
    attempt: int, spread: float, seconds: float
) -> None:
    assert rest(attempt, spread=spread) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("wish", "spread", "seconds"),
    [
        # the wish, plus the spread times 0.5
        (0.0, 0.0, 0.0),
        (0.0, 0.5, 0.25),
        (3.0, 0.0, 3.0),
        (3.0, 0.5, 3.25),
        (12.0, 0.0, 12.0),  # more than the most of a backoff: it is the server's wish
        (15.0, 0.5, 15.25),
        (-7.0, 0.5, 0.25),  # a date in the past
    ],
)
@pytest.mark.parametrize("attempt", [1, 2, 9])
def test_the_servers_wish_counts_whatever_the_attempt(attempt: int, wish: float, spread: float, seconds: float) -> None:
    assert rest(attempt, wish, spread) == pytest.approx(seconds)


@pytest.mark.parametrize("wish", [15.001, 60.0, 1e12])
def test_a_wish_beyond_what_is_honoured_is_left_to_the_next_tick(wish: float) -> None:
    assert rest(1, wish) is None


@given(
    attempt=st.integers(1, 10**6),
    wish=st.none() | st.floats(-1e9, 1e9),
    spread=st.floats(0, 1, exclude_max=True),
)
def test_no_pause_is_negative_or_longer_than_the_bounds_allow(attempt: int, wish: float | None, spread: float) -> None:
    seconds = rest(attempt, wish, spread)
    if wish is None:
        assert seconds is not None
        assert 0.25 <= seconds <= 8.0
    elif wish > 15:
        assert seconds is None
    else:
        assert seconds is not None
        assert max(wish, 0) <= seconds < max(wish, 0) + 0.5 + 1e-9
