"""Windows, days and dates: what a condition says at each moment, against a plain account of the calendar."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.engine.conditions import hindrance
from agent.engine.windows import DAYS, dates_fault, falls_on, opens

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
minutes = st.integers(0, 1439)


def clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


@given(start=minutes, end=minutes, day=st.integers(0, 6), now=minutes, days=st.sets(st.sampled_from(DAYS)))
def test_a_window_is_open_in_the_minutes_that_follow_its_start_on_its_day(
    start: int, end: int, day: int, now: int, days: set[str]
) -> None:
    length = (end - start) % 1440 or 1440
    week = 7 * 1440
    open_minutes = {
        (DAYS.index(each) * 1440 + start + minute) % week for each in (days or set(DAYS)) for minute in range(length)
    }
    local = MONDAY + timedelta(days=day, minutes=now)
    assert opens(f"{clock(start)}-{clock(end)}", sorted(days), local) is ((day * 1440 + now) in open_minutes)


@given(first=st.dates(date(2026, 1, 1), date(2026, 12, 31)), length=st.integers(0, 40), offset=st.integers(-60, 60))
def test_a_span_of_dates_holds_both_its_ends(first: date, length: int, offset: int) -> None:
    last, day = first + timedelta(days=length), first + timedelta(days=offset)
    text = f"{first}/{last}"
    assert dates_fault(text) is None
    assert (falls_on([text], day) == text) is (first <= day <= last)


@pytest.mark.parametrize("text", ["2026-02-29", "2026-13-01", "2026-03-02/2026-03-01"])
def test_what_is_no_date_is_told(text: str) -> None:
    assert dates_fault(text)


@pytest.mark.parametrize(
    ("when", "word"),
    [
        ({}, None),
        ({"branches": ["main"]}, None),
        ({"branches": ["release-*", "ma?n"]}, None),
        ({"branches": ["release-*"]}, "none of the branches"),
        ({"days": ["mon"]}, None),
        ({"days": ["tue"]}, "Monday is none of the days tue"),
        ({"window": "22:00-04:00"}, None),
        ({"window": "22:00-04:00", "days": ["sun"]}, None),
        ({"window": "22:00-04:00", "days": ["mon"]}, "outside the window"),
        ({"not-on": ["2026-03-02"]}, "falls on 2026-03-02"),
        ({"not-on": ["2026-03-03"]}, None),
        ({"once-a-day": True}, "succeeded on 2026-03-02 already"),
    ],
)
def test_conditions(when: dict[str, Any], word: str | None) -> None:
    found = hindrance(when, MONDAY + timedelta(hours=3), "main", MONDAY.date())
    assert (found is None) if word is None else (found is not None and word in found)


def test_a_success_of_another_day_is_no_hindrance() -> None:
    assert hindrance({"once-a-day": True}, MONDAY, "main", MONDAY.date() - timedelta(days=1)) is None
    assert hindrance({"once-a-day": True}, MONDAY, "main", None) is None
