"""All of an activity is read: its commands, the hooks of the deployment, and that it is staged."""

from __future__ import annotations

from typing import Any

import pytest
from upsun_agent.engine.decide import Background, Record, Send, decide
from upsun_agent.model import events as ev
from upsun_agent.model.answers import (
    Activity,
    CommandResult,
    Deployment,
    LookAtActivities,
    LookAtActivity,
    LookAtBackup,
    LookAtEnvironment,
)
from upsun_agent.model.job import StepPlan
from upsun_agent.steps import KINDS

from tests.harness.builders import (
    PROVED,
    UPDATE_TYPE,
    accepted,
    activity,
    at,
    backup,
    ended,
    environment,
    intended,
    job,
    listed,
    message_of,
    next_for,
    run,
    seen,
)

OPERATION = CommandResult("app", "source-operation", 1)
DEPLOY = CommandResult("shop", "deploy", 2)
POST = CommandResult("shop", "post_deploy", 3)
GOOD = CommandResult("shop", "build", 0)
UPDATING = run(*PROVED, intended(1), accepted(1), ended(1))
PUSHES = LookAtActivities(types=("environment.push", "environment.redeploy"), since=at(0, -1))


def judged(
    *commands: CommandResult, hooks: tuple[CommandResult, ...] = (), pushed: tuple[CommandResult, ...] = ()
) -> Any:
    """The event about an update that made a commit, whose activity, push and deployment ran these commands."""
    live = environment(
        at(30), head_commit="bbbbbbbb2", deployment=Deployment(successful=True, at=at(2), commands=hooks)
    )
    push = activity("environment.push", "p", created_at=at(0, 30), commands=pushed)
    answers = seen(
        (LookAtActivity("act1"), activity(UPDATE_TYPE, commands=commands)),
        (LookAtEnvironment(), live),
        (PUSHES, listed(push)),
    )
    decision = decide(UPDATING, at(30), answers, KINDS)
    assert isinstance(decision, Record)
    return decision.event


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (judged(OPERATION), "source-operation of app app (exit code 1)"),
        (judged(GOOD, DEPLOY), "deploy of app shop (exit code 2)"),
        (judged(hooks=(DEPLOY,)), "deploy of app shop (exit code 2)"),
        (judged(pushed=(GOOD, DEPLOY)), "deploy of app shop (exit code 2)"),
        (judged(hooks=(POST, DEPLOY)), "deploy of app shop (exit code 2)"),
    ],
    ids=["operation", "activity", "deployment", "push", "both"],
)
def test_a_command_that_failed_in_a_successful_update_fails_the_step_with_app_and_hook(found: Any, words: str) -> None:
    assert isinstance(found, ev.StepFailed)
    assert found.failure == "commands-failed"
    assert words in found.message
    assert "with failing commands" in found.message


@pytest.mark.parametrize("found", [judged(POST), judged(hooks=(POST,)), judged(pushed=(POST,))])
def test_a_hook_after_the_deployment_that_failed_is_named_and_the_update_is_done(found: Any) -> None:
    assert isinstance(found, ev.StepDone)
    assert "succeeded with failing commands: post_deploy of app shop (exit code 3)" in found.message
    assert found.detail["failing-commands"] == [{"app": "shop", "type": "post_deploy", "exit_code": 3}]


def test_good_commands_are_not_spoken_of() -> None:
    assert judged(GOOD, hooks=(GOOD,), pushed=(GOOD,)).message == "commit bbbbbbbb is live"


def test_a_backup_is_judged_by_its_proof_and_its_failing_commands_are_named() -> None:
    of = run(intended(0), accepted(0), ended(0))
    decision = next_for(of, activity(commands=(OPERATION,)), backup())
    assert isinstance(decision, Record)
    assert isinstance(decision.event, ev.StepDone)
    assert "source-operation of app app (exit code 1)" in message_of(decision.event)


@pytest.mark.parametrize("kind", ["runtime-operation", "task", "merge", "sync", "redeploy", "restore"])
def test_every_other_kind_of_request_fails_with_its_commands(kind: str) -> None:
    assert KINDS[kind].commands_decide


def test_a_failed_activity_names_the_commands_that_failed() -> None:
    decision = decide(
        UPDATING,
        at(3),
        seen(
            (LookAtActivity("act1"), bad := activity(UPDATE_TYPE, result="failure", commands=(DEPLOY,))),
            (LookAtActivities(types=(UPDATE_TYPE,), since=at(0, -10)), listed(bad)),
        ),
        KINDS,
    )
    assert isinstance(decision, Record)
    assert "deploy of app shop (exit code 2)" in message_of(decision.event)


@pytest.mark.parametrize("commit", [None, "bbbbbbbb2"])
def test_an_update_that_is_staged_counts_as_an_update_for_later_steps(commit: str | None) -> None:
    deploy = StepPlan("deploy", {"when": "updated"})
    detail = {"commit": commit, "deployment": "staged"}
    staged = ev.StepDone(at=at(0), step=1, outcome=ev.StepOutcome.DONE, message="staged", detail=detail)
    of = run(*PROVED, intended(1), accepted(1), staged, of=job(*job().steps, deploy))
    place = environment(has_staged_activities=True, links={"#deploy": "/deploy"})
    answers = seen((LookAtEnvironment(), place), (LookAtBackup("bak1"), backup()))
    decision = decide(of, at(1), answers, KINDS, Background(may_read=False))
    assert isinstance(decision, Send)
    assert decision.activity_type == "environment.deploy"


def test_an_activity_that_is_staged_does_not_keep_others_waiting() -> None:
    staged = activity("environment.synchronize", "s", state="staged", completed_at=None)
    decision = next_for(run(), environment(is_dirty=True), listed(staged))
    assert isinstance(decision, Send)


@pytest.mark.parametrize("kind", ["sync", "redeploy"])
def test_other_activities_that_end_staged_are_over_and_say_so(kind: str) -> None:
    of = run(intended(0), accepted(0), of=job(StepPlan(kind, {"code": True})))
    staged: Activity = activity(KINDS[kind].activity_type, state="staged", completed_at=None)
    decision = next_for(of, staged)
    assert isinstance(decision, Record)
    assert isinstance(decision.event, ev.StepDone)
    assert decision.event.detail["deployment"] == "staged"
