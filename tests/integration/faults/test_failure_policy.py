"""What the job file says about failures: retries, time limits, going on, suspending."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path

import pytest
from upsun_agent.config import parse
from upsun_agent.journal.sqlite import SqliteJournal
from upsun_agent.model.events import Event, RetryPlanned, RunClosed, StepFailed
from upsun_agent.platform.container import Container
from upsun_agent.runtime.suspension import resume, suspension
from upsun_agent.runtime.tick import run_tick
from upsun_simulator.rehearsal.play import Rehearsal

from tests.harness.night import START, Night

JOB_FILE = """\
[jobs.nightly-update]
schedule = "0 3 * * *"
{more}
[[jobs.nightly-update.steps]]
backup = {{ {backup} }}

[[jobs.nightly-update.steps]]
source-operation = {{ name = "update"{update} }}
"""


class Policy(Night):
    """A night whose steps say something of their own failure."""

    def __init__(self, *faults: str, backup: str = "", update: str = "", more: str = "") -> None:
        text = JOB_FILE.format(more=more, backup=backup, update=f", {update}" if update else "")
        job_file = parse(text)
        container = Container("runtime", project="abcdefgh1234z", environment="main", app="app")
        self.rehearsal = Rehearsal(job_file, job_file.job("nightly-update"), container, faults, START)
        self.simulator = self.rehearsal.simulator
        self.events: list[Event] = []

    def ending(self) -> RunClosed:
        assert self.played.run is not None
        assert self.played.run.closed is not None
        return self.played.run.closed

    def retries(self) -> list[RetryPlanned]:
        return [event for event in self.events if isinstance(event, RetryPlanned)]


def test_a_backup_that_fails_once_is_tried_again_and_the_update_follows() -> None:
    policy = Policy("backup-fails")

    def mend(event: Event) -> None:
        if isinstance(event, RetryPlanned):
            policy.simulator.change(backup_outcome="success")

    policy.play(mend)
    assert policy.ending().outcome == "succeeded"
    assert [each["result"] for each in policy.mine("backup")] == ["failure", "success"]
    assert len(policy.mine("source-operation")) == 1
    (planned,) = policy.retries()
    assert planned.again_at - planned.at == timedelta(minutes=15)


def test_retries_pause_longer_each_time_and_end() -> None:
    policy = Policy("backup-fails", backup='retries = 3, retry-after = "10m"')
    policy.play()
    assert policy.ending().failure == "activity-failed"
    assert [event.again_at - event.at for event in policy.retries()] == [
        timedelta(minutes=10),
        timedelta(minutes=20),
        timedelta(minutes=40),
    ]
    assert len(policy.mine("backup")) == 4
    assert policy.mine("source-operation") == []


@pytest.mark.parametrize("named_fault", ["backup-unrestorable", "backup-missing"])
def test_a_backup_that_cannot_be_proved_is_tried_again(named_fault: str) -> None:
    policy = Policy(named_fault)

    def mend(event: Event) -> None:
        if isinstance(event, RetryPlanned):
            policy.simulator.change(backup_outcome="success")

    policy.play(mend)
    assert policy.ending().outcome == "succeeded"
    assert policy.retries()[0].failure == "proof-failed"


def test_a_backup_that_somebody_cancelled_is_not_tried_again() -> None:
    policy = Policy("backup-cancelled", backup="retries = 5")
    policy.play()
    assert policy.ending().failure == "activity-cancelled"
    assert len(policy.mine("backup")) == 1


@pytest.mark.parametrize(("limit", "older"), [(1, 0), (1, 3), (2, 1)])
def test_a_retry_never_replaces_the_only_good_backup(limit: int, older: int) -> None:
    policy = Policy("backup-fails")
    policy.simulator.change(backup_limit=limit)
    for number in range(older):
        policy.simulator.add_backup(age=86400 * (number + 1), restorable=number == older - 1)
    policy.simulator.add_backup(age=3600)
    policy.play()
    failed = [event for event in policy.events if isinstance(event, StepFailed)]
    if limit == 1:
        assert failed[0].failure == "would-evict"
        assert len(policy.mine("backup")) == 1
    else:
        assert failed[0].failure == "activity-failed"
        assert len(policy.mine("backup")) == 2


def test_a_retry_is_made_while_nothing_good_could_be_lost() -> None:
    policy = Policy("backup-fails")
    policy.simulator.change(backup_limit=1)
    policy.simulator.add_backup(age=3600, automated=True)
    policy.play()
    assert len(policy.mine("backup")) == 2


def test_where_backups_cannot_be_listed_no_retry_is_risked() -> None:
    policy = Policy("backup-fails", "GET */backups 403 x*", more='timeout = "2h"')
    policy.play()
    assert policy.ending().failure == "timeout"  # it waits for the list; the run's own limit ends that
    assert len(policy.mine("backup")) == 1


def test_an_update_is_not_repeated_on_its_own() -> None:
    policy = Policy("update-fails")
    policy.play()
    assert policy.ending().failure == "activity-failed"
    assert len(policy.mine("source-operation")) == 1


def test_an_update_is_repeated_where_the_job_says_so() -> None:
    policy = Policy("update-fails", update="retries = 1")
    policy.play()
    assert len(policy.mine("source-operation")) == 2
    assert len(policy.mine("backup")) == 1


def test_a_deployment_that_fails_is_not_mended_by_another_update() -> None:
    policy = Policy("deploy-fails", update="retries = 3")
    policy.play()
    assert policy.ending().failure == "deployment-failed"
    assert len(policy.mine("source-operation")) == 1


def test_a_step_that_takes_longer_than_its_limit_fails_and_is_not_tried_again() -> None:
    policy = Policy(backup='timeout = "20m", retries = 3')
    policy.simulator.change(backup_seconds=7200)
    policy.play()
    assert policy.ending().failure == "step-timeout"
    assert len(policy.mine("backup")) == 1
    assert policy.mine("source-operation") == []


def test_on_failure_continue_runs_later_steps_but_the_run_fails() -> None:
    text = """\
[jobs.nightly-update]
schedule = "0 3 * * *"

[[jobs.nightly-update.steps]]
source-operation = { name = "update", backup = "not-needed", on-failure = "continue" }

[[jobs.nightly-update.steps]]
backup = {}
"""
    policy = Policy("update-fails")
    job_file = parse(text)
    container = Container("runtime", project="abcdefgh1234z", environment="main", app="app")
    policy.rehearsal = Rehearsal(job_file, job_file.job("nightly-update"), container, ["update-fails"], START)
    policy.simulator = policy.rehearsal.simulator
    policy.play()
    assert policy.ending().outcome == "failed"
    assert len(policy.mine("backup")) == 1


def test_on_failure_continue_never_lets_an_update_run_without_a_proved_backup() -> None:
    policy = Policy("backup-fails", backup='retries = 0, on-failure = "continue"')
    policy.play()
    assert policy.ending().outcome == "failed"
    assert policy.mine("source-operation") == []
    failures = [event.failure for event in policy.events if isinstance(event, StepFailed)]
    assert failures == ["activity-failed", "no-proved-backup"]


def test_a_paused_environment_fails_the_run_and_is_asked_for_nothing() -> None:
    policy = Policy()
    policy.simulator.pause()
    policy.play()
    assert policy.ending().failure == "environment-inactive"
    assert policy.mine("backup") == []


def test_a_job_is_suspended_after_so_many_failed_runs_and_resumed_by_hand(tmp_path: Path) -> None:
    policy = Policy("backup-fails", backup="retries = 0", more="suspend-after = 2")
    rehearsal, log = policy.rehearsal, io.StringIO()
    site = rehearsal.tick_context(str(tmp_path), log, None)

    def nights(count: int) -> None:
        for _ in range(count * 288):
            run_tick(site)
            rehearsal.clock.sleep(300)

    run_tick(site)
    nights(4)
    assert len(policy.mine("backup")) == 2
    journal = SqliteJournal(str(tmp_path), site.container.identity)
    try:
        outcomes = [row.outcome for row in journal.rows(job="nightly-update")]
        assert outcomes == ["skipped", "skipped", "failed", "failed"]
        assert "the last 2 runs failed" in (suspension(journal, "nightly-update") or "")
        assert log.getvalue().count('"event": "job-suspended"') == 1
        policy.simulator.change(backup_outcome="success")
        assert resume(journal, "nightly-update")
        assert not resume(journal, "nightly-update")
    finally:
        journal.close()
    nights(1)
    assert len(policy.mine("backup")) == 3
