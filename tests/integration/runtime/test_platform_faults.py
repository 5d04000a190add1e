"""Every mishap that ``rehearse`` offers, played through: how the run ends and what reached the platform."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from upsun_simulator.rehearsal.play import NAMED_FAULTS

from tests.harness.stage import SLOT, START, Stage

# name: outcome, failure, requests for a backup and for the update, backups and updates that began, exit code
EXPECTED: dict[str, tuple[str, str | None, int, int, int, int, int]] = {
    "backup-fails": ("failed", "activity-failed", 2, 0, 2, 0, 1),
    "backup-cancelled": ("failed", "activity-cancelled", 1, 0, 1, 0, 1),
    "backup-unrestorable": ("failed", "proof-failed", 2, 0, 2, 0, 1),
    "backup-missing": ("failed", "proof-failed", 2, 0, 2, 0, 1),
    "update-fails": ("failed", "activity-failed", 1, 1, 1, 1, 1),
    "no-update": ("succeeded", None, 1, 1, 1, 1, 0),
    "deploy-fails": ("failed", "deployment-failed", 1, 1, 1, 1, 1),
    "manual-deployment": ("succeeded", None, 1, 1, 1, 1, 0),
    "no-permission": ("failed", "permission", 0, 0, 0, 0, 77),
    "inactive": ("failed", "environment-inactive", 0, 0, 0, 0, 1),
    "one-backup-kept": ("succeeded", None, 1, 1, 1, 1, 0),
    "token-refused": ("failed", "token", 0, 0, 0, 0, 77),
    "api-down": ("succeeded", None, 1, 1, 1, 1, 0),
    "backup-answer-lost": ("succeeded", None, 1, 1, 1, 1, 0),
    "backup-request-lost": ("succeeded", None, 2, 1, 1, 1, 0),
    "update-answer-lost": ("succeeded", None, 1, 1, 1, 1, 0),
    "update-request-lost": ("succeeded", None, 1, 2, 1, 1, 0),
}


#: What can happen to other kinds of steps only: tests/integration/faults/test_promotion.py.
OF_OTHER_STEPS = {
    "sync-fails",
    "staging-breaks",
    "production-breaks",
    "merge-fails",
    "merge-answer-lost",
    "revert-fails",
    "restore-fails",
    "operation-fails",
    "task-fails",
    "command-fails",
    "not-approved",
    "site-down",
}


def test_every_mishap_has_an_expectation_here() -> None:
    assert set(EXPECTED) | OF_OTHER_STEPS == set(NAMED_FAULTS)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_mishap_ends_as_it_should_and_no_request_is_made_twice(make: Callable[..., Stage], name: str) -> None:
    stage = make(**NAMED_FAULTS[name].scenario)
    for fault in NAMED_FAULTS[name].requests:
        stage.simulator.add_fault(fault)
    stage.at(START).tick()
    stage.at(SLOT + timedelta(seconds=7))
    for _ in range(20):
        code = stage.tick().exit_code()
        if not stage.rows(open_only=True):
            break
        assert code in {0, 69, 77}, "a run in flight is no failure; what stands in its way is said"
        stage.later(minutes=5)
    closed = stage.run().closed
    assert closed is not None
    found = (
        closed.outcome,
        closed.failure,
        stage.backups_asked,
        stage.updates_asked,
        len(stage.activities("backup")),
        len(stage.activities("source-operation")),
        code,
    )
    assert found == EXPECTED[name]
    if closed.outcome == "failed":
        assert closed.message
        assert any(line["event"] == "run-closed" and line["level"] == "error" for line in stage.logged())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("backup-unrestorable", "it is not restorable"),
        ("backup-missing", "does not exist"),
        ("no-permission", "does not offer #backup"),
        ("inactive", "is inactive"),
        ("deploy-fails", "its deployment failed"),
    ],
)
def test_a_failure_says_what_was_wrong_and_what_helps(make: Callable[..., Stage], name: str, words: str) -> None:
    closed = make(**NAMED_FAULTS[name].scenario).play().closed
    assert closed is not None
    assert words in closed.message
    assert closed.remedy


def test_a_staged_commit_is_said_to_be_staged_not_live(make: Callable[..., Stage]) -> None:
    run = make(manual_deployment=True).play()
    assert run.steps[1].detail["deployment"] == "staged"
    assert "staged" in run.steps[1].message


def test_one_kept_backup_is_warned_of_after_the_first_run_and_before_the_next_request(
    make: Callable[..., Stage],
) -> None:
    stage = make(backup_limit=1)
    stage.play()
    assert stage.kinds()[-2:] == ["warned", "run-closed"]
    stage.at(SLOT + timedelta(days=1, seconds=7)).ticks()
    second = stage.kinds("nightly@2026-03-03T03:00")
    assert second.count("warned") == 1
    assert second.index("warned") < second.index("intent-recorded")


def test_the_second_request_after_a_lost_one_waits_until_the_list_is_settled(make: Callable[..., Stage]) -> None:
    stage = make()
    stage.simulator.add_fault("POST */backup cut-before")
    stage.at(START).tick()
    stage.at(SLOT).tick()
    for seconds in (20, 40, 59):  # 20, 60 and 119 s after the request
        stage.later(seconds=seconds).tick()
        assert stage.backups_asked == 1, f"asked again {(stage.manual_clock.now() - SLOT).total_seconds()} s after"
    assert stage.run().waits_on == "answer"
    for minutes in (0.1, 5, 5, 4.8):  # from two minutes after the request on the list is settled, and read again
        stage.later(minutes=minutes).tick()
        assert stage.backups_asked == 1, "asked again although the list was read once"
        assert stage.run().waits_on == "recheck"
    stage.later(minutes=0.2).tick()
    assert stage.backups_asked == 2


@pytest.mark.parametrize("outcome", ["failure", "unrestorable", "missing"])
def test_a_second_backup_is_asked_for_only_when_the_first_is_known_to_have_failed(
    make: Callable[..., Stage], outcome: str
) -> None:
    stage = make(backup_outcome=outcome)
    stage.at(START).tick()
    stage.at(SLOT).tick()
    stage.simulator.change(backup_outcome="success")
    run = stage.later(minutes=5).ticks()
    assert run.closed is not None
    assert run.closed.outcome == "succeeded"
    first, second = stage.activities("backup")
    assert first["completed_at"] < second["created_at"]
    assert run.proved_backup == second["payload"]["backup_name"]
    (update,) = stage.activities("source-operation")
    assert update["created_at"] >= second["completed_at"]


def test_three_requests_without_a_trace_end_the_run(make: Callable[..., Stage]) -> None:
    stage = make()
    stage.simulator.add_fault("POST */source-operation cut-before x*")
    closed = stage.play().closed
    assert closed is not None
    assert (closed.outcome, closed.failure) == ("failed", "attempts")
    assert (stage.backups_asked, stage.updates_asked) == (1, 3)
