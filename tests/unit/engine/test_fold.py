"""fold: the only way from events to a run, and what it refuses."""

from __future__ import annotations

from typing import ClassVar

import pytest
from upsun_agent.engine.fold import ALLOWED, InconsistentEvents, apply, fold
from upsun_agent.engine.run import Phase, Step
from upsun_agent.model import events as ev
from upsun_agent.model.job import Job, StepPlan

from tests.harness.builders import (
    PROVED,
    RUN,
    SLOT,
    UPDATE,
    accepted,
    adopted,
    approval,
    at,
    closed,
    command_ended,
    done,
    ended,
    failed,
    intended,
    job,
    opened,
    recheck,
    refused,
    retry,
    run,
    unanswered,
    void,
    waiting,
)

#: Events that bring the first step into each phase.
WAY_TO: dict[str, tuple[ev.Event, ...]] = {
    "ready": (),
    "intended": (intended(),),
    "refused": (intended(), refused()),
    "accepted": (intended(), accepted()),
    "done": (intended(), accepted(), ended(), done()),
    "failed": (failed(),),
}

STEP_EVENTS: tuple[ev.Event, ...] = (
    intended(),
    accepted(),
    refused(),
    unanswered(),
    adopted(),
    void(),
    ended(),
    command_ended(),
    approval(),
    done(),
    retry(),
    recheck(),
    failed(),
)

EVENTS_OF = (
    intended,
    accepted,
    refused,
    unanswered,
    adopted,
    void,
    ended,
    command_ended,
    approval,
    done,
    retry,
    recheck,
    failed,
)

#: (phase, event) -> phase after; every pair that is not here must be refused.
AFTER: dict[tuple[str, str], str] = {
    ("ready", "intent-recorded"): "intended",
    ("ready", "activity-adopted"): "accepted",
    ("ready", "approval-given"): "ready",
    ("ready", "step-done"): "done",
    ("ready", "retry-planned"): "ready",
    ("ready", "recheck-planned"): "ready",
    ("ready", "step-failed"): "failed",
    ("intended", "request-accepted"): "accepted",
    ("intended", "request-refused"): "refused",
    ("intended", "request-unanswered"): "intended",
    ("intended", "activity-adopted"): "accepted",
    ("intended", "intent-void"): "ready",
    ("intended", "command-ended"): "accepted",
    ("intended", "recheck-planned"): "intended",
    ("intended", "step-failed"): "failed",
    ("refused", "step-failed"): "failed",
    ("accepted", "activity-ended"): "accepted",
    ("accepted", "step-done"): "done",
    ("accepted", "retry-planned"): "ready",
    ("accepted", "recheck-planned"): "accepted",
    ("accepted", "step-failed"): "failed",
}


def test_the_tables_above_speak_of_every_phase_and_every_event_of_a_step() -> None:
    assert set(WAY_TO) == set(Phase)
    assert {type(event) for event in STEP_EVENTS} == set(ALLOWED)
    assert {(phase, kind.kind) for kind, phases in ALLOWED.items() for phase in phases} == set(AFTER)


@pytest.mark.parametrize("event", STEP_EVENTS, ids=lambda event: event.kind)
@pytest.mark.parametrize("phase", WAY_TO)
def test_an_event_leads_to_its_phase_or_is_refused(phase: str, event: ev.Event) -> None:
    before = run(*WAY_TO[phase])
    assert before.steps[0].phase == phase
    expected = AFTER.get((phase, event.kind))
    if expected is None:
        with pytest.raises(InconsistentEvents, match=f"{event.kind} while step 0 is {phase}"):
            apply(before, event)
    else:
        after = apply(before, event)
        assert after.steps[0].phase == expected
        assert after.steps[1] == before.steps[1]


@pytest.mark.parametrize("phase", WAY_TO)
@pytest.mark.parametrize(
    "event", [waiting(), ev.Warned(at=SLOT, message="mind the quota"), closed()], ids=lambda event: event.kind
)
def test_events_of_the_run_itself_fit_any_phase_and_leave_the_steps_alone(phase: str, event: ev.Event) -> None:
    before = run(*WAY_TO[phase])
    assert apply(before, event).steps == before.steps


@pytest.mark.parametrize("kind", sorted(set(ev.EVENTS) - {"run-opened"}))
def test_a_run_begins_with_run_opened_only(kind: str) -> None:
    read = ev.ChangesRead(at=SLOT, step=1, base="a" * 40, head="b" * 40, message="nothing")
    others = (waiting(), _warned(), closed(), ev.RollbackBegun(at=SLOT, failed=0, message="it failed"), read)
    first = next(event for event in (*STEP_EVENTS, *others) if event.kind == kind)
    with pytest.raises(InconsistentEvents, match=f"a run begins with {kind}, not with run-opened"):
        fold([first, opened()])


def test_a_run_needs_an_event() -> None:
    with pytest.raises(InconsistentEvents, match="a run without events"):
        fold([])


def test_a_run_is_opened_once() -> None:
    with pytest.raises(InconsistentEvents, match="run-opened twice"):
        fold([opened(), opened()])


@pytest.mark.parametrize(
    "event", [*STEP_EVENTS, waiting(), closed(), opened(), ev.Warned(at=SLOT, message="m")], ids=lambda e: e.kind
)
def test_nothing_follows_run_closed(event: ev.Event) -> None:
    with pytest.raises(InconsistentEvents, match=f"{event.kind} after run-closed"):
        fold([opened(), closed(), event])


@pytest.mark.parametrize("index", [-1, 2, 99])
@pytest.mark.parametrize("event_of", EVENTS_OF)
def test_an_event_of_a_step_that_the_job_does_not_have_is_refused(event_of: type, index: int) -> None:
    event = event_of(index)
    with pytest.raises(InconsistentEvents, match=f"{event.kind} names step {index} of 2"):
        fold([opened(), event])


@pytest.mark.parametrize("event_of", EVENTS_OF)
@pytest.mark.parametrize("phase", [phase for phase in WAY_TO if phase != "done"])
def test_an_event_of_a_step_is_refused_until_the_steps_ahead_of_it_are_done(event_of: type, phase: str) -> None:
    event = event_of(1)
    with pytest.raises(InconsistentEvents, match=f"{event.kind} names step 1 before the steps ahead of it are done"):
        apply(run(*WAY_TO[phase]), event)


def test_an_event_that_is_none_of_the_known_ones_is_refused() -> None:
    class UnsupportedCron(ev.Event):  # type: ignore[misc, unused-ignore]  # frozen as its base is
        kind: ClassVar[str] = "foreign"

    with pytest.raises(InconsistentEvents, match="foreign is not an event of a run"):
        fold([opened(), UnsupportedCron(at=SLOT)])


GOOD = job().to_json()


@pytest.mark.parametrize("key", sorted(set(GOOD) - {"name", "steps"}))
def test_a_snapshot_of_a_version_that_did_not_know_a_key_is_read_with_its_default(key: str) -> None:
    older = {name: value for name, value in job(suspend_after=3, timeout=60).to_json().items() if name != key}
    read, default = Job.from_json(older), Job("x", ())
    assert getattr(read, key) == getattr(default, key)
    kept = {name for name in older if name not in {"name", "steps"}}
    assert all(read.to_json()[name] == older[name] for name in kept)


@pytest.mark.parametrize(
    "snapshot",
    [
        pytest.param({}, id="empty"),
        pytest.param(None, id="null"),
        pytest.param([], id="a list"),
        pytest.param({**GOOD, "steps": 7}, id="steps are a number"),
        pytest.param({**GOOD, "steps": ["backup"]}, id="a step is a word"),
        pytest.param({**GOOD, "steps": [{"kind": "backup"}]}, id="a step without settings"),
        pytest.param({**GOOD, "steps": [{"kind": "backup", "settings": 3}]}, id="settings are a number"),
        pytest.param({**GOOD, "steps": [{"kind": "backup", "settings": ["ab", "c"]}]}, id="settings are words"),
        pytest.param({**GOOD, "environment_types": None}, id="types are null"),
        pytest.param({**GOOD, "timeout": "soon"}, id="the time limit is a word"),
        pytest.param({**GOOD, "timeout": float("inf")}, id="the time limit is infinite"),
        pytest.param({**GOOD, "timeout": 10**30}, id="the time limit is beyond any calendar"),
        pytest.param({**GOOD, "timeout": True}, id="the time limit is a boolean"),
        pytest.param({**GOOD, "misfire_grace": -1}, id="the grace is negative"),
        pytest.param({key: GOOD[key] for key in GOOD if key != "name"}, id="the name is missing"),
        pytest.param({key: GOOD[key] for key in GOOD if key != "steps"}, id="the steps are missing"),
    ],
)
def test_a_snapshot_that_does_not_read_is_refused(snapshot: object) -> None:
    with pytest.raises(InconsistentEvents, match="the snapshot of the job cannot be read"):
        fold([opened(job=snapshot)])


def test_the_snapshot_is_the_job_again() -> None:
    odd = job(
        UPDATE,
        schedule=None,
        timezone="Asia/Kathmandu",
        environment_types=("staging", "development"),
        catch_up="none",
        misfire_grace=61,
        overlap="wait",
        timeout=601,
    )
    opening = opened(odd, when=at(4), due_at=at(-3), trigger=ev.Trigger.MANUAL, slot=None)
    after = fold([opening])
    assert after.job == odd
    assert (after.id, after.environment, after.slot, after.trigger) == (RUN, "main", None, "manual")
    assert (after.opened_at, after.due_at) == (at(4), at(-3))
    assert after.steps == (Step(0, UPDATE),)
    assert not after.begun


# --- what the events leave behind ------------------------------------------------------------------------------


def test_an_intent_is_kept_while_its_fate_is_open_and_forgotten_when_it_came_to_nothing() -> None:
    intent = intended(when=at(1), attempt=4, head="h1")
    step = run(intent).steps[0]
    assert (step.intent, step.attempts, step.head, step.again_at) == (intent, 4, "h1", None)
    assert run(intent, unanswered()).steps[0].intent == intent
    assert run(intent, accepted()).steps[0].intent == intent
    assert run(intent, adopted()).steps[0].intent == intent
    assert run(intent, void()).steps[0].intent is None
    assert run(intent, refused(again_at=at(9))).steps[0].intent is None


def test_a_refusal_with_a_moment_makes_the_step_ready_again_from_then_on() -> None:
    step = run(intended(), refused(again_at=at(9), message="429")).steps[0]
    assert (step.phase, step.again_at, step.failure, step.message) == ("ready", at(9), "platform-busy", "429")
    assert run(intended(), refused(again_at=at(9)), intended(attempt=2)).steps[0].again_at is None


def test_every_void_intent_is_counted() -> None:
    twice = run(intended(), void(), intended(attempt=2), unanswered(), void()).steps[0]
    assert (twice.voids, twice.attempts, twice.message) == (2, 2, "no trace of it")


@pytest.mark.parametrize(("told", "kept"), [("b2", "b2"), (None, "a1")])
def test_an_adoption_keeps_the_head_of_the_intent_unless_it_brings_its_own(told: str | None, kept: str) -> None:
    step = run(intended(head="a1"), adopted(activity="other", backup="bak9", head=told)).steps[0]
    assert (step.head, step.activity, step.backup) == (kept, "other", "bak9")


def test_the_end_of_an_activity_is_remembered() -> None:
    assert not run(intended(), accepted(backup="bak7")).steps[0].ended_at
    step = run(intended(), accepted(backup="bak7"), ended()).steps[0]
    assert (step.ended_at is not None, step.backup, step.activity) == (True, "bak7", "act1")


def test_a_planned_retry_begins_the_step_anew_and_remembers_how_often() -> None:
    first = (intended(when=at(1), head="h1"), void(), intended(attempt=2), accepted(backup="b"), ended())
    step = run(*first, retry(again_at=at(20))).steps[0]
    assert (step.phase, step.retries, step.attempts, step.voids) == ("ready", 1, 2, 0)
    assert (step.again_at, step.again_on, step.failure, step.message) == (
        at(20),
        "retry",
        "activity-failed",
        "it failed",
    )
    assert (step.activity, step.backup, step.head, step.intent, step.ended_at) == (None,) * 5
    assert step.began_at is None
    again = run(*first, retry(), intended(attempt=3), adopted(), ended(), retry()).steps[0]
    assert (again.retries, again.attempts) == (2, 3)


def test_a_step_begins_with_its_first_intent_or_adoption() -> None:
    assert run().steps[0].began_at is None
    twice = run(intended(when=at(1)), void(), intended(when=at(9), attempt=2)).steps[0]
    assert twice.began_at == at(1)
    assert run(adopted(at=at(4))).steps[0].began_at == at(4)
    assert run(intended(when=at(1)), adopted(at=at(4))).steps[0].began_at == at(1)


def test_a_failed_step_is_passed_over_only_where_the_job_says_so() -> None:
    lenient = job(StepPlan("backup", {"on-failure": "continue"}), UPDATE)
    after = fold([opened(lenient), failed(), intended(1)])
    assert after.steps[0].is_passed_over
    assert after.steps[1].phase == "intended"
    assert not run(failed()).steps[0].is_passed_over
    assert not fold([opened(lenient), done()]).steps[0].is_passed_over


def test_a_step_that_is_done_keeps_its_evidence_and_no_older_failure() -> None:
    step = run(intended(), refused(again_at=at(1)), intended(attempt=2), accepted(), ended(), done()).steps[0]
    assert (step.outcome, step.failure, step.detail) == ("done", None, {"backup": "bak1"})
    assert step.over


def test_a_failed_step_says_what_failed_and_what_helps() -> None:
    step = run(failed(failure="permission", message="no", remedy="grant it")).steps[0]
    assert (step.phase, step.failure, step.message, step.remedy) == ("failed", "permission", "no", "grant it")
    assert step.over


def test_a_wait_lasts_until_the_next_event_of_a_step_or_the_end() -> None:
    wait = run(waiting("activity", "act1 is pending"))
    assert (wait.waits_on, wait.wait_message) == ("activity", "act1 is pending")
    after = apply(wait, intended())
    assert (after.waits_on, after.wait_message) == (None, "")
    assert apply(wait, closed()).waits_on is None
    assert apply(wait, ev.Warned(at=SLOT, message="m")).waits_on == "activity"


def test_warnings_add_up() -> None:
    assert run(_warned("one"), _warned("two")).warnings == ("one", "two")


def test_a_closed_run_keeps_how_it_closed() -> None:
    end = ev.RunClosed(at=at(3), outcome=ev.RunOutcome.FAILED, failure="timeout", message="m", remedy="r")
    assert run(end).closed == end


@pytest.mark.parametrize(
    ("events", "begun"),
    [
        ((), False),
        ((waiting(),), False),
        ((intended(),), True),
        ((adopted(),), True),
        ((done(),), True),  # a backup that was reused
        ((failed(),), True),
    ],
)
def test_a_run_is_begun_with_the_first_intent_adoption_or_step_that_is_over(
    events: tuple[ev.Event, ...], *, begun: bool
) -> None:
    assert run(*events).begun is begun


def test_the_current_step_is_the_first_that_is_not_over() -> None:
    assert run().current == run().steps[0]
    second = run(*PROVED)
    assert second.current == second.steps[1]
    assert run(*PROVED, done(1, backup=None)).current is None


def test_a_proved_backup_is_one_that_a_step_names_and_that_is_done() -> None:
    assert run(intended(), accepted(backup="bak1"), ended()).proved_backup is None
    assert run(done(backup=None)).proved_backup is None
    assert run(*PROVED).proved_backup == "bak1"
    updates = job(UPDATE, UPDATE)
    assert fold([opened(updates), done(backup="bak1")]).proved_backup is None, "an update proves no backup"


def _warned(message: str = "mind the quota") -> ev.Warned:
    return ev.Warned(at=SLOT, message=message)
