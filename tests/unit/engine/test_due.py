"""due: which slots open a run, which are missed or skipped, and how far they are judged."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from upsun_agent.engine.decide import Look, decide
from upsun_agent.engine.due import Due, ExcludeSlots, MissSlots, OpenSlot, SkipSlot, Slot, due, grace
from upsun_agent.engine.fold import fold
from upsun_agent.model.answers import LookAtEnvironment
from upsun_agent.model.durations import span
from upsun_agent.model.events import StepFailed
from upsun_agent.model.failures import FailureKind
from upsun_agent.model.job import Job
from upsun_agent.steps import KINDS

from tests.harness.builders import at, job, opened, sees

HOURLY = job(misfire_grace=2 * 3600)
WAITING = job(misfire_grace=2 * 3600, overlap="wait")
NO_CATCH_UP = job(misfire_grace=2 * 3600, catch_up="none")
IN_FLIGHT = "the previous run of the job was still in flight"
NO_TICK = "no tick ran in time, and only the latest slot is caught up"


def slot(minutes: float) -> Slot:
    return Slot(at(minutes), f"+{minutes:g}")


def judge(of: Job, minutes: tuple[float, ...], now: float, *, in_flight: bool = False) -> Due:
    """The verdict at ``now`` on slots at these minutes, with the cursor a minute before the first."""
    slots = [slot(each) for each in minutes]
    return due(of, slots, at(min(minutes) - 1), at(now), in_flight=in_flight)


def test_a_slot_names_its_local_time_and_sorts_by_its_instant() -> None:
    assert sorted([slot(9), slot(1)]) == [slot(1), slot(9)]


@pytest.mark.parametrize("in_flight", [False, True])
def test_without_a_slot_there_is_nothing_to_do_and_the_cursor_moves_to_now(*, in_flight: bool) -> None:
    assert due(HOURLY, [], at(0), at(7), in_flight=in_flight) == Due((), at(7))


def test_without_a_slot_the_cursor_never_goes_back_when_the_clock_does() -> None:
    assert due(HOURLY, [], at(7), at(0), in_flight=False) == Due((), at(7))


@pytest.mark.parametrize(
    ("of", "minutes_late", "opens"),
    [
        (HOURLY, 0, True),
        (HOURLY, 5, True),
        (HOURLY, 120, True),  # misfire-grace is 120 min
        (HOURLY, 120.1, False),
        (NO_CATCH_UP, 0, True),
        (NO_CATCH_UP, 30, True),  # what the platform itself causes
        (NO_CATCH_UP, 30.1, False),
        (job(misfire_grace=60), 1, True),
        (job(misfire_grace=60), 1.1, False),
    ],
)
def test_a_slot_opens_a_run_within_the_grace_and_is_missed_after_it(
    of: Job, minutes_late: float, *, opens: bool
) -> None:
    judged = judge(of, (0,), minutes_late)
    assert judged.cursor == at(minutes_late)
    if opens:
        assert judged.verdicts == (OpenSlot(slot(0)),)
    else:
        minutes = int(grace(of).total_seconds() // 60)
        assert judged.verdicts == (MissSlots(slot(0), slot(0), 1, f"no tick ran within {span(minutes * 60)} of it"),)


def test_only_the_newest_of_several_slots_opens_a_run_and_the_older_are_missed_as_one() -> None:
    judged = judge(HOURLY, (0, 60, 120, 180), 185)
    assert judged == Due((MissSlots(slot(120), slot(0), 3, NO_TICK), OpenSlot(slot(180))), at(185))


def test_when_even_the_newest_is_too_late_all_are_missed_as_one() -> None:
    judged = judge(HOURLY, (0, 60, 120), 241)
    assert judged == Due((MissSlots(slot(120), slot(0), 3, "no tick ran within 2 h of it"),), at(241))


def test_a_slot_that_comes_while_the_previous_run_is_in_flight_is_skipped() -> None:
    judged = judge(HOURLY, (0,), 5, in_flight=True)
    assert judged == Due((SkipSlot(slot(0), IN_FLIGHT),), at(5))


def test_older_slots_are_missed_even_where_the_newest_is_skipped() -> None:
    judged = judge(HOURLY, (0, 60), 65, in_flight=True)
    assert judged == Due((MissSlots(slot(0), slot(0), 1, NO_TICK), SkipSlot(slot(60), IN_FLIGHT)), at(65))


def test_with_overlap_wait_the_newest_slot_is_left_for_a_later_tick() -> None:
    judged = judge(WAITING, (0,), 5, in_flight=True)
    assert judged.verdicts == ()
    assert judged.cursor == at(0) - timedelta(seconds=1)
    # The next tick sees the slot again, since it lies after the cursor, and opens it once the other run is over.
    assert due(WAITING, [slot(0)], judged.cursor, at(50), in_flight=False).verdicts == (OpenSlot(slot(0)),)


def test_with_overlap_wait_only_the_newest_slot_waits_and_the_reason_is_the_run_in_flight() -> None:
    judged = judge(WAITING, (0, 60), 65, in_flight=True)
    reason = f"{IN_FLIGHT}, and only the latest slot is caught up"
    assert judged == Due((MissSlots(slot(0), slot(0), 1, reason),), at(60) - timedelta(seconds=1))


def test_a_slot_that_waited_beyond_the_grace_is_missed_because_of_the_run_in_flight() -> None:
    judged = judge(WAITING, (0,), 121, in_flight=True)
    assert judged == Due((MissSlots(slot(0), slot(0), 1, f"{IN_FLIGHT} 2 h after it"),), at(121))


OUT = (FailureKind.CONDITION, "on that day it is not to run")


def without(*minutes: float, now: float, out: tuple[float, ...], **more: bool) -> Due:
    """The verdict at ``now`` on slots at these minutes, of which some are not to run."""
    moments = {at(each) for each in out}
    return due(
        (more.pop("waiting", False) and WAITING) or HOURLY,
        [slot(each) for each in minutes],
        at(minutes[0] - 1),
        at(now),
        in_flight=more.get("in_flight", False),
        excluded=lambda each: OUT if each.due_at in moments else None,
        blocked_by="the platform is away" if more.get("blocked_by") else "",
    )


def test_a_slot_that_is_not_to_run_is_left_out_and_never_missed() -> None:
    assert without(0, now=500, out=(0,)) == Due((ExcludeSlots(slot(0), slot(0), 1, *OUT),), at(500))


def test_the_newest_slot_that_is_to_run_opens_a_run_though_a_later_one_is_not() -> None:
    judged = without(0, 60, 120, now=125, out=(120,))
    left = ExcludeSlots(slot(120), slot(120), 1, *OUT)
    assert judged == Due((MissSlots(slot(0), slot(0), 1, NO_TICK), OpenSlot(slot(60)), left), at(125))


def test_slots_of_one_fate_that_follow_each_other_are_one_batch() -> None:
    judged = without(0, 60, 120, 180, 240, 300, now=1000, out=(120, 180))
    late = "no tick ran within 2 h of it"
    assert judged.verdicts == (
        MissSlots(slot(60), slot(0), 2, late),
        ExcludeSlots(slot(180), slot(120), 2, *OUT),
        MissSlots(slot(300), slot(240), 2, late),
    )


def test_what_follows_a_slot_that_waits_is_judged_with_it_later() -> None:
    judged = without(0, 60, 120, now=125, out=(120,), waiting=True, in_flight=True)
    assert [type(each) for each in judged.verdicts] == [MissSlots]
    assert judged.cursor == at(60) - timedelta(seconds=1)


def test_while_no_run_may_be_opened_a_slot_waits_for_its_grace_and_is_missed_after_it() -> None:
    assert without(0, now=100, out=(), blocked_by=True) == Due((), at(0) - timedelta(seconds=1))
    why = "no run could begin within 2 h of it: the platform is away"
    assert without(0, now=121, out=(), blocked_by=True).verdicts == (MissSlots(slot(0), slot(0), 1, why),)


@given(
    gaps=st.lists(st.integers(1, 400), min_size=1, max_size=8),
    late=st.integers(0, 800) | st.integers(0, 40),
    in_flight=st.booleans(),
    blocked_by=st.sampled_from(["", "the platform is away"]),
    out=st.sets(st.integers(0, 7)),
    of=st.sampled_from([HOURLY, WAITING, NO_CATCH_UP, job(misfire_grace=60), job(misfire_grace=60, catch_up="none")]),
)
def test_every_slot_gets_exactly_one_verdict_or_stays_after_the_cursor(
    gaps: list[int], late: float, of: Job, out: set[int], blocked_by: str, *, in_flight: bool
) -> None:
    minutes = [sum(gaps[: index + 1]) for index in range(len(gaps))]
    now, left = minutes[-1] + late, {at(minutes[index]) for index in out if index < len(minutes)}
    judged = due(
        of,
        [slot(each) for each in minutes],
        at(minutes[0] - 1),
        at(now),
        in_flight=in_flight,
        excluded=lambda each: OUT if each.due_at in left else None,
        blocked_by=blocked_by,
    )
    spoken: list[Slot] = []
    for verdict in judged.verdicts:
        if isinstance(verdict, MissSlots | ExcludeSlots):
            assert isinstance(verdict, ExcludeSlots) is (verdict.slot.due_at in left)
            held = [slot(each) for each in minutes if verdict.first.due_at <= at(each) <= verdict.slot.due_at]
            assert len(held) == verdict.count
            spoken += held
        else:
            spoken.append(verdict.slot)
    assert spoken == [slot(each) for each in minutes if at(each) <= judged.cursor]
    assert sum(isinstance(verdict, OpenSlot) for verdict in judged.verdicts) <= (not in_flight and not blocked_by)
    if not left:
        assert at(minutes[-1]) - timedelta(seconds=1) <= judged.cursor
    assert judged.cursor <= at(now)


@pytest.mark.parametrize("late", [0, 1, 1.5, 14, 16, 29, 30, 31, 360, 361])
@pytest.mark.parametrize("misfire_grace", [60, 900, 1800, 6 * 3600])
@pytest.mark.parametrize("catch_up", ["none", "latest"])
def test_a_run_that_was_opened_in_time_is_never_too_late_at_once(
    late: float, misfire_grace: int, catch_up: str
) -> None:
    of = job(misfire_grace=misfire_grace, catch_up=catch_up)
    verdicts = judge(of, (0,), late).verdicts
    run = fold([opened(of, when=at(late))])
    decision = decide(run, at(late), sees(), KINDS)
    if isinstance(verdicts[0], OpenSlot):
        assert decision == Look(LookAtEnvironment())
    elif misfire_grace <= grace(of).total_seconds():  # had it been opened after all, it would not have begun
        assert isinstance(decision.event, StepFailed)
        assert decision.event.failure == "too-late"
