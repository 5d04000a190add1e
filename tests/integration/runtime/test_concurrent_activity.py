"""What else goes on around a run: crons, colleagues, deployments, permissions, the wrong type of environment."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.harness.stage import JOB, RUN, SLOT, START, Stage

ONE_TRY = JOB.replace("backup = {}", "backup = { retries = 0 }")


def test_the_callers_own_cron_is_not_in_the_way(stage: Stage) -> None:
    stage.at(START).tick()
    stage.at(SLOT)
    stage.simulator.start_activity(type="environment.cron", seconds=None)
    stage.later(seconds=7).tick()
    assert stage.simulator.request_log()["environments"]["main"]["is_dirty"] is True
    assert stage.backups_asked == 1, "the agent runs inside a cron: it must not wait for itself"


@pytest.mark.parametrize("age", [0, 120])
def test_a_colleagues_running_backup_is_adopted_only_if_it_began_after_the_slot(stage: Stage, age: float) -> None:
    stage.at(START).tick()
    stage.at(SLOT + timedelta(seconds=60))
    foreign = stage.simulator.start_activity(type="environment.backup", seconds=600, age=age)
    stage.tick()
    assert stage.backups_asked == 0
    run = stage.run()
    assert run.steps[0].activity == (foreign.id if age == 0 else None)
    assert run.waits_on == ("activity" if age == 0 else "environment-busy")
    closed = stage.ticks().closed
    assert closed is not None
    assert closed.outcome == "succeeded"
    assert stage.backups_asked == (0 if age == 0 else 1)
    proved = next(each for each in stage.simulator.request_log()["backups"] if each["id"] == stage.run().proved_backup)
    assert proved["created_at"] >= f"{SLOT:%Y-%m-%dT%H:%M:%S}"


def test_an_adopted_backup_that_fails_is_not_taken_for_a_proof(make: Callable[..., Stage]) -> None:
    stage = make(ONE_TRY)
    stage.at(START).tick()
    stage.at(SLOT + timedelta(seconds=30))
    foreign = stage.simulator.start_activity(type="environment.backup", seconds=None)
    stage.tick()
    stage.simulator.finish_activity(foreign.id, "failure")
    closed = stage.later(minutes=5).ticks().closed
    assert closed is not None
    assert (closed.outcome, closed.failure) == ("failed", "activity-failed")
    assert stage.updates_asked == 0


def test_a_live_backup_of_a_colleague_does_not_serve_a_job_that_wants_a_safe_one(stage: Stage) -> None:
    stage.at(START).tick()
    stage.at(SLOT + timedelta(seconds=30))
    stage.simulator.start_activity(type="environment.backup", seconds=30, parameters={"safe": False})
    stage.tick()
    assert stage.run().steps[0].activity is None
    closed = stage.later(minutes=5).ticks().closed
    assert closed is not None
    assert closed.outcome == "succeeded"
    assert stage.backups_asked == 1


def test_a_colleagues_source_operation_is_never_adopted_but_waited_for(make: Callable[..., Stage]) -> None:
    stage = make(update_outcome="no-commit", backup_seconds=0)
    stage.at(START).tick()
    stage.at(SLOT)
    foreign = stage.simulator.start_activity(type="environment.source-operation", seconds=450)
    stage.tick()
    # The backup queues behind it; the update waits for both.
    closed = stage.ticks().closed
    assert closed is not None
    assert closed.outcome == "succeeded"
    assert stage.run().steps[1].activity != foreign.id
    assert stage.updates_asked == 1


@pytest.mark.parametrize("kind", ["environment.push", "environment.redeploy", "environment.merge"])
def test_no_update_is_asked_for_while_a_deployment_runs(stage: Stage, kind: str) -> None:
    stage.at(START).tick()
    stage.at(SLOT).tick()
    stage.later(seconds=30)
    foreign = stage.simulator.start_activity(type=kind, seconds=None)
    stage.later(minutes=5).tick()
    assert stage.run().proved_backup is not None
    assert stage.run().waits_on == "environment-busy"
    assert stage.updates_asked == 0
    stage.simulator.finish_activity(foreign.id)
    stage.later(minutes=5).tick()
    assert stage.updates_asked == 1


@pytest.mark.parametrize("kind", ["environment.restore", "environment.synchronize", "environment.deactivate"])
def test_nothing_is_asked_for_while_the_environments_data_change(stage: Stage, kind: str) -> None:
    stage.at(START).tick()
    stage.at(SLOT)
    stage.simulator.start_activity(type=kind, seconds=None)
    stage.tick()
    assert stage.run().waits_on == "environment-busy"
    assert stage.backups_asked == 0


def test_where_links_vanish_while_the_platform_is_busy_the_run_waits(make: Callable[..., Stage]) -> None:
    stage = make(links_vanish_when_busy=True)
    stage.at(START).tick()
    stage.at(SLOT)
    foreign = stage.simulator.start_activity(type="environment.push", seconds=None)
    stage.tick()
    assert stage.run().waits_on == "environment-busy"
    stage.simulator.finish_activity(foreign.id)
    closed = stage.later(minutes=5).ticks().closed
    assert closed is not None
    assert closed.outcome == "succeeded"


def test_a_role_taken_away_between_the_steps_stops_the_update(stage: Stage) -> None:
    stage.at(START).tick()
    stage.at(SLOT).tick()
    stage.simulator.change(role="viewer")
    stage.later(minutes=5)
    assert stage.tick().exit_code() == 77
    assert stage.run().closed is None  # it is read again for a quarter of an hour
    assert stage.later(minutes=16).tick().exit_code() == 77
    closed = stage.run().closed
    assert closed is not None
    assert closed.failure == "permission"
    assert "#source-operation" in closed.message
    assert (stage.backups_asked, stage.updates_asked) == (1, 0)


@pytest.mark.parametrize("status", ["inactive", "paused", "deleting"])
def test_an_environment_that_is_not_active_fails_the_run_with_its_status(
    make: Callable[..., Stage], status: str
) -> None:
    closed = make(status=status).play().closed
    assert closed is not None
    assert closed.failure == "environment-inactive"
    assert status in closed.message


def test_an_environment_that_is_being_changed_is_waited_for(make: Callable[..., Stage]) -> None:
    stage = make(status="dirty")
    stage.at(START).tick()
    stage.at(SLOT).tick()
    assert stage.run().waits_on == "environment-busy"
    stage.simulator.change(status="active")
    closed = stage.later(minutes=5).ticks().closed
    assert closed is not None
    assert closed.outcome == "succeeded"


# --- the type of the environment ----------------------------------------------------------------------------


def test_a_job_for_another_type_of_container_is_said_to_be_elsewhere_and_asks_nothing(stage: Stage) -> None:
    stage.with_container(environment_type="staging").at(START).tick()
    report = stage.at(SLOT).tick()
    assert report.elsewhere == ["nightly"]
    assert report.exit_code() == 0
    assert stage.rows() == []
    assert stage.simulator.requests == []
    assert [line["event"] for line in stage.logged()] == ["job-not-here", "job-not-here"]


def test_where_the_api_says_another_type_than_the_container_nothing_is_asked_for(make: Callable[..., Stage]) -> None:
    stage = make().with_container(environment="staging", environment_type="production")
    stage.at(START).tick()
    report = stage.at(SLOT).tick()
    closed = stage.run().closed
    assert closed is not None
    assert (closed.outcome, closed.failure) == ("skipped", "environment-type")
    assert "staging" in closed.message
    assert report.exit_code() == 0
    assert (stage.backups_asked, stage.updates_asked) == (0, 0)


def test_a_container_that_does_not_know_its_type_asks_the_api(make: Callable[..., Stage]) -> None:
    closed = make().with_container(environment_type=None).play().closed
    assert closed is not None
    assert closed.outcome == "succeeded"


@pytest.mark.parametrize(
    ("project", "environment", "words"),
    [("wrongproject0", "main", "no project 'wrongproject0'"), ("abcdefgh1234z", "gone", "no environment 'gone'")],
)
def test_a_project_or_environment_that_does_not_exist_is_named(
    make: Callable[..., Stage], project: str, environment: str, words: str
) -> None:
    stage = make().with_container(project=project, environment=environment)
    stage.at(START).tick()
    assert stage.at(SLOT).tick().exit_code() == 78
    assert stage.run().closed is None  # a scheduled run looks again for a quarter of an hour
    assert stage.later(minutes=15).tick().exit_code() == 78
    closed = stage.run().closed
    assert closed is not None
    assert closed.failure == "not-found"
    assert words in closed.message


def test_an_environment_whose_id_has_a_slash_is_worked_on_like_any_other(make: Callable[..., Stage]) -> None:
    jobs = """
[jobs.nightly]
schedule = "0 3 * * *"
environment-types = ["development"]
[[jobs.nightly.steps]]
backup = {}
[[jobs.nightly.steps]]
source-operation = { name = "update" }
"""
    stage = make(jobs).with_container(environment="feature/login", environment_type="development")
    closed = stage.play().closed
    assert closed is not None
    assert closed.outcome == "succeeded"
    assert {each["environment"] for each in stage.simulator.request_log()["backups"]} == {"feature/login"}


# --- backups that are there already -------------------------------------------------------------------------


REUSE = """
[jobs.nightly]
schedule = "0 3 * * *"
[[jobs.nightly.steps]]
backup = { reuse-within = "1h" }
[[jobs.nightly.steps]]
source-operation = { name = "update" }
"""


@pytest.mark.parametrize(
    ("backup", "asked"),
    [
        ({"age": 1800}, 0),
        ({"age": 1800, "automated": True}, 0),
        ({"age": 3700}, 1),
        ({"age": 1800, "restorable": False}, 1),
        ({"age": 1800, "safe": False}, 1),
        ({"age": 1800, "environment": "staging"}, 1),
    ],
)
def test_a_backup_is_reused_only_if_it_is_proved_safe_young_and_of_this_environment(
    make: Callable[..., Stage], backup: dict[str, Any], asked: int
) -> None:
    stage = make(REUSE)
    stage.at(START).tick()
    stage.at(SLOT)
    known = stage.simulator.add_backup(**backup)
    run = stage.ticks()
    assert run.closed is not None
    assert run.closed.outcome == "succeeded"
    assert stage.backups_asked == asked
    assert (run.proved_backup == known.id) is (asked == 0)
    assert run.steps[0].detail["reused"] is (asked == 0)


def test_a_backup_that_vanished_before_it_was_proved_stops_the_update(make: Callable[..., Stage]) -> None:
    stage = make(ONE_TRY)
    stage.at(START).tick()
    stage.at(SLOT).tick()
    stage.later(seconds=60)
    (backup,) = stage.simulator.request_log()["backups"]
    stage.simulator.drop_backup(backup["id"])
    closed = stage.later(minutes=5).ticks().closed
    assert closed is not None
    assert closed.failure == "proof-failed"
    assert stage.updates_asked == 0


def test_a_colleagues_redeployment_during_the_operation_is_not_taken_for_an_update(
    make: Callable[..., Stage],
) -> None:
    stage = make(update_outcome="no-commit", source_operation_seconds=120)
    stage.at(START).tick()
    stage.at(SLOT).tick()
    stage.later(minutes=5).tick()
    stage.simulator.redeploy()
    run = stage.later(minutes=10).ticks()
    assert run.steps[1].outcome == "nothing-to-do"
    assert run.id == RUN
