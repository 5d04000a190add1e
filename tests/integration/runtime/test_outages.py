"""Outages: the API away for hours, a token that is revoked or missing, time that runs out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.harness.stage import JOB, SLOT, START, Stage


def down(stage: Stage) -> None:
    """Let every request fail from now on."""
    stage.simulator.add_fault("* * cut-before x*")


def up(stage: Stage) -> None:
    """Let requests through again."""
    stage.simulator.faults.clear()


def test_an_api_that_is_back_within_the_grace_gets_the_run_done(stage: Stage) -> None:
    stage.at(START).tick()
    stage.at(SLOT)
    down(stage)
    codes = set()
    while stage.manual_clock.now() < SLOT + timedelta(hours=5):
        codes.add(stage.tick().exit_code())
        stage.later(minutes=5)
    assert codes == {69}
    assert stage.kinds().count("wait-begun") == 1, "a wait is recorded when it changes, not at every tick"
    up(stage)
    closed = stage.ticks().closed
    assert closed is not None
    assert closed.outcome == "succeeded"
    assert (stage.backups_asked, stage.updates_asked) == (1, 1)


def test_an_api_that_is_back_too_late_finds_the_run_closed_and_is_asked_for_nothing(stage: Stage) -> None:
    stage.at(START).tick()
    stage.at(SLOT)
    down(stage)
    while stage.manual_clock.now() <= SLOT + timedelta(hours=6, minutes=5):
        code = stage.tick().exit_code()
        stage.later(minutes=5)
    up(stage)
    closed = stage.run().closed
    assert closed is not None
    assert (closed.outcome, closed.failure) == ("failed", "too-late")
    assert code in {0, 1}
    stage.later(minutes=5).tick()
    assert (stage.backups_asked, stage.updates_asked) == (0, 0)


def test_an_outage_between_the_steps_only_delays_the_update(stage: Stage) -> None:
    stage.at(START).tick()
    stage.at(SLOT).tick()
    down(stage)
    for _ in range(100):  # more than eight hours, beyond the grace: what was begun goes on
        stage.later(minutes=5).tick()
    up(stage)
    closed = stage.later(minutes=5).ticks().closed
    assert closed is not None
    assert closed.outcome == "succeeded"
    assert (stage.backups_asked, stage.updates_asked) == (1, 1)


def test_a_run_never_stays_open_beyond_its_time_limit(make: Callable[..., Stage]) -> None:
    stage = make(JOB.replace("[jobs.nightly]", '[jobs.nightly]\ntimeout = "2h"'), backup_seconds=10**6)
    closed = stage.play().closed
    assert closed is not None
    assert (closed.outcome, closed.failure) == ("failed", "timeout")
    assert SLOT + timedelta(hours=2) <= closed.at <= SLOT + timedelta(hours=2, minutes=6)
    assert "is in_progress" in closed.message


def test_time_runs_out_in_an_outage_too(make: Callable[..., Stage]) -> None:
    stage = make(JOB.replace("[jobs.nightly]", '[jobs.nightly]\ntimeout = "2h"'))
    stage.at(START).tick()
    stage.at(SLOT).tick()
    down(stage)
    closed = stage.later(minutes=5).ticks().closed
    assert closed is not None
    assert closed.failure == "timeout"


def test_a_missing_token_fails_the_run_at_once_and_names_the_variable(stage: Stage) -> None:
    stage.token = None
    stage.at(START).tick()
    assert stage.at(SLOT).tick().exit_code() == 77
    closed = stage.run().closed
    assert closed is not None
    assert closed.failure == "token"
    assert "UPSUN_CLI_TOKEN is not set" in closed.message
    assert stage.simulator.requests == []


def test_a_revoked_token_fails_the_run_at_once(stage: Stage) -> None:
    stage.simulator.revoke_token()
    stage.at(START).tick()
    assert stage.at(SLOT).tick().exit_code() == 77
    closed = stage.run().closed
    assert closed is not None
    assert closed.failure == "token"
    assert "Invalid API token" in closed.message


def test_a_token_revoked_in_the_middle_holds_the_run_up_until_there_is_a_new_one(stage: Stage) -> None:
    stage.at(START).tick()
    stage.at(SLOT).tick()
    stage.simulator.revoke_token()
    assert stage.later(minutes=5).tick().exit_code() == 77
    assert stage.run().waits_on == "token"
    stage.simulator.add_token("another-token-of-the-machine-user")
    stage.token = "another-token-of-the-machine-user"
    closed = stage.later(minutes=5).ticks().closed
    assert closed is not None
    assert closed.outcome == "succeeded"
    assert (stage.backups_asked, stage.updates_asked) == (1, 1)


def test_a_slow_api_uses_up_the_ticks_time_but_never_more(make: Callable[..., Stage]) -> None:
    stage = make(latency_seconds=12)
    stage.at(START).tick()
    stage.at(SLOT)
    spent = []
    for _ in range(40):
        before = stage.manual_clock.now()
        report = stage.tick()
        spent.append((stage.manual_clock.now() - before).total_seconds())
        assert report.exit_code() == 0, "time that is used up is no failure"
        if not stage.rows(open_only=True):
            break
        stage.later(minutes=5)
    assert 24 < max(spent) < 60 + 12, "no request begins beyond the budget of 60 s"
    closed = stage.run().closed
    assert closed is not None
    assert closed.outcome == "succeeded"
    assert (stage.backups_asked, stage.updates_asked) == (1, 1)


@pytest.mark.parametrize("latency", [31, 59])
def test_an_api_too_slow_for_one_tick_leads_to_an_end_all_the_same(make: Callable[..., Stage], latency: float) -> None:
    stage = make(latency_seconds=latency)
    closed = stage.play(most=200).closed
    assert closed is not None
    assert len(stage.activities("backup")) <= 1
    assert len(stage.activities("source-operation")) <= 1
