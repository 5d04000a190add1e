"""Whole runs against a platform that answers anything at all; the checks come from what it showed and was asked."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from upsun_agent.engine.bounds import ATTEMPTS_MOST, SETTLE
from upsun_agent.engine.decide import Background, Look, Record, Rest, Send, Wait, decide
from upsun_agent.engine.fold import apply, fold
from upsun_agent.engine.run import Run
from upsun_agent.model.answers import (
    Absent,
    Activity,
    ActivityList,
    Answer,
    Backup,
    BackupList,
    Environment,
    LookAtActivities,
    Observation,
    Question,
    Trouble,
)
from upsun_agent.model.events import Event, WaitBegun
from upsun_agent.model.job import Job, StepPlan
from upsun_agent.steps import KINDS

from tests.harness.answers import answers
from tests.harness.builders import (
    BACKUP,
    BACKUP_TYPE,
    LINKS,
    REUSING_BACKUP,
    SLOT,
    UNPROVED_UPDATE,
    UPDATE,
    UPDATE_TYPE,
    accepted,
    job,
    opened,
    refused,
    unanswered,
)
from tests.harness.random_platform import Pick

RETRIED_BACKUP = StepPlan("backup", {"retries": 2, "retry-after": 60, "on-failure": "continue"})
RETRIED_UPDATE = StepPlan("source-operation", {"name": "update", "retries": 1, "retry-after": 60})
JOBS = (
    job(BACKUP, UPDATE, timeout=7200),
    job(REUSING_BACKUP, UPDATE, timeout=3600),
    job(REUSING_BACKUP, UNPROVED_UPDATE, UPDATE, timeout=12 * 3600),
    job(RETRIED_BACKUP, RETRIED_UPDATE, timeout=12 * 3600),
)
FATES = ("accepted", "unanswered", "killed", "refused")
MOSTLY = (True,) * 8 + (False,)
JUMPS = (1200, 7200, 300, 60)
BACKGROUND = Background(frozenset({"claimed"}))


@dataclass
class Request:
    """A request as the liar saw it, what it did with it, and what it showed after it.

    ``silence_shown``: a settled list; ``failure_shown``: an activity that failed, or one that left no good backup.
    """

    step: int
    type: str
    fate: str
    proof_shown: bool
    silence_shown: bool = False
    failure_shown: bool = False


@dataclass
class Liar:
    """It answers anything to any question. Its books hold what it was asked for and what it showed."""

    pick: Pick
    now: datetime = SLOT
    requests: list[Request] = field(default_factory=list)
    proof_shown: bool = False

    def answer(self, question: Question, phase: str) -> Answer:
        self.now += timedelta(seconds=1)
        answer: Answer = self.pick(useful(question, phase) if self.pick(MOSTLY) else answers(question, phase))
        shown = answer.items if isinstance(answer, BackupList) else (answer,)
        self.proof_shown |= any(isinstance(each, Backup) and _good(each) for each in shown)
        if isinstance(question, LookAtActivities) and isinstance(answer, ActivityList) and self.requests:
            since = question.since
            settled = since is not None and answer.complete and answer.server_at >= since + SETTLE
            self.requests[-1].silence_shown |= settled
        if self.requests:
            self.requests[-1].failure_shown |= _bad(answer, self.requests[-1].type)
        return answer

    def receive(self, sent: Send) -> Event | None:
        fate, step = self.pick(FATES), sent.intent.step
        self.requests.append(Request(step, sent.activity_type, fate, self.proof_shown))
        again = self.pick((self.now + timedelta(seconds=60), None))
        events = {"accepted": accepted(step), "unanswered": unanswered(step), "refused": refused(step, again_at=again)}
        return events.get(fate)


@cache
def useful(question: Question, phase: str) -> tuple[Answer, ...]:
    """The answers with which a run has any chance to get on; picked more often, or no lie would ever get far."""
    return tuple(filter(_leads_on, answers(question, phase)))


def _leads_on(answer: Answer) -> bool:
    if isinstance(answer, Environment):
        return (answer.type, answer.status, answer.links) == ("production", "active", LINKS)
    return not isinstance(answer, Trouble | Absent)


def _bad(answer: Answer, asked_for: str) -> bool:
    if isinstance(answer, Activity):
        named = asked_for != BACKUP_TYPE or bool(answer.payload.get("backup_name"))
        return answer.state == "complete" and (answer.result != "success" or not named)
    return isinstance(answer, Absent) or (isinstance(answer, Backup) and not _good(answer))


def _good(backup: Backup) -> bool:
    return (backup.status, backup.restorable, backup.environment) == ("CREATED", True, "main")


def tick(run: Run, liar: Liar) -> Run:
    """One pass over the run."""
    seen = Observation()
    for _ in range(40):
        match decide(run, liar.now, seen, KINDS, BACKGROUND):
            case Look(question):
                seen = seen.plus(question, liar.answer(question, run.current.phase if run.current else "over"))
            case Record(event):
                run = apply(run, event)
            case Send(intent) as sent:
                run, seen = apply(run, intent), Observation()
                received = liar.receive(sent)
                if received is None:
                    return run
                run = apply(run, received)
            case Wait(on, message):
                return apply(run, WaitBegun(at=liar.now, on=on, message=message))
            case Rest():
                return run
    raise AssertionError("the pass does not end")


def live(of: Job, pick: Pick) -> Liar:
    """A run from its opening to its end, and what the liar's books say of it."""
    liar, run = Liar(pick), fold([opened(of)])
    while run.closed is None:
        over = liar.now - SLOT >= timedelta(seconds=of.timeout)
        run = tick(run, liar)
        assert run.closed is not None or not over, "promise P3"
        liar.now += timedelta(seconds=pick(JUMPS))
    for step in range(len(of.steps)):
        requests = [request for request in liar.requests if request.step == step]
        retries = of.steps[step].settings.get("retries", 0)
        for earlier in requests[:-1]:
            without_effect = earlier.fate == "refused" or (earlier.fate != "accepted" and earlier.silence_shown)
            assert without_effect or (retries and earlier.failure_shown), f"promise P1: {requests}"
        asked = [request for request in requests if request.fate != "refused"]
        assert len(asked) <= ATTEMPTS_MOST * (1 + retries)
    for request in liar.requests:
        needs_proof = request.type == UPDATE_TYPE and of.steps[request.step] != UNPROVED_UPDATE
        assert request.proof_shown or not needs_proof, "promise P2"
    return liar


def test_no_lie_makes_the_agent_repeat_a_request_or_update_without_proof_or_hang() -> None:
    seen = Counter[str]()
    for seed in range(1500):
        liar = live(JOBS[seed % len(JOBS)], random.Random(seed).choice)
        seen.update(f"{request.type} {request.fate}" for request in liar.requests)
        seen["repeated"] += len(liar.requests) - len({request.step for request in liar.requests})
    wanted = [f"{kind} {fate}" for kind in ("environment.backup", UPDATE_TYPE) for fate in FATES]
    assert {word: seen[word] for word in (*wanted, "repeated") if seen[word] < 20} == {}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data(), of=st.sampled_from(JOBS))
def test_no_lie_that_can_be_found_does_either(data: st.DataObject, of: Job) -> None:
    live(of, lambda options: data.draw(st.sampled_from(options)))
