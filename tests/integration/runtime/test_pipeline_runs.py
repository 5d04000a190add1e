"""Pipelines as whole runs: conditions, a restore that rewinds the state, commands in the time of a tick."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta

import pytest
from msgspec.structs import replace
from upsun_agent.model import events as ev
from upsun_agent.runtime.command_result import Ended
from upsun_agent.runtime.commands import Commands

from tests.harness.stage import RUN, SLOT, START, Stage

ROLLED_BACK = """
[jobs.nightly]
schedule = "0 3 * * *"

[[jobs.nightly.steps]]
backup = {}

[[jobs.nightly.steps]]
source-operation = { name = "update" }

[[jobs.nightly.steps]]
http-check = { retries = 0 }

[[jobs.nightly.on-failure]]
restore = { allow-restore = true }
"""
COMMAND = """
[jobs.nightly]
schedule = "0 3 * * *"

[[jobs.nightly.steps]]
command = { run = ["true"], within = "40s" }
"""


def test_a_restore_that_puts_the_state_back_ends_the_run_that_asked_for_it(make: Callable[..., Stage]) -> None:
    stage = make(ROLLED_BACK, update_breaks_site="production")
    stage.at(START).tick()
    stage.at(SLOT + timedelta(seconds=7)).tick()
    saved = stage.directory.with_name("saved")
    shutil.copytree(stage.directory, saved)  # what the backup holds: the run is in flight
    while not stage.asked("restore"):
        stage.later(minutes=5).tick()
    shutil.rmtree(stage.directory)
    shutil.copytree(saved, stage.directory)
    stage.later(minutes=45).tick()
    closed = stage.run().closed
    assert closed is not None
    assert (closed.outcome, closed.failure) == ("failed", "rewound")
    assert "put the state back to 2026-03-02 03:00 UTC while this run was in flight" in closed.message
    assert [name.split(".")[2].split("-")[0] for name in stage.set_aside()] == ["rewound"]
    before = len(stage.asked("source-operation")), len(stage.asked("backup"))
    stage.later(minutes=5).settle()
    assert (len(stage.asked("source-operation")), len(stage.asked("backup"))) == before
    assert [row.run for row in stage.rows()] == [RUN]


def test_a_restore_that_left_the_state_alone_is_the_run_s_own(make: Callable[..., Stage]) -> None:
    stage = make(ROLLED_BACK, update_breaks_site="production", restore_seconds=3600)
    stage.at(START).tick()
    stage.at(SLOT + timedelta(seconds=7))
    while not stage.asked("restore"):
        stage.tick()
        stage.later(minutes=5)
    stage.later(minutes=70)
    run = stage.ticks()
    assert run.closed is not None
    assert run.closed.failure == "check-failed"
    assert run.closed.detail["rolled-back"] is True
    assert stage.set_aside() == []


@pytest.mark.parametrize(
    ("when", "word"),
    [
        ('{ branches = ["release-*"] }', "main is not one of the branches release-*"),
        ('{ window = "04:00-05:00" }', "Mon 03:00 is outside the window 04:00-05:00"),
        ('{ days = ["sat", "sun"] }', "Monday is not on one of the days sat, sun"),
        ('{ not-on = ["2026-02-27/2026-03-02"] }', "2026-03-02 falls on 2026-02-27/2026-03-02"),
    ],
)
def test_a_slot_that_the_conditions_leave_out_is_booked_with_the_reason(
    make: Callable[..., Stage], when: str, word: str
) -> None:
    stage = make(COMMAND.replace("[[jobs", f"when = {when}\n[[jobs", 1))
    run = stage.play()
    assert run.closed is not None
    assert (run.closed.outcome, run.closed.failure) == ("skipped", "condition")
    assert word in run.closed.message
    assert stage.simulator.request_log()["requests"] == []


def test_once_a_day_is_once_a_local_day(make: Callable[..., Stage]) -> None:
    jobs = COMMAND.replace('"0 3 * * *"', '"0 */8 * * *"\nwhen = { once-a-day = true }\ntimezone = "Pacific/Auckland"')
    stage = make(jobs)
    stage.at(START)
    for _ in range(12 * 48):
        stage.tick()
        stage.later(minutes=5)
    outcomes = [(row.slot, row.outcome) for row in reversed(stage.rows())]
    succeeded = [slot for slot, outcome in outcomes if outcome == "succeeded"]
    days = [str(slot)[:10] for slot in succeeded]
    assert len(days) == len(set(days)) >= 2
    assert {outcome for _, outcome in outcomes} == {"succeeded", "skipped"}


def test_a_run_by_hand_passes_the_conditions_over(make: Callable[..., Stage]) -> None:
    stage = make(COMMAND.replace("[[jobs", 'when = { branches = ["none"] }\n[[jobs', 1))
    assert stage.at(START).run(stage.by_hand("nightly")).closed is not None


def test_a_command_waits_for_a_tick_that_has_the_time(
    make: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = COMMAND.replace("[[jobs", "[[jobs.nightly.steps]]\nhttp-check = {}\n\n[[jobs", 1)
    stage = make(slow, latency_seconds=9)
    ran: list[float] = []

    def runner(command: object, directory: object, within: float, *_: object) -> Ended:
        ran.append(within)
        return Ended(0, 1.0, "said canary-api-token-1234567890")

    inner = stage.site
    monkeypatch.setattr(
        stage, "site", lambda: replace(inner(), commands=Commands(clean=lambda text: text.upper(), runner=runner))
    )
    stage.at(START).tick()
    stage.at(SLOT + timedelta(seconds=7)).tick()
    assert ran == []
    assert stage.run().waits_on == "budget"
    run = stage.later(minutes=5).ticks()
    assert ran == [40.0]
    assert run.closed is not None
    assert run.closed.outcome == "succeeded"
    ended = next(event for event in stage.events() if isinstance(event, ev.CommandEnded))
    assert ended.output == "SAID CANARY-API-TOKEN-1234567890", "what it printed is cleaned before it is kept"
