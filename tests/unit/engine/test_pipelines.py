"""Runs over several environments: which one a step works on, what is proved there, and what is rolled back."""

from __future__ import annotations

from typing import Any

import pytest
from upsun_agent.engine.decide import Background, Decision, Execute, Look, Record, Send, Wait, decide
from upsun_agent.engine.fold import InconsistentEvents, apply, fold
from upsun_agent.engine.run import Run
from upsun_agent.model import events as ev
from upsun_agent.model.answers import (
    PROJECT,
    Absent,
    Answer,
    Deployment,
    Environment,
    LookAtActivities,
    LookAtActivity,
    LookAtBackup,
    LookAtEnvironment,
    LookAtPage,
    LookAtRoutes,
    Page,
    Question,
    Routes,
    Trouble,
)
from upsun_agent.model.failures import FailureKind
from upsun_agent.model.job import Job, StepPlan
from upsun_agent.steps import KINDS

from tests.harness.builders import (
    SLOT,
    activity,
    approval,
    at,
    backup,
    command_ended,
    done,
    ended,
    environment,
    failed,
    intended,
    listed,
    message_of,
    opened,
    retry,
    running,
    seen,
    settle,
)

STAGING = LookAtEnvironment("staging")
HOME = LookAtEnvironment()
BELOW = "/api/projects/p/environments/staging"
ALL_LINKS = ("backup", "source-operation", "synchronize", "merge", "branch", "redeploy")


def links(of: str) -> dict[str, str]:
    return {f"#{name}": f"/api/projects/p/environments/{of}/{name}" for name in ALL_LINKS}


def place(of: str = "staging", **changes: Any) -> Environment:
    kind = {"main": "production", "staging": "staging"}.get(of, "development")
    parent = None if of == "main" else "main"
    values = {"id": of, "type": kind, "links": links(of), "parent": parent, "path": f"/projects/p/environments/{of}"}
    return environment(**{**values, **changes})


def step(kind: str, **settings: Any) -> StepPlan:
    return StepPlan(kind, {key.replace("_", "-"): value for key, value in settings.items()})


SYNC = step("sync", environment="staging", code=True, data=True)
UPDATE = step("source-operation", environment="staging", name="update", backup="not-needed")
CHECK = step("http-check", environment="staging", path="/up", when="updated", retries=1, retry_after=60)
BACKUP = step("backup", environment=".", when="updated")
MERGE = step("merge", environment="staging", into=".", when="updated")
CHECK_HOME = step("http-check", environment=".", when="updated")
REVERT = step("source-operation", environment=".", name="revert", backup="not-needed", on_failure="continue")
RESTORE = step("restore", environment=".", allow_restore=True)
FLAGSHIP = Job(
    "flagship", (SYNC, UPDATE, CHECK, BACKUP, MERGE, CHECK_HOME), schedule="0 3 * * *", on_failure=(REVERT, RESTORE)
)


def run(*events: ev.Event, of: Job = FLAGSHIP) -> Run:
    return fold([opened(of), *events])


def alone(*plans: StepPlan, back: tuple[StepPlan, ...] = ()) -> Job:
    return Job("alone", plans, schedule="0 3 * * *", on_failure=back)


def next_for(of: Run, *answers: tuple[Question, Answer], now: Any = SLOT, **background: Any) -> Decision:
    return decide(of, now, seen(*answers), KINDS, Background(**{"may_read": False, **background}))


def failure_of(decision: Decision) -> tuple[str, str]:
    assert isinstance(decision, Record)
    assert isinstance(decision.event, ev.StepFailed)
    return decision.event.failure, decision.event.message


def over(index: int, **detail: Any) -> ev.StepDone:
    outcome = detail.pop("outcome", "done")
    return ev.StepDone(at=SLOT, step=index, outcome=outcome, message=f"step {index} done", detail=detail)


def through(index: int, **detail: Any) -> list[ev.Event]:
    """A request step that was asked for and done."""
    accepted = ev.RequestAccepted(at=SLOT, step=index, activity=f"act{index}")
    return [intended(index), accepted, ended(index, f"act{index}"), over(index, **detail)]


#: Everything up to the check of the home environment: updated, proved, merged.
MERGED = [*through(0), *through(1, commit="c1"), over(2), *through(3, backup="bak1"), *through(4, commit="c2")]


# --- targets ---------------------------------------------------------------------------------------------------


def test_before_anything_is_begun_every_environment_that_a_step_names_is_looked_at() -> None:
    assert next_for(run()) == Look(HOME)
    assert next_for(run(), (HOME, place("main"))) == Look(STAGING)
    sent = next_for(run(), (HOME, place("main")), (STAGING, place()))
    assert isinstance(sent, Send)
    assert (sent.path, sent.activity_type) == (
        "/api/projects/p/environments/staging/synchronize",
        "environment.synchronize",
    )
    assert sent.body == {
        "synchronize_code": True,
        "synchronize_data": True,
        "synchronize_resources": False,
        "rebase": False,
    }


def test_an_environment_that_is_not_there_ends_the_run_before_it_begins() -> None:
    missing = Trouble(FailureKind.NOT_FOUND, "project p has no environment 'staging'", "check the name")
    answers = seen((HOME, place("main")), (STAGING, missing))
    decision, when = settle(run(), answers)
    assert failure_of(decision) == ("not-found", missing.message)
    assert when == at(15)  # a scheduled run has the time to see whether it stays so
    by_hand = fold([opened(FLAGSHIP, trigger=ev.Trigger.MANUAL, slot=None)])
    assert failure_of(decide(by_hand, SLOT, answers, KINDS)) == ("not-found", missing.message)


def test_a_role_that_a_later_step_needs_ends_the_run_before_it_begins() -> None:
    without = {name: href for name, href in links("staging").items() if name != "#merge"}
    decision, _ = settle(run(), seen((HOME, place("main")), (STAGING, place(links=without))))
    failure, message = failure_of(decision)
    assert failure == "permission"
    assert message.startswith("step 5 (merge) will need it: the platform does not offer #merge on staging")


@pytest.mark.parametrize("changes", [{"is_dirty": True}, {"status": "paused"}])
def test_links_that_are_absent_for_another_reason_are_not_held_against_a_later_step(changes: dict[str, Any]) -> None:
    of = run(of=alone(step("backup"), step("resume", environment="staging")))
    answers = ((HOME, place("main")), (STAGING, place(links={}, **changes)))
    assert isinstance(next_for(of, *answers), Send)


def test_the_job_s_types_are_about_the_environment_that_the_agent_runs_on() -> None:
    decision = next_for(run(), (HOME, place("main", type="staging")), (STAGING, place()))
    assert isinstance(decision, Record)
    assert isinstance(decision.event, ev.RunClosed)
    assert (decision.event.outcome, decision.event.failure) == ("skipped", "environment-type")


def test_an_operation_of_somebody_else_on_the_target_is_waited_for_there() -> None:
    busy = LookAtActivities(incomplete=True, environment="staging")
    answers = ((HOME, place("main")), (STAGING, place(is_dirty=True)))
    assert next_for(run(), *answers) == Look(busy)
    restoring = running("environment.restore", "r1")
    decision = next_for(run(), *answers, (busy, listed(restoring)))
    assert decision == Wait("environment-busy", "environment.restore r1 is in_progress")


def test_an_unanswered_request_is_looked_for_in_the_target_s_list() -> None:
    decision = next_for(run(intended(0)))
    assert isinstance(decision, Look)
    assert decision.question == LookAtActivities(("environment.synchronize",), SLOT, environment="staging")


def test_a_merge_is_looked_for_in_the_project_s_list() -> None:
    decision = next_for(run(*MERGED[:-4], intended(4)))
    assert isinstance(decision, Look)
    assert decision.question == LookAtActivities(("environment.merge",), SLOT, environment=PROJECT)


def test_a_backup_of_one_environment_proves_nothing_about_another() -> None:
    job = alone(step("backup", environment="staging"), step("source-operation", environment=".", name="update"))
    of = run(*through(0, backup="bak1"), of=job)
    assert failure_of(next_for(of, (HOME, place("main"))))[0] == "no-proved-backup"
    same = alone(step("backup", environment="staging"), step("source-operation", environment="staging", name="update"))
    proof = LookAtBackup("bak1", "staging")
    assert next_for(run(*through(0, backup="bak1"), of=same), (STAGING, place())) == Look(proof)
    mine = backup(environment="staging")
    assert isinstance(next_for(run(*through(0, backup="bak1"), of=same), (STAGING, place()), (proof, mine)), Send)


def test_the_backup_of_a_target_is_proved_against_the_target() -> None:
    of = run(
        intended(0),
        ev.RequestAccepted(at=SLOT, step=0, activity="act1"),
        ended(0),
        of=alone(step("backup", environment="staging")),
    )
    asked = next_for(of, (LookAtActivity("act1"), activity()))
    assert asked == Look(LookAtBackup("bak1", "staging"))
    wrong = next_for(of, (LookAtActivity("act1"), activity()), (LookAtBackup("bak1", "staging"), backup()))
    assert isinstance(wrong, Record)
    assert "belongs to main, not to staging" in message_of(wrong.event)


# --- merge -----------------------------------------------------------------------------------------------------


def test_a_merge_needs_the_proof_of_what_it_changes_and_remembers_its_head() -> None:
    before = run(*MERGED[:-4])
    proof = (LookAtBackup("bak1"), backup())
    assert next_for(before, (STAGING, place())) == Look(LookAtBackup("bak1"))
    assert next_for(before, (STAGING, place()), proof) == Look(HOME)
    sent = next_for(before, (STAGING, place()), proof, (HOME, place("main", head_commit="old")))
    assert isinstance(sent, Send)
    assert (sent.path, sent.intent.head) == ("/api/projects/p/environments/staging/merge", "old")
    unproved = run(*MERGED[:6], *MERGED[6:9], over(3, outcome="skipped"))
    assert failure_of(next_for(unproved, (STAGING, place()), (HOME, place("main"))))[0] == "no-proved-backup"


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Absent(), "does not exist any more"),
        (backup(status="DELETING"), "its status is DELETING, not CREATED"),
        (backup(restorable=False), "it is not restorable"),
        (backup(environment="other"), "it belongs to other, not to main"),
    ],
)
def test_a_proof_that_is_gone_when_it_is_needed_stops_the_step(found: Any, words: str) -> None:
    answers = seen((STAGING, place()), (LookAtBackup("bak1"), found), (HOME, place("main")))
    failure, message = failure_of(settle(run(*MERGED[:-4]), answers)[0])
    assert failure == "no-proved-backup"
    assert words in message


def test_a_proof_that_cannot_be_read_is_waited_for() -> None:
    trouble = Trouble(FailureKind.UNREACHABLE, "no route")
    decision = next_for(run(*MERGED[:-4]), (STAGING, place()), (LookAtBackup("bak1"), trouble))
    assert decision == Wait("unreachable", "no route", trouble)


def test_a_merge_into_another_parent_than_the_one_that_is_meant_is_refused() -> None:
    decision, _ = settle(run(*MERGED[:-4]), seen((STAGING, place(parent="develop")), (HOME, place("main"))))
    assert failure_of(decision) == ("wrong-parent", "the parent of staging is develop, not main: nothing is merged")


@pytest.mark.parametrize(
    ("head", "outcome"), [("new", ("done", "new")), ("aaaaaaaa1", ("nothing-to-do", None))], ids=["moved", "still"]
)
def test_a_merge_is_judged_by_the_parent_s_head(head: str, outcome: tuple[str, str | None]) -> None:
    asked = ev.RequestAccepted(at=SLOT, step=4, activity="m")
    of = run(*MERGED[:-4], intended(4), asked, ended(4, "m"))
    merged = activity("environment.merge", "m")
    since = at(0, -1)
    pushes = LookAtActivities(("environment.push", "environment.redeploy"), since)
    after = place("main", head_commit=head, deployment=Deployment(successful=True, at=at(2)), server_at=at(30))
    decision = next_for(of, (LookAtActivity("m"), merged), (HOME, after), (pushes, listed()), now=at(30))
    assert isinstance(decision, Record)
    assert isinstance(decision.event, ev.StepDone)
    assert (decision.event.outcome, decision.event.detail.get("commit")) == outcome


# --- only where something was updated ------------------------------------------------------------------------------


def test_steps_for_updates_are_left_out_where_nothing_was_updated() -> None:
    of = run(*through(0), *through(1, outcome=ev.StepOutcome.NOTHING_TO_DO, commit=None))
    for index in (2, 3, 4, 5):
        decision = next_for(of)
        assert isinstance(decision, Record)
        assert isinstance(decision.event, ev.StepDone)
        assert (decision.event.step, decision.event.outcome) == (index, "skipped")
        of = apply(of, decision.event)
    closed = next_for(of)
    assert isinstance(closed, Record)
    assert isinstance(closed.event, ev.RunClosed)
    assert closed.event.outcome == "succeeded"


# --- rollback ---------------------------------------------------------------------------------------------------


def rolling_back(*events: ev.Event) -> Run:
    begun = ev.RollbackBegun(at=SLOT, failed=5, message="it failed")
    return run(*MERGED, failed(5, "check-failed"), begun, *events)


def test_a_failure_after_a_change_is_rolled_back_once() -> None:
    decision = next_for(run(*MERGED, failed(5, "check-failed")))
    assert isinstance(decision, Record)
    assert decision.event == ev.RollbackBegun(at=SLOT, failed=5, message="it failed")
    sent = next_for(rolling_back(), (HOME, place("main")))
    assert isinstance(sent, Send)
    assert sent.body["operation"] == "revert"


def test_a_failure_on_staging_takes_nothing_back_at_home() -> None:
    decision = next_for(run(*through(0), *through(1, commit="c1"), failed(2, "check-failed")))
    assert isinstance(decision, Record)
    assert isinstance(decision.event, ev.RunClosed)
    assert (decision.event.outcome, decision.event.failure) == ("failed", "check-failed")


def test_a_merge_that_was_refused_left_nothing_to_roll_back() -> None:
    refusal = ev.RequestRefused(at=SLOT, step=4, failure="permission", message="no", again_at=None)
    of = run(*MERGED[:-4], intended(4), refusal, failed(4, "permission"))
    decision = next_for(of)
    assert isinstance(decision, Record)
    assert isinstance(decision.event, ev.RunClosed)


MERGE_ASKED = ev.RequestAccepted(at=SLOT, step=4, activity="m")


@pytest.mark.parametrize(
    "events",
    [
        (intended(4), failed(4, "timeout")),
        (intended(4), MERGE_ASKED, failed(4, "timeout")),
        (intended(4), MERGE_ASKED, failed(4, "step-timeout")),
        (intended(4), MERGE_ASKED, failed(4, "unknown")),
        (intended(4), MERGE_ASKED, ended(4, "m"), failed(4, "unknown")),
    ],
    ids=["no answer", "still running", "too slow", "lost", "contradicted"],
)
def test_a_merge_of_which_nobody_knows_what_became_is_not_rolled_back_and_that_is_said(events: Any) -> None:
    decision = next_for(run(*MERGED[:-4], *events))
    assert isinstance(decision, Record)
    assert isinstance(decision.event, ev.RunClosed)
    assert decision.event.outcome == "failed"
    assert "nothing was rolled back, because it is not known what became of step 5" in decision.event.message
    assert decision.event.remedy


@pytest.mark.parametrize("failure", ["timeout", "step-timeout", "too-late", "no-route", "no-deployment"])
def test_a_failure_by_which_nothing_was_seen_to_be_wrong_rolls_nothing_back(failure: str) -> None:
    decision = next_for(run(*MERGED, failed(5, failure)))
    assert isinstance(decision, Record)
    assert isinstance(decision.event, ev.RunClosed)
    assert (decision.event.outcome, decision.event.failure) == ("failed", failure)
    assert "nothing was rolled back, because no problem was seen" in decision.event.message
    assert "roll back by hand" in decision.event.remedy
    bad_before = next_for(run(*MERGED, retry(5, failure="check-failed"), failed(5, failure)))
    assert isinstance(bad_before, Record)
    assert isinstance(bad_before.event, ev.RollbackBegun)


def test_a_merge_that_is_known_to_have_failed_is_rolled_back() -> None:
    decision = next_for(run(*MERGED[:-4], intended(4), MERGE_ASKED, ended(4, "m", result="failure"), failed(4)))
    assert isinstance(decision, Record)
    assert isinstance(decision.event, ev.RollbackBegun)


BROKEN_CHECK = (LookAtPage("https://main.example/", 10, "", 0), Page(503, 0.1))
SERVED = (LookAtRoutes(), Routes(("https://main.example/",)))


def test_a_failure_that_would_be_rolled_back_is_looked_at_once_more_before() -> None:
    of = run(*MERGED)
    first = next_for(of, SERVED, BROKEN_CHECK)
    assert isinstance(first, Record)
    assert isinstance(first.event, ev.RecheckPlanned)
    assert (first.event.failure, first.event.again_at) == ("check-failed", at(1))
    again = apply(of, first.event)
    assert isinstance(next_for(again, SERVED, BROKEN_CHECK, now=at(0.9)), Wait)
    assert failure_of(next_for(again, SERVED, BROKEN_CHECK, now=at(1)))[0] == "check-failed"
    well = next_for(again, SERVED, (BROKEN_CHECK[0], Page(200, 0.1)), now=at(1))
    assert isinstance(well, Record)
    assert isinstance(well.event, ev.StepDone)


def test_how_long_an_answer_stays_is_measured_by_the_platforms_clock_where_it_is_known() -> None:
    of = run(*MERGED)
    first = next_for(of, SERVED, BROKEN_CHECK, now=at(60), platform_now=at(0))
    assert isinstance(first, Record)
    assert isinstance(first.event, ev.RecheckPlanned)
    assert (first.event.at, first.event.again_at) == (at(60), at(1))
    again = apply(of, first.event)
    # A clock that leaps says nothing about how long the answer stayed, and one that stands still holds nothing up.
    assert isinstance(next_for(again, SERVED, BROKEN_CHECK, now=at(600), platform_now=at(0.9)), Wait)
    assert failure_of(next_for(again, SERVED, BROKEN_CHECK, now=at(60), platform_now=at(1)))[0] == "check-failed"


#: What others may have put in place of what the run changed.
REPLACED = LookAtActivities(("environment.restore", "environment.synchronize"), SLOT)

MOVES = ("environment.push", "environment.redeploy", "environment.merge", "environment.deploy")


def failed_restore(*answers: tuple[Question, Answer], events: tuple[ev.Event, ...] = ()) -> Decision:
    """What is decided about a restore, the only step of a rollback, after the check of the site failed."""
    job = Job("flagship", FLAGSHIP.steps, schedule="0 3 * * *", on_failure=(RESTORE,))
    begun = ev.RollbackBegun(at=SLOT, failed=5, message="it failed")
    of = fold([opened(job), *MERGED, failed(5, "check-failed"), begun, *events])
    return settle(of, seen((HOME, place("main")), (LookAtBackup("bak1"), backup()), *answers))[0]


def test_before_a_restore_what_led_to_it_is_read_once_more() -> None:
    assert failed_restore() == Look(LookAtRoutes())
    assert failed_restore(SERVED, BROKEN_CHECK) == Look(REPLACED)
    assert isinstance(failed_restore(SERVED, BROKEN_CHECK, (REPLACED, listed())), Send)
    failure, message = failure_of(failed_restore(SERVED, (BROKEN_CHECK[0], Page(200, 0.1))))
    assert failure == "unknown"
    assert "nothing is restored" in message
    trouble = Trouble(FailureKind.UNREACHABLE, "no route")
    assert failed_restore(SERVED, (BROKEN_CHECK[0], trouble)) == Wait("unreachable", "no route", trouble)


UPDATE_HOME = step("source-operation", environment=".", name="update")
PLAIN = Job("plain", (step("backup"), UPDATE_HOME), schedule="0 3 * * *", on_failure=(RESTORE,))


@pytest.mark.parametrize("now", ["succeeded", "running", "gone", "without a result"])
def test_a_restore_is_not_asked_for_where_the_failed_update_is_said_to_be_something_else_now(now: str) -> None:
    bad = ended(1, "u", result="failure")
    accepted = ev.RequestAccepted(at=SLOT, step=1, activity="u")
    begun = ev.RollbackBegun(at=SLOT, failed=1, message="it failed")
    of = fold([opened(PLAIN), *through(0, backup="bak1"), intended(1), accepted, bad, failed(1), begun])
    kind = "environment.source-operation"
    says: dict[str, Any] = {
        "succeeded": activity(kind, "u"),
        "running": running(kind, "u"),
        "gone": Absent(),
        "without a result": activity(kind, "u", result=None),
    }
    pushes = LookAtActivities(("environment.push", "environment.redeploy"), at(0, -1))
    answers = seen(
        (LookAtBackup("bak1"), backup()), (LookAtActivity("u"), says[now]), (HOME, place("main")), (pushes, listed())
    )
    decision, _ = settle(of, answers, at(30))
    assert not isinstance(decision, Send)
    still = seen(
        (LookAtBackup("bak1"), backup()),
        (HOME, place("main")),
        (LookAtActivity("u"), activity(kind, "u", result="failure")),
    )
    since = LookAtActivities((*REPLACED.types, *MOVES), SLOT)
    assert settle(of, still, at(30))[0] == Look(since)
    assert isinstance(settle(of, still.plus(since, listed()), at(30))[0], Send)


@pytest.mark.parametrize("kind", ["environment.restore", "environment.synchronize", *MOVES])
@pytest.mark.parametrize("result", ["success", "failure", None])
def test_nothing_is_restored_over_what_somebody_else_did_since_the_update_failed(kind: str, result: str | None) -> None:
    bad = ended(1, "u", result="failure")
    accepted = ev.RequestAccepted(at=SLOT, step=1, activity="u")
    begun = ev.RollbackBegun(at=SLOT, failed=1, message="it failed")
    of = fold([opened(PLAIN), *through(0, backup="bak1"), intended(1), accepted, bad, failed(1), begun])
    theirs = activity(kind, "theirs", created_at=at(3), result=result)
    answers = seen(
        (LookAtBackup("bak1"), backup()),
        (HOME, place("main")),
        (LookAtActivity("u"), activity("environment.source-operation", "u", result="failure")),
        (LookAtActivities((*REPLACED.types, *MOVES), SLOT), listed(theirs)),
    )
    decision, _ = settle(of, answers, at(30))
    if result != "success":
        assert isinstance(decision, Send)
        return
    failure, message = failure_of(decision)
    assert failure == "unknown"
    assert f"{kind} theirs, which is not this run's, succeeded since step 2 began" in message


def test_the_restore_uses_the_backup_that_this_run_proved_and_tells_what_is_lost() -> None:
    of = rolling_back(*through(6))
    asked = next_for(of, (HOME, place("main")))
    assert asked == Look(LookAtBackup("bak1"))
    sent = next_for(of, (HOME, place("main")), (LookAtBackup("bak1"), backup()))
    assert isinstance(sent, Send)
    assert sent.path == "/projects/p/environments/main/backups/bak1/restore"
    assert sent.body == {"restore_code": True, "restore_resources": False}


def test_a_backup_that_is_gone_is_not_restored() -> None:
    bad = backup(restorable=False)
    decision = next_for(rolling_back(*through(6)), (HOME, place("main")), (LookAtBackup("bak1"), bad))
    assert failure_of(decision)[0] == "backup-unfit"


def test_a_run_that_was_rolled_back_has_failed_for_its_first_reason() -> None:
    decision = next_for(rolling_back(*through(6), *through(7)))
    assert isinstance(decision, Record)
    assert isinstance(decision.event, ev.RunClosed)
    assert (decision.event.outcome, decision.event.failure) == ("failed", "check-failed")
    assert "; rolled back: step 6 done; step 7 done" in decision.event.message
    assert decision.event.detail == {"rolled-back": True, "failure": "check-failed"}


def test_a_rollback_that_fails_is_not_rolled_back_and_says_so() -> None:
    decision = next_for(rolling_back(failed(6), failed(7, "backup-gone", "no backup")))
    assert isinstance(decision, Record)
    assert isinstance(decision.event, ev.RunClosed)
    assert decision.event.failure == "rollback-failed"
    assert "step 8 (restore) failed: no backup" in decision.event.message


def test_a_rollback_goes_on_after_a_step_that_says_so_only() -> None:
    assert isinstance(next_for(rolling_back(failed(6)), (HOME, place("main"))), Look)
    stops = Job("j", FLAGSHIP.steps, on_failure=(step("source-operation", name="revert", backup="not-needed"), RESTORE))
    begun = ev.RollbackBegun(at=SLOT, failed=5, message="it failed")
    of = run(*MERGED, failed(5), begun, failed(6), of=stops)
    decision = next_for(of, (HOME, place("main")))
    assert isinstance(decision, Record)
    assert isinstance(decision.event, ev.RunClosed)


def test_a_rollback_has_its_own_time() -> None:
    begun = ev.RollbackBegun(at=at(700), failed=5, message="it failed")
    of = run(*MERGED, failed(5, "timeout"), begun)
    assert isinstance(next_for(of, (HOME, place("main")), now=at(1000)), Send)
    failure, message = failure_of(next_for(of, now=at(700 + 721)))
    assert failure == "timeout"
    assert message.startswith("the rollback's time limit of 12 h passed")


def test_a_rollback_cannot_begin_twice_or_where_there_is_none() -> None:
    begun = ev.RollbackBegun(at=SLOT, failed=5, message="it failed")
    with pytest.raises(InconsistentEvents, match="rollback-begun twice"):
        apply(rolling_back(), begun)
    with pytest.raises(InconsistentEvents, match="without on-failure steps"):
        apply(run(failed(0), of=alone(step("backup"))), begun)


def test_steps_of_a_rollback_wait_for_their_turn() -> None:
    with pytest.raises(InconsistentEvents, match="which is not in progress"):
        run(*MERGED, intended(6))
    with pytest.raises(InconsistentEvents, match="which is not in progress"):
        rolling_back(intended(5))
    with pytest.raises(InconsistentEvents, match="before the steps ahead of it"):
        rolling_back(intended(7))


# --- checks of a page ----------------------------------------------------------------------------------------------

ROUTES = LookAtRoutes("staging")
UP = "https://staging.example/up"


def check_of(*answers: tuple[Question, Answer], events: tuple[ev.Event, ...] = (), now: Any = SLOT) -> Decision:
    of = run(*through(0), *through(1, commit="c1"), *events)
    return next_for(of, (ROUTES, Routes(("https://staging.example/",))), *answers, now=now)


def test_a_page_is_looked_for_on_the_target_s_primary_route() -> None:
    of = run(*through(0), *through(1, commit="c1"))
    assert next_for(of) == Look(ROUTES)
    assert check_of() == Look(LookAtPage(UP, 10, "", 0))
    assert failure_of(settle(of, seen((ROUTES, Routes(()))), SLOT)[0])[0] == "no-route"


def test_a_page_that_answers_as_it_should_is_done() -> None:
    decision = check_of((LookAtPage(UP, 10, "", 0), Page(200, 0.25)))
    assert isinstance(decision, Record)
    assert isinstance(decision.event, ev.StepDone)
    assert decision.event.detail == {"url": UP, "status": 200, "seconds": 0.25}


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (Page(500, 0.1), f"{UP} answered 500, not 200"),
        (
            Page(None, 10.0, fault="no complete answer within 10 s"),
            f"{UP} gave no answer: no complete answer within 10 s",
        ),
        (Page(200, 0.1, found=False), f"{UP} answered 200 without the text ''"),
    ],
)
def test_a_page_that_does_not_is_asked_again_and_then_failed(page: Page, words: str) -> None:
    first = check_of((LookAtPage(UP, 10, "", 0), page))
    assert isinstance(first, Record)
    assert first.event == ev.RetryPlanned(at=SLOT, step=2, failure="check-failed", message=words, again_at=at(1))
    assert isinstance(check_of(events=(first.event,)), Wait)
    again = check_of(events=(first.event,), now=at(2))
    assert again == Look(LookAtPage(UP, 10, "", 1))
    assert failure_of(check_of((LookAtPage(UP, 10, "", 1), page), events=(first.event,), now=at(2))) == (
        "check-failed",
        words,
    )


# --- commands, waits, approval -------------------------------------------------------------------------------------


def test_a_command_is_run_once_with_its_intent() -> None:
    of = run(of=alone(step("command", run=["php", "task.php"], within=20)))
    decision = next_for(of, (HOME, place("main")))
    assert isinstance(decision, Execute)
    assert (decision.command, decision.within, decision.directory) == (("php", "task.php"), 20, "")
    assert decision.variables["UPSUN_AGENT_RUN"] == of.id
    assert decision.intent == ev.IntentRecorded(at=SLOT, step=0, attempt=1, server_at=SLOT, head=None)


@pytest.mark.parametrize(
    ("code", "failure"),
    [(0, None), (3, None), (1, "command-failed"), (None, "command-timeout"), (-9, "command-failed")],
)
def test_a_command_is_judged_by_its_exit_code(code: int | None, failure: str | None) -> None:
    job = alone(step("command", run=["make", "it", "so"], success=[0, 3]))
    decision = next_for(run(intended(0), command_ended(0, code, "last words"), of=job))
    assert isinstance(decision, Record)
    assert getattr(decision.event, "failure", None) == failure
    assert isinstance(decision.event, ev.StepDone) == (failure is None)
    assert failure is None or "last words" in message_of(decision.event)
    assert code != -9 or "was ended by SIGKILL" in message_of(decision.event)


@pytest.mark.parametrize(("repeatable", "kind"), [(False, ev.StepFailed), (True, ev.IntentVoid)])
def test_a_command_that_was_interrupted_is_run_again_only_where_it_may_be(*, repeatable: bool, kind: type) -> None:
    job = alone(step("command", run=["x"], repeatable=repeatable))
    decision = next_for(run(intended(0), of=job))
    assert isinstance(decision, Record)
    assert isinstance(decision.event, kind)


def test_a_wait_lets_its_time_pass_and_is_never_too_late() -> None:
    job = alone(step("wait", window="22:00-05:00"), step("backup"))
    of = run(of=job)
    home = (HOME, place("main"))
    assert next_for(of, home, now=SLOT.replace(hour=12)) == Wait("window", "the window 22:00-05:00 is closed")
    decision = next_for(of, home, now=SLOT.replace(hour=22))
    assert isinstance(decision, Record)
    assert isinstance(decision.event, ev.StepDone)
    later = run(done(0), of=alone(step("backup"), step("wait", **{"for": 600})))
    assert isinstance(next_for(later, home, now=at(9)), Wait)
    assert isinstance(next_for(later, home, now=at(10)), Record)


def test_an_approval_is_waited_for_until_its_time_is_up() -> None:
    of = run(of=alone(step("approval", within=3600, message="to production?")))
    home = (HOME, place("main"))
    waits = next_for(of, home)
    assert isinstance(waits, Wait)
    assert waits.on == "approval"
    assert f"upsun-agent approve {of.id}" in waits.message
    assert "to production?" in waits.message
    assert failure_of(next_for(of, home, now=at(60)))[0] == "not-approved"
    yes = next_for(run(approval(0), of=of.job), home, now=at(60))
    assert isinstance(yes, Record)
    assert isinstance(yes.event, ev.StepDone)
    assert yes.event.message == "approved by ada"
    assert failure_of(next_for(run(approval(0, granted=False), of=of.job), home)) == ("denied", "denied by ada")


# --- changes of state ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "status", "expected"),
    [
        ("activate", "active", "nothing-to-do"),
        ("activate", "inactive", f"{BELOW}/activate"),
        ("activate", "paused", "environment-inactive"),
        ("pause", "paused", "nothing-to-do"),
        ("pause", "active", f"{BELOW}/pause"),
        ("resume", "active", "nothing-to-do"),
        ("resume", "paused", f"{BELOW}/resume"),
        ("deploy", "active", "nothing-to-do"),
    ],
)
def test_an_environment_that_is_as_wanted_is_left_alone(kind: str, status: str, expected: str) -> None:
    plan = step(kind, environment="staging", **({"backup": "not-needed"} if kind == "deploy" else {}))
    offered = {} if expected == "nothing-to-do" else {f"#{kind}": f"{BELOW}/{kind}"}
    decision = next_for(run(of=alone(plan)), (HOME, place("main")), (STAGING, place(status=status, links=offered)))
    found: object = decision.path if isinstance(decision, Send) else ""
    if isinstance(decision, Record):
        found = getattr(decision.event, "failure", None) or getattr(decision.event, "outcome", "")
    assert found == expected


def test_a_switch_is_judged_by_the_status_that_it_led_to() -> None:
    of = run(
        intended(0),
        ev.RequestAccepted(at=SLOT, step=0, activity="p"),
        ended(0, "p"),
        of=alone(step("pause", environment="staging")),
    )
    looked = (LookAtActivity("p"), activity("environment.pause", "p"))
    assert next_for(of, looked) == Look(STAGING)
    good = next_for(of, looked, (STAGING, place(status="paused")))
    assert isinstance(good, Record)
    assert isinstance(good.event, ev.StepDone)
    assert failure_of(next_for(of, looked, (STAGING, place())))[0] == "wrong-status"


def test_a_branch_that_is_there_is_left_alone_and_one_that_is_not_is_made() -> None:
    of = run(of=alone(step("branch", environment=".", name="next", data=False)))
    question = LookAtEnvironment("next")
    assert next_for(of, (HOME, place("main"))) == Look(question)
    there = next_for(of, (HOME, place("main")), (question, place("next")))
    assert isinstance(there, Record)
    assert isinstance(there.event, ev.StepDone)
    assert there.event.outcome == "nothing-to-do"
    sent = next_for(of, (HOME, place("main")), (question, Trouble(FailureKind.NOT_FOUND, "no such environment")))
    assert isinstance(sent, Send)
    assert sent.body == {"name": "next", "title": "next", "clone_parent": False}


@pytest.mark.parametrize(
    ("plan", "path", "body"),
    [
        (
            step("runtime-operation", app="app", name="clear", parameters=["all"]),
            "/projects/p/environments/main/deployments/current/operations",
            {"service": "app", "operation": "clear", "parameters": ["all"]},
        ),
        (
            step("task", name="a b", variables={"env": {"X": "1"}}),
            "/projects/p/environments/main/tasks/a%20b/run",
            {"variables": {"env": {"X": "1"}}},
        ),
        (step("redeploy"), "/api/projects/p/environments/main/redeploy", {}),
        (step("restore", backup="b/1", allow_restore=True, code=False), "/backups/b%2F1/restore", {}),
    ],
)
def test_requests_go_where_the_platform_wants_them(plan: StepPlan, path: str, body: dict[str, Any]) -> None:
    known = (LookAtBackup("b/1"), backup("b/1"))
    sent = next_for(run(of=alone(plan)), (HOME, place("main")), known)
    assert isinstance(sent, Send)
    assert sent.path.endswith(path)
    assert not body or sent.body == body
