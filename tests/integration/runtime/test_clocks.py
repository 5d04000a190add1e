"""Clocks that are wrong: once, by years, or for days. What they left in the journal holds nothing back for ever."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from upsun_agent.idle import is_idle
from upsun_agent.journal.directory import reading
from upsun_agent.journal.sqlite import SqliteJournal
from upsun_agent.journal.state import MountState
from upsun_agent.model import events as ev
from upsun_agent.platform.paths import last_tick, mark_tick
from upsun_agent.report.snapshot import Snapshot, snapshot
from upsun_agent.report.status_text import overview
from upsun_agent.runtime.clock_repair import ahead
from upsun_agent.runtime.session import open_session
from upsun_agent.runtime.slots import Judge
from upsun_agent.schedule import schedule_of

from tests.harness.stage import JOB, RUN, SLOT, START, TOKEN, Stage

DAY = timedelta(days=1)
YEARS = datetime(2030, 1, 1, 0, 0, 30, tzinfo=UTC)
COMMAND = '[[jobs.look.steps]]\ncommand = { shell = "echo hello", changes = false }\n'
LOOK = f'[jobs.look]\nschedule = "*/10 * * * *"\n\n{COMMAND}'
HOURLY = JOB.replace('"0 3 * * *"', '"0 * * * *"')


def slots(stage: Stage) -> list[tuple[str | None, str | None]]:
    """Slot and outcome of every run, by slot."""
    return sorted((row.slot, row.outcome) for row in stage.rows())


def seen(stage: Stage) -> Snapshot:
    """What ``status`` shows."""
    site = stage.site()
    with reading(MountState(str(stage.directory)), stage.container.identity) as journal:
        return snapshot(site, journal)


def coming(stage: Stage, count: int = 3) -> list[str]:
    """What ``next`` lists of the only job."""
    site = stage.site()
    (job,) = site.job_file.jobs.values()
    with reading(MountState(str(stage.directory)), stage.container.identity) as journal:
        schedule = schedule_of(site.container, job)
        assert schedule is not None
        found = Judge(job, schedule, journal, "main").coming(site.clock.now())
        return [slot.name for _, slot in zip(range(count), found, strict=False)]


def left(stage: Stage) -> list[str]:
    """What the journal holds that is later than now, as ``check`` tells it."""
    with reading(MountState(str(stage.directory)), stage.container.identity) as journal:
        return ahead(journal, stage.manual_clock.now())


def lines(stage: Stage, event: str) -> list[str]:
    return [line["message"] for line in stage.logged() if line["event"] == event]


def ticks(stage: Stage, first: datetime, last: datetime, *, every: timedelta = timedelta(minutes=5)) -> None:
    moment = first
    while moment <= last:
        stage.at(moment).tick()
        moment += every


# --- once in the future -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("knows", ["the platform's time", "only its own time", "that the platform is in 2030 too"])
def test_after_one_tick_in_2030_every_slot_is_run_as_if_it_had_not_been(make: Callable[..., Stage], knows: str) -> None:
    stage = make(LOOK)
    truth = datetime(2026, 11, 27, 23, 1, tzinfo=UTC)
    stage.at(truth).tick()
    stage.at(truth + timedelta(minutes=9, seconds=5)).tick()
    assert slots(stage) == [("2026-11-27T23:10", "succeeded")]
    if knows.startswith("that"):
        stage.at(YEARS).tick()
    else:
        stage.token = TOKEN if knows.startswith("the platform") else None
        stage.ahead = YEARS - stage.later(minutes=5).manual_clock.now()
        stage.tick()
        stage.ahead, stage.token = timedelta(), TOKEN
    ticks(stage, truth + timedelta(minutes=15), truth + timedelta(minutes=60))
    ran = [slot for slot, outcome in slots(stage) if outcome == "succeeded" and str(slot) < "2027"]
    assert ran == [f"2026-11-27T23:{minute}" for minute in (10, 20, 30, 40, 50)] + ["2026-11-28T00:00"]
    assert left(stage) == []
    assert coming(stage, 1) == ["2026-11-28T00:10"]
    (standing,) = seen(stage).jobs
    assert standing.slot is not None
    assert standing.slot.name == "2026-11-28T00:10"
    assert standing.last is not None
    assert standing.last.slot == "2026-11-28T00:00", "not the one of 2030"
    said = lines(stage, "clock-was-ahead")
    assert len(said) == (0 if knows.startswith("the platform") else 1), "said once, where anything was left"


def test_what_a_clock_that_was_ahead_left_is_told_until_a_tick_has_put_it_right(make: Callable[..., Stage]) -> None:
    stage = make(LOOK)
    stage.at(START).tick()
    stage.token, stage.ahead = None, YEARS - stage.manual_clock.now()
    stage.tick()
    stage.ahead, stage.token = timedelta(), TOKEN
    found = left(stage)
    assert [each.partition(" (")[0] for each in found] == [
        "the last tick",
        "how far the slots of look are judged",
        "3 runs",
    ]
    text = "\n".join(line.text for line in overview(seen(stage)))
    assert "later than now, written while a clock was ahead: the last tick (2030-01-01 00:00 UTC)" in text
    stage.later(minutes=5).tick()
    assert left(stage) == []
    assert "a clock that was ahead" not in "\n".join(line.text for line in overview(seen(stage)))


def test_a_tick_three_days_ahead_of_the_platform_judges_no_night(stage: Stage) -> None:
    stage.at(SLOT - timedelta(hours=3)).tick()
    stage.ahead = 3 * DAY
    stage.tick()
    assert stage.rows() == []
    assert lines(stage, "clock-wrong") == ["this clock is 3 d ahead of the platform's: the tick uses the platform's"]
    stage.ahead = timedelta()
    for day in range(3):
        stage.at(SLOT + day * DAY + timedelta(seconds=5)).ticks()
    assert [outcome for _, outcome in slots(stage)] == ["succeeded"] * 3
    assert stage.backups_asked == 3


def test_while_the_clock_stays_ahead_each_slot_runs_when_the_platform_says_so(stage: Stage) -> None:
    stage.ahead = 3 * DAY
    stage.at(START).tick()
    for minutes in range(0, 60, 5):
        stage.at(SLOT + timedelta(minutes=minutes)).tick()
    closed = stage.run().closed
    assert closed is not None
    assert closed.outcome == "succeeded"
    assert closed.at < SLOT + timedelta(hours=1), "events are dated by the platform's clock"
    stage.ahead = timedelta()
    stage.later(minutes=5).tick()
    assert left(stage) == []
    assert (slots(stage), stage.backups_asked) == ([("2026-03-02T03:00", "succeeded")], 1)


def test_with_a_clock_that_is_behind_nothing_is_taken_for_the_future(stage: Stage) -> None:
    stage.play()
    stage.later(days=1, minutes=-30)
    stage.tick()
    stage.ahead = -3 * DAY
    stage.later(minutes=5).tick()
    assert lines(stage, "clock-was-ahead") == []
    stage.ahead = timedelta()
    stage.at(SLOT + DAY + timedelta(seconds=5)).ticks()
    assert slots(stage) == [("2026-03-02T03:00", "succeeded"), ("2026-03-03T03:00", "succeeded")]


def test_a_clock_that_is_years_behind_and_cannot_ask_changes_nothing_in_the_journal(stage: Stage) -> None:
    stage.play()
    stage.at(SLOT + 2 * DAY + timedelta(hours=7)).tick()
    before = stage.rows()
    assert [row.outcome for row in before] == ["missed", "succeeded"]
    stage.token, stage.ahead = None, -2000 * DAY
    for _ in range(3):
        stage.later(minutes=5).tick()
    assert stage.rows() == before
    stage.token, stage.ahead = TOKEN, timedelta()
    stage.later(minutes=5).tick()
    assert stage.rows() == before
    stage.at(SLOT + 3 * DAY + timedelta(seconds=5)).ticks()
    assert [outcome for _, outcome in slots(stage)] == ["succeeded", "missed", "succeeded"]


def test_a_tick_that_was_years_behind_does_not_make_an_old_restore_a_new_one(stage: Stage) -> None:
    stage.simulator.start_activity(type="environment.restore", seconds=30)
    stage.later(minutes=10)
    stage.play()
    stage.token, stage.ahead = None, -2000 * DAY
    stage.later(minutes=5).tick()
    stage.token, stage.ahead = TOKEN, timedelta()
    stage.at(SLOT + DAY + timedelta(seconds=5)).ticks()
    assert stage.set_aside() == []
    assert [outcome for _, outcome in slots(stage)] == ["succeeded", "succeeded"]


def test_nights_that_a_clock_booked_before_they_came_are_run_when_they_come(stage: Stage) -> None:
    stage.play()
    stage.token, stage.ahead = None, 3 * DAY + timedelta(hours=8)
    stage.later(hours=1).tick()
    assert [outcome for _, outcome in slots(stage)] == ["succeeded", "missed"]
    stage.token, stage.ahead = TOKEN, timedelta()
    for day in (1, 2, 3):
        stage.at(SLOT + day * DAY - timedelta(minutes=5)).tick()
        assert coming(stage, 1) == [f"2026-03-0{2 + day}T03:00"]
        stage.at(SLOT + day * DAY + timedelta(seconds=5)).ticks()
    assert slots(stage) == [(f"2026-03-0{2 + day}T03:00", "succeeded") for day in range(4)]
    with reading(MountState(str(stage.directory)), stage.container.identity) as journal:
        counted = {tally.outcome: tally.runs for tally in journal.tallies()}
    assert counted == {"succeeded": 4, "missed": 3}, "a counter never falls"


def test_a_slot_that_ran_before_its_time_does_not_run_again_and_is_not_promised(make: Callable[..., Stage]) -> None:
    stage = make(LOOK)
    stage.at(SLOT).tick()
    site = stage.site()
    early = SLOT + timedelta(minutes=20)
    opened = ev.RunOpened(
        at=SLOT,
        run="look@2026-03-02T03:20",
        environment="main",
        slot="2026-03-02T03:20",
        due_at=early,
        trigger=ev.Trigger.SCHEDULE,
        job=site.job_file.job("look").to_json(),
    )
    with open_session(site) as session:
        session.journal.open_run(opened, [ev.RunClosed(at=SLOT, outcome=ev.RunOutcome.SUCCEEDED, message="")])
    stage.at(SLOT + timedelta(minutes=5))
    assert coming(stage, 2) == ["2026-03-02T03:10", "2026-03-02T03:30"]
    ticks(stage, SLOT + timedelta(minutes=10), SLOT + timedelta(minutes=35))
    assert [slot for slot, _ in slots(stage)] == [f"2026-03-02T03:{minute}" for minute in ("00", "10", "20", "30")]


# --- runs in flight -------------------------------------------------------------------------------------------------


def test_a_run_in_flight_is_not_timed_out_by_a_clock_ahead_of_the_platforms(stage: Stage) -> None:
    stage.at(START).tick()
    stage.at(SLOT).tick()
    stage.ahead = YEARS - SLOT
    stage.later(minutes=5).tick()
    stage.ahead = timedelta()
    closed = stage.later(minutes=5).ticks().closed
    assert closed is not None
    assert closed.outcome == "succeeded"
    assert (stage.backups_asked, stage.updates_asked) == (1, 1)


def test_a_retry_that_a_clock_in_2030_planned_is_not_waited_for_until_then(make: Callable[..., Stage]) -> None:
    stage = make(backup_outcome="failure")
    stage.at(START).tick()
    stage.at(SLOT).tick()
    while "retry-planned" not in stage.kinds():
        stage.later(minutes=5).tick()
    stage.simulator.change(backup_outcome="success")
    with closing(SqliteJournal(str(stage.directory), stage.container.identity, begins=False)) as journal:
        db = journal._db
        changed = db.execute(
            "UPDATE events SET data = json_set(data, '$.again_at', '2030-01-01T00:15:00Z') WHERE kind = 'retry-planned'"
        )
        assert changed.rowcount == 1
    stage.reseal()
    (planned,) = (event for event in stage.events() if isinstance(event, ev.RetryPlanned))
    assert planned.again_at.year == 2030
    closed = stage.later(minutes=5).ticks().closed
    assert closed is not None
    assert closed.outcome == "succeeded"


@pytest.mark.parametrize("step", ['wait = { for = "1h" }', 'approval = { within = "1h" }'])
def test_a_wait_of_a_run_that_was_opened_in_2030_is_counted_from_now(make: Callable[..., Stage], step: str) -> None:
    stage = make(f'[jobs.slow]\ntimeout = "3h"\n[[jobs.slow.steps]]\n{step}\n{COMMAND.replace("look", "slow")}')
    stage.at(YEARS)
    run = stage.by_hand("slow")
    stage.at(SLOT).tick()
    found = stage.run(run)
    assert found.closed is None
    assert found.opened_at == SLOT
    stage.at(SLOT + timedelta(minutes=55)).tick()
    assert stage.run(run).closed is None
    for minutes in (65, 70):
        stage.at(SLOT + timedelta(minutes=minutes)).tick()
    closed = stage.run(run).closed
    assert closed is not None
    assert closed.outcome == ("succeeded" if "for" in step else "failed")
    assert [event.on for event in stage.events(run) if isinstance(event, ev.WaitBegun)].count("clock") == 1


def test_a_run_that_was_opened_in_2030_has_its_time_limit_from_now_on(make: Callable[..., Stage]) -> None:
    stage = make(JOB.replace("[jobs.nightly]", '[jobs.nightly]\ntimeout = "2h"'), backup_seconds=10**6)
    stage.simulator.add_fault("* * cut-before x*")
    stage.ahead = YEARS - stage.at(SLOT - timedelta(minutes=1)).manual_clock.now()
    run = stage.by_hand("nightly")
    stage.simulator.faults.clear()
    stage.ahead = timedelta()
    ticks(stage, SLOT, SLOT + timedelta(minutes=110), every=timedelta(minutes=10))
    assert stage.run(run).closed is None
    ticks(stage, SLOT + timedelta(hours=2), SLOT + timedelta(hours=2, minutes=10))
    closed = stage.run(run).closed
    assert closed is not None
    assert closed.failure == "timeout"


# --- what is kept ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("again", [1, 3])
def test_nothing_is_forgotten_by_a_clock_ahead_of_the_platforms(stage: Stage, again: int) -> None:
    stage.play()
    stage.ahead = YEARS - stage.manual_clock.now()
    for _ in range(again):
        stage.later(minutes=5).tick()
    stage.token = None
    for _ in range(again):
        stage.later(minutes=5).tick()
    assert RUN in {row.run for row in stage.rows()}


def test_history_is_forgotten_for_its_age_once_the_platform_says_what_time_it_is(stage: Stage) -> None:
    stage.play()
    later = SLOT + 401 * DAY
    stage.at(later - timedelta(minutes=5)).tick()
    stage.at(later + timedelta(seconds=5)).ticks()
    assert RUN not in {row.run for row in stage.rows()}


def test_an_idle_answer_from_2030_is_not_believed(stage: Stage) -> None:
    stage.at(YEARS).tick()
    stage.at(START)
    file = stage.directory.parent / "agent.toml"
    file.write_text(stage.jobs)
    environ = {
        "UPSUN_AGENT_CONFIG": str(file),
        "UPSUN_AGENT_STATE": str(stage.directory),
        "PLATFORM_PROJECT": "abcdefgh1234z",
        "PLATFORM_BRANCH": "main",
        "PLATFORM_APPLICATION_NAME": "app",
        "PLATFORM_ENVIRONMENT_TYPE": "production",
    }
    now = stage.manual_clock.now().timestamp()
    mark_tick(str(stage.directory), now - 300)  # even where the trace of the last tick is right
    assert is_idle(environ, now) is False
    stage.tick()
    assert last_tick(str(stage.directory)) == int(now)
    assert is_idle(environ, now + 60) is True


def test_between_clocks_that_differ_by_minutes_nothing_is_mended(make: Callable[..., Stage]) -> None:
    stage = make(HOURLY)
    stage.at(START).tick()
    stage.at(SLOT).ticks()
    stage.ahead = timedelta(minutes=-4)
    stage.tick()
    stage.ahead = timedelta()
    stage.later(minutes=5).tick()
    assert [line["event"] for line in stage.logged() if line["event"].startswith("clock")] == []
