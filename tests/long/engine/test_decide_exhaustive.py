"""decide over every state that it can lead itself into, times everything that it can see there.

A breadth-first walk: from each state one pass is played with every answer to every question that is asked, and every
outcome of every request, up to the first event that brings a step into another phase. The states that this ends in are
played in turn, until no new one appears.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from functools import cache
from typing import Any

import pytest
from upsun_agent.engine.decide import Background, Decision, Look, Record, Rest, Send, Wait, decide
from upsun_agent.engine.fold import InconsistentEvents, apply
from upsun_agent.engine.run import Run
from upsun_agent.model.answers import (
    Answer,
    Backup,
    Environment,
    LookAtBackup,
    LookAtEnvironment,
    LookAtRetention,
    Observation,
    Retention,
)
from upsun_agent.model.events import Event, IntentRecorded, StepDone, WaitBegun
from upsun_agent.model.job import Job, StepPlan
from upsun_agent.steps import KINDS

from tests.harness.answers import FAULTS, answers
from tests.harness.builders import (
    BACKUP,
    REUSING_BACKUP,
    RUNNING,
    SLOT,
    UNPROVED_UPDATE,
    UPDATE,
    UPDATE_TYPE,
    accepted,
    adopted,
    at,
    backup,
    done,
    ended,
    environment,
    failed,
    intended,
    job,
    next_for,
    refused,
    run,
    unanswered,
    void,
)

LENIENT_BACKUP = StepPlan("backup", {"retries": 1, "retry-after": 120, "on-failure": "continue"})
JOBS = {
    "reuse, update": job(REUSING_BACKUP, UPDATE),
    "update alone": job(UPDATE),
    "update that needs no backup": job(UNPROVED_UPDATE),
    "a backup that may fail, two that may not": job(LENIENT_BACKUP, BACKUP, BACKUP),
}
NOWS = (at(3), at(7))  # before and after a refused request may be made again, at +5
LATER = (at(60),)  # when an odd answer that stayed as it was counts
LOOKS_MOST = 6  # questions about one step in one phase; more would be a circle
BACKGROUND = Background(frozenset({"claimed"}), 1)


def outcomes(sent: Send) -> tuple[tuple[Event, ...], ...]:
    """What may be recorded after a request: nothing at all, where the process was killed."""
    step = sent.intent.step
    again, never = refused(step, again_at=at(5)), refused(step, failure="permission")
    return (), (accepted(step),), (again,), (never,), (unanswered(step),)


class Walk:
    """Everything that was decided on the way, with the checks that hold for every single decision."""

    def __init__(self, of: Job) -> None:
        self.of = of
        self.decided: Counter[str] = Counter()
        self.states: dict[object, Run] = {}

    def everywhere(self) -> None:
        """Play a pass from every state until no new state appears."""
        todo = deque([run(of=self.of)])
        while todo:
            here = todo.popleft()
            paused = any(step.again_at for step in here.steps)
            nows = (*(NOWS if paused else NOWS[:1]), *(LATER if any(step.recheck for step in here.steps) else ()))
            for after in (end for now in nows for end in self.one_pass(here, now)):
                key = _key(after)
                if key not in self.states:
                    self.states[key] = after
                    todo.append(after)

    def one_pass(self, start: Run, now: Any) -> Iterator[Run]:
        """Every way in which one pass can go; yields the run at each end of it."""
        stack = [(start, Observation())]
        while stack:
            here, seen = stack.pop()
            decision = decide(here, now, seen, KINDS, BACKGROUND)
            self.check(here, seen, decision)
            match decision:
                case Look(question):
                    phase = here.current.phase if here.current else "over"
                    stack += [(here, seen.plus(question, answer)) for answer in answers(question, phase)]
                case Record(event):
                    self.decided[event.kind] += 1
                    after = apply(here, event)
                    if _phases(after) == _phases(here) and after.closed is None:
                        stack.append((after, seen))
                    else:
                        yield after
                case Send(intent):
                    for events in outcomes(decision):
                        after = apply(here, intent)
                        for event in events:
                            after = apply(after, event)
                        yield after
                case Wait(on, message):
                    yield apply(here, WaitBegun(at=now, on=on, message=message))
                case Rest():
                    yield here

    def check(self, here: Run, seen: Observation, decision: Decision) -> None:
        """What must hold for every decision."""
        self.decided[type(decision).__name__] += 1
        assert seen.looks <= LOOKS_MOST, f"a circle of questions: {list(seen.answers)}"
        intends = isinstance(decision, Record) and isinstance(decision.event, IntentRecorded)
        assert not intends, "an intent is recorded with its request only"
        if isinstance(decision, Send):
            self.check_request(here, seen, decision)

    def check_request(self, here: Run, seen: Observation, sent: Send) -> None:
        """What must hold for every request."""
        step, shown = here.current, seen.get(LookAtEnvironment())
        assert step is not None
        assert here.closed is None
        assert (step.phase, step.intent) == ("ready", None), "no request while an earlier one's fate is open"
        assert all(earlier.phase == "done" or earlier.is_passed_over for earlier in here.steps[: step.index])
        assert isinstance(shown, Environment)
        assert (shown.type, shown.status) == ("production", "active")
        link = "#backup" if step.plan.kind == "backup" else "#source-operation"
        assert shown.links[link] == sent.path
        assert sent.intent.server_at == shown.server_at
        assert sent.intent.attempt == step.attempts + 1
        running_now = seen.get(RUNNING)
        assert not shown.is_dirty or running_now is not None
        proved = [each for each in here.steps if each.plan.kind == "backup" and each.detail.get("backup")]
        assert proved or step.plan != UPDATE, "promise P2"
        if step.plan == UPDATE:
            again = seen.get(LookAtBackup(proved[-1].detail["backup"]))
            assert isinstance(again, Backup), "promise P2: the proof was not read again"
            assert (again.status, again.restorable, again.environment) == ("CREATED", True, "main")


def _phases(of: Run) -> list[str]:
    return [step.phase for step in of.steps]


def _key(of: Run) -> object:
    """What a later pass can depend on, without the words."""
    steps = tuple(
        (s.phase, bool(s.attempts), bool(s.detail.get("backup")))
        + (() if s.over else (s.voids, s.ended_at, s.again_at, s.intent is None, s.retries))
        + (s.recheck.failure if s.recheck and not s.over else "",)
        for s in of.steps
    )
    failures = [s.failure for s in of.steps if s.phase == "failed" and (of.closed or not s.is_passed_over)]
    return steps, tuple(failures), bool(of.warnings), of.closed and (of.closed.outcome, of.closed.failure)


@cache
def walked(name: str) -> Walk:
    walk = Walk(JOBS[name])
    walk.everywhere()
    return walk


PROVING = [name for name in JOBS if name != "update alone"]


@pytest.mark.parametrize("name", PROVING)
def test_every_state_and_everything_seen_in_it_leads_to_a_decision_that_keeps_the_promises(name: str) -> None:
    walk = walked(name)  # every single decision was checked on the way
    reached = {step.phase for state in walk.states.values() for step in state.steps}
    closings = {(state.closed.outcome, state.closed.failure) for state in walk.states.values() if state.closed}
    # The walk must have been everywhere, or it proves nothing.
    assert reached == {"ready", "intended", "refused", "accepted", "done", "failed"}
    assert sum(walk.decided.values()) > 10_000
    assert {"Look", "Record", "Send", "Wait", "Rest", "intent-void", "activity-adopted"} <= set(walk.decided)
    assert {("succeeded", None), ("skipped", "environment-type")} <= closings
    assert {"attempts", "permission", "unknown", "activity-failed"} <= {word for _, word in closings}


def test_a_job_whose_update_has_no_backup_step_never_makes_a_request() -> None:
    walk = walked("update alone")
    assert walk.decided == {"Record": 2, "step-failed": 1, "run-closed": 1, "Rest": 1}
    assert [state.closed.failure for state in walk.states.values() if state.closed] == ["no-proved-backup"]


@pytest.mark.parametrize("name", JOBS)
def test_from_every_state_a_run_past_its_time_limit_closes_whatever_the_platform_says(name: str) -> None:
    for state in walked(name).states.values():
        given: tuple[Answer, ...] = (*FAULTS, Retention({"production": 1}))
        for answer in given:
            here = state
            for decision in _without_platform(state, answer):
                here = apply(here, decision.event)
            assert here.closed is not None


def _without_platform(of: Run, answer: Answer) -> Iterator[Record]:
    """What is recorded at the time limit, where the one question that may be left has this answer."""
    now, seen = of.opened_at + timedelta(seconds=of.job.timeout), Observation()
    for _ in range(6):
        match decide(of, now, seen, KINDS):
            case Record() as record:
                yield record
                of = apply(of, record.event)
            case Look(question):
                assert question == LookAtRetention(), "nothing else matters any more"
                seen = seen.plus(question, answer)
            case Rest():
                return
            case other:
                raise AssertionError(f"{other} past the time limit")
    raise AssertionError("no end")


MENU: tuple[Event, ...] = tuple(
    event
    for step in (0, 1)
    for event in (
        intended(step),
        accepted(step),
        refused(step, again_at=SLOT),
        unanswered(step),
        adopted(step),
        void(step),
        ended(step),
        done(step, None),
        done(step),
        failed(step),
    )
)


def _histories(of: Run, events: tuple[Event, ...], most: int) -> Iterator[tuple[Run, tuple[Event, ...]]]:
    """Every history of at most that many events that fold accepts, whoever wrote it."""
    yield of, events
    if len(events) < most:
        for event in MENU:
            with suppress(InconsistentEvents):
                yield from _histories(apply(of, event), (*events, event), most)


@pytest.mark.parametrize(
    ("steps", "may"),
    [((BACKUP, UPDATE), True), ((UPDATE, UPDATE), False), ((UPDATE, BACKUP), False)],
    ids=["backup, update", "two updates", "update, backup"],
)
def test_no_history_however_it_came_about_leads_to_an_update_without_a_proved_backup(steps: Any, *, may: bool) -> None:
    requests = 0
    for of, events in _histories(run(of=job(*steps)), (), 6):
        decision = next_for(of, environment(at(1)), backup(), now=at(1))
        if isinstance(decision, Send) and decision.activity_type == UPDATE_TYPE:
            assert any(isinstance(event, StepDone) and event.detail == {"backup": "bak1"} for event in events)
            requests += 1
    assert (requests > 10) is may
