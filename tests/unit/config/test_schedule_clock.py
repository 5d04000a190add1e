"""Slots on the wall clock: nights on which it jumps, month ends, leap days, and a second opinion on all of it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from upsun_agent.cron_expression import expression_fault
from upsun_agent.limits import LOOK_BACK, SLOTS_MOST
from upsun_agent.schedule import Schedule

from tests.harness.slots_by_minute import Expression, changes, expressions, of, walk

DAY = timedelta(days=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def slots(expression: str, zone: str, after: str, until: str) -> list[str]:
    """``instant name`` of every slot in between, the instant as UTC's day, hour and minute."""
    found = Schedule(expression, zone).between(utc(after), utc(until))
    return [f"{slot.due_at:%dT%H:%M} {slot.name}" for slot in found]


# --- spring: the clock skips -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        # 29 March 2026: 02:00 to 03:00 is skipped, at 01:00 UTC.
        ("30 1 * * *", ["29T00:30 2026-03-29T01:30"]),
        ("59 1 * * *", ["29T00:59 2026-03-29T01:59"]),
        ("0 2 * * *", ["29T01:00 2026-03-29T02:00"]),
        ("30 2 * * *", ["29T01:00 2026-03-29T02:30"]),
        ("15,30,45 2 * * *", ["29T01:00 2026-03-29T02:45"]),  # three at one instant: the latest stands
        ("0 3 * * *", ["29T01:00 2026-03-29T03:00"]),
        ("30 2,3 * * *", ["29T01:00 2026-03-29T02:30", "29T01:30 2026-03-29T03:30"]),
        ("0 2,3 * * *", ["29T01:00 2026-03-29T03:00"]),
        ("30 * 29 3 *", [f"{day}T{hour:02}:30" for day, hour in (("28", 23), *(("29", h) for h in range(22)))]),
    ],
)
def test_in_spring_a_fixed_hour_that_is_skipped_comes_when_the_gap_ends(expression: str, expected: list[str]) -> None:
    found = slots(expression, "Europe/Paris", "2026-03-28T22:00", "2026-03-29T22:00")
    if expression.split()[1] == "*":  # every hour: the one that does not exist is left out, 23 remain
        assert [each.split()[0] for each in found] == expected
        assert "2026-03-29T02:30" not in " ".join(found)
    else:
        assert found == expected


@pytest.mark.parametrize("hours", ["*", "*/2", "*/1"])
def test_in_spring_hours_that_begin_with_a_star_have_no_slot_in_the_gap(hours: str) -> None:
    found = slots(f"30 {hours} * * *", "Europe/Paris", "2026-03-29T00:31", "2026-03-29T01:29")
    assert found == []


def test_a_range_of_all_hours_is_fixed_and_loses_none() -> None:
    found = slots("30 0-23 * * *", "Europe/Paris", "2026-03-28T23:00", "2026-03-29T22:00")
    assert len(found) == 24
    assert "29T01:00 2026-03-29T02:30" in found


# --- autumn: the clock repeats -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        # 25 October 2026: 02:00 to 03:00 comes twice, first from 00:00 UTC and again from 01:00 UTC.
        ("59 1 * * *", ["24T23:59 2026-10-25T01:59"]),
        ("0 2 * * *", ["25T00:00 2026-10-25T02:00"]),
        ("30 2 * * *", ["25T00:30 2026-10-25T02:30"]),
        ("0 3 * * *", ["25T02:00 2026-10-25T03:00"]),
        ("*/30 2 * * *", ["25T00:00 2026-10-25T02:00", "25T00:30 2026-10-25T02:30"]),
    ],
)
def test_in_autumn_an_hour_that_is_repeated_counts_the_first_time_only(expression: str, expected: list[str]) -> None:
    assert slots(expression, "Europe/Paris", "2026-10-24T22:00", "2026-10-25T22:00") == expected


def test_in_autumn_each_wall_clock_slot_of_every_hour_comes_once() -> None:
    found = slots("*/15 * * * *", "Europe/Paris", "2026-10-24T21:59", "2026-10-25T22:59")
    names = [each.split()[1] for each in found]
    assert len(names) == len(set(names)) == 24 * 4
    assert not any("25T01:00" <= each < "25T02:00" for each in found), "nothing while the hour is repeated"


def test_asking_from_within_the_repeated_hour_repeats_nothing() -> None:
    paris = Schedule("30 2 * * *", "Europe/Paris")
    for moment in ("2026-10-25T00:30", "2026-10-25T01:00", "2026-10-25T01:29", "2026-10-25T01:30"):
        following = paris.next(utc(moment))
        assert following is not None
        assert following.name == "2026-10-26T02:30"


# --- everywhere --------------------------------------------------------------------------------------------------

ZONES = ("Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca")


def nights(zone: str) -> Iterator[datetime]:
    for year in range(2024, 2039):
        yield from changes(zone, year)


@pytest.mark.parametrize("zone", ZONES)
def test_a_fixed_hour_comes_exactly_once_on_every_local_day_on_which_clocks_change(zone: str) -> None:
    seen = 0
    for night in nights(zone):
        for hour, minute in ((0, 0), (1, 45), (2, 0), (2, 15), (2, 30), (3, 0), (23, 59)):
            schedule = Schedule(f"{minute} {hour} * * *", zone)
            names = [slot.name for slot in schedule.between(night - 2 * DAY, night + 2 * DAY)]
            local = night.astimezone(ZoneInfo(zone)).date()
            days = [name[:10] for name in names]
            assert len(days) == len(set(days))
            assert days.count(local.isoformat()) == 1
            seen += 1
    assert seen >= 7 * 28, "two nights in each of fifteen years, but for years without"


def test_half_an_hour_is_skipped_and_repeated_on_lord_howe_island() -> None:
    # 5 April 2026: back from 02:00 to 01:30 at 15:00 UTC; 4 October: on from 02:00 to 02:30 at 15:30 UTC.
    assert slots("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T13:00", "2026-04-05T13:00") == [
        "04T14:45 2026-04-05T01:45"
    ]
    assert slots("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T13:00", "2026-10-04T13:00") == [
        "03T15:30 2026-10-04T02:15"
    ]
    assert slots("15 * * * *", "Australia/Lord_Howe", "2026-10-03T14:30", "2026-10-03T16:30") == [
        "03T14:45 2026-10-04T01:15",
        "03T16:15 2026-10-04T03:15",
    ]


def test_names_count_the_slots_of_a_schedule_of_every_minute_on_each_kind_of_night() -> None:
    for night, minutes in (("2026-03-28T23:00", 23 * 60), ("2026-10-24T22:00", 24 * 60)):
        hours = 23 if minutes == 23 * 60 else 25
        found = Schedule("* * * * *", "Europe/Paris").between(
            utc(night) - timedelta(minutes=1), utc(night) + timedelta(hours=hours, minutes=-1)
        )
        assert len({slot.name for slot in found}) == len(found) == minutes


# --- days ----------------------------------------------------------------------------------------------------------


def days(expression: str, count: int, after: str = "2026-01-01T00:00") -> list[str]:
    found = itertools.islice(Schedule(expression).after(utc(after) - timedelta(minutes=1)), count)
    return [slot.name[:10] for slot in found]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        # 1 January 2026 is a Thursday. Where neither day field begins with a star, either will do.
        ("0 0 2 * sun", ["2026-01-02", "2026-01-04", "2026-01-11", "2026-01-18", "2026-01-25", "2026-02-01"]),
        ("0 0 2 * 0-6", ["2026-01-01", "2026-01-02", "2026-01-03"]),
        # Where one does, both must match.
        ("0 0 */2 * sun", ["2026-01-11", "2026-01-25", "2026-02-01", "2026-02-15"]),
        ("0 0 13 * *", ["2026-01-13", "2026-02-13", "2026-03-13"]),
        ("0 0 * * fri", ["2026-01-02", "2026-01-09", "2026-01-16"]),
        ("0 0 1-7 * */7", ["2026-01-04", "2026-02-01", "2026-03-01", "2026-04-05"]),
        ("0 0 * * 7", ["2026-01-04", "2026-01-11"]),
        ("0 0 * * 6-7", ["2026-01-03", "2026-01-04", "2026-01-10"]),
        # The ends of months.
        ("0 0 31 * *", ["2026-01-31", "2026-03-31", "2026-05-31", "2026-07-31", "2026-08-31"]),
        ("0 0 30 * *", ["2026-01-30", "2026-03-30", "2026-04-30"]),
        ("0 0 29 2 *", ["2028-02-29", "2032-02-29", "2036-02-29"]),
        ("0 0 29 2 */7", ["2032-02-29", "2060-02-29"]),
        ("0 0 1 1 *", ["2026-01-01", "2027-01-01"]),
        ("0 0 30 2 1", ["2026-02-02", "2026-02-09", "2026-02-16", "2026-02-23", "2027-02-01"]),
    ],
)
def test_days_of_the_month_and_of_the_week_combine_as_in_cron(expression: str, expected: list[str]) -> None:
    assert days(expression, len(expected)) == expected


# --- asking ----------------------------------------------------------------------------------------------------------


def test_a_slot_is_after_the_moment_asked_from_and_not_after_the_moment_asked_to() -> None:
    hourly = Schedule("0 * * * *")
    assert [slot.name for slot in hourly.between(utc("2026-01-01T01:00"), utc("2026-01-01T03:00"))] == [
        "2026-01-01T02:00",
        "2026-01-01T03:00",
    ]
    assert hourly.between(utc("2026-01-01T01:00"), utc("2026-01-01T01:59")) == []
    assert hourly.between(utc("2026-01-01T03:00"), utc("2026-01-01T01:00")) == []
    following = hourly.next(utc("2026-01-01T01:00") - timedelta(microseconds=1))
    assert following is not None
    assert following.name == "2026-01-01T01:00"


def test_a_moment_may_be_given_in_any_zone() -> None:
    elsewhere = utc("2026-01-01T00:30").astimezone(ZoneInfo("Asia/Kathmandu"))
    assert Schedule("0 * * * *").next(elsewhere) == Schedule("0 * * * *").next(utc("2026-01-01T00:30"))


def test_the_calendar_ends_and_with_it_the_slots() -> None:
    last = Schedule("0 0 31 12 *").after(utc("9999-12-30T00:00"))
    assert [slot.name for slot in last] == ["9999-12-31T00:00"]
    assert Schedule("0 0 31 12 *").next(utc("9999-12-31T00:00")) is None
    assert len(Schedule("0 0 31 12 *").between(utc("9999-12-30T00:00"), utc("9999-12-31T23:59"))) == 1


def test_a_list_of_slots_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    assert SLOTS_MOST > LOOK_BACK / 60, "more than a tick ever looks back on"
    monkeypatch.setattr("upsun_agent.schedule.SLOTS_MOST", 50)
    found = Schedule("* * * * *").between(utc("2026-01-01T00:00"), utc("2027-01-01T00:00"))
    assert len(found) == 50


def test_the_zone_of_the_process_has_no_say(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = slots("30 2 * * *", "Europe/Paris", "2026-03-27T00:00", "2026-11-01T00:00")
    try:
        for zone in ("America/New_York", "Pacific/Kiritimati"):
            monkeypatch.setenv("TZ", zone)
            time.tzset()
            assert slots("30 2 * * *", "Europe/Paris", "2026-03-27T00:00", "2026-11-01T00:00") == expected
    finally:
        monkeypatch.undo()
        time.tzset()


# --- the second opinion ----------------------------------------------------------------------------------------------

EVERY_DAY = [datetime(2024, 1, 1, tzinfo=UTC) + number * DAY for number in range(28 * 366)]
ALL_ZONES = sorted(available_timezones())
MOMENTS = st.datetimes(datetime(2024, 1, 2), datetime(2038, 12, 28), timezones=st.just(UTC))  # noqa: DTZ001  hypothesis wants naive bounds


@st.composite
def windows(draw: st.DrawFn) -> tuple[str, datetime]:
    """A zone and a moment, as often as not shortly before its clocks change."""
    zone = draw(st.sampled_from(ALL_ZONES))
    moment = draw(MOMENTS)
    nights = changes(zone, moment.year)
    near: bool = draw(st.booleans()) if nights else False
    if near:
        moment = draw(st.sampled_from(nights)) - timedelta(seconds=draw(st.integers(-7200, 36 * 3600)))
    return zone, moment


@settings(max_examples=150, deadline=None)
@given(expression=expressions(), window=windows(), hours=st.integers(1, 30))
@example(of("*/30 0-5 * * *"), ("Africa/Casablanca", utc("2026-02-14T20:00")), 30)
@example(of("*/10 * * * *"), ("Antarctica/Troll", utc("2026-03-28T20:00")), 30)
@example(of("0,30 0 * * *"), ("America/Asuncion", utc("2024-10-05T20:00")), 30)
def test_a_walk_minute_by_minute_finds_the_same_slots(
    expression: Expression, window: tuple[str, datetime], hours: int
) -> None:
    zone, after = window
    until = after + timedelta(hours=hours)
    expected = walk(expression, ZoneInfo(zone), after, until)
    if expected or expression_fault(expression.text) is None:
        found = Schedule(expression.text, zone).between(after, until)
        assert [(slot.due_at, slot.name) for slot in found] == expected
    else:
        assert not any(map(expression.names_day, EVERY_DAY)), "it was refused, so no day may match it"


def test_the_second_opinion_has_something_to_say() -> None:
    paris = ZoneInfo("Europe/Paris")
    found = walk(of("30 2 * * *"), paris, utc("2026-03-28T00:00"), utc("2026-03-30T00:00"))
    assert found == [(utc("2026-03-28T01:30"), "2026-03-28T02:30"), (utc("2026-03-29T01:00"), "2026-03-29T02:30")]
    assert changes("Europe/Paris", 2026) == (utc("2026-03-29T01:00"), utc("2026-10-25T01:00"))
    assert len(changes("Africa/Casablanca", 2026)) == 2
