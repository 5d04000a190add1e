"""Real processes, killed and crowded, against the simulator on a socket. The request log is the simulator's own."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.harness.agent_process import TOKEN, ended
from tests.harness.container import FIVE_MINUTES, Container


def test_twenty_ticks_at_once_do_the_work_once(container: Container) -> None:
    results = [ended(process) for process in [container.start() for _ in range(20)]]
    assert {result.code for result in results} <= {0, 75}
    assert 0 in {result.code for result in results}
    for result in results:
        assert result.code == 0 or "another tick" in result.err
    assert container.asked("backup") == container.happened("backup") == 1
    assert len(container.rows()) == 1
    container.clock.advance(FIVE_MINUTES)
    container.tick_until_done()
    assert (container.happened("backup"), container.happened("source-operation")) == (1, 1)
    assert container.rows()[0].outcome == "succeeded"


@pytest.mark.parametrize(
    ("end", "number"),
    [
        ("/oauth2/token", signal.SIGTERM),
        ("/environments/main", signal.SIGTERM),
        ("/backup", signal.SIGTERM),
        ("/backup", signal.SIGKILL),
    ],
)
def test_a_tick_that_is_ended_while_a_request_hangs_is_taken_up_by_the_next(
    container: Container, end: str, number: signal.Signals
) -> None:
    container.simulator.hold(end)
    process = container.start()
    container.simulator.wait_for_held()
    begun = time.monotonic()
    result = ended(process, number)
    assert time.monotonic() - begun < 10, "long before the request's own deadline"
    if number == signal.SIGTERM:
        assert result.code == 143
        assert "the next tick continues" in result.err
        assert container.lease() is None
    else:
        assert result.code == -signal.SIGKILL
    assert container.tick() == 0, "no lock was left, whoever held it"
    assert container.rows(open_only=True)
    if end == "/backup":
        assert container.asked("backup") == 0, "what became of the held request is not known yet: nothing is asked"
    container.simulator.let_go()
    if end == "/backup":
        container.wait_until(lambda: container.happened("backup") == 1)  # the platform acts late
    container.tick_until_done()
    assert container.rows()[0].outcome == "succeeded"
    assert (container.asked("backup"), container.asked("source-operation")) == (1, 1)


def test_a_request_that_never_arrived_is_made_again_once_the_platforms_clock_has_settled_it(
    container: Container,
) -> None:
    container.simulator.add_fault("POST */backup cut-before")
    assert container.tick() == container.tick() == 0
    assert (container.asked("backup"), container.happened("backup")) == (1, 0)
    container.clock.advance(121)
    container.tick_until_done()
    assert (container.happened("backup"), container.happened("source-operation")) == (1, 1)


def test_ticks_killed_at_any_moment_never_ask_twice(container: Container) -> None:
    for delay in (0.15, 0.3, 0.45, 0.6, 0.75, 0.9):
        process = container.start()
        time.sleep(delay)
        ended(process, signal.SIGKILL)
        container.clock.advance(121)
    container.tick_until_done()
    assert container.rows()[0].outcome == "succeeded"
    assert (container.happened("backup"), container.happened("source-operation")) == (1, 1)


def test_an_idle_tick_asks_the_platform_for_nothing_and_says_nothing(container: Container) -> None:
    container.tick_until_done()
    before = len(container.simulator.requests)
    result = ended(container.start())
    assert (result.code, result.out, result.err) == (0, "", "")
    assert len(container.simulator.requests) == before


def test_the_token_is_in_no_file_and_no_command_line(container: Container) -> None:
    container.simulator.hold("/backup")
    process = container.start()
    container.simulator.wait_for_held()
    lines = [file.read_bytes() for file in Path("/proc").glob("[0-9]*/cmdline") if readable(file)]
    assert any(b"agent\0tick" in line for line in lines), "the tick is among them"
    assert not any(TOKEN.encode() in line for line in lines)
    container.simulator.let_go()
    assert ended(process).code == 0
    container.tick_until_done()
    for file in container.state.rglob("*"):
        data = file.read_bytes()
        assert TOKEN.encode() not in data, file
        assert b"eyJ" not in data, f"{file} holds a bearer"


def readable(file: Path) -> bool:
    """Whether the process is still there."""
    try:
        file.read_bytes()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("kind", ["half-headers", "half-body", "reset", "reset-after", "drip seconds=0.001"])
def test_real_broken_connections_at_the_backup_request_are_reconciled(container: Container, kind: str) -> None:
    container.simulator.add_fault(f"POST */backup {kind}")
    assert container.tick() == 0
    container.clock.advance(121)
    container.tick_until_done()
    assert (container.happened("backup"), container.happened("source-operation")) == (1, 1)
    assert container.rows()[0].outcome == "succeeded"
