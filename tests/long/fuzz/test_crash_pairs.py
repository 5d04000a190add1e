"""Killed twice: once at every effect of a run, and again at every effect of the recovery. All pairs, no sample.

An effect is an event appended, a run opened, a cursor or idle hint written, a look, a request; a kill comes before it
or after it (for a request: before it left, or after it was acted on but before that was recorded). The next tick
comes soon after the kill; with ``UPSUN_SOAK=1`` all pairs are also played with ticks every five minutes.
"""

from __future__ import annotations

import os
from collections import Counter
from datetime import timedelta

import pytest
from upsun_agent.journal import Notes
from upsun_agent.model.events import Event, IntentRecorded

from tests.harness.effect_model import SLOT, Agent, Journal, Killed, Knife, Operation, Platform

TICKS_MOST = 130  # of 20 s: a request that was lost takes a quarter of an hour until it is made again
#: How soon the next tick comes after a kill: at once (the list still lags, activities still run), or as crons do.
SOON, USUAL = timedelta(seconds=20), timedelta(seconds=300)
PAUSES = (SOON, USUAL) if os.environ.get("UPSUN_SOAK") == "1" else (SOON,)

STORIES = {
    "all well": {},
    "the first backup fails": {"results": ["failure"]},
    "both answers are lost": {"lost": ["/backup", "/source-operation"]},
    "nothing to update": {"commits": False},
}


def begin(story: str) -> Agent:
    """An agent that has ticked before the slot, at the slot."""
    agent = Agent(Platform(**STORIES[story]))  # type: ignore[arg-type]
    agent.tick()
    agent.platform.now = SLOT + timedelta(seconds=7)
    return agent


def settle(agent: Agent, knife: Knife) -> int | None:
    """Tick until every run is over: how many ticks that took; None where the knife struck before."""
    for ticks in range(1, TICKS_MOST + 1):
        try:
            agent.tick(knife)
        except Killed:
            return None
        rows = agent.journal.rows()
        if agent.platform.broken() or (rows and all(row.outcome for row in rows)):
            return ticks
        agent.platform.now += USUAL
    return TICKS_MOST


def effect(name: str) -> int:
    """The number of that effect in a run in which all is well."""
    knife = Knife()
    settle(begin("all well"), knife)
    return knife.log.index(name) + 1


def check(agent: Agent, *knives: Knife) -> str:
    """P1 to P3 from the platform's books; returns how the run ended."""
    where = f"killed at {', then '.join(f'{knife.count} ({knife.log[-1]})' for knife in knives)}"
    assert agent.platform.broken() is None, f"{where}: {agent.platform.broken()}"
    (row,) = agent.journal.rows()
    assert row.outcome is not None, f"{where}: P3: the run is stuck"
    if row.outcome == "succeeded":
        assert len(agent.platform.of("source-operation")) == 1, f"{where}: succeeded without an update"
    return row.outcome


@pytest.mark.parametrize("pause", PAUSES, ids=lambda pause: f"{pause.seconds}s")
@pytest.mark.parametrize("story", STORIES)
def test_no_pair_of_kills_breaks_a_promise(story: str, pause: timedelta) -> None:
    whole = Knife()
    agent = begin(story)
    settle(agent, whole)
    assert check(agent, whole) == "succeeded"
    assert whole.count > 30, "a whole run has that many effects"
    outcomes: Counter[str] = Counter()
    pairs, worst = 0, 0
    for number in range(1, whole.count + 1):
        first = Knife(number)
        killed = begin(story)
        assert settle(killed, first) is None, "the kill took place"
        killed.platform.now += pause
        recovery, agent = Knife(), killed.copy()
        settle(agent, recovery)
        outcomes[check(agent, first)] += 1
        for again in range(1, recovery.count + 1):
            second, agent = Knife(again), killed.copy()
            assert settle(agent, second) is None, "the second kill took place too"
            agent.platform.now += pause
            worst = max(worst, settle(agent, Knife()) or TICKS_MOST)
            outcomes[check(agent, first, second)] += 1
            pairs += 1
    print(f"{story}: {whole.count} effects, {pairs} pairs, at most {worst} ticks, {dict(outcomes)}")
    assert pairs > 500
    assert set(outcomes) == {"succeeded"}, "a kill alone never makes a run fail"


def test_the_check_notices_an_agent_that_loses_its_intent() -> None:
    """What the pairs prove depends on this: without the synced intent a kill does lead to a second backup."""

    class Forgetful(Journal):
        def append(self, run: str, *events: Event, notes: Notes | None = None) -> None:
            super().append(run, *events, notes=notes)
            if isinstance(events[-1], IntentRecorded):
                self._events[run].pop()

    agent = begin("all well")
    journal, agent.journal = agent.journal, Forgetful()
    agent.journal.__dict__.update(journal.__dict__)
    with pytest.raises(Killed):
        agent.tick(Knife(effect("after /backup")))
    agent.platform.now += USUAL
    agent.tick()
    assert agent.platform.broken() == "P1: backup act1 though act0 was no known failure"


def test_the_check_notices_an_update_without_a_backup_and_a_second_update() -> None:
    platform = Platform()
    platform.books = [Operation("act0", "environment.source-operation", SLOT, SLOT, "success", "run")]
    assert platform.broken() == "P2: an update without a backup that had succeeded"
    platform.books *= 2
    assert platform.broken() == "P1: two updates"
