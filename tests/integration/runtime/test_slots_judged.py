"""What is about a slot is judged by the slot's own time: conditions, pauses, zones, and how old it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from upsun_agent.cli.why import _run_of
from upsun_agent.engine.due import Slot
from upsun_agent.engine.fold import fold
from upsun_agent.journal import RunRow
from upsun_agent.journal.directory import reading
from upsun_agent.journal.state import MountState
from upsun_agent.platform.paths import last_tick
from upsun_agent.report.batches import slots_of
from upsun_agent.report.history import look_back
from upsun_agent.runtime.session import open_session
from upsun_agent.runtime.suspension import pause_job, resume, suspension_times

from tests.harness.stage import JOB, SLOT, START, Stage

DAY = timedelta(days=1)
COMMAND = '\n[[jobs.look.steps]]\ncommand = { shell = "echo hello", changes = false }\n'


def job(schedule: str, more: str = "") -> str:
    return f'[jobs.look]\nschedule = "{schedule}"\n{more}{COMMAND}'


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def outcomes(stage: Stage) -> list[tuple[str | None, str | None]]:
    """Slot and outcome of every run, by slot."""
    return sorted((row.slot, row.outcome) for row in stage.rows())


def counts(stage: Stage) -> Counter[str | None]:
    """How many slots ended how."""
    rows: list[RunRow] = stage.rows()
    with reading(MountState(str(stage.directory)), stage.container.identity) as journal:
        slots = slots_of(journal, rows)
    found: Counter[str | None] = Counter()
    for row in rows:
        found[row.outcome] += slots.get(row.run, 1)
    return found


def tallied(stage: Stage) -> dict[str, int]:
    """What the metric ``upsun_agent_runs_total`` says."""
    with reading(MountState(str(stage.directory)), stage.container.identity) as journal:
        return {tally.outcome: tally.runs for tally in journal.tallies()}


def message(stage: Stage, slot: str) -> str:
    closed = stage.run(f"look@{slot}").closed
    assert closed is not None
    return closed.message


def pause(stage: Stage, reason: str = "a freeze") -> None:
    with open_session(stage.site()) as session:
        pause_job(session.journal, "look", reason, stage.manual_clock.now())


def go_on(stage: Stage) -> None:
    with open_session(stage.site()) as session:
        assert resume(session.journal, "look", stage.manual_clock.now())


# --- a tick that comes after the edge -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "when", "before", "tick", "slot"),
    [
        ("50 4 * * *", 'window = "22:00-05:00"', "2026-12-04T04:40", "2026-12-04T05:04", "2026-12-04T04:50"),
        ("50 23 * * fri", 'days = ["fri"]', "2026-12-04T23:45", "2026-12-05T00:04", "2026-12-04T23:50"),
        ("50 23 * * *", 'not-on = ["2026-12-05"]', "2026-12-04T23:45", "2026-12-05T00:04", "2026-12-04T23:50"),
        (
            "50 4 * * *",
            'window = "04:00-04:51", days = ["fri"]',
            "2026-12-04T04:40",
            "2026-12-04T09:04",
            "2026-12-04T04:50",
        ),
    ],
)
def test_a_slot_within_the_conditions_runs_though_the_tick_comes_after_their_edge(
    make: Callable[..., Stage], schedule: str, when: str, before: str, tick: str, slot: str
) -> None:
    stage = make(job(schedule, f"when = {{ {when} }}\n"))
    stage.at(utc(before)).tick()
    stage.at(utc(tick)).tick()
    assert outcomes(stage) == [(slot, "succeeded")]


@pytest.mark.parametrize(
    ("when", "reason"),
    [
        ('window = "05:00-06:00"', "Fri 04:50 is outside the window 05:00-06:00"),
        ('days = ["sat"]', "Friday is not on one of the days sat"),
        ('not-on = ["2026-12-04"]', "2026-12-04 falls on 2026-12-04"),
    ],
)
def test_a_slot_outside_the_conditions_is_skipped_though_the_tick_comes_within_them(
    make: Callable[..., Stage], when: str, reason: str
) -> None:
    stage = make(job("50 4 * * *", f"when = {{ {when} }}\n"))
    stage.at(utc("2026-12-04T04:40")).tick()
    stage.at(utc("2026-12-05T04:45" if "days" in when or "not-on" in when else "2026-12-04T05:04")).tick()
    assert outcomes(stage) == [("2026-12-04T04:50", "skipped")]
    assert reason in message(stage, "2026-12-04T04:50")


def test_once_a_day_counts_the_day_of_the_slot_and_not_of_the_tick(make: Callable[..., Stage]) -> None:
    stage = make(job("50 23 * * *", "when = { once-a-day = true }\n"))
    stage.at(utc("2026-12-04T23:45")).tick()
    stage.at(utc("2026-12-05T00:04")).tick()
    stage.at(utc("2026-12-05T23:52")).tick()
    assert outcomes(stage) == [("2026-12-04T23:50", "succeeded"), ("2026-12-05T23:50", "succeeded")]


def test_once_a_day_leaves_out_later_slots_of_a_day_on_which_the_job_succeeded(make: Callable[..., Stage]) -> None:
    stage = make(job("0 */6 * * *", "when = { once-a-day = true }\n"))
    stage.at(utc("2026-12-03T23:55")).tick()
    for hours in range(0, 30, 6):
        stage.at(utc("2026-12-04T00:05") + timedelta(hours=hours)).tick()
    found = [outcome for _, outcome in outcomes(stage)]
    assert found == ["succeeded", "skipped", "skipped", "skipped", "succeeded"]


def test_a_slot_in_the_hour_that_clocks_skip_is_within_a_window_of_that_hour(make: Callable[..., Stage]) -> None:
    stage = make(job("30 2 * * *", 'timezone = "Europe/Paris"\nwhen = { window = "02:00-03:00" }\n'))
    stage.at(utc("2027-03-28T00:30")).tick()
    stage.at(utc("2027-03-28T01:04")).tick()
    assert outcomes(stage) == [("2027-03-28T02:30", "succeeded")]


# --- slots that were not to run are not missed --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "tick", "skipped"),
    [
        ('when = { not-on = ["2026-12-24"] }\n', "2026-12-24T12:00", ["2026-12-24T03:00"]),
        ('when = { days = ["mon", "tue", "wed", "thu", "fri"] }\n', "2026-12-27T12:00", ["2026-12-27T03:00"]),
    ],
)
def test_a_slot_that_was_not_to_run_is_skipped_and_never_missed(
    make: Callable[..., Stage], more: str, tick: str, skipped: list[str]
) -> None:
    stage = make(job("0 3 * * *", more))
    stage.at(utc(skipped[0]) - timedelta(minutes=5)).tick()
    stage.at(utc(tick)).tick()
    assert outcomes(stage) == [(slot, "skipped") for slot in skipped]
    assert counts(stage)["missed"] == 0


def test_of_a_fortnight_without_ticks_only_working_days_were_missed(make: Callable[..., Stage]) -> None:
    stage = make(job("0 3 * * *", 'when = { days = ["mon", "tue", "wed", "thu", "fri"] }\n'))
    stage.at(utc("2026-12-06T02:00")).tick()  # a Sunday
    stage.at(utc("2026-12-20T23:00")).tick()  # a Sunday
    assert counts(stage) == {"missed": 10, "skipped": 5}
    assert tallied(stage) == {"missed": 10, "skipped": 5}
    assert outcomes(stage) == [
        ("2026-12-06T03:00", "skipped"),
        ("2026-12-11T03:00", "missed"),
        ("2026-12-13T03:00", "skipped"),
        ("2026-12-18T03:00", "missed"),
        ("2026-12-20T03:00", "skipped"),
    ]
    assert message(stage, "2026-12-18T03:00").endswith("with those before, 10 slots since 2026-12-07T03:00 were missed")


def test_slots_of_a_pause_are_skipped_even_where_it_ended_before_the_tick(make: Callable[..., Stage]) -> None:
    stage = make(job("0 3 * * *"))
    stage.at(utc("2026-12-01T12:00")).tick()
    pause(stage)
    go_on(stage.at(utc("2026-12-04T12:00")))
    stage.at(utc("2026-12-06T12:00")).tick()
    assert counts(stage) == {"skipped": 3, "missed": 2}
    assert outcomes(stage) == [("2026-12-04T03:00", "skipped"), ("2026-12-06T03:00", "missed")]
    said = "was paused when the slot was due, since 2026-12-01 12:00 UTC: a freeze; until 2026-12-04 12:00 UTC"
    assert said in message(stage, "2026-12-04T03:00")


def test_slots_before_a_pause_were_missed_and_none_is_run_while_it_lasts(make: Callable[..., Stage]) -> None:
    stage = make(job("0 */2 * * *"))
    stage.at(utc("2026-12-01T01:00")).tick()
    pause(stage.at(utc("2026-12-01T08:30")))
    stage.tick()
    assert counts(stage) == {"missed": 3, "skipped": 1}
    stage.at(utc("2026-12-01T12:30")).tick()
    assert counts(stage) == {"missed": 3, "skipped": 3}
    go_on(stage)
    stage.at(utc("2026-12-01T14:00")).tick()
    assert counts(stage) == {"missed": 3, "skipped": 3, "succeeded": 1}


def test_a_pause_of_an_earlier_version_is_known_from_its_text(make: Callable[..., Stage]) -> None:
    stage = make(job("0 3 * * *"))
    stage.at(utc("2026-12-01T12:00")).tick()
    old = "the job is paused since 2026-12-02 12:00 UTC: a freeze; upsun-agent resume look ends it"
    with open_session(stage.site()) as session:
        session.journal.note("suspended:look", old)
        (hold,) = suspension_times(session.journal, "look")
    assert (hold.since, hold.until) == (utc("2026-12-02T12:00"), None)
    stage.at(utc("2026-12-04T12:00")).tick()
    assert counts(stage) == {"missed": 1, "skipped": 2}
    go_on(stage)
    with open_session(stage.site()) as session:
        (hold,) = suspension_times(session.journal, "look")
    assert (hold.since, hold.until) == (utc("2026-12-02T12:00"), utc("2026-12-04T12:00"))


# --- the zone or the schedule changes ------------------------------------------------------------------------------


def test_no_slot_of_another_zone_is_lost_to_a_run_of_the_same_wall_clock(make: Callable[..., Stage]) -> None:
    stage = make(job("0 * * * *"))
    start = utc("2026-11-27T10:55")
    stage.at(start).tick()
    for hours in range(8):
        stage.at(start + timedelta(hours=hours, minutes=5)).tick()
    stage.jobs = job("0 * * * *", 'timezone = "America/New_York"\n')
    for hours in range(8, 16):
        stage.at(start + timedelta(hours=hours, minutes=5)).tick()
    rows = sorted(stage.rows(), key=lambda row: row.due_at)
    assert [row.due_at for row in rows] == [utc("2026-11-27T11:00") + timedelta(hours=hours) for hours in range(16)]
    assert {row.outcome for row in rows} == {"succeeded"}
    assert [row.slot for row in rows][7:10] == [
        "2026-11-27T18:00",
        "2026-11-27T14:00-05:00",
        "2026-11-27T15:00-05:00",
    ]
    new_york = stage.site().job_file.job("look")
    with reading(MountState(str(stage.directory)), stage.container.identity) as journal:
        run, _ = _run_of(journal, new_york, Slot(utc("2026-11-27T20:00"), "2026-11-27T15:00"))
    assert run is not None
    assert run.due_at == utc("2026-11-27T20:00"), "not the run that UTC had at 15:00"


def test_a_zone_changed_in_the_minute_of_a_slot_does_not_run_it_again_under_another_name(
    make: Callable[..., Stage],
) -> None:
    stage = make(job("0 * * * *"))
    stage.at(START).tick()
    stage.at(SLOT + timedelta(seconds=5)).tick()
    stage.jobs = job("0 * * * *", 'timezone = "Asia/Tokyo"\n')
    stage.later(seconds=30).tick()
    assert outcomes(stage) == [("2026-03-02T03:00", "succeeded")]


def test_slots_of_the_schedule_before_that_will_not_run_are_said(make: Callable[..., Stage]) -> None:
    stage = make(job("0 3 * * *"))
    stage.at(utc("2026-12-01T12:00")).tick()
    stage.jobs = job("0 5 * * *")
    stage.at(utc("2026-12-04T04:00")).tick()
    (line,) = [line for line in stage.logged() if line["event"] == "schedule-changed"]
    assert "3 slots of the schedule before, '0 3 * * *' (UTC), since 2026-12-01 12:00 UTC" in line["message"]
    stage.later(minutes=5).tick()
    assert len([line for line in stage.logged() if line["event"] == "schedule-changed"]) == 1


# --- longer ago than is looked back ---------------------------------------------------------------------------------

PARIS = 'timezone = "Europe/Paris"\nwhen = { window = "02:00-03:00", once-a-day = true }\n'


def test_every_slot_of_five_months_without_ticks_is_counted_and_said(make: Callable[..., Stage]) -> None:
    stage = make(job("30 2 * * *", PARIS))
    stage.at(utc("2026-10-26T12:00")).tick()
    stage.at(utc("2027-03-27T12:00")).tick()
    assert counts(stage) == {"missed": 152}
    assert tallied(stage) == {"missed": 152}
    newest = message(stage, "2027-03-27T02:30")
    assert newest.endswith("with those before, 152 slots since 2026-10-27T02:30 were missed")
    old = message(stage, "2027-02-24T02:30")
    assert "older than the look-back of 31 days" in old
    with reading(MountState(str(stage.directory)), stage.container.identity) as journal:
        slot = Slot(utc("2027-01-15T01:30"), "2027-01-15T02:30")
        run, _ = _run_of(journal, stage.site().job_file.job("look"), slot)
        page = look_back(stage.site(), journal, 400)
    assert run is not None
    assert run.slot == "2027-02-24T02:30"
    assert page.counts(page.rows) == {"missed": 152}


@pytest.mark.parametrize("days", [40, 400])
def test_slots_of_every_minute_are_counted_however_many_there_are(make: Callable[..., Stage], days: int) -> None:
    stage = make(job("* * * * *"))
    stage.at(START).tick()
    before = counts(stage)
    stage.at(START + days * DAY).tick()
    after = counts(stage)
    assert sum(after.values()) - sum(before.values()) == days * 1440
    assert sum(tallied(stage).values()) == sum(after.values())
    assert after["succeeded"] == 2
    assert len(stage.rows()) < 6


def test_a_pause_of_months_is_no_downtime(make: Callable[..., Stage]) -> None:
    stage = make(job("0 3 * * *"))
    stage.at(START).tick()
    pause(stage)
    stage.at(START + 60 * DAY).tick()
    assert counts(stage) == {"skipped": 60}


def test_thirteen_missed_nights_are_thirteen_everywhere(make: Callable[..., Stage]) -> None:
    stage = make(job("0 3 * * *"))
    stage.at(START).tick()
    stage.at(SLOT + 12 * DAY + timedelta(hours=7)).tick()
    assert counts(stage) == {"missed": 13}
    assert tallied(stage) == {"missed": 13}
    with reading(MountState(str(stage.directory)), stage.container.identity) as journal:
        page = look_back(stage.site(), journal, 30)
    assert page.counts(page.rows) == {"missed": 13}
    (standing,) = page.seen.jobs
    assert list(standing.slots.values()) == [13]


# --- the platform cannot be asked, and ticks are far apart ---------------------------------------------------------


def down(stage: Stage) -> Stage:
    stage.simulator.add_fault("* * cut-before x*")
    return stage


LIMITS = JOB.replace("[jobs.nightly]", '[jobs.nightly]\nmisfire-grace = "30m"\ntimeout = "2h"')


def test_with_the_platform_away_and_a_gap_between_ticks_the_grace_still_closes_the_run(
    make: Callable[..., Stage],
) -> None:
    stage = make(LIMITS)
    stage.at(SLOT - timedelta(minutes=10)).tick()
    down(stage.at(SLOT)).tick()
    moments = [SLOT + timedelta(minutes=minutes) for minutes in range(40, 220, 5)]
    codes = [stage.at(moment).tick().exit_code() for moment in moments]
    closed = stage.run().closed
    assert closed is not None
    assert (closed.outcome, closed.failure) == ("failed", "too-late")
    assert closed.at <= SLOT + timedelta(minutes=41)
    assert codes[0] == 1
    ticked = last_tick(str(stage.directory)) or 0
    assert ticked >= (SLOT + timedelta(minutes=215)).timestamp(), "status shows that ticks run"
    assert (stage.backups_asked, stage.updates_asked) == (0, 0)


def test_with_the_platform_away_and_a_gap_between_ticks_the_time_limit_still_closes_the_run(
    make: Callable[..., Stage],
) -> None:
    stage = make(LIMITS)
    stage.at(START).tick()
    stage.at(SLOT).tick()
    down(stage)
    for minutes in (40, 80, 119):
        assert stage.at(SLOT + timedelta(minutes=minutes)).tick().exit_code() == 69
    assert stage.run().closed is None
    stage.at(SLOT + timedelta(minutes=121)).tick()
    closed = stage.run().closed
    assert closed is not None
    assert closed.failure == "timeout"
    assert stage.updates_asked == 0


def test_with_the_platform_away_ticks_every_hour_tell_of_the_slot_that_was_missed(make: Callable[..., Stage]) -> None:
    stage = make()
    stage.at(SLOT - timedelta(hours=1)).tick()
    down(stage)
    for hours in range(30):
        stage.at(SLOT + timedelta(hours=hours)).tick()
        if hours < 6:
            assert stage.rows() == [], "it may still be run, once the platform can be asked"
    assert outcomes(stage) == [("2026-03-02T03:00", "missed")]
    closed = fold(stage.events()).closed
    assert closed is not None
    told = "no run could begin within 6 h of it: the agent could not check whether a restore had reset the state"
    assert closed.message == told
    stage.simulator.faults.clear()
    stage.at(SLOT + DAY + timedelta(hours=5)).tick()
    assert outcomes(stage)[1:] == [("2026-03-03T03:00", None)]


def test_a_slot_is_run_within_its_grace_once_the_platform_can_be_asked_again(stage: Stage) -> None:
    stage.at(SLOT - timedelta(hours=1)).tick()
    down(stage)
    for hours in range(4):
        stage.at(SLOT + timedelta(hours=hours)).tick()
    stage.simulator.faults.clear()
    stage.at(SLOT + timedelta(hours=4)).ticks()
    assert outcomes(stage) == [("2026-03-02T03:00", "succeeded")]
    assert (stage.backups_asked, stage.updates_asked) == (1, 1)


def test_after_days_without_ticks_nothing_is_judged_until_the_platform_says_what_time_it_is(stage: Stage) -> None:
    stage.at(START).tick()
    down(stage)
    for _ in range(3):
        assert stage.at(SLOT + 5 * DAY + timedelta(hours=1)).tick().exit_code() == 69
    assert stage.rows() == []
    stage.simulator.faults.clear()
    stage.later(minutes=5).tick()
    assert counts(stage) == {"missed": 5, None: 1}
