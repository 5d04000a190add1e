"""A restore puts the mount back to where it was: what the journal says then is of the past, and never acted on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta

import pytest
from upsun_agent.runtime.session import open_session
from upsun_agent.runtime.suspension import pause_job

from tests.harness.stage import JOB, RUN, SLOT, START, TOKEN, Stage

TWO = JOB + "\n[jobs.other]\n[[jobs.other.steps]]\nbackup = {}\n"


def save(stage: Stage) -> None:
    """The platform copies the mount for its backup."""
    shutil.copytree(stage.directory, stage.directory.parent / "backup")


def restore(stage: Stage) -> None:
    """Somebody restores that backup."""
    shutil.rmtree(stage.directory)
    shutil.copytree(stage.directory.parent / "backup", stage.directory)
    stage.simulator.start_activity(type="environment.restore", seconds=60)


def half_a_run(stage: Stage) -> None:
    """The night's backup, taken while the run waits for it, and then the rest of the night."""
    stage.at(START).tick()
    stage.at(SLOT + timedelta(seconds=7)).tick()
    save(stage)
    stage.later(minutes=5).ticks()
    assert stage.run().closed is not None
    assert (stage.backups_asked, stage.updates_asked) == (1, 1)


def test_a_run_that_a_restore_put_back_in_flight_is_set_aside_and_asks_for_nothing(stage: Stage) -> None:
    half_a_run(stage)
    restore(stage)
    report = stage.later(hours=3).tick()
    (aside,) = stage.set_aside()
    assert aside.startswith("journal.sqlite.rewound-")
    assert [run.closed.failure for run in report.runs.values() if run.closed] == ["rewound"]
    assert [(row.run, row.outcome) for row in stage.rows()] == [(RUN, "failed")]
    stage.settle()
    assert (stage.backups_asked, stage.updates_asked) == (1, 1)
    assert any(line["event"] == "journal-set-aside" and "restore" in line["reason"] for line in stage.logged())


def test_the_slot_that_the_restore_put_back_is_not_run_again(stage: Stage) -> None:
    stage.at(START).tick()
    save(stage)
    stage.at(SLOT).ticks()
    restore(stage)
    stage.at(SLOT + timedelta(hours=1)).tick()
    assert stage.set_aside()
    stage.later(minutes=5).tick()
    assert stage.rows() == []
    assert (stage.backups_asked, stage.updates_asked) == (1, 1)


def test_the_night_after_a_restore_is_a_night_like_any_other(stage: Stage) -> None:
    half_a_run(stage)
    restore(stage)
    stage.later(hours=3).tick()
    stage.at(SLOT + timedelta(days=1)).ticks()
    ended = [(row.slot, row.outcome) for row in stage.rows()]
    assert ended == [("2026-03-03T03:00", "succeeded"), ("2026-03-02T03:00", "failed")]
    assert (stage.backups_asked, stage.updates_asked) == (2, 2)


def test_downtime_without_a_restore_sets_nothing_aside(stage: Stage) -> None:
    stage.at(START).tick()
    stage.at(SLOT).tick()
    stage.later(hours=3).ticks()
    assert stage.set_aside() == []
    assert stage.run().closed is not None
    assert stage.updates_asked == 1


def test_a_restore_before_the_last_tick_is_history(stage: Stage) -> None:
    stage.at(START)
    stage.simulator.start_activity(type="environment.restore", seconds=30, age=600)
    stage.tick()
    stage.at(SLOT + timedelta(hours=1)).ticks()
    assert stage.set_aside() == []
    assert stage.rows()[0].outcome == "succeeded"


def test_while_the_api_cannot_say_whether_there_was_a_restore_nothing_is_acted_on(stage: Stage) -> None:
    half_a_run(stage)
    restore(stage)
    stage.simulator.add_fault("GET */activities* 503 x*")
    stage.later(hours=3)
    for _ in range(3):
        report = stage.tick()
        assert report.exit_code() == 69
        assert report.runs == {}
        stage.later(minutes=5)
    assert (stage.backups_asked, stage.updates_asked) == (1, 1)
    stage.simulator.faults.clear()
    stage.tick()
    assert stage.set_aside()
    assert (stage.backups_asked, stage.updates_asked) == (1, 1)


def test_a_run_by_hand_after_a_restore_sets_the_rewound_journal_aside_too(make: Callable[..., Stage]) -> None:
    stage = make(TWO)
    half_a_run(stage)
    restore(stage)
    stage.later(hours=3)
    by_hand = stage.by_hand("other")
    assert [row.run for row in stage.rows() if row.outcome is None] == [by_hand]
    stage.later(minutes=5).ticks()
    assert stage.run(by_hand).closed is not None
    assert stage.updates_asked == 1, "the update of the night that was restored is not asked for again"


def test_a_run_by_hand_while_the_api_is_away_does_not_hide_a_restore_from_the_next_tick(
    make: Callable[..., Stage],
) -> None:
    stage = make(TWO)
    half_a_run(stage)
    restore(stage)
    stage.later(hours=3)
    stage.simulator.add_fault("* * cut-before x*")
    stage.by_hand("other")
    stage.simulator.faults.clear()
    stage.later(minutes=5).settle()
    assert stage.updates_asked == 1
    assert stage.set_aside()


def test_a_restore_that_brought_an_old_token_back_is_still_noticed_when_the_token_is_mended(stage: Stage) -> None:
    stage.token = "an-old-token-of-the-machine-user"
    stage.simulator.add_token(stage.token)
    half_a_run(stage)
    restore(stage)
    stage.simulator.revoke_token(stage.token)  # rotated since; the restore put the old one back
    stage.later(hours=3).tick()
    stage.token = TOKEN
    stage.later(minutes=5).settle()
    assert stage.updates_asked == 1
    assert stage.set_aside()


@pytest.mark.parametrize("minutes", [2, 10, 15])
def test_a_restore_soon_after_the_run_is_noticed_too(
    stage: Stage, minutes: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    half_a_run(stage)
    restore(stage)
    # a restore deploys the app as it was: the next tick runs in another container
    monkeypatch.setattr("upsun_agent.runtime.tick.container_identity", lambda: "another-host another-boot 1")
    stage.later(minutes=minutes).settle()
    assert (stage.backups_asked, stage.updates_asked) == (1, 1), "promise P1"


@pytest.mark.parametrize("minutes", [2, 10, 15])
def test_a_restore_to_before_the_slot_is_noticed_soon_after_too(
    stage: Stage, minutes: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.at(START).tick()
    save(stage)
    stage.at(SLOT + timedelta(seconds=7)).ticks()
    restore(stage)
    monkeypatch.setattr("upsun_agent.runtime.tick.container_identity", lambda: "another-host another-boot 1")
    stage.later(minutes=minutes).settle()
    assert stage.set_aside()
    assert (stage.backups_asked, stage.updates_asked) == (1, 1), "promise P1"


def test_a_new_container_alone_costs_no_request(make: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch) -> None:
    stage = make(backup_seconds=0)
    stage.at(START).tick()
    monkeypatch.setattr("upsun_agent.runtime.tick.container_identity", lambda: "another-host another-boot 1")
    stage.at(SLOT + timedelta(seconds=7)).tick()
    (update,) = stage.asked("source-operation")
    assert update["number"] <= 5


@pytest.mark.parametrize("trouble", ["an old token", "a run by hand while the API is away"])
def test_what_could_not_be_asked_in_the_new_container_is_asked_by_a_later_tick(
    make: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    stage = make(TWO)
    half_a_run(stage)
    restore(stage)
    monkeypatch.setattr("upsun_agent.runtime.tick.container_identity", lambda: "another-host another-boot 1")
    stage.later(minutes=2)
    if trouble == "an old token":
        stage.token = "an-old-token-that-was-revoked"
        assert stage.tick().exit_code() == 77
        stage.token = TOKEN
    else:
        stage.simulator.add_fault("* * cut-before x*")
        stage.by_hand("other")
        stage.simulator.faults.clear()
    stage.later(minutes=5).settle()
    assert stage.set_aside()
    assert stage.updates_asked == 1, "promise P1"


def test_a_job_that_was_paused_after_the_restore_stays_paused(stage: Stage) -> None:
    half_a_run(stage)
    restore(stage)
    stage.later(hours=3)
    with open_session(stage.site()) as session:
        pause_job(session.journal, "nightly", "look at it first", stage.manual_clock.now())
    stage.tick()
    assert stage.set_aside()
    stage.at(SLOT + timedelta(days=1)).settle()
    assert (stage.backups_asked, stage.updates_asked) == (1, 1)
