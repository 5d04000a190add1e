"""decide, from the request on: reconciling, following the activity, time limits, trouble, and how a run closes."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from upsun_agent.engine.decide import Look, Record, Rest, Wait, decide, manual_limit
from upsun_agent.engine.fold import apply, fold
from upsun_agent.engine.run import Run
from upsun_agent.model.answers import (
    Absent,
    Activity,
    BackupList,
    LookAtActivities,
    LookAtActivity,
    LookAtBackup,
    LookAtBackups,
    LookAtEnvironment,
    LookAtOwner,
    LookAtRetention,
    Retention,
    Trouble,
)
from upsun_agent.model.events import (
    ActivityAdopted,
    ActivityEnded,
    IntentVoid,
    RecheckPlanned,
    RunClosed,
    RunOutcome,
    StepDone,
    StepFailed,
    Warned,
)
from upsun_agent.model.failures import FailureKind
from upsun_agent.model.job import StepPlan
from upsun_agent.steps import KINDS

from tests.harness.builders import (
    BACKUP,
    BACKUP_TYPE,
    PROVED,
    SLOT,
    TROUBLES,
    UPDATE,
    UPDATE_TYPE,
    accepted,
    activity,
    adopted,
    at,
    backup,
    closed,
    concluded,
    done,
    ended,
    environment,
    failed,
    intended,
    job,
    listed,
    next_for,
    opened,
    refused,
    run,
    running,
    seen,
    settle,
    unanswered,
    void,
    waiting,
)

ACCEPTED = run(intended(0), accepted(0))
ENDED = run(intended(0), accepted(0), ended(0))


def failure_of(decision: object) -> StepFailed:
    assert isinstance(decision, Record)
    assert isinstance(decision.event, StepFailed)
    return decision.event


# --- an intent without an answer -------------------------------------------------------------------------------

OPEN = run(intended(0, at(10)))
SINCE = LookAtActivities(types=(BACKUP_TYPE,), since=at(10))
VOID_WORDS = "no environment.backup since 02:10:00 UTC: the request had no effect"


@pytest.mark.parametrize(
    "of", [OPEN, run(intended(0, at(10)), unanswered(0))], ids=["no answer recorded", "unanswered"]
)
def test_an_open_intent_leads_to_reconciling_and_to_nothing_else(of: Run) -> None:
    # Everything a request would need was seen, and still the list since the intent comes first.
    assert next_for(of, environment(), now=at(10)) == Look(SINCE)
    found = decide(of, at(13), seen((SINCE, listed(running(created_at=at(10, 5)), when=at(12)))), KINDS)
    assert isinstance(found, Record)
    assert isinstance(found.event, ActivityAdopted)
    nothing = seen(
        (SINCE, listed(when=at(12))), (LookAtBackups(), BackupList(())), (LookAtEnvironment(), environment())
    )
    first = decide(of, at(13), nothing, KINDS)
    assert isinstance(first, Record)
    assert first.event == RecheckPlanned(
        at=at(13), step=0, failure="no-activity", message=VOID_WORDS, again_at=at(13 + 15)
    )
    waits = decide(apply(of, first.event), at(27.9), nothing, KINDS)
    assert isinstance(waits, Wait)
    assert waits.on == "recheck"
    gone, when = settle(of, nothing, at(13))
    assert gone == Record(IntentVoid(at=at(28), step=0, message=VOID_WORDS), doubtful=True)
    assert when == at(28)
    unsettled = decide(of, at(13), seen((SINCE, listed(when=at(11.9)))), KINDS)
    assert unsettled == Wait("answer", "the backup request has no answer; its activity may still appear")


@pytest.mark.parametrize("kind", TROUBLES)
def test_trouble_while_reconciling_is_waited_out(kind: Any) -> None:
    trouble = Trouble(kind, "something said")
    assert decide(OPEN, at(11), seen((SINCE, trouble)), KINDS) == Wait(kind, "something said", trouble)
    named = listed(running(created_at=at(10, 5), user="u"), when=at(11))
    assert decide(OPEN, at(11), seen((SINCE, named)), KINDS) == Look(LookAtOwner())
    stuck = seen((SINCE, named), (LookAtOwner(), trouble))
    assert decide(OPEN, at(11), stuck, KINDS) == Wait(kind, "something said", trouble)


# --- an activity that is known ---------------------------------------------------------------------------------


def test_the_steps_own_activity_is_looked_at() -> None:
    assert next_for(ACCEPTED) == Look(LookAtActivity("act1"))


@pytest.mark.parametrize("state", ["pending", "in_progress", "scheduled", "staged", "something-new"])
def test_an_activity_that_has_not_ended_is_waited_for(state: str) -> None:
    decision = next_for(ACCEPTED, running(state=state))
    assert decision == Wait("activity", f"backup: activity act1 is {state}")


@pytest.mark.parametrize(("state", "result"), [("complete", "success"), ("complete", "failure"), ("cancelled", None)])
def test_the_end_of_an_activity_is_recorded_before_it_is_judged(state: str, result: str | None) -> None:
    decision = concluded(ACCEPTED, activity(state=state, result=result), now=at(9))
    assert decision == Record(ActivityEnded(at=at(9), step=0, activity="act1", state=state, result=result))


@pytest.mark.parametrize(
    ("found", "failure", "message"),
    [
        (activity(result="failure"), "activity-failed", "the backup activity act1 ended with failure"),
        (
            activity(result="failure", failure_reason="shell"),
            "activity-failed",
            "the backup activity act1 ended with failure (shell)",
        ),
        (activity(state="cancelled", result=None), "activity-cancelled", "the backup activity act1 was cancelled"),
        (activity(state="cancelled", result="success"), "activity-cancelled", "the backup activity act1 was cancelled"),
    ],
)
def test_an_activity_that_ended_otherwise_than_in_success_fails_the_step(
    found: Activity, failure: str, message: str
) -> None:
    event = failure_of(concluded(ENDED, found))
    assert (event.failure, event.message) == (failure, message)
    assert event.remedy == "read its log: upsun activity:log act1"


def test_an_activity_that_succeeded_is_judged_by_its_kind() -> None:
    assert next_for(ENDED, activity()) == Look(LookAtBackup("bak1"))
    decision = next_for(ENDED, activity(), backup(), now=at(9))
    assert isinstance(decision, Record)
    assert isinstance(decision.event, StepDone)
    assert (decision.event.at, decision.event.outcome, decision.event.detail["backup"]) == (at(9), "done", "bak1")
    assert failure_of(concluded(ENDED, activity(), backup(restorable=False))).failure == "proof-failed"


def test_a_verdict_that_is_still_out_is_waited_for() -> None:
    of = run(*PROVED, intended(1), accepted(1), ended(1))
    operation = activity(UPDATE_TYPE)
    pushes = LookAtActivities(types=("environment.push", "environment.redeploy"), since=at(0, -1))
    answers = seen(
        (LookAtActivity("act1"), operation), (LookAtEnvironment(), environment(at(1, 30))), (pushes, listed())
    )
    decision = decide(of, at(2), answers, KINDS)
    assert decision == Wait("settling", "the operation made no commit so far; a push may still appear")


ODD: dict[str, Activity | Absent] = {
    "not found": Absent(),
    "complete without a result": activity(result=None),
    "complete with an unknown result": activity(result="perhaps"),
    "an unknown state at 100 percent": running(state="expired", completion_percent=100),
    "an unknown state with an end": activity(state="archived", result=None),
}


@pytest.mark.parametrize("answer", ODD)
@pytest.mark.parametrize("of", [ACCEPTED, ENDED], ids=["accepted", "ended"])
def test_an_odd_answer_about_an_activity_is_looked_at_again_and_in_the_list_before_it_is_believed(
    of: Run, answer: str
) -> None:
    odd = seen((LookAtActivity("act1"), ODD[answer]))
    first = decide(of, at(2), odd, KINDS)
    assert isinstance(first, Look)
    assert isinstance(first.question, LookAtActivities)
    assert first.question.types == (BACKUP_TYPE,)
    second = decide(of, at(2), odd.plus(first.question, listed()), KINDS)
    assert isinstance(second, Record)
    assert isinstance(second.event, RecheckPlanned)
    decision, when = settle(of, odd, at(2))
    event = failure_of(decision)
    assert (event.failure, when) == ("unknown", at(2 + 15))
    assert "what became of the backup is not known" in event.message
    assert "act1" in event.remedy


def test_a_second_look_that_a_clock_planned_which_was_ahead_is_planned_anew() -> None:
    odd = seen((LookAtActivity("act1"), ODD["gone"] if "gone" in ODD else next(iter(ODD.values()))))
    first = decide(ACCEPTED, at(2), odd, KINDS)
    assert isinstance(first, Look)
    odd = odd.plus(first.question, listed())
    ahead = decide(ACCEPTED, at(2 + 300), odd, KINDS)
    assert isinstance(ahead, Record)
    again = decide(apply(ACCEPTED, ahead.event), at(3), odd, KINDS)
    assert isinstance(again, Record)
    assert isinstance(again.event, RecheckPlanned)
    assert again.event.again_at == at(3 + 15)


@pytest.mark.parametrize("answer", ODD)
def test_what_the_list_says_clearly_counts_where_one_look_is_odd(answer: str) -> None:
    odd = seen((LookAtActivity("act1"), ODD[answer]))
    listing = decide(ACCEPTED, at(2), odd, KINDS)
    assert isinstance(listing, Look)
    runs = odd.plus(listing.question, listed(running()))
    assert decide(ACCEPTED, at(2), runs, KINDS) == Wait("activity", "backup: activity act1 is in_progress")
    over = decide(ACCEPTED, at(2), odd.plus(listing.question, listed(activity())), KINDS)
    assert over == Record(ActivityEnded(at=at(2), step=0, activity="act1", state="complete", result="success"))


@pytest.mark.parametrize("other", [activity(), running(), activity(result=None)], ids=["success", "running", "odd"])
def test_two_places_that_contradict_each_other_about_a_failure_are_unknown(other: Activity) -> None:
    bad = seen((LookAtActivity("act1"), activity(result="failure")))
    listing = decide(ENDED, at(2), bad, KINDS)
    assert isinstance(listing, Look)
    decision, _ = settle(ENDED, bad.plus(listing.question, listed(other)), at(2))
    assert failure_of(decision).failure == "unknown"


def test_a_good_answer_after_an_odd_one_is_followed_and_the_odd_one_forgotten() -> None:
    odd, message = RecheckPlanned(at=at(2), step=0, failure="unknown", message="odd", again_at=at(17)), "odd; again"
    of = run(intended(0), accepted(0), odd, waiting("recheck", message))
    assert of.steps[0].recheck == odd
    assert apply(of, waiting("unreachable", "no route")).steps[0].recheck == odd
    assert apply(of, waiting("activity", "it runs")).steps[0].recheck is None
    assert apply(of, ended(0)).steps[0].recheck is None


@pytest.mark.parametrize(
    ("state", "changes"),
    [
        ("finished", {"completion_percent": 100}),
        ("expired", {"completed_at": at(3)}),
        ("in_progress", {"completion_percent": 100}),
        ("complete", {"completion_percent": 100}),
    ],
)
def test_an_activity_is_over_as_the_official_client_reads_it_whatever_its_state_is_called(
    state: str, changes: dict[str, Any]
) -> None:
    decision = next_for(ACCEPTED, running(state=state, result="success", **changes), now=at(9))
    assert isinstance(decision, Record)
    assert isinstance(decision.event, ActivityEnded)


@pytest.mark.parametrize("kind", TROUBLES)
@pytest.mark.parametrize("of", [ACCEPTED, run(adopted(0))], ids=["asked for", "adopted"])
def test_trouble_while_following_an_activity_is_waited_out(of: Run, kind: Any) -> None:
    trouble = Trouble(kind, "something said")
    decision = decide(of, SLOT, seen((LookAtActivity("act1"), trouble)), KINDS)
    assert decision == Wait(kind, "something said", trouble)


# --- time limits -----------------------------------------------------------------------------------------------

TWO_HOURS = job(timeout=7200)
PHASES: dict[str, tuple[Any, ...]] = {
    "ready": (),
    "paused": (intended(0), refused(0, again_at=at(10_000))),
    "void": (intended(0), void(0)),
    "intended": (intended(0),),
    "refused": (intended(0), refused(0)),
    "accepted": (intended(0), accepted(0)),
    "ended": (intended(0), accepted(0), ended(0)),
    "second step": PROVED,
}


@pytest.mark.parametrize("phase", PHASES)
def test_a_run_that_is_not_over_at_its_time_limit_has_failed_whatever_it_was_at(phase: str) -> None:
    of = run(*PHASES[phase], waiting("activity", "act1 is pending"), of=TWO_HOURS)
    event = failure_of(next_for(of, now=at(120)))
    assert event.failure == "timeout"
    assert event.message == "the run's time limit of 2 h passed while waiting: act1 is pending"
    assert event.step == (1 if phase == "second step" else 0)
    before = next_for(of, now=at(119.99))
    assert not isinstance(before, Record) or getattr(before.event, "failure", None) != "timeout"


def test_the_time_limit_counts_from_the_opening_and_not_from_the_slot() -> None:
    late = fold([opened(TWO_HOURS, when=at(60)), done(0)])
    assert next_for(late, now=at(179)) == Look(LookAtEnvironment())
    event = failure_of(next_for(late, now=at(180)))
    assert event.message == "the run's time limit of 2 h passed"


def test_a_run_that_could_not_be_begun_within_its_grace_has_failed() -> None:
    of = run(waiting("environment-busy", "environment.restore r is pending"), of=job(misfire_grace=3600))
    assert next_for(of, now=at(60)) == Look(LookAtEnvironment())
    event = failure_of(next_for(of, now=at(60.01)))
    assert event.failure == "too-late"
    expected = "the run could not begin within 1 h of the slot: environment.restore r is pending"
    assert event.message == expected
    quiet = failure_of(next_for(run(of=job(misfire_grace=3600)), now=at(61)))
    assert quiet.message == "the run could not begin within 1 h of the slot"


def test_the_grace_counts_from_the_slot_and_not_from_the_opening() -> None:
    late = fold([opened(job(misfire_grace=3600), when=at(50))])
    assert failure_of(next_for(late, now=at(61))).failure == "too-late"


@pytest.mark.parametrize("phase", ["paused", "void"])
def test_the_grace_ends_a_run_whose_requests_surely_had_no_effect(phase: str) -> None:
    of = run(*PHASES[phase], of=job(misfire_grace=3600))
    assert failure_of(next_for(of, now=at(61))).failure == "too-late"


@pytest.mark.parametrize("phase", [phase for phase in PHASES if phase not in {"ready", "paused", "void"}])
def test_the_grace_does_not_end_a_run_that_is_begun(phase: str) -> None:
    of = run(*PHASES[phase], of=job(misfire_grace=60))
    decision = next_for(of, now=at(600))
    assert getattr(getattr(decision, "event", None), "failure", None) != "too-late"


def test_the_time_limit_comes_before_the_grace() -> None:
    of = run(of=job(misfire_grace=60, timeout=600))
    assert failure_of(next_for(of, now=at(10))).failure == "timeout"


# --- steps of another version ----------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", [phase for phase in PHASES if phase != "second step"])
def test_a_step_that_this_version_does_not_know_fails_in_any_phase(phase: str) -> None:
    of = run(*PHASES[phase], of=job(StepPlan("teleport", {}), UPDATE))
    event = failure_of(next_for(of, environment(), now=at(1)))
    assert event.failure == "unknown-step"
    assert event.message == "this version has no step 'teleport'"


# --- closing ---------------------------------------------------------------------------------------------------


def test_a_closed_run_rests() -> None:
    assert next_for(run(closed()), environment(), now=at(10**6)) == Rest()
    assert next_for(run(failed(0), closed())) == Rest()


def test_a_failed_step_closes_the_run_with_its_words_and_no_later_step_is_begun() -> None:
    of = run(failed(0, failure="permission", message="no link", remedy="grant it"))
    expected = RunClosed(
        at=at(1),
        outcome=RunOutcome.FAILED,
        failure="permission",
        message="step 1 of 2 (backup): no link",
        remedy="grant it",
    )
    assert next_for(of, environment(), now=at(1)) == Record(expected)


def test_a_failed_step_closes_the_run_even_past_its_time_limit() -> None:
    decision = next_for(run(*PROVED, failed(1, failure="deployment-failed")), now=at(10**6))
    assert isinstance(decision, Record)
    assert isinstance(decision.event, RunClosed)
    assert decision.event.failure == "deployment-failed"
    assert decision.event.message == "step 2 of 2 (source-operation): it failed"


ALL_DONE = run(*PROVED, intended(1), accepted(1), ended(1), done(1, None, "commit b is live"))
SUCCESS = RunClosed(at=at(9), outcome=RunOutcome.SUCCEEDED, message="backup bak1 proved restorable; commit b is live")


def kept(limit: int) -> Retention:
    return Retention({"production": limit, "staging": 9})


def test_a_run_whose_steps_are_done_has_succeeded_even_past_its_time_limit() -> None:
    for minutes in (9, 10**6):
        decision = next_for(ALL_DONE, kept(2), now=at(minutes))
        assert decision == Record(replace(SUCCESS, at=at(minutes)))


def test_a_run_that_asked_for_a_backup_looks_at_the_quota_before_it_closes() -> None:
    assert next_for(ALL_DONE) == Look(LookAtRetention())


@pytest.mark.parametrize("limit", [0, 1])
def test_a_quota_too_small_is_warned_of_once_before_the_run_closes(limit: int) -> None:
    decision = next_for(ALL_DONE, kept(limit), now=at(9))
    assert isinstance(decision, Record)
    assert isinstance(decision.event, Warned)
    assert decision.event.message.startswith(f"the project keeps {limit} manual backup(s)")
    warned = run(*PROVED, intended(1), accepted(1), ended(1), done(1, None, "commit b is live"), decision.event)
    assert next_for(warned, now=at(9)) == Record(SUCCESS)


@pytest.mark.parametrize("kind", TROUBLES)
def test_a_quota_that_cannot_be_had_does_not_keep_the_run_open(kind: Any) -> None:
    answers = seen((LookAtRetention(), Trouble(kind, "something said")))
    assert decide(ALL_DONE, at(9), answers, KINDS) == Record(SUCCESS)


@pytest.mark.parametrize(
    "of",
    [
        pytest.param(run(done(0), of=job(BACKUP)), id="reused"),
        pytest.param(run(adopted(0), ended(0), done(0), of=job(BACKUP)), id="adopted"),
        pytest.param(
            run(intended(0), accepted(0), done(0, None), of=job(StepPlan("source-operation", {"name": "update"}))),
            id="an update only",
        ),
    ],
)
def test_a_run_that_asked_for_no_backup_closes_without_a_look_at_the_quota(of: Run) -> None:
    decision = next_for(of)
    assert isinstance(decision, Record)
    assert isinstance(decision.event, RunClosed)


@pytest.mark.parametrize(
    ("types", "limits", "least"),
    [
        (("production",), {"production": 2}, 2),
        (("production", "staging"), {"production": 4, "staging": 1, "development": 0}, 1),
        (("production",), {"staging": 1}, None),
        (("production",), {}, None),
    ],
)
def test_the_quota_is_the_least_of_the_types_that_the_job_runs_on(
    types: tuple[str, ...], limits: dict[str, int], least: int | None
) -> None:
    assert manual_limit(job(environment_types=types), Retention(limits)) == least


def test_the_quota_is_unknown_without_an_answer() -> None:
    assert manual_limit(job(), None) is None
    assert manual_limit(job(), Trouble(FailureKind.BUDGET, "no time")) is None
