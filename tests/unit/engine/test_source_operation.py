"""What came of a source operation: nothing to update, a commit live, staged or failed, or not to be seen yet."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from upsun_agent.engine.decide import Look, Record
from upsun_agent.engine.run import Run
from upsun_agent.engine.step import Done, Failed, Need, Pending, Verdict
from upsun_agent.model.answers import Activity, Deployment, LookAtActivities, LookAtActivity, LookAtEnvironment, Trouble
from upsun_agent.model.events import StepDone, StepOutcome
from upsun_agent.model.failures import FailureKind
from upsun_agent.steps import KINDS

from tests.harness.builders import (
    PROVED,
    RUNNING,
    UPDATE_TYPE,
    accepted,
    activity,
    adopted,
    at,
    case_of,
    ended,
    environment,
    intended,
    listed,
    next_for,
    run,
    seen,
)

UPDATES = KINDS["source-operation"]
SENT = at(10)
ENDED = at(12)
SINCE = SENT - timedelta(seconds=1)
PUSHES = LookAtActivities(types=("environment.push", "environment.redeploy"), since=SINCE)
OLD, NEW = "aaaaaaaa1", "bbbbbbbb2"
OPERATION = activity(UPDATE_TYPE, "act1", created_at=SENT, completed_at=ENDED)


def judged(
    *pushes: Activity,
    before: str | None = OLD,
    head: str | None = OLD,
    minutes: float = 12,
    act: Activity = OPERATION,
    **changes: Any,
) -> Verdict:
    """The verdict on the operation, where these pushes are listed and the server's clock stands at ``minutes``."""
    of = run(*PROVED, intended(1, SENT, head=before), accepted(1), ended(1))
    observation = seen(
        (LookAtActivity("act1"), act),
        (LookAtEnvironment(), environment(at(minutes), head_commit=head, **changes)),
        (PUSHES, listed(*pushes, when=at(minutes))),
    )
    return UPDATES.judge(case_of(of, observation), act)


def push(state: str = "complete", result: str | None = "success", of: str = "environment.push", **ch: Any) -> Activity:
    return activity(of, "push1", **{"state": state, "result": result, "created_at": at(11), "payload": {}, **ch})


def deployed(minutes: float, *, successful: bool = True) -> dict[str, Any]:
    return {"deployment": Deployment(successful, at(minutes))}


def test_the_environment_and_then_the_pushes_are_looked_at_after_the_activity() -> None:
    of = run(*PROVED, intended(1, SENT), accepted(1), ended(1))
    early = ((LookAtEnvironment(), environment()), (PUSHES, listed()), (LookAtActivity("act1"), OPERATION))
    assert UPDATES.judge(case_of(of, seen(*early)), OPERATION) == Need(LookAtEnvironment())
    again = (*early, (LookAtEnvironment(), environment()))
    assert UPDATES.judge(case_of(of, seen(*again)), OPERATION) == Need(PUSHES)
    trouble = (LookAtEnvironment(), Trouble(FailureKind.BUDGET, "no time"))
    assert UPDATES.judge(case_of(of, seen(*early, trouble)), OPERATION) == Need(LookAtEnvironment())


@pytest.mark.parametrize(
    ("act", "of", "since"),
    [
        (OPERATION, run(*PROVED, intended(1, at(8)), accepted(1)), SINCE),
        (activity(UPDATE_TYPE, created_at=None), run(*PROVED, intended(1, at(8)), accepted(1)), at(8)),
        (activity(UPDATE_TYPE, created_at=None), run(*PROVED, adopted(1)), at(0)),
    ],
    ids=["its own creation", "without one the intent", "without both the slot"],
)
def test_pushes_count_from_the_operations_beginning(act: Activity, of: Run, since: datetime) -> None:
    observation = seen((LookAtActivity("act1"), act), (LookAtEnvironment(), environment()))
    need = UPDATES.judge(case_of(of, observation), act)
    assert need == Need(LookAtActivities(types=("environment.push", "environment.redeploy"), since=since))


@pytest.mark.parametrize(("minutes", "settled"), [(12, False), (14.99, False), (15, True), (60, True)])
def test_no_commit_means_nothing_to_update_once_a_push_would_have_shown(minutes: float, *, settled: bool) -> None:
    verdict = judged(minutes=minutes)
    if settled:
        message = "nothing to update: the operation made no commit"
        assert verdict == Done(StepOutcome.NOTHING_TO_DO, message, {"commit": None})
    else:
        assert isinstance(verdict, Pending)
        assert verdict.on == "settling"


def test_the_settling_time_begins_with_the_operation_where_its_end_is_not_known() -> None:
    undated = activity(UPDATE_TYPE, created_at=SENT, completed_at=None)
    assert isinstance(judged(minutes=12.9, act=undated), Pending)
    assert isinstance(judged(minutes=13, act=undated), Done)


def test_without_any_date_there_is_nothing_to_wait_for() -> None:
    undated = activity(UPDATE_TYPE, created_at=None, completed_at=None)
    of = run(*PROVED, intended(1, SENT), accepted(1), ended(1))
    pushes = LookAtActivities(types=("environment.push", "environment.redeploy"), since=SENT)
    observation = seen((LookAtActivity("act1"), undated), (LookAtEnvironment(), environment(SENT)), (pushes, listed()))
    assert isinstance(UPDATES.judge(case_of(of, observation), undated), Done)


def test_a_commit_is_live_when_its_push_succeeded() -> None:
    verdict = judged(push(), head=NEW)
    assert verdict == Done(StepOutcome.DONE, "commit bbbbbbbb is live", {"commit": NEW, "deployment": "live"})


def test_a_commit_is_live_when_the_environment_was_deployed_since_even_without_a_push_of_its_own() -> None:
    verdict = judged(head=NEW, **deployed(11.5))
    assert verdict == Done(StepOutcome.DONE, "commit bbbbbbbb is live", {"commit": NEW, "deployment": "live"})


@pytest.mark.parametrize("how", [{"has_staged_activities": True}, {}], ids=["the environment says so", "the push does"])
def test_a_commit_is_staged_under_manual_deployment(how: dict[str, Any]) -> None:
    pushes = () if how else (push("staged", None),)
    verdict = judged(*pushes, head=NEW, **how)
    assert isinstance(verdict, Done)
    assert verdict.detail == {"commit": NEW, "deployment": "staged"}
    assert "environment:deploy" in verdict.message


def test_an_operation_whose_own_activity_is_staged_is_over_and_says_so() -> None:
    of = run(*PROVED, intended(1, SENT), accepted(1))
    staged = activity(UPDATE_TYPE, state="staged", result=None)
    assert next_for(of, staged, now=at(3)) == Look(LookAtEnvironment())
    for head, commit in ((OLD, None), (NEW, NEW)):
        decision = next_for(of, staged, environment(at(3), head_commit=head), now=at(3))
        assert isinstance(decision, Record)
        assert isinstance(decision.event, StepDone)
        assert decision.event.detail == {"commit": commit, "deployment": "staged"}
        assert "environment:deploy" in decision.event.message


def test_something_else_that_is_staged_does_not_make_a_commit() -> None:
    assert judged(minutes=15, has_staged_activities=True).outcome == "nothing-to-do"


@pytest.mark.parametrize(
    ("pushes", "changes", "named"),
    [
        ((push(result="failure"),), {}, " (environment.push push1 ended with failure)"),
        ((push("cancelled", None),), {}, " (environment.push push1 ended with cancelled)"),
        ((push(), push(result="failure", of="environment.redeploy")), {}, " (environment.redeploy push1 ended with"),
        ((), deployed(11, successful=False), ""),
        ((push(),), deployed(11, successful=False), ""),
    ],
)
def test_a_commit_whose_push_or_deployment_failed_is_a_failure_that_points_to_the_backup(
    pushes: tuple[Activity, ...], changes: dict[str, Any], named: str
) -> None:
    verdict = judged(*pushes, head=NEW, **changes)
    assert isinstance(verdict, Failed)
    assert verdict.failure == "deployment-failed"
    assert verdict.message.startswith(f"commit bbbbbbbb was made but its deployment failed{named}")
    assert "backup:restore" in verdict.helps


def test_a_deployment_that_failed_before_the_operation_is_not_held_against_it() -> None:
    assert judged(push(), head=NEW, **deployed(9, successful=False)).detail["deployment"] == "live"
    assert judged(push(), head=NEW, deployment=Deployment(successful=False, at=None)).detail["deployment"] == "live"


@pytest.mark.parametrize(("minutes", "waits"), [(12, True), (41.9, True), (42, False)])
@pytest.mark.parametrize(
    "deployment", [None, Deployment(True, None), Deployment(True, at(9))], ids=["no", "odd", "old"]
)
def test_a_commit_without_any_deployment_is_waited_for_half_an_hour_and_then_a_failure(
    deployment: Deployment | None, minutes: float, *, waits: bool
) -> None:
    verdict = judged(head=NEW, minutes=minutes, deployment=deployment)
    if waits:
        assert isinstance(verdict, Pending)
        assert verdict.on == "deployment"
    else:
        assert isinstance(verdict, Failed)
        assert verdict.failure == "deployment-missing"
        assert verdict.message == "commit bbbbbbbb was made but no deployment followed within 30 min"


@pytest.mark.parametrize("state", ["pending", "in_progress", "scheduled"])
@pytest.mark.parametrize("kind", ["environment.push", "environment.redeploy"])
def test_a_push_that_still_runs_is_waited_for_whatever_else_is_known(state: str, kind: str) -> None:
    busy = push(state, None, kind, id="busy")
    for head in (OLD, NEW, None):
        verdict = judged(push(), busy, head=head, minutes=90, has_staged_activities=True, **deployed(11))
        assert verdict == Pending("deployment", f"{kind} busy is {state}")


@pytest.mark.parametrize("created_at", [at(9, 58.9), None])
def test_a_push_from_before_the_operation_has_no_say(created_at: datetime | None) -> None:
    for other in (push("pending", None, created_at=created_at), push(result="failure", created_at=created_at)):
        assert judged(other, minutes=15).outcome == "nothing-to-do"


def test_somebodys_redeployment_is_not_taken_for_a_commit_of_the_operation() -> None:
    for result in ("success", "failure"):
        verdict = judged(push(result=result, of="environment.redeploy"), minutes=15, **deployed(11))
        assert verdict.outcome == "nothing-to-do"


@pytest.mark.parametrize(("before", "head"), [(None, NEW), (OLD, None), (None, None)])
def test_where_a_head_is_unknown_a_push_is_the_sign_of_a_commit(before: str | None, head: str | None) -> None:
    verdict = judged(push(), before=before, head=head)
    assert isinstance(verdict, Done)
    assert verdict.detail == {"commit": head or "unknown", "deployment": "live"}
    assert judged(before=before, head=head, minutes=15).outcome == "nothing-to-do"


def test_with_a_source_integration_the_push_comes_later_and_is_followed_to_its_end() -> None:
    assert judged(minutes=14.9).on == "settling"  # the commit went to the other repository
    assert judged(push("pending", None), minutes=12.5).on == "deployment"  # and comes back
    assert judged(push("in_progress", None), minutes=15, head=NEW).on == "deployment"
    assert judged(push(created_at=at(12.4)), minutes=20, head=NEW).detail["deployment"] == "live"


def test_the_first_listed_questions_are_not_mixed_up_with_what_runs_now() -> None:
    of = run(*PROVED, intended(1, SENT), accepted(1), ended(1))
    observation = seen((LookAtActivity("act1"), OPERATION), (LookAtEnvironment(), environment()), (RUNNING, listed()))
    assert UPDATES.judge(case_of(of, observation), OPERATION) == Need(PUSHES)
