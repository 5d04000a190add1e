"""Slots: caught up after downtime, missed, skipped, waited for; and job files that change between ticks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.harness.stage import JOB, RUN, SLOT, START, Stage

HOURLY = JOB.replace('"0 3 * * *"', '"0 * * * *"')
DAY = timedelta(days=1)


def outcomes(stage: Stage, job: str | None = None) -> list[tuple[str | None, str | None]]:
    """Slot and outcome of every run, oldest first."""
    return [(row.slot, row.outcome) for row in reversed(stage.rows(job=job))]


def messages(stage: Stage) -> dict[str | None, str]:
    """What the closing event of every closed run says, by slot."""
    runs = [stage.run(row.run) for row in stage.rows()]
    return {run.slot: run.closed.message for run in runs if run.closed is not None}


def test_the_first_tick_of_a_new_job_runs_the_slot_of_this_minute_but_none_before(make: Callable[..., Stage]) -> None:
    late = make()
    late.at(SLOT + timedelta(minutes=1)).tick()
    assert late.rows() == []
    punctual = make()
    punctual.at(SLOT + timedelta(seconds=59)).tick()
    assert [row.slot for row in punctual.rows()] == ["2026-03-02T03:00"]


def test_after_downtime_within_the_grace_the_slot_is_caught_up(stage: Stage) -> None:
    stage.at(START).tick()
    stage.at(SLOT + timedelta(hours=5, minutes=59)).ticks()
    assert outcomes(stage) == [("2026-03-02T03:00", "succeeded")]


def test_after_downtime_beyond_the_grace_the_slot_is_booked_as_missed(stage: Stage) -> None:
    stage.at(START).tick()
    report = stage.at(SLOT + timedelta(hours=6, seconds=1)).tick()
    assert outcomes(stage) == [("2026-03-02T03:00", "missed")]
    assert report.exit_code() == 0
    assert (stage.backups_asked, stage.updates_asked) == (0, 0)
    assert messages(stage)["2026-03-02T03:00"] == "no tick ran within 6 h of it"
    assert [line["level"] for line in stage.logged() if line["event"] == "run-closed"] == ["warning"]


def test_after_days_of_downtime_only_the_latest_slot_runs_and_the_rest_is_booked_once(stage: Stage) -> None:
    stage.at(START).tick()
    stage.at(SLOT + 4 * DAY + timedelta(hours=1)).ticks()
    assert outcomes(stage) == [("2026-03-05T03:00", "missed"), ("2026-03-06T03:00", "succeeded")]
    assert "4 slots from 2026-03-02T03:00 to 2026-03-05T03:00" in messages(stage)["2026-03-05T03:00"]
    assert (stage.backups_asked, stage.updates_asked) == (1, 1)


def test_without_catch_up_a_slot_half_an_hour_old_is_missed(make: Callable[..., Stage]) -> None:
    jobs = JOB.replace("[jobs.nightly]", '[jobs.nightly]\ncatch-up = "none"')
    on_time, late = make(jobs), make(jobs)
    for stage, minutes in ((on_time, 30), (late, 31)):
        stage.at(START).tick()
        stage.at(SLOT + timedelta(minutes=minutes)).tick()
    assert [row.outcome for row in on_time.rows()] == [None]
    assert [row.outcome for row in late.rows()] == ["missed"]


def test_a_tick_that_comes_again_books_nothing_again(stage: Stage) -> None:
    stage.at(START).tick()
    stage.at(SLOT + timedelta(hours=7))
    stage.tick()
    stage.tick()
    stage.later(minutes=5).tick()
    assert outcomes(stage) == [("2026-03-02T03:00", "missed")]


def test_a_clock_that_goes_back_runs_no_slot_a_second_time(stage: Stage) -> None:
    stage.play()
    stage.at(SLOT - timedelta(minutes=1)).tick()
    stage.at(SLOT + timedelta(seconds=30)).tick()
    stage.at(SLOT + timedelta(hours=1)).tick()
    assert outcomes(stage) == [("2026-03-02T03:00", "succeeded")]
    assert (stage.backups_asked, stage.updates_asked) == (1, 1)


# --- overlap ------------------------------------------------------------------------------------------------


def test_a_slot_that_comes_while_the_run_before_is_in_flight_is_skipped(make: Callable[..., Stage]) -> None:
    stage = make(HOURLY, backup_seconds=4000)
    stage.at(START).tick()
    stage.at(SLOT).ticks()
    assert outcomes(stage) == [("2026-03-02T03:00", "succeeded"), ("2026-03-02T04:00", "skipped")]
    assert messages(stage)["2026-03-02T04:00"] == "the previous run of the job was still in flight"
    assert stage.backups_asked == 1


def test_with_overlap_wait_the_slot_runs_as_soon_as_the_run_before_is_over(make: Callable[..., Stage]) -> None:
    stage = make(HOURLY.replace("[jobs.nightly]", '[jobs.nightly]\noverlap = "wait"'), backup_seconds=4000)
    stage.at(START).tick()
    stage.at(SLOT).ticks()
    stage.simulator.change(backup_seconds=20)
    assert outcomes(stage) == [("2026-03-02T03:00", "succeeded")]
    stage.later(minutes=5).ticks()
    assert outcomes(stage) == [("2026-03-02T03:00", "succeeded"), ("2026-03-02T04:00", "succeeded")]


def test_with_overlap_wait_a_newer_slot_takes_the_place_of_the_one_that_waits(make: Callable[..., Stage]) -> None:
    stage = make(HOURLY.replace("[jobs.nightly]", '[jobs.nightly]\noverlap = "wait"'), backup_seconds=8000)
    stage.at(START).tick()
    stage.at(SLOT).ticks()
    stage.later(minutes=5).tick()
    found = outcomes(stage)
    assert found == [("2026-03-02T03:00", "succeeded"), ("2026-03-02T04:00", "missed"), ("2026-03-02T05:00", None)]
    assert "previous run of the job was still in flight" in messages(stage)["2026-03-02T04:00"]


def test_two_jobs_at_the_same_minute_each_have_their_run(make: Callable[..., Stage]) -> None:
    stage = make(JOB + JOB.replace("nightly", "second"))
    stage.at(START).tick()
    stage.at(SLOT).ticks(200)
    assert {row.job: row.outcome for row in stage.rows()} == {"nightly": "succeeded", "second": "succeeded"}
    assert (stage.backups_asked, stage.updates_asked) == (2, 2)
    activities = stage.activities("backup") + stage.activities("source-operation")
    assert len({each["id"] for each in activities}) == 4
    claimed = [step.activity for row in stage.rows() for step in stage.run(row.run).steps]
    assert len(set(claimed)) == 4, "no activity serves two runs"


# --- job files that change ----------------------------------------------------------------------------------


def test_a_schedule_moved_into_the_past_fires_nothing(stage: Stage) -> None:
    stage.at(START).tick()
    stage.jobs = JOB.replace("0 3 * * *", "30 1 * * *")
    stage.tick()
    stage.later(minutes=5).tick()
    stage.later(minutes=5).tick()
    assert stage.rows() == [], "neither the old slot of 03:00 nor 01:30 of today"
    stage.at(SLOT.replace(hour=1, minute=30) + DAY).tick()
    assert [row.slot for row in stage.rows()] == ["2026-03-03T01:30"]


def test_a_schedule_moved_into_the_future_fires_once_at_its_new_time(stage: Stage) -> None:
    stage.at(START).tick()
    stage.jobs = JOB.replace("0 3 * * *", "30 3 * * *")
    stage.at(SLOT).tick()
    assert stage.rows() == []
    stage.at(SLOT + timedelta(minutes=30)).ticks()
    assert outcomes(stage) == [("2026-03-02T03:30", "succeeded")]


def test_another_zone_is_another_schedule(stage: Stage) -> None:
    stage.at(START).tick()
    stage.jobs = JOB.replace('schedule = "0 3 * * *"', 'schedule = "0 3 * * *"\ntimezone = "Asia/Tokyo"')
    stage.at(SLOT).tick()
    assert stage.rows() == []
    stage.at(SLOT + timedelta(hours=15)).tick()  # 18:00 UTC is 03:00 in Tokyo
    assert [row.slot for row in stage.rows()] == ["2026-03-03T03:00"]


def test_a_run_in_flight_keeps_the_job_as_it_was_when_it_was_opened(make: Callable[..., Stage]) -> None:
    stage = make(source_operations=("update", "other"))
    stage.at(START).tick()
    stage.at(SLOT).tick()
    stage.jobs = JOB.replace('"update"', '"other"').replace('"0 3 * * *"', '"0 4 * * *"')
    run = stage.later(minutes=5).ticks()
    assert run.id == RUN
    assert run.closed is not None
    assert run.closed.outcome == "succeeded"
    assert [each["body"]["operation"] for each in stage.asked("source-operation")] == ["update"]


def test_a_run_in_flight_of_a_job_that_was_removed_still_comes_to_its_end(stage: Stage) -> None:
    stage.at(START).tick()
    stage.at(SLOT).tick()
    stage.jobs = JOB.replace("nightly", "another")
    stage.later(minutes=5).ticks()
    assert {row.run: row.outcome for row in stage.rows()}[RUN] == "succeeded"
    assert stage.updates_asked == 1


def test_a_run_in_flight_where_the_type_no_longer_fits_is_not_begun_further(stage: Stage) -> None:
    stage.at(START).tick()
    stage.at(SLOT).tick()
    stage.simulator.state.environments["main"].type = "staging"
    closed = stage.later(minutes=5).ticks().closed
    assert closed is not None
    assert (closed.outcome, closed.failure) == ("failed", "environment-type")
    assert stage.updates_asked == 0


def test_a_job_that_was_out_of_the_job_file_over_its_slot_does_not_run_it_afterwards(stage: Stage) -> None:
    stage.at(START).tick()
    stage.jobs = JOB.replace("nightly", "another").replace("0 3", "0 9")
    stage.tick()
    stage.at(SLOT + timedelta(hours=2)).tick()
    stage.jobs = JOB
    stage.later(minutes=5).tick()
    assert stage.rows(job="nightly") == []


def test_a_schedule_edited_in_the_minute_of_its_slot_does_not_run_the_slot_again(stage: Stage) -> None:
    stage.at(START).tick()
    stage.at(SLOT + timedelta(seconds=5)).tick()
    stage.jobs = JOB.replace("0 3 * * *", "0 3 * * mon")  # that day is a Monday: the same slot by another expression
    stage.later(seconds=30).tick()
    assert [row.slot for row in stage.rows()] == ["2026-03-02T03:00"]
    assert stage.backups_asked == 1


def test_a_tick_killed_before_it_kept_its_cursor_opened_the_slot_once_and_for_all(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    stage.at(START).tick()
    monkeypatch.setattr("upsun_agent.journal.sqlite.SqliteJournal.set_cursor", die)
    stage.at(SLOT)
    with pytest.raises(Killed):
        stage.tick()
    monkeypatch.undo()
    stage.later(minutes=5).ticks()
    assert outcomes(stage) == [("2026-03-02T03:00", "succeeded")]
    assert (stage.backups_asked, stage.updates_asked) == (1, 1)
