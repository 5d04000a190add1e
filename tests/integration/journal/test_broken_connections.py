"""Connections that break at every message, servers that are killed, primaries that are slow: P1 to P4 all the same."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from itertools import count, islice
from typing import Any

import pytest
from upsun_agent.errors import AgentError, Busy
from upsun_agent.limits import TICK_BUDGET

from tests.harness.database_proxy import How, Proxy
from tests.harness.needs import database
from tests.harness.stage import SLOT, START, SharedStage, build_shared
from tools.databases import MariaDb, Postgres, Server, running

NIGHTS_MOST = 150
#: Messages at most after the last that matters: the lease given back and the end of the connection are five, and on a
#: busy machine two that follow each other closely may arrive as one, in one night and not in another.
GOODBYE = 8
SOAK = os.environ.get("UPSUN_SOAK") == "1"


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    door = Proxy(server.port)
    yield door
    door.close()


@pytest.fixture
def stage(make: Callable[..., SharedStage], server: Server, proxy: Proxy) -> SharedStage:
    """A stage whose way to the database leads through the door."""
    return make(url=server.url(port=proxy.port, query="sslmode=disable"))


def patient_tick(stage: SharedStage) -> None:
    """A tick; the server may need a moment to see that the last connection is gone."""
    for _ in range(200):
        try:
            stage.tick()
        except Busy:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("the lock is never let go of")


def promises_hold(stage: SharedStage, nights: int) -> None:
    """From the platform's request log: one backup and one update a night, each update after its night's backup."""
    backups, updates = stage.activities("backup"), stage.activities("source-operation")
    assert (stage.backups_asked, stage.updates_asked) == (nights, nights)
    assert (len(backups), len(updates)) == (nights, nights)
    for backup, update in zip(backups, updates, strict=True):
        assert backup["completed_at"] <= update["created_at"]
    assert {row.outcome for row in stage.rows()} == {"succeeded"}
    assert len(stage.rows()) == nights


def cut_ticks(stage: SharedStage, proxy: Proxy, which: int, how: How, numbers: Iterator[int]) -> tuple[int, list[int]]:
    """Night by night, cut the night's tick of that number at the next message, until one ends before it.

    Returns the number of that message, and those whose cut was not noticed.
    """
    stage.at(START).tick()
    unnoticed = []
    for night, number in enumerate(islice(numbers, NIGHTS_MOST)):
        stage.at(SLOT + timedelta(days=night))
        for _ in range(which):
            patient_tick(stage)
            stage.later(minutes=5)
        proxy.arm(number, how)
        try:
            stage.tick()
            unnoticed.append(number)
        except AgentError as error:
            assert error.exit_code in {73, 75}, error  # noqa: PT017  either may follow, nothing else
        ended = proxy.messages < number
        proxy.arm()
        for _ in range(8):
            stage.later(minutes=5)
            patient_tick(stage)
            if not stage.rows(open_only=True):
                break
        promises_hold(stage, night + 1)
        if ended:
            return number, unnoticed
    raise AssertionError("no tick is that long")


CASES = [("postgres", 0, "after"), ("mariadb", 0, "before"), ("mariadb", 1, "after"), ("postgres", 1, "before")]
REST = [(server, which, how) for server in ("postgres", "mariadb") for which in (0, 1) for how in ("before", "after")]


@pytest.mark.parametrize(("server", "which", "how"), REST if SOAK else CASES, indirect=["server"])
def test_a_connection_cut_at_any_message_costs_no_request_and_no_promise(
    stage: SharedStage, proxy: Proxy, which: int, how: How
) -> None:
    """``which``: the tick that asks for the backup, or the one that proves it and asks for the update.

    In the short form each kind of server has every other message cut, the odd ones or the even ones.
    """
    numbers = count(1) if SOAK else count(1 + (how == "after"), 2)
    last, unnoticed = cut_ticks(stage, proxy, which, how, numbers)
    assert last > 30, "a tick has at least so many messages"
    early = [number for number in unnoticed if number < last - GOODBYE]
    assert early == [], f"of {last} messages only those that say goodbye may go missing unnoticed"


# --- a server that dies ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Postgres, MariaDb])
def test_a_server_killed_in_the_middle_of_a_tick_loses_no_intent(kind: type[Server]) -> None:
    with running(database(kind, "a server that is killed"), durable=True) as server:
        for at in ("backup", "source-operation"):
            stage = build_shared(server, f"env-{at}")
            stage.at(START).tick()
            stage.at(SLOT)
            killed = killing_at(stage, server, at)
            for _ in range(12):
                with suppress(Busy):
                    stage.tick()
                if killed.is_set():
                    killed.clear()
                    server.start()
                stage.later(minutes=5)
            promises_hold(stage, 1)


def killing_at(stage: SharedStage, server: Server, end: str) -> threading.Event:
    """Kill the server when the request with that end is on its way: the intent is written, its answer is not."""
    killed, wsgi = threading.Event(), stage.simulator.wsgi
    done = threading.Event()

    def deadly(environ: Any, start_response: Any) -> Any:
        if environ["REQUEST_METHOD"] == "POST" and environ["PATH_INFO"].endswith(f"/{end}") and not done.is_set():
            server.kill()
            killed.set()
            done.set()
        return wsgi(environ, start_response)

    stage.wrap = lambda _: deadly
    return killed


# --- a primary that is slow -------------------------------------------------------------------------------------------


def test_a_primary_that_is_slow_from_the_start_means_try_later_soon(stage: SharedStage, proxy: Proxy) -> None:
    stage.at(START).tick()
    proxy.slow(10)
    began = time.monotonic()
    with pytest.raises(Busy):
        stage.at(SLOT).tick()
    assert time.monotonic() - began < 15
    assert stage.backups_asked == 0
    proxy.slow(0)
    patient_tick(stage)
    assert stage.backups_asked == 1


def test_a_primary_that_becomes_slow_is_given_up_within_the_budget(
    stage: SharedStage, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The budget is a tenth here, and the primary as much faster: the sum of all waits is what is bounded."""
    monkeypatch.setattr("upsun_agent.journal.server.opening.DATABASE_BUDGET", TICK_BUDGET / 10 - 0.5)
    stage.at(START).tick()
    proxy.slow(1.0, after=20)
    began = time.monotonic()
    with pytest.raises(Busy):
        stage.at(SLOT).tick()
    assert time.monotonic() - began < TICK_BUDGET / 5, "all waits together are a minute"
    proxy.slow(0)
    for _ in range(8):
        stage.later(minutes=5)
        patient_tick(stage)
    promises_hold(stage, 1)
