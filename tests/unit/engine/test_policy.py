"""What a failure leads to: another attempt later, the end of the step, or the end of the run."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from upsun_agent.engine.decide import Background, Look, Record, Send, Wait, decide
from upsun_agent.engine.run import Run
from upsun_agent.model.answers import (
    Absent,
    Backup,
    BackupList,
    LookAtActivity,
    LookAtBackup,
    LookAtBackups,
    LookAtEnvironment,
    LookAtRetention,
    Retention,
    Trouble,
)
from upsun_agent.model.events import RetryPlanned, RunClosed, StepFailed
from upsun_agent.model.failures import FailureKind
from upsun_agent.model.job import StepPlan
from upsun_agent.steps import KINDS

from tests.harness.builders import (
    SLOT,
    UNPROVED_UPDATE,
    UPDATE_TYPE,
    accepted,
    activity,
    adopted,
    at,
    backup,
    concluded,
    done,
    ended,
    environment,
    failed,
    intended,
    job,
    listed,
    next_for,
    refused,
    retry,
    run,
    running,
    seen,
    settle,
)

TRIED = (intended(0), accepted(0), ended(0))


def backup_step(**settings: Any) -> StepPlan:
    return StepPlan("backup", {"retries": 1, "retry-after": 900, **settings})


def tried(*more: Any, plan: StepPlan | None = None) -> Run:
    """A run whose backup step was asked for, and its activity ended."""
    return run(*TRIED, *more, of=job(plan or backup_step(), UNPROVED_UPDATE))


def recorded(decision: object, kind: type) -> Any:
    assert isinstance(decision, Record)
    assert isinstance(decision.event, kind)
    return decision.event


# --- whether a step is tried again -----------------------------------------------------------------------------


def test_a_backup_whose_activity_failed_is_planned_again_after_the_pause() -> None:
    event = recorded(concluded(tried(), activity(result="failure"), now=at(3)), RetryPlanned)
    assert (event.step, event.at, event.again_at) == (0, at(4), at(4 + 15))  # a minute later it was read again
    assert (event.failure, event.message) == ("activity-failed", "the backup activity act1 ended with failure")


@pytest.mark.parametrize("found", [backup(restorable=False), Absent()], ids=["not restorable", "not there"])
def test_a_backup_that_cannot_be_proved_is_planned_again(found: Any) -> None:
    answers = seen((LookAtActivity("act1"), activity()), (LookAtBackup("bak1"), found))
    assert recorded(settle(tried(), answers, at(2))[0], RetryPlanned).failure == "proof-failed"


def test_a_cancelled_backup_is_not_tried_again_for_somebody_wanted_that() -> None:
    event = recorded(concluded(tried(), activity(state="cancelled", result=None)), StepFailed)
    assert event.failure == "activity-cancelled"


def test_a_lost_activity_is_not_tried_again_for_it_may_still_run() -> None:
    decision, _ = settle(tried(), seen((LookAtActivity("act1"), Absent())))
    assert recorded(decision, StepFailed).failure == "unknown"


@pytest.mark.parametrize(
    ("settings", "before", "again"),
    [
        ({"retries": 1}, 0, True),
        ({"retries": 1}, 1, False),
        ({"retries": 3}, 2, True),
        ({"retries": 3}, 3, False),
        ({"retries": 0}, 0, False),
        ({"retries": None}, 0, False),
        ({"retries": True}, 0, False),  # not a number
        ({"retries": "2"}, 0, False),
        ({"retries": -1}, 0, False),
    ],
)
def test_a_step_is_tried_again_as_often_as_its_job_says(settings: dict[str, Any], before: int, *, again: bool) -> None:
    history = [event for _ in range(before) for event in (*TRIED, retry(again_at=SLOT))]
    of = run(*history, *TRIED, of=job(backup_step(**settings)))
    recorded(concluded(of, activity(result="failure")), RetryPlanned if again else StepFailed)


@pytest.mark.parametrize(
    ("settings", "before", "minutes"),
    [
        ({}, 0, 15),
        ({}, 1, 30),
        ({}, 2, 60),
        ({"retry-after": 60}, 4, 16),
        ({"retry-after": 4 * 3600}, 1, 6 * 60),  # never more than six hours
        ({"retry-after": None}, 0, 0),
    ],
)
def test_the_pause_doubles_with_each_retry_up_to_six_hours(settings: dict[str, Any], before: int, minutes: int) -> None:
    history = [event for _ in range(before) for event in (*TRIED, retry(again_at=SLOT))]
    of = run(*history, *TRIED, of=job(backup_step(retries=5, **settings), timeout=10**6))
    event = recorded(concluded(of, activity(result="failure")), RetryPlanned)
    assert event.again_at - event.at == timedelta(minutes=minutes)


def test_an_update_is_tried_again_after_a_failed_activity_only_if_its_job_says_so() -> None:
    for retries, kind in ((None, StepFailed), (1, RetryPlanned)):
        plan = StepPlan("source-operation", {**UNPROVED_UPDATE.settings, "retries": retries})
        of = run(intended(0), accepted(0), ended(0), of=job(plan))
        assert recorded(concluded(of, activity(UPDATE_TYPE, result="failure")), kind).failure == "activity-failed"


@pytest.mark.parametrize("name", ["deployment-failed", "deployment-missing"])
def test_an_update_whose_deployment_failed_is_never_tried_again(name: str) -> None:
    assert name not in KINDS["source-operation"].retryable


def test_a_request_that_was_refused_or_a_guard_that_said_no_is_not_tried_again() -> None:
    of = run(intended(0), refused(0, failure="activity-failed"), of=job(backup_step()))
    recorded(next_for(of), StepFailed)
    recorded(concluded(run(of=job(backup_step())), environment(status="paused")), StepFailed)


# --- trying again ----------------------------------------------------------------------------------------------

AGAIN = tried(retry(again_at=at(15)))
ROOM = Retention({"production": 4})


def again(*backups: Backup, kept: Any = ROOM, now: Any = None) -> Any:
    held = BackupList(backups)
    answers = seen((LookAtEnvironment(), environment(at(15))), (LookAtRetention(), kept), (LookAtBackups(), held))
    return decide(AGAIN, now or at(15), answers, KINDS)


def test_a_planned_retry_is_waited_for() -> None:
    assert again(now=at(14.9)) == Wait("retry", "it failed; again at 02:15:00 UTC")


def test_a_retry_is_numbered_on_and_begins_with_all_guards() -> None:
    assert next_for(AGAIN, now=at(15)) == Look(LookAtEnvironment())
    sent = again()
    assert isinstance(sent, Send)
    assert sent.intent.attempt == 2


def test_a_backup_that_runs_meanwhile_is_adopted_but_not_the_one_that_failed() -> None:
    busy = environment(at(15), is_dirty=True)
    decision = next_for(AGAIN, busy, listed(running(name="new", created_at=at(14))), now=at(15), claimed=("act1",))
    assert isinstance(decision, Record)
    assert getattr(decision.event, "activity", None) == "new"


def test_quota_and_backups_are_looked_at_before_a_second_backup_is_asked_for() -> None:
    quiet = (LookAtEnvironment(), environment(at(15)))
    assert decide(AGAIN, at(15), seen(quiet), KINDS) == Look(LookAtRetention())
    assert decide(AGAIN, at(15), seen(quiet, (LookAtRetention(), ROOM)), KINDS) == Look(LookAtBackups())


def test_trouble_with_the_list_of_backups_is_waited_out() -> None:
    trouble = Trouble(FailureKind.UNREACHABLE, "no route")
    answers = seen((LookAtEnvironment(), environment(at(15))), (LookAtRetention(), ROOM), (LookAtBackups(), trouble))
    assert decide(AGAIN, at(15), answers, KINDS) == Wait("unreachable", "no route", trouble)


OLD, NEWER = backup("old", created_at=at(-900)), backup("newer", created_at=at(-60))
BROKEN = backup("broken", created_at=at(5), restorable=False)
OLD_BROKEN = backup("old-broken", created_at=at(-999), restorable=False)
AUTOMATED = backup("automated", created_at=at(-9999), automated=True)
UNKNOWN = Trouble(FailureKind.PERMISSION, "no")


@pytest.mark.parametrize(
    ("backups", "kept", "may"),
    [
        pytest.param((), Retention({"production": 1}), True, id="nothing to lose"),
        pytest.param((BROKEN,), Retention({"production": 1}), True, id="nothing good to lose"),
        pytest.param((NEWER,), Retention({"production": 1}), False, id="the only good one would go"),
        pytest.param((NEWER,), Retention({"production": 2}), True, id="there is room"),
        pytest.param((NEWER,), UNKNOWN, False, id="the limit is not known"),
        pytest.param((NEWER,), Retention({}), False, id="the limit is not said"),
        pytest.param((OLD, NEWER), Retention({"production": 2}), True, id="an older one would go"),
        pytest.param((OLD, NEWER), UNKNOWN, True, id="an older one would go whatever the limit"),
        pytest.param((OLD_BROKEN, NEWER), Retention({"production": 2}), True, id="a broken older one would go"),
        pytest.param((NEWER, BROKEN), Retention({"production": 2}), False, id="the good one is the oldest"),
        pytest.param((NEWER, BROKEN), Retention({"production": 3}), True, id="the good one is the oldest, with room"),
        pytest.param((AUTOMATED, NEWER), Retention({"production": 1}), False, id="automated ones do not count"),
        pytest.param((backup("x", created_at=None),), Retention({"production": 1}), True, id="of unknown age"),
        pytest.param(
            (NEWER, backup("going", created_at=at(-1), status="DELETING")),
            Retention({"production": 2}),
            False,
            id="the other is being deleted",
        ),
    ],
)
def test_a_retry_never_replaces_the_newest_good_backup(backups: Any, kept: Any, *, may: bool) -> None:
    for order in (backups, backups[::-1]):
        decision = again(*order, kept=kept)
        if may:
            assert isinstance(decision, Send)
        else:
            assert recorded(decision, StepFailed).failure == "would-evict"


def test_a_first_backup_is_not_held_up_by_the_quota() -> None:
    of = run(of=job(backup_step()))
    assert isinstance(next_for(of, environment(), BackupList((NEWER,)), Retention({"production": 1})), Send)


def test_a_retry_too_is_warned_of_where_the_quota_is_small() -> None:
    answers = seen(
        (LookAtEnvironment(), environment(at(15))), (LookAtRetention(), ROOM), (LookAtBackups(), BackupList(()))
    )

    decision = decide(AGAIN, at(15), answers, KINDS, Background(manual_limit=1))
    assert isinstance(decision, Record)
    assert decision.event.kind == "warned"


# --- time limits of a step -------------------------------------------------------------------------------------

SLOW = backup_step(timeout=600)


@pytest.mark.parametrize(
    "history",
    [(intended(0, at(5)),), (adopted(0, at=at(5)),), (intended(0, at(5)), accepted(0))],
    ids=["intended", "adopted", "accepted"],
)
def test_a_step_has_failed_when_its_own_time_limit_has_passed(history: Any) -> None:
    of = run(*history, of=job(SLOW))
    event = recorded(next_for(of, now=at(15)), StepFailed)
    assert (event.failure, event.step) == ("step-timeout", 0)
    assert event.message == "the step's time limit of 10 min passed; its activity may still be running"
    assert not isinstance(next_for(of, now=at(14.99)), Record)


def test_a_step_that_has_not_begun_has_no_time_limit_of_its_own() -> None:
    assert next_for(run(of=job(SLOW)), now=at(60)) == Look(LookAtEnvironment())
    no_limit = run(intended(0), accepted(0), of=job(backup_step(timeout=None)))
    assert next_for(no_limit, now=at(600)) == Look(LookAtActivity("act1"))


def test_the_runs_time_limit_comes_before_the_steps() -> None:
    event = recorded(next_for(run(intended(0), of=job(SLOW, timeout=600)), now=at(10)), StepFailed)
    assert event.failure == "timeout"


# --- on-failure ------------------------------------------------------------------------------------------------

LENIENT = backup_step(**{"on-failure": "continue"})


def test_after_a_failed_step_that_may_fail_the_next_one_is_begun() -> None:
    of = run(failed(0), of=job(LENIENT, UNPROVED_UPDATE))
    assert isinstance(next_for(of, environment()), Send)


def test_a_run_with_a_failed_step_has_failed_even_if_all_later_ones_are_done() -> None:
    of = run(failed(0, message="no backup"), done(1, None), of=job(LENIENT, UNPROVED_UPDATE))
    event = recorded(next_for(of), RunClosed)
    assert (event.outcome, event.failure) == ("failed", "activity-failed")
    assert event.message == "step 1 of 2 (backup): no backup"


def test_an_update_still_needs_its_proof_after_a_backup_that_may_fail() -> None:
    update = StepPlan("source-operation", {"name": "update"})
    assert recorded(next_for(run(failed(0), of=job(LENIENT, update)), environment()), StepFailed).failure == (
        "no-proved-backup"
    )


def test_a_step_that_may_not_fail_ends_the_run_even_after_one_that_may() -> None:
    of = run(failed(0, message="first"), failed(1, message="second"), of=job(LENIENT, backup_step(), UNPROVED_UPDATE))
    event = recorded(next_for(of, environment()), RunClosed)
    assert event.message == "step 2 of 3 (backup): second"


@pytest.mark.parametrize("failure", ["timeout", "too-late", "token"])
@pytest.mark.parametrize("first", [(failed(0),), (done(0),)], ids=["after a failed one", "after one that is done"])
def test_what_ends_the_run_ends_it_whatever_the_step_says(first: Any, failure: str) -> None:
    of = run(*first, failed(1, failure=failure), of=job(LENIENT, LENIENT, UNPROVED_UPDATE))
    event = recorded(next_for(of, environment()), RunClosed)
    assert event.failure == failure


def test_an_activity_that_ended_well_is_no_failure() -> None:
    assert next_for(tried(), activity()) == Look(LookAtBackup("bak1"))
