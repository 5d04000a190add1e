"""Slots in every time zone, 2024 to 2038, against a walk minute by minute (``minute_walk``).

Walked are three days around each change of a zone's offset, and some days drawn at random: between changes a zone is
plain arithmetic. Changes are looked for day by day; two within one day of UTC that cancel each other would be missed,
there are none in these years. With ``UPSUN_SOAK=1`` all zones and all changes, else eight difficult
zones, eight drawn ones, and of each a few changes.
"""

from __future__ import annotations

import os
import random
import zoneinfo
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from upsun_agent.schedule import Schedule

from tests.harness.minute_walk import Fields, changes, fields, slots, walls

SOAK = os.environ.get("UPSUN_SOAK") == "1"
FIRST, LAST = 2024, 2038
DIFFICULT = (
    "Europe/Paris",
    "America/New_York",
    "Australia/Lord_Howe",  # half an hour of summer time
    "Africa/Casablanca",  # winter time in Ramadan
    "Africa/El_Aaiun",
    "Asia/Kathmandu",  # +05:45
    "Pacific/Chatham",  # +12:45, changes at 02:45
    "Antarctica/Troll",  # two hours of summer time
)
EXPRESSIONS = (
    "30 2 * * *",  # in the gap of most of Europe and America
    "0 3 * * *",  # at the end of that gap
    "15 0,1,2,3 * * *",
    "10 1-5 * * *",
    "0 2-4/2 * * *",
    "*/20 2 * * *",
    "*/15 * * * *",  # any hour: the gap has no slots
    "5 */3 * * *",
    "30 2 1-15 * sun",  # cron's OR
    "30 2 */2 * 0",  # and its AND
    "0 1 29 2 *",
    "H H * * *",
    "H(0-10) H(1-3) * * *",
    "H/20 * * * *",
)
NAMES = {"sun": "0"}
#: A zone that is a link to another has the same rules; some names are no zones of a place.
ZONES = sorted(zoneinfo.available_timezones())


def chosen() -> list[str]:
    if SOAK:
        return ZONES
    return [*DIFFICULT, *random.Random(2038).sample([zone for zone in ZONES if zone not in DIFFICULT], 8)]


def windows(zone: ZoneInfo, dice: random.Random) -> list[tuple[datetime, datetime]]:
    """The spans that are walked."""
    days = changes(zone, FIRST, LAST)
    if not SOAK:
        days = sorted(dice.sample(days, min(len(days), 3)))
    spans = [(day - timedelta(days=1), day + timedelta(days=2)) for day in days]
    for _ in range(6 if SOAK else 2):
        start = datetime(FIRST, 1, 1, tzinfo=UTC) + timedelta(days=dice.randrange((LAST - FIRST + 1) * 365))
        spans.append((start, start + timedelta(days=2)))
    return spans


def plain(expression: str, schedule: Schedule) -> Fields:
    """The expression for the walk; ``H`` is taken from the schedule, which must have put numbers for it."""
    if "H" not in expression:
        return fields(expression.replace("sun", NAMES["sun"]))
    for wanted, got in zip(expression.split(), schedule.fields.split(), strict=True):
        assert wanted == got or ("H" in wanted and got[0].isdigit()), f"{expression}: {schedule.fields}"
    return fields(schedule.fields)


def check(zone: str, dice: random.Random) -> int:
    """Every expression on every span of the zone; how many slots were compared."""
    place, compared = ZoneInfo(zone), 0
    schedules = [(each, Schedule(each, zone, f"salt of {zone}")) for each in EXPRESSIONS]
    for start, end in windows(place, dice):
        begin = start - timedelta(days=1)  # so that the walk knows what the clock has shown before
        walk = walls(place, begin, end)
        for expression, schedule in schedules:
            wanted = [slot for slot in slots(plain(expression, schedule), walk) if slot[0] >= start]
            before = start - timedelta(seconds=1)
            got = [(slot.due_at, slot.name) for slot in schedule.between(before, end - timedelta(seconds=1))]
            assert got == wanted, f"{zone}, {expression}, {start:%Y-%m-%d} to {end:%Y-%m-%d}"
            compared += len(got)
    return compared


def check_once_a_day(zone: str, dice: random.Random) -> None:
    """A fixed time comes exactly once on every date of the zone's own calendar, both nights of a change too."""
    place = ZoneInfo(zone)
    for start, end in windows(place, dice):
        for expression in ("30 2 * * *", "45 1 * * *", "0 0 * * *", "15 3 * * *"):
            schedule = Schedule(expression, zone)
            names = [slot.name for slot in schedule.between(start, end)]
            dates = [name[:10] for name in names]
            assert len(set(names)) == len(names), f"{zone}, {expression}: a slot came twice"
            first, last = datetime.fromisoformat(dates[0]), datetime.fromisoformat(dates[-1])
            assert len(dates) == (last - first).days + 1, f"{zone}, {expression}: a date without its slot: {dates}"
            assert (end - start).days - 1 <= len(dates) <= (end - start).days + 1


@pytest.mark.parametrize("zone", chosen())
def test_slots_are_those_of_the_wall_clock_none_twice_and_none_lost(zone: str) -> None:
    assert check(zone, random.Random(zone)) > 100
    check_once_a_day(zone, random.Random(zone))


def test_all_zones_are_known_and_the_difficult_ones_change_as_often_as_they_should() -> None:
    assert len(ZONES) > 400
    assert set(DIFFICULT) <= set(ZONES)
    assert len(changes(ZoneInfo("Europe/Paris"), FIRST, LAST)) == 2 * (LAST - FIRST + 1)
    assert len(changes(ZoneInfo("Africa/Casablanca"), FIRST, LAST)) >= 25
    assert changes(ZoneInfo("Asia/Kathmandu"), FIRST, LAST) == []


def test_the_walk_itself_is_right_on_two_nights_that_everybody_can_check() -> None:
    paris = ZoneInfo("Europe/Paris")
    spring = walls(paris, datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 3, 30, tzinfo=UTC))
    autumn = walls(paris, datetime(2026, 10, 24, tzinfo=UTC), datetime(2026, 10, 26, tzinfo=UTC))
    gap_end = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    assert (gap_end, "2026-03-29T02:30") in slots(fields("30 2 * * *"), spring)
    assert not [name for _, name in slots(fields("30 * * * *"), spring) if name == "2026-03-29T02:30"]
    twice = [moment for moment, name in slots(fields("30 2 * * *"), autumn) if name == "2026-10-25T02:30"]
    assert twice == [datetime(2026, 10, 25, 0, 30, tzinfo=UTC)]
    assert len([1 for _, name in slots(fields("*/15 * * * *"), autumn) if name.startswith("2026-10-25")]) == 96
