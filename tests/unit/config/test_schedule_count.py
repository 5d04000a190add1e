"""How many slots there are in a long time: counted without listing them, and the same as a list's length."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from upsun_agent.limits import SLOTS_MOST
from upsun_agent.schedule import Schedule

from tests.harness.slots_by_minute import Expression, expressions

ZONES = ("UTC", "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Pacific/Apia")
START = datetime(2026, 1, 1, tzinfo=UTC)


@settings(deadline=None, max_examples=60)
@given(
    expression=expressions(),
    zone=st.sampled_from(ZONES),
    begin=st.integers(0, 500 * 1440),
    length=st.integers(0, 120 * 1440),
)
def test_a_count_is_the_length_of_the_list(expression: Expression, zone: str, begin: int, length: int) -> None:
    schedule = Schedule(expression.text, zone)
    after = START + timedelta(minutes=begin)
    until = after + timedelta(minutes=length)
    listed: list[object] = []
    for slot in schedule.after(after):
        if slot.due_at > until or len(listed) >= 5000:
            break
        listed.append(slot)
    if len(listed) < 5000:
        assert schedule.count(after, until) == len(listed)
    assert schedule.between(after, until)[:5000] == listed


@pytest.mark.parametrize(
    ("expression", "zone", "until", "count"),
    [
        ("* * * * *", "UTC", START + timedelta(days=3650), 3650 * 1440),
        ("30 2 * * *", "Europe/Paris", datetime(2027, 1, 1, tzinfo=UTC), 365),  # both nights of changed clocks too
        (
            "0 * * * *",
            "Europe/Paris",
            datetime(2027, 1, 1, tzinfo=UTC),
            365 * 24 - 1,
        ),  # no slot in the gap, one in autumn
        ("0 0 29 2 *", "UTC", datetime(2040, 1, 1, tzinfo=UTC), 3),
        ("* * * * *", "UTC", START, 0),
    ],
)
def test_more_slots_than_are_ever_listed_are_counted(expression: str, zone: str, until: datetime, count: int) -> None:
    assert Schedule(expression, zone).count(START, until) == count


def test_a_list_stays_bounded_however_long_the_time_is() -> None:
    assert len(Schedule("* * * * *").between(START, START + timedelta(days=400))) == SLOTS_MOST
