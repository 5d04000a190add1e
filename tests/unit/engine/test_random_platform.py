"""Whole runs against a platform that does its worst. What is checked comes from the platform's books."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from upsun_agent.engine.decide import Background, Look, Record, Rest, Send, Wait, decide
from upsun_agent.engine.fold import apply, fold
from upsun_agent.engine.run import Run, Step
from upsun_agent.model.answers import Observation
from upsun_agent.model.events import ActivityAdopted, Event, RequestAccepted, RunClosed, WaitBegun
from upsun_agent.model.job import Job, StepPlan
from upsun_agent.steps import KINDS

from tests.harness.builders import BACKUP, LIVE_BACKUP, REUSING_BACKUP, SLOT, UPDATE, UPDATE_TYPE, job, opened
from tests.harness.random_platform import Killed, Pick, Platform

TRIED_AGAIN = StepPlan("backup", {"retries": 2, "retry-after": 900, "timeout": 7200, "on-failure": "continue"})
UPDATE_TRIED_AGAIN = StepPlan("source-operation", {"name": "update", "retries": 1, "retry-after": 60})
JOBS = (
    job(BACKUP, UPDATE, timeout=6 * 3600),
    job(BACKUP, UPDATE, timeout=12 * 3600, misfire_grace=3600),
    job(LIVE_BACKUP, UPDATE, timeout=3600),
    job(REUSING_BACKUP, UPDATE, BACKUP, timeout=6 * 3600),
    job(TRIED_AGAIN, UPDATE_TRIED_AGAIN, timeout=12 * 3600),
)
JUMPS = (30.0, 300.0, 300.0, 300.5, 1200.0, 7200.0)
WHERE = {"nothing": None, "commit": "live", "commit and push": "live", "staged commit": "staged"}
TICKS_MOST = 12 * 3600  # a tick at least every 30 s


class Agent:
    """The journal of one run, and ticks that may be killed between any two of their deeds."""

    def __init__(self, of: Job, platform: Platform) -> None:
        self.platform = platform
        self.commits_confirmed = 0
        self.journal: list[Event] = [opened(of, when=platform.agent_now())]

    def run(self) -> Run:
        return fold(self.journal)

    def tick(self) -> bool:
        """One pass; false where the process was killed in it."""
        try:
            self.one_pass()
        except Killed:
            return False
        return True

    def one_pass(self) -> None:
        """What the tick does: decide, look, record, send, until there is nothing more to do now."""
        run, seen = self.run(), Observation()
        self.platform.begin_pass()
        for _ in range(60):
            decision = decide(run, self.platform.agent_now(), seen, KINDS, Background(self.claimed(run)))
            match decision:
                case Look(question):
                    seen = seen.plus(question, self.platform.answer(question))
                case Record(event):
                    run = self.record(run, event)
                case Send(intent):
                    run = self.record(run, intent)
                    seen = Observation()  # what was seen before a request is old news after it
                    run = self.record(run, self.platform.receive(decision))
                case Wait(on, message):
                    self.record(run, WaitBegun(at=self.platform.agent_now(), on=on, message=message))
                    return
                case Rest():
                    return
        raise AssertionError("the pass does not end")

    def claimed(self, run: Run) -> frozenset[str]:
        """Activities that were a step's own once and are not what a step waits for now."""
        own = {event.activity for event in self.journal if isinstance(event, RequestAccepted | ActivityAdopted)}
        return frozenset(own - {step.activity for step in run.steps if not step.over})

    def record(self, run: Run, event: Event) -> Run:
        """Append the event, unless the process is killed just before; it may be killed just after, too."""
        if self.platform.chance(50):
            raise Killed
        self.journal.append(event)
        if self.platform.chance(50):
            raise Killed
        return apply(run, event)


def live(of: Job, pick: Pick) -> Agent:
    """The whole life of a run, with every check on the way."""
    platform = Platform(pick)
    agent = Agent(of, platform)
    limit = agent.run().opened_at + timedelta(seconds=of.timeout)
    for _ in range(TICKS_MOST):
        past_the_limit = platform.agent_now() >= limit
        whole = agent.tick()
        if agent.run().closed is not None:
            break
        assert not (past_the_limit and whole), "promise P3: a run past its time limit is closed by the next tick"
        platform.pass_time(pick(JUMPS))
        platform.others_act()
    check_books(agent)
    return agent


def check_books(agent: Agent) -> None:
    """The promises, by the platform's own books."""
    platform, run = agent.platform, agent.run()
    assert run.closed is not None, "promise P3"
    for step in run.steps:
        check_repeats(step, platform)
    for asked in platform.asked:
        if asked.type == UPDATE_TYPE:
            check_proof(run, platform, asked)
    if run.closed.outcome == "succeeded":
        agent.commits_confirmed = check_success(run, platform)


def check_repeats(step: Step, platform: Platform) -> None:
    """Promise P1: a request acts once, and again only after what it began had failed, as often as the job allows."""
    acted = platform.acted(step.index)
    assert len(acted) <= 1 + step.plan.settings.get("retries", 0), "promise P1: too often"
    for earlier, later in itertools.pairwise(acted):
        assert platform.has_failed(earlier.deed, later.at), f"promise P1: step {step.index} acted twice"


def check_proof(run: Run, platform: Platform, asked: Any) -> None:
    """Promise P2: before an update a good backup existed, young enough, and had been looked at in this run."""
    window = int(run.job.steps[0].settings.get("reuse-within", 0))
    oldest = run.due_at - max(platform.skew, timedelta())
    if window:
        oldest = min(oldest, run.opened_at - platform.skew - timedelta(seconds=window))
    good = [
        name
        for name in asked.proofs
        if platform.backups[name][0] <= asked.at and (platform.backups[name][1].created_at or SLOT) >= oldest
    ]
    assert good, "promise P2"


def check_success(run: Run, platform: Platform) -> int:
    """A run that is called a success was one: every activity ended well, and the commit is where it is said to be.

    Returns how many commits could be compared: nobody else deployed, and the platform showed the head.
    """
    compared = 0
    for step in run.steps:
        deed = platform.deed(step.activity)
        if deed is None:
            assert step.detail["reused"] is True
            continue
        assert (deed.result, deed.cancelled, deed.ends <= platform.now) == ("success", False, True)
        if step.plan.kind == "backup":
            assert platform.backups[step.detail["backup"]][1].restorable
        elif not platform.others_deployed and platform.head_shows:
            assert step.detail.get("deployment") == WHERE[deed.makes]
            compared += 1
    return compared


def by_seed(seed: int) -> Pick:
    return random.Random(seed).choice


LIVES = 600


def lives(of: Callable[[int], Job], seeds: range) -> Counter[str]:
    """How many lives, by how they ended and by what happened on the way."""
    counted: Counter[str] = Counter()
    for seed in seeds:
        agent = live(of(seed), by_seed(seed))
        counted["updates"] += any(asked.type == UPDATE_TYPE for asked in agent.platform.asked)
        counted["commits confirmed"] += agent.commits_confirmed
        end = agent.journal[-1]
        assert isinstance(end, RunClosed)
        counted[end.outcome] += 1
        counted[f"failure {end.failure}"] += 1
        counted.update({event.kind for event in agent.journal})
        counted["unanswered but acted"] += any(
            before.kind == "request-unanswered" and after.kind == "activity-adopted"
            for before, after in zip(agent.journal, agent.journal[1:], strict=False)
        )
    return counted


def test_many_lives_keep_the_promises_and_between_them_see_everything() -> None:
    counted = lives(lambda seed: JOBS[seed % len(JOBS)], range(LIVES))
    wanted = (
        *("succeeded", "failed", "skipped", "intent-void", "activity-adopted", "request-refused", "wait-begun"),
        *("request-unanswered", "warned", "unanswered but acted", "commits confirmed", "updates"),
        *(f"failure {word}" for word in ("timeout", "too-late", "proof-failed", "deployment-failed", "permission")),
    )
    # Lives in which nothing happens prove nothing.
    assert {word: counted[word] for word in wanted if counted[word] < 2} == {}
    assert counted["succeeded"] > LIVES / 20


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data(), of=st.sampled_from(JOBS))
def test_no_life_breaks_a_promise(data: st.DataObject, of: Job) -> None:
    live(of, lambda options: data.draw(st.sampled_from(options)))


@pytest.mark.parametrize("of", JOBS, ids=["six hours", "short grace", "one hour", "two backups", "retries"])
def test_a_life_in_which_nothing_goes_wrong_ends_in_success(of: Job) -> None:
    agent = live(of, lambda options: options[0])
    end = agent.journal[-1]
    assert isinstance(end, RunClosed)
    assert end.outcome == "succeeded"
    assert [asked.step for asked in agent.platform.asked] == list(range(len(of.steps)))
    assert agent.platform.now < SLOT + timedelta(hours=1)
