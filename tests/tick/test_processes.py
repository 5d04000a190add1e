"""Real processes, killed and crowded, against the simulator on a socket. The books are the simulator's own."""

from __future__ import annotations

import io
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from agent_process import TOKEN, Agent, ended

from agent.cli.context import Context
from agent.cli.main import build
from agent.journal import Cursor, RunRow
from agent.journal.directory import reading
from agent.journal.sqlite import SqliteJournal
from agent.logs import make_log
from agent.simulator import ManualClock, Scenario, Simulator, serve
from agent.tick import run_tick

IDENTITY = ("abcdefgh1234z", "main", "app")
FIVE_MINUTES = 300


class Held(Simulator):
    """A platform that can keep one request waiting for as long as a test likes."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._end: str | None = None
        self._here = threading.Event()
        self._gate = threading.Event()

    def hold(self, end: str) -> None:
        """Keep the next request whose path ends like that."""
        self._end = end

    def wait_for_held(self) -> None:
        """Return once that request is here."""
        assert self._here.wait(30), "no such request came"

    def let_go(self) -> None:
        """Carry it out now."""
        self._gate.set()

    def wsgi(self, environ: Any, start_response: Any) -> Any:
        """Answer one request, unless it is to be held."""
        if self._end is not None and environ["PATH_INFO"].endswith(self._end):
            self._end = None
            self._here.set()
            self._gate.wait(60)
        return super().wsgi(environ, start_response)


@dataclass
class Container:
    """An app container whose job fell due ten minutes ago, and the platform, whose clock the test moves."""

    agent: Agent
    simulator: Held
    clock: ManualClock
    state: Path
    started: list[Any] = field(default_factory=list)

    def start(self) -> Any:
        """A tick, running."""
        process = self.agent.start("tick")
        self.started.append(process)
        return process

    def rows(self, *, open_only: bool = False) -> list[RunRow]:
        """The journal's runs."""
        with reading(str(self.state), IDENTITY) as journal:
            return list(journal.rows(open_only=open_only))

    def lease(self) -> str | None:
        """Who holds the lease."""
        with reading(str(self.state), IDENTITY) as journal:
            return journal.noted("lease")

    def tick(self) -> int:
        """A tick in this process, over the same socket: starting an interpreter for each costs a second."""
        options = build().parse_args(["tick"])
        context = Context(options, self.agent.environment())
        site = replace(context.site(), log=make_log(context.redaction, stream=io.StringIO(), readable=False))
        try:
            return run_tick(site).exit_code()
        finally:
            site.client.close()

    def tick_until_done(self, most: int = 10) -> None:
        """Tick until the run is closed."""
        for _ in range(most):
            assert self.tick() in {0, 1}
            if not self.rows(open_only=True):
                return
            self.clock.advance(FIVE_MINUTES)
        raise AssertionError("the run never ends")

    def asked(self, end: str) -> int:
        """How many requests that change something reached the platform."""
        found = self.simulator.books()["requests"]
        return len([each for each in found if each["method"] == "POST" and each["path"].endswith(f"/{end}")])

    def happened(self, kind: str) -> int:
        """How many operations of a kind the platform carried out."""
        return len([each for each in self.simulator.books()["activities"] if each["type"] == f"environment.{kind}"])

    def wait_until(self, come: Callable[[], bool]) -> None:
        """Return once it is so."""
        until = time.monotonic() + 30
        while not come():
            assert time.monotonic() < until, "it never came"
            time.sleep(0.02)


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Container]:
    clock = ManualClock(datetime.now(UTC))
    simulator = Held(Scenario(token=TOKEN), clock)
    due = datetime.now(UTC) - timedelta(minutes=10)
    expression = f"{due.minute} {due.hour} {due.day} {due.month} *"
    (tmp_path / "agent.toml").write_text(
        f'[jobs.nightly]\nschedule = "{expression}"\n[[jobs.nightly.steps]]\nbackup = {{}}\n'
        '[[jobs.nightly.steps]]\nsource-operation = { name = "update" }\n'
    )
    state = tmp_path / "state"
    state.mkdir()
    journal = SqliteJournal(str(state), IDENTITY)
    journal.set_cursor(Cursor("nightly", f"{expression}|UTC", due - timedelta(minutes=10)))
    journal.close()
    with serve(simulator) as server:
        variables = {
            "PLATFORM_PROJECT": IDENTITY[0],
            "PLATFORM_BRANCH": IDENTITY[1],
            "PLATFORM_APPLICATION_NAME": IDENTITY[2],
            "PLATFORM_ENVIRONMENT_TYPE": "production",
            "UPSUN_AGENT_CONFIG": str(tmp_path / "agent.toml"),
            "UPSUN_AGENT_STATE": str(state),
            "UPSUN_CLI_API_URL": server.url,
            "UPSUN_CLI_AUTH_URL": server.url,
            "UPSUN_CLI_TOKEN": TOKEN,
        }
        found = Container(Agent(tmp_path, variables), simulator, clock, state)
        try:
            yield found
        finally:
            simulator.let_go()
            for process in found.started:
                if process.poll() is None:
                    process.kill()
                process.communicate()


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
        assert "the next tick goes on" in result.err
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
