"""decide, until a request goes out: guards, adoption, waiting for others, and the one request of a step."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from upsun_agent.engine.decide import UPHEAVALS, Look, Record, Send, Wait, decide
from upsun_agent.engine.fold import apply, fold
from upsun_agent.engine.run import Run
from upsun_agent.model.answers import Activity, BackupList, LookAtActivities, LookAtBackups, LookAtEnvironment, Trouble
from upsun_agent.model.events import (
    ActivityAdopted,
    IntentRecorded,
    RunClosed,
    RunOutcome,
    StepDone,
    StepFailed,
    Trigger,
    Warned,
)
from upsun_agent.model.failures import FailureKind
from upsun_agent.steps import KINDS

from tests.harness.builders import (
    BACKUP,
    BACKUP_LINK,
    BACKUP_TYPE,
    LINKS,
    LIVE_BACKUP,
    PROVED,
    REUSING_BACKUP,
    RUN,
    RUNNING,
    SLOT,
    TROUBLES,
    UNPROVED_UPDATE,
    UPDATE,
    UPDATE_LINK,
    UPDATE_TYPE,
    adopted,
    at,
    backup,
    concluded,
    done,
    environment,
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
    void,
)

BEGUN = run(done(0))  # a backup was reused: the run is begun, its update is not
DIRTY = environment(is_dirty=True)


def failure_of(decision: object) -> StepFailed:
    assert isinstance(decision, Record)
    assert isinstance(decision.event, StepFailed)
    return decision.event


# --- guards ----------------------------------------------------------------------------------------------------


def test_a_step_looks_at_the_environment_before_anything_else() -> None:
    assert next_for(run()) == Look(LookAtEnvironment())
    assert next_for(BEGUN) == Look(LookAtEnvironment())


def test_a_run_on_the_wrong_type_of_environment_is_skipped() -> None:
    decision = next_for(run(), environment(type="staging"))
    assert decision == Record(
        RunClosed(
            at=SLOT,
            outcome=RunOutcome.SKIPPED,
            failure="environment-type",
            message="main is of type staging, the job runs on production only",
        )
    )


def test_a_run_that_is_begun_fails_where_the_environment_changed_its_type() -> None:
    event = failure_of(concluded(BEGUN, environment(type="development")))
    assert (event.step, event.failure) == (1, "environment-type")


@pytest.mark.parametrize("kind", ["staging", "development"])
def test_every_type_that_the_job_names_is_right(kind: str) -> None:
    of = run(of=job(environment_types=("staging", "development")))
    assert isinstance(next_for(of, environment(type=kind)), Send)


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        ("inactive", "activate it (upsun environment:activate)"),
        ("paused", "resume it (upsun environment:resume)"),
        ("deleting", FailureKind.ENVIRONMENT_INACTIVE.remedy),
        ("something-new", FailureKind.ENVIRONMENT_INACTIVE.remedy),
    ],
)
@pytest.mark.parametrize("of", [run(), BEGUN], ids=["not begun", "begun"])
def test_a_step_fails_on_an_environment_that_is_not_active(of: Run, status: str, remedy: str) -> None:
    event = failure_of(concluded(of, environment(status=status)))
    assert event.failure == "environment-inactive"
    assert f"environment main is {status}" in event.message
    assert event.remedy == remedy


def test_an_environment_that_is_being_changed_is_waited_for() -> None:
    decision = next_for(run(), environment(status="dirty", links={}))
    assert decision == Wait("environment-busy", "main is being changed (status dirty)")


@pytest.mark.parametrize(("of", "missing"), [(run(), "#backup"), (BEGUN, "#source-operation")])
def test_a_link_that_is_absent_from_a_quiet_environment_means_no_permission_or_another_reason(
    of: Run, missing: str
) -> None:
    event = failure_of(concluded(of, environment(links={})))
    assert event.failure == "permission"
    assert event.message.endswith(f"the platform does not offer {missing} on main: the token's user lacks the role")
    assert "production:admin" in event.remedy
    links = {name: path for name, path in LINKS.items() if name != missing}
    event = failure_of(concluded(of, environment(links=links)))
    assert event.failure == "not-offered", "the other link is there, so the role is"
    assert "is an admin there" in event.message


@pytest.mark.parametrize(("of", "missing"), [(run(), "#backup"), (BEGUN, "#source-operation")])
def test_a_link_that_is_absent_from_a_busy_environment_is_waited_for(of: Run, missing: str) -> None:
    linkless = environment(is_dirty=True, links={})
    assert next_for(of, linkless) == Look(RUNNING)
    push, cron = running("environment.push", name="push1"), running("environment.cron", name="cron1")
    decision = next_for(of, linkless, listed(cron, push))
    assert decision == Wait("environment-busy", f"{missing} is not offered while environment.push push1 runs")


@pytest.mark.parametrize(("of", "missing"), [(run(), "#backup"), (BEGUN, "#source-operation")])
def test_a_link_that_is_absent_while_only_our_own_cron_runs_means_no_permission(of: Run, missing: str) -> None:
    cron = running("environment.cron", name="cron1")
    event = failure_of(concluded(of, environment(is_dirty=True, links={}), listed(cron)))
    assert event.failure == "permission"
    assert missing in event.message


def test_a_link_of_another_operation_does_not_count() -> None:
    assert failure_of(concluded(run(), environment(links={"#restore": "/x"}))).failure == "permission"


# --- the request -----------------------------------------------------------------------------------------------


def test_a_backup_is_asked_for_when_every_guard_has_passed() -> None:
    decision = next_for(run(), environment(at(3)), now=at(4))
    intent = IntentRecorded(at=at(4), step=0, attempt=1, server_at=at(3), head="aaaaaaaa1")
    assert decision == Send(intent, BACKUP_TYPE, BACKUP_LINK, {"safe": True})


def test_an_update_is_asked_for_after_the_proof_with_the_runs_mark() -> None:
    decision = next_for(run(*PROVED), environment(at(7), head_commit=None), backup(), now=at(8))
    intent = IntentRecorded(at=at(8), step=1, attempt=1, server_at=at(7), head=None)
    body = {"operation": "update", "variables": {"env": {"CHANNEL": "stable", "UPSUN_AGENT_RUN": RUN}}}
    assert decision == Send(intent, UPDATE_TYPE, UPDATE_LINK, body)


def test_a_quiet_environment_needs_no_look_at_its_activities_and_a_busy_one_does() -> None:
    assert isinstance(next_for(run(), environment()), Send)
    assert next_for(run(), DIRTY) == Look(LookAtActivities(incomplete=True))


def test_attempts_are_numbered_on() -> None:
    of = run(intended(0), refused(0, again_at=at(1)), intended(0, attempt=2), void(0))
    decision = next_for(of, environment(), now=at(2))
    assert isinstance(decision, Send)
    assert decision.intent.attempt == 3


# --- promise P2 ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "of",
    [
        pytest.param(run(of=job(UPDATE)), id="no backup step at all"),
        pytest.param(run(done(0, backup=None)), id="a backup step that proved nothing"),
        pytest.param(run(done(0, backup="")), id="a backup without a name"),
    ],
)
def test_no_update_is_asked_for_without_a_proved_backup_whatever_the_events_say(of: Run) -> None:
    event = failure_of(next_for(of, environment()))
    assert event.failure == "no-proved-backup"
    assert failure_of(next_for(of)).failure == "no-proved-backup", "not even a look is needed"


def test_an_update_whose_job_needs_no_backup_goes_without() -> None:
    assert isinstance(next_for(run(of=job(UNPROVED_UPDATE)), environment()), Send)


# --- what already runs -----------------------------------------------------------------------------------------


def test_a_backup_that_already_runs_is_adopted_instead_of_asking_for_another() -> None:
    decision = next_for(run(), DIRTY, listed(running(name="theirs", created_at=at(1))), now=at(2))
    assert decision == Record(
        ActivityAdopted(
            at=at(2),
            step=0,
            activity="theirs",
            how="it was already running when the step began",
            backup="bak1",
            head="aaaaaaaa1",
        )
    )


@pytest.mark.parametrize("payload", [{}, {"backup_name": 5}])
def test_a_running_backup_that_has_no_name_yet_is_adopted_without_one(payload: dict[str, Any]) -> None:
    decision = next_for(run(), DIRTY, listed(running(payload=payload)))
    assert isinstance(decision, Record)
    assert isinstance(decision.event, ActivityAdopted)
    assert decision.event.backup is None


@pytest.mark.parametrize(
    ("plan", "found"),
    [
        pytest.param(BACKUP, running(created_at=at(-1)), id="older than the slot"),
        pytest.param(BACKUP, running(parameters={"safe": False}), id="live where a safe one is wanted"),
        pytest.param(BACKUP, running(created_at=None), id="of unknown age"),
        pytest.param(LIVE_BACKUP, running(created_at=at(-1)), id="live but older than the slot"),
    ],
)
def test_a_running_backup_that_will_not_do_is_waited_for(plan: Any, found: Activity) -> None:
    decision = next_for(run(of=job(plan)), DIRTY, listed(found))
    assert decision == Wait("environment-busy", "environment.backup act1 is in_progress")


@pytest.mark.parametrize("of", [run(), run(*PROVED)], ids=["a backup", "an update"])
def test_what_another_run_claimed_is_waited_for_and_never_adopted(of: Run) -> None:
    kind = BACKUP_TYPE if of.current == of.steps[0] else UPDATE_TYPE
    decision = next_for(of, DIRTY, listed(running(kind)), claimed=("act1",))
    assert decision == Wait("environment-busy", f"{kind} act1 is in_progress")


def test_an_update_of_this_run_that_already_runs_is_adopted() -> None:
    decision = next_for(run(*PROVED), DIRTY, listed(running(UPDATE_TYPE, "mine")))
    assert isinstance(decision, Record)
    assert isinstance(decision.event, ActivityAdopted)
    assert decision.event.activity == "mine"


@pytest.mark.parametrize("parameters", [{}, {"operation": "update"}, {"variables": {"env": {"UPSUN_AGENT_RUN": "o"}}}])
def test_anybody_elses_update_is_waited_for(parameters: dict[str, Any]) -> None:
    decision = next_for(run(*PROVED), DIRTY, listed(running(UPDATE_TYPE, parameters=parameters)))
    assert isinstance(decision, Wait)


@pytest.mark.parametrize("kind", sorted(UPHEAVALS))
@pytest.mark.parametrize("of", [run(), run(*PROVED)], ids=["a backup", "an update"])
def test_an_upheaval_is_waited_for_by_every_step(of: Run, kind: str) -> None:
    decision = next_for(of, DIRTY, listed(running(kind, state="pending")))
    assert decision == Wait("environment-busy", f"{kind} act1 is pending")


@pytest.mark.parametrize("kind", ["environment.push", "environment.redeploy", "environment.merge"])
def test_an_update_waits_for_deployments_and_a_backup_does_not(kind: str) -> None:
    assert isinstance(next_for(run(*PROVED), DIRTY, listed(running(kind))), Wait)
    assert isinstance(next_for(run(), DIRTY, listed(running(kind))), Send)


@pytest.mark.parametrize("kind", ["environment.cron", "environment.operation", "environment.backup.delete"])
@pytest.mark.parametrize("of", [run(), run(*PROVED)], ids=["a backup", "an update"])
def test_the_agents_own_cron_and_other_harmless_activities_are_not_waited_for(of: Run, kind: str) -> None:
    assert isinstance(next_for(of, DIRTY, listed(running(kind)), backup()), Send)


@pytest.mark.parametrize("state", ["complete", "cancelled"])
def test_what_has_ended_meanwhile_is_neither_adopted_nor_waited_for(state: str) -> None:
    ended = listed(running(state=state), running("environment.restore", "r", state=state))
    assert isinstance(next_for(run(), DIRTY, ended), Send)


def test_an_upheaval_that_is_listed_after_a_backup_to_adopt_does_not_hide_it() -> None:
    both = listed(running(name="mine"), running("environment.restore", "r"))
    decision = next_for(run(), DIRTY, both)
    assert isinstance(decision, Record)


# --- reuse -----------------------------------------------------------------------------------------------------

REUSING = run(of=job(REUSING_BACKUP, UPDATE))


def test_a_job_that_may_reuse_a_backup_looks_for_one_first() -> None:
    assert next_for(REUSING, environment()) == Look(LookAtBackups())


def test_a_reused_backup_ends_the_step_without_a_request() -> None:
    decision = next_for(REUSING, environment(at(20)), BackupList((backup(),)), now=at(21))
    assert isinstance(decision, Record)
    assert isinstance(decision.event, StepDone)
    assert (decision.event.outcome, decision.event.detail["backup"], decision.event.at) == ("done", "bak1", at(21))


def test_where_there_is_none_to_reuse_a_new_backup_is_asked_for() -> None:
    assert isinstance(next_for(REUSING, environment(), BackupList(())), Send)
    assert next_for(REUSING, DIRTY, BackupList(())) == Look(RUNNING)


def test_no_backup_is_reused_where_the_guards_say_no() -> None:
    decision = concluded(REUSING, environment(status="paused"), BackupList((backup(),)))
    assert failure_of(decision).failure == "environment-inactive"


# --- refusals, voids, pauses -----------------------------------------------------------------------------------


def test_a_refused_request_is_not_made_again_before_its_time() -> None:
    of = run(intended(0), refused(0, again_at=at(5), message="the platform answered 429"))
    for minutes in (0, 4.99):
        decision = next_for(of, environment(), now=at(minutes))
        assert decision == Wait("platform-busy", "the platform answered 429; again at 02:05:00 UTC")
    assert isinstance(next_for(of, environment(), now=at(5)), Send)


@pytest.mark.parametrize(
    "failure",
    [
        FailureKind.PERMISSION,
        FailureKind.SECOND_FACTOR,
        FailureKind.TOKEN,
        FailureKind.REFUSED,
        FailureKind.NOT_FOUND,
    ],
)
def test_a_final_refusal_fails_the_step_with_the_remedy_of_its_kind(failure: FailureKind) -> None:
    of = run(intended(0), refused(0, failure=failure, message="the platform answered 4xx"))
    event = failure_of(next_for(of, environment()))
    assert (event.failure, event.message, event.remedy) == (
        failure,
        "the platform answered 4xx",
        failure.remedy,
    )


def test_a_refusal_without_a_word_is_called_refused() -> None:
    assert failure_of(next_for(run(intended(0), refused(0, failure="")))).failure == "refused"


def test_a_request_that_left_no_trace_is_made_again_twice_and_then_given_up() -> None:
    once = (intended(0), void(0))
    assert isinstance(next_for(run(*once), environment()), Send)
    assert isinstance(next_for(run(*once * 2), environment()), Send)
    event = failure_of(next_for(run(*once * 3), environment()))
    assert event.failure == "attempts"
    assert event.message == "3 requests left no trace on the platform: no trace of it"


# --- trouble ---------------------------------------------------------------------------------------------------

FINAL = {"token", "permission", "not-found"}


@pytest.mark.parametrize("kind", TROUBLES)
@pytest.mark.parametrize("question", [LookAtEnvironment(), RUNNING], ids=["the environment", "activities"])
def test_trouble_before_anything_is_begun_fails_where_it_lasts_and_waits_where_it_passes(
    kind: Any, question: Any
) -> None:
    trouble = Trouble(kind, "something said", "something helps")
    answers = seen((LookAtEnvironment(), DIRTY), (question, trouble))
    decision, when = settle(run(), answers)
    if kind in FINAL:
        event = failure_of(decision)
        assert (event.failure, event.message, event.remedy) == (kind, "something said", "something helps")
        # A scheduled run looks again before it gives up; somebody waits for one by hand, and a token stays refused.
        assert when == (SLOT if kind in {"token", "second-factor"} else at(15))
        assert failure_of(decide(fold([opened(trigger=Trigger.MANUAL, slot=None)]), SLOT, answers, KINDS)) == replace(
            event, at=SLOT
        )
        if when == SLOT:
            return
        first = decide(run(), SLOT, answers, KINDS)
        assert isinstance(first, Record)
        waits = decide(apply(run(), first.event), at(1), answers, KINDS)
        assert isinstance(waits, Wait)
        assert (waits.on, waits.trouble) == ("recheck", Trouble(kind, "something said"))
    else:
        assert decision == Wait(kind, "something said", trouble)


@pytest.mark.parametrize("kind", TROUBLES)
def test_trouble_once_the_run_is_begun_is_always_waited_out(kind: Any) -> None:
    trouble = Trouble(kind, "something said")
    decision = decide(BEGUN, SLOT, seen((LookAtEnvironment(), trouble)), KINDS)
    assert decision == Wait(kind, "something said", trouble)


def test_trouble_with_the_list_of_backups_is_trouble_of_the_step() -> None:
    trouble = Trouble(FailureKind.UNREACHABLE, "no route")
    answers = seen((LookAtEnvironment(), environment()), (LookAtBackups(), trouble))
    assert decide(REUSING, SLOT, answers, KINDS) == Wait("unreachable", "no route", trouble)


# --- the quota -------------------------------------------------------------------------------------------------

QUOTA = "the project keeps 1 manual backup(s): a new one replaces the newest proved one. "


@pytest.mark.parametrize("limit", [0, 1])
def test_a_quota_that_is_known_to_be_too_small_is_warned_of_once_before_the_request(limit: int) -> None:
    decision = next_for(run(), environment(), manual_limit=limit)
    assert isinstance(decision, Record)
    assert isinstance(decision.event, Warned)
    assert decision.event.message.startswith(QUOTA.replace("1", str(limit)))
    warned = run(decision.event)
    assert isinstance(next_for(warned, environment(), manual_limit=limit), Send)


@pytest.mark.parametrize("limit", [None, 2, 99])
def test_a_quota_that_is_unknown_or_enough_is_not_warned_of(limit: int | None) -> None:
    assert isinstance(next_for(run(), environment(), manual_limit=limit), Send)


def test_the_quota_does_not_concern_updates_or_backups_that_are_adopted() -> None:
    assert isinstance(next_for(run(*PROVED), environment(), backup(), manual_limit=1), Send)
    decision = next_for(run(), DIRTY, listed(running()), manual_limit=1)
    assert isinstance(decision, Record)
    assert isinstance(decision.event, ActivityAdopted)


def test_adoption_after_a_refused_request_keeps_the_newer_head() -> None:
    of = run(intended(0, head="old"), refused(0, again_at=at(1)), adopted(0, head="new"))
    assert of.steps[0].head == "new"
