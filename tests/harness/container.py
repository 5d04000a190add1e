"""An app container around real processes, and a platform on a socket whose clock and patience a test holds."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from upsun_agent.cli.context import Context
from upsun_agent.cli.main import build
from upsun_agent.clock import SystemClock
from upsun_agent.journal import Cursor, RunRow
from upsun_agent.journal.directory import reading
from upsun_agent.journal.sqlite import SqliteJournal
from upsun_agent.journal.state import MountState
from upsun_agent.log.lines import make_log
from upsun_agent.runtime.tick import run_tick
from upsun_simulator import ManualClock, Scenario, Simulator, serve

from tests.harness.agent_process import TOKEN, Agent

ENTROPY = "canary-entropy-of-the-project-234567"
IDENTITY = ("abcdefgh1234z", "main", "app")
FIVE_MINUTES = 300


class ShownBy(SystemClock):
    """The machine's own time, but for the date, which the platform's clock shows."""

    def __init__(self, shown: ManualClock) -> None:
        self._shown = shown

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        return self._shown.now()


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
        with reading(MountState(str(self.state)), IDENTITY) as journal:
            return list(journal.rows(open_only=open_only))

    def lease(self) -> str | None:
        """Who holds the lease."""
        with reading(MountState(str(self.state)), IDENTITY) as journal:
            return journal.noted("lease")

    def tick(self) -> int:
        """A tick in this process, over the same socket: starting an interpreter for each costs a second."""
        options = build().parse_args(["tick"])
        context = Context(options, self.agent.environment())
        log = make_log(context.redaction, stream=io.StringIO(), readable=False)
        site = replace(context.tick_context(), log=log, clock=ShownBy(self.clock))
        try:
            return run_tick(site).exit_code()
        finally:
            site.client.close()

    def tick_until_done(self, most: int = 20) -> None:
        """Tick until the run is closed; a lost request takes a quarter of an hour more."""
        for _ in range(most):
            assert self.tick() in {0, 1}
            if not self.rows(open_only=True):
                return
            self.clock.advance(FIVE_MINUTES)
        raise AssertionError("the run never ends")

    def asked(self, end: str) -> int:
        """How many requests that change something reached the platform."""
        found = self.simulator.request_log()["requests"]
        return len([each for each in found if each["method"] == "POST" and each["path"].endswith(f"/{end}")])

    def happened(self, kind: str) -> int:
        """How many operations of a kind the platform carried out."""
        return len(
            [each for each in self.simulator.request_log()["activities"] if each["type"] == f"environment.{kind}"]
        )

    def wait_until(self, come: Callable[[], bool]) -> None:
        """Return once it is so."""
        until = time.monotonic() + 30
        while not come():
            assert time.monotonic() < until, "it never came"
            time.sleep(0.02)


@contextmanager
def due_container(tmp_path: Path, **scenario: Any) -> Iterator[Container]:
    """A container whose job fell due ten minutes ago; what was started in it ends with the block."""
    clock = ManualClock(datetime.now(UTC))
    simulator = Held(Scenario(token=TOKEN, **scenario), clock)
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
            "PLATFORM_PROJECT_ENTROPY": ENTROPY,
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
