"""Runs that somebody asks for by hand, beside the scheduled ones of the same job."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from upsun_agent.runtime.tick import ticking

from tests.harness.stage import JOB, SLOT, START, Stage

BY_HAND = JOB.replace('schedule = "0 3 * * *"\n', "")


def test_a_run_by_hand_is_carried_on_by_ticks(make: Callable[..., Stage]) -> None:
    stage = make(BY_HAND)
    run = stage.by_hand("nightly")
    assert stage.run(run).trigger == "manual"
    assert stage.run(run).slot is None
    closed = stage.later(minutes=5).ticks().closed
    assert closed is not None
    assert closed.outcome == "succeeded"
    assert (stage.backups_asked, stage.updates_asked) == (1, 1)


def test_a_job_without_a_schedule_never_runs_by_itself(make: Callable[..., Stage]) -> None:
    stage = make(BY_HAND)
    for _ in range(3):
        stage.tick()
        stage.later(hours=20)
    assert stage.rows() == []


def test_a_run_by_hand_and_the_slot_of_the_same_job_are_two_runs(stage: Stage) -> None:
    stage.at(START).tick()
    stage.at(SLOT + timedelta(hours=12))
    stage.jobs = JOB.replace("0 3 * * *", "0 17 * * *")
    by_hand = stage.by_hand("nightly")
    stage.later(minutes=5).ticks()
    assert stage.run(by_hand).closed is not None
    stage.at(SLOT + timedelta(hours=14)).ticks()
    assert [(row.slot, row.outcome) for row in stage.rows()] == [
        ("2026-03-02T17:00", "succeeded"),
        (None, "succeeded"),
    ]
    assert (stage.backups_asked, stage.updates_asked) == (2, 2)
    assert stage.rows()[0].run != by_hand


def test_a_slot_that_comes_while_a_run_by_hand_is_in_flight_is_skipped(make: Callable[..., Stage]) -> None:
    stage = make(backup_seconds=900)
    stage.at(START).tick()
    by_hand = stage.by_hand("nightly")
    stage.at(SLOT).ticks()
    assert {row.run: row.outcome for row in stage.rows()} == {
        by_hand: "succeeded",
        "nightly@2026-03-02T03:00": "skipped",
    }
    assert stage.backups_asked == 1


def test_a_slot_counts_as_run_only_by_its_own_run(stage: Stage) -> None:
    stage.at(START).tick()
    stage.at(SLOT)
    by_hand = stage.by_hand("nightly")
    stage.ticks()
    assert {row.slot: row.outcome for row in stage.rows()} == {None: "succeeded", "2026-03-02T03:00": "skipped"}
    assert by_hand in {row.run for row in stage.rows()}


def test_two_runs_by_hand_in_the_same_second_have_two_names(make: Callable[..., Stage]) -> None:
    stage = make(BY_HAND)
    site = stage.site()
    with ticking(site) as tick:
        job = site.job_file.job("nightly")
        assert tick.open_by_hand(job) != tick.open_by_hand(job)
    assert len(stage.rows(open_only=True)) == 2


def test_a_run_by_hand_leaves_the_trace_of_a_tick_only_if_it_looked_for_restores(stage: Stage) -> None:
    stage.at(START).tick()
    stage.at(SLOT).tick()
    trace = stage.directory / "last-tick"
    before = trace.read_text()
    stage.later(hours=2)
    stage.simulator.add_fault("* * cut-before x*")
    stage.by_hand("nightly")
    assert trace.read_text() == before, "or the next tick could not tell that a restore came between"
    stage.simulator.faults.clear()
    stage.tick()
    assert trace.read_text() != before


@pytest.mark.parametrize("minutes", [0, 5])
def test_a_run_by_hand_beside_a_scheduled_one_takes_no_activity_of_it(
    make: Callable[..., Stage], minutes: float
) -> None:
    stage = make(JOB + JOB.replace("nightly", "second").replace('schedule = "0 3 * * *"\n', ""))
    stage.at(START).tick()
    stage.at(SLOT).tick()
    stage.later(minutes=minutes)
    stage.by_hand("second")
    stage.later(minutes=5).ticks()
    runs = [stage.run(row.run) for row in stage.rows()]
    assert {run.closed.outcome for run in runs if run.closed} == {"succeeded"}
    activities = [step.activity for run in runs for step in run.steps]
    assert len(set(activities)) == 4
    proved = [run.proved_backup for run in runs]
    assert len(set(proved)) == 2
