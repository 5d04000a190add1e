"""Whole runs with their state in a database between instances. The request log is the simulator's own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from msgspec import structs
from upsun_agent.errors import AgentError, Busy
from upsun_agent.journal.lock import container_identity
from upsun_agent.runtime.session import open_session
from upsun_agent.runtime.suspension import pause_job

from tests.harness.stage import JOB, RUN, SLOT, START, SharedStage

AGENTS = 32


def asked_once(stage: SharedStage) -> None:
    assert (stage.backups_asked, stage.updates_asked) == (1, 1)
    assert len(stage.activities("backup")) == len(stage.activities("source-operation")) == 1


def test_a_night_is_the_same_as_with_a_file(stage: SharedStage) -> None:
    run = stage.play()
    assert run.closed is not None
    assert run.closed.outcome == "succeeded"
    asked_once(stage)
    assert stage.kinds()[0] == "run-opened"
    assert stage.kinds()[-1] == "run-closed"
    assert stage.set_aside() == []


def test_instances_take_turns_on_one_run(stage: SharedStage) -> None:
    stage.at(START).tick()
    stage.at(SLOT)
    instances = [stage.instance() for _ in range(3)]
    for number in range(12):
        instances[number % 3].tick()
        stage.later(minutes=5)
    assert [row.outcome for row in stage.rows()] == ["succeeded"]
    asked_once(stage)


def ticked(instance: SharedStage) -> str:
    """One tick; what came of it."""
    try:
        instance.tick()
    except Busy:
        return "busy"
    return "done"


def test_thirty_two_agents_at_once_do_the_work_once(stage: SharedStage) -> None:
    stage.at(START).tick()
    stage.at(SLOT)
    gate = threading.Barrier(AGENTS)

    def one(_: int) -> str:
        instance = stage.instance()
        gate.wait(30)
        return ticked(instance)

    for _ in range(4):
        with ThreadPoolExecutor(AGENTS) as crowd:
            ends = list(crowd.map(one, range(AGENTS)))
        assert set(ends) <= {"busy", "done"}
        assert "done" in ends
        stage.later(minutes=5)
    stage.settle()
    assert [row.outcome for row in stage.rows()] == ["succeeded"]
    asked_once(stage)


@pytest.mark.parametrize("off", [timedelta(hours=1), timedelta(hours=-1)], ids=["ahead", "behind"])
def test_an_instance_whose_clock_is_an_hour_off_asks_for_nothing_twice(stage: SharedStage, off: timedelta) -> None:
    stage.at(START).tick()
    right, wrong = stage.instance(), stage.instance(off=off)
    stage.at(SLOT - timedelta(minutes=5))
    for number in range(16):
        ticked((right, wrong)[number % 2])
        ticked((wrong, right)[number % 2])
        stage.later(minutes=5)
    stage.settle()
    assert [(row.slot, row.outcome) for row in stage.rows()] == [("2026-03-02T03:00", "succeeded")]
    asked_once(stage)
    (backup,), (update,) = stage.activities("backup"), stage.activities("source-operation")
    assert backup["completed_at"] <= update["created_at"]


# --- clones and restores ----------------------------------------------------------------------------------------------


def test_a_clone_of_the_database_is_inert_in_the_child_and_its_own_slots_begin_now(stage: SharedStage) -> None:
    stage.at(START).tick()
    stage.at(SLOT).tick()
    assert stage.rows(open_only=True)
    child = replace(stage, container=structs.replace(stage.container, environment="child"), heard=[])
    jobs = JOB.replace("[jobs.nightly]", '[jobs.nightly]\nenvironment-types = ["production"]')
    child.jobs = jobs
    report = child.tick()
    assert (report.runs, child.rows()) == ({}, [])
    assert child.backups_asked == 1, "the parent's alone: its slot of this minute may have been run by the parent"
    assert stage.rows(open_only=True), "and what the parent does goes on"


def test_a_run_that_a_restore_put_back_in_flight_is_set_aside_and_asks_for_nothing(
    make: Callable[..., SharedStage],
) -> None:
    stage = make(database="restored")
    stage.at(START).tick()
    stage.at(SLOT + timedelta(seconds=7)).tick()
    assert stage.server is not None
    stage.server.copy_database("restored", "kept")
    stage.later(minutes=5).ticks()
    asked_once(stage)
    with open_session(stage.site()) as desk:
        desk.journal.note("later", "lost")
    stage.server.copy_database("kept", "restored")
    with open_session(stage.site()) as desk:
        pause_job(desk.journal, "nightly", "held", stage.manual_clock.now())
    stage.simulator.start_activity(type="environment.restore", seconds=60)
    report = stage.later(hours=3).tick()
    told = [(run.id, run.closed and run.closed.failure) for run in report.runs.values()]
    assert told == [(RUN, "rewound")], "nobody else will tell of it"
    assert [(row.run, row.outcome) for row in stage.rows()] == [(RUN, "failed")]
    (why,) = stage.set_aside()
    assert why.startswith("rewound: restore ")
    stage.settle()
    asked_once(stage)
    assert any(line["event"] == "journal-set-aside" and "kept as journal" in line["reason"] for line in stage.logged())
    with open_session(stage.site()) as desk:
        assert desk.journal.notes("suspended:"), "what was paused stays paused"


def test_without_a_restore_a_long_gap_changes_nothing(stage: SharedStage) -> None:
    stage.at(START).tick()
    stage.at(SLOT).tick()
    stage.later(hours=2)
    stage.ticks()
    assert stage.set_aside() == []
    asked_once(stage)


def test_the_container_and_the_last_tick_are_remembered_in_the_database(stage: SharedStage) -> None:
    stage.at(START).tick()
    with open_session(stage.site()) as desk:
        assert desk.journal.noted("container") == container_identity()
        assert desk.journal.last_tick() == int(START.timestamp())


# --- a database that is not to be had ------------------------------------------------------------------------------


def test_a_database_that_is_down_means_try_later_and_no_request(make: Callable[..., SharedStage]) -> None:
    stage = make(url="postgresql://u:canary-password@127.0.0.1:1/main")
    with pytest.raises(Busy) as refused:
        stage.at(SLOT).tick()
    assert refused.value.exit_code == 75
    assert "canary" not in f"{refused.value}{refused.value.remedy}{refused.value.__cause__}"
    assert stage.simulator.requests == []


def test_what_a_lost_answer_left_is_reconciled_by_another_instance(stage: SharedStage) -> None:
    stage.at(START).tick()
    stage.simulator.add_fault("POST */backup cut-after")
    stage.at(SLOT).tick()
    stage.later(minutes=5)
    other = stage.instance()
    other.settle()
    assert other.run(RUN).closed is not None
    asked_once(stage)


def test_whatever_goes_wrong_the_error_is_one_of_ours(stage: SharedStage) -> None:
    stage.url = stage.url.replace("/main", "/no_such_database")
    with pytest.raises(AgentError) as refused:
        stage.tick()
    assert refused.value.exit_code == 73
