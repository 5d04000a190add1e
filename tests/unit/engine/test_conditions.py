"""Windows, days and dates: what a condition says at each moment, against a plain account of the calendar."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from upsun_agent.engine.conditions import skip_reason
from upsun_agent.engine.windows import DAYS, dates_fault, falls_on, opens

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


PARIS = ZoneInfo("Europe/Paris")


@pytest.mark.parametrize(
    ("window", "moment", "is_open"),
    [
        # 28 March 2027: at 01:00 UTC clocks go from 02:00 to 03:00.
        ("02:00-03:00", "2027-03-28T00:59", False),
        ("02:00-03:00", "2027-03-28T01:00", True),
        ("02:00-03:00", "2027-03-28T01:59", True),
        ("02:00-03:00", "2027-03-28T02:00", False),
        ("02:15-02:45", "2027-03-28T01:00", True),
        ("02:15-02:45", "2027-03-28T01:29", True),
        ("02:15-02:45", "2027-03-28T01:30", False),
        ("01:30-02:30", "2027-03-28T01:00", False),  # half of it was there
        ("02:30-03:30", "2027-03-28T01:00", True),
        ("02:30-03:30", "2027-03-28T01:30", False),
        ("02:00-03:00", "2027-03-27T01:30", True),
        ("02:00-03:00", "2027-03-29T01:30", False),
        ("02:00-03:00", "2027-10-31T00:30", True),  # in autumn both times
        ("02:00-03:00", "2027-10-31T01:30", True),
    ],
)
def test_a_window_that_lies_in_the_hour_clocks_skip_opens_after_it(window: str, moment: str, *, is_open: bool) -> None:
    local = datetime.fromisoformat(moment).replace(tzinfo=UTC).astimezone(PARIS)
    assert opens(window, [], local) is is_open
    assert opens(window, [DAYS[(local.weekday() + 1) % 7]], local) is False


def test_a_window_in_a_gap_of_half_an_hour_or_at_midnight_opens_after_it_too() -> None:
    lord_howe, cairo = ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Africa/Cairo")
    after = datetime(2026, 10, 4, 2, 30, tzinfo=lord_howe)  # 02:00 to 02:30 is skipped
    assert opens("02:05-02:20", [], after)
    assert not opens("02:05-02:20", [], after + timedelta(minutes=15))
    friday = datetime(2026, 4, 24, 1, 0, tzinfo=cairo)  # 00:00 to 01:00 is skipped
    assert opens("00:00-01:00", ["fri"], friday)
    assert not opens("00:00-01:00", ["thu"], friday)


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
        ({"branches": ["release-*"]}, "not one of the branches"),
        ({"days": ["mon"]}, None),
        ({"days": ["tue"]}, "Monday is not on one of the days tue"),
        ({"window": "22:00-04:00"}, None),
        ({"window": "22:00-04:00", "days": ["sun"]}, None),
        ({"window": "22:00-04:00", "days": ["mon"]}, "outside the window"),
        ({"not-on": ["2026-03-02"]}, "falls on 2026-03-02"),
        ({"not-on": ["2026-03-03"]}, None),
        ({"once-a-day": True}, "succeeded on 2026-03-02 already"),
    ],
)
def test_conditions(when: dict[str, Any], word: str | None) -> None:
    found = skip_reason(when, MONDAY + timedelta(hours=3), "main", MONDAY.date())
    assert (found is None) if word is None else (found is not None and word in found)


def test_a_success_of_another_day_is_no_hindrance() -> None:
    assert skip_reason({"once-a-day": True}, MONDAY, "main", MONDAY.date() - timedelta(days=1)) is None
    assert skip_reason({"once-a-day": True}, MONDAY, "main", None) is None
