"""Whole runs in virtual time: the real tick, client, journal and channels against the simulator in this process.

A ``Stage`` has its state on a mount, a ``SharedStage`` in a database that several instances share.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from dataclasses import replace as replace_fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from upsun_agent.api.client import Client
from upsun_agent.api.endpoints import Endpoints
from upsun_agent.api.http import Transport, in_process
from upsun_agent.clock import VirtualClock
from upsun_agent.config import parse
from upsun_agent.engine.fold import fold
from upsun_agent.engine.run import Run
from upsun_agent.journal import RunRow
from upsun_agent.journal.directory import reading
from upsun_agent.journal.notes import SEAL
from upsun_agent.journal.seals import Seals
from upsun_agent.journal.sqlite import SqliteJournal
from upsun_agent.journal.state import DatabaseState, MountState
from upsun_agent.log.lines import Redaction, make_log
from upsun_agent.model.events import Event
from upsun_agent.notify import outbox
from upsun_agent.notify.channels.http import HttpSender
from upsun_agent.notify.messages import Message
from upsun_agent.notify.notifier import Notifier, Origin
from upsun_agent.platform.container import Container
from upsun_agent.report.publish import publish
from upsun_agent.runtime.context import TickContext
from upsun_agent.runtime.tick import run_tick, ticking
from upsun_agent.runtime.tick_report import TickReport
from upsun_simulator import ConnectionCut, ManualClock, Scenario, Simulator

from tests.harness.journal_forms import place_of
from tools.databases import DATABASE, Server

SLOT = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
START = SLOT - timedelta(minutes=5)
JOB = """
[jobs.nightly]
schedule = "0 3 * * *"

[[jobs.nightly.steps]]
backup = {}

[[jobs.nightly.steps]]
source-operation = { name = "update" }
"""
TWO_JOBS = """
[jobs.look]
schedule = "0 3 * * *"
[[jobs.look.steps]]
command = { run = ["true"], changes = false }

[jobs.held]
schedule = "0 3 * * *"
[[jobs.held.steps]]
command = { run = ["true"], changes = false }
"""
RUN = "nightly@2026-03-02T03:00"
HOST = "http://simulator.invalid"
TOKEN = "canary-api-token-1234567890"
ENTROPY = "canary-entropy-of-the-project-234567"
Wsgi = Callable[..., Any]


class Wrong(VirtualClock):
    """The machine's clock, so much ahead of the platform's."""

    def __init__(self, manual_clock: ManualClock, ahead: timedelta) -> None:
        super().__init__(manual_clock)
        self._ahead = ahead

    def now(self) -> datetime:
        return super().now() + self._ahead


@dataclass
class Stage:
    """One app container with its mount, its job file and its clock, and the platform around it."""

    simulator: Simulator
    manual_clock: ManualClock
    directory: Path
    jobs: str = JOB
    container: Container = field(
        default_factory=lambda: Container(
            phase="runtime",
            project="abcdefgh1234z",
            environment="main",
            environment_type="production",
            app="app",
        )
    )
    token: str | None = TOKEN
    entropy: str | None = ENTROPY
    ahead: timedelta = field(default_factory=timedelta)
    wrap: Callable[[Wsgi], Wsgi] = field(default=lambda wsgi: wsgi)
    log: io.StringIO = field(default_factory=io.StringIO)
    heard: list[tuple[str, Event]] = field(default_factory=list)
    reword: Callable[[str], str] = str  #: returns a text in the words of the project's product
    environ: dict[str, str] = field(default_factory=dict)  #: the variables that the channels of the job file name

    @property
    def place(self) -> MountState | DatabaseState:
        """Where the state is."""
        return MountState(str(self.directory))

    def site(self) -> TickContext:
        """What a fresh process of the agent would work with."""
        job_file = parse(self.jobs)
        secrets = [self.environ.get(name) for name in job_file.notify.variables()] if job_file.notify else []
        redaction = Redaction([TOKEN, *secrets])
        clock = Wrong(self.manual_clock, self.ahead)
        transport = Transport("upsun-agent/test", in_process(self.wrap(self.simulator.wsgi), ConnectionCut))
        client = Client(transport, Endpoints(HOST, HOST), self.token, clock=clock, hide=redaction.hide)
        log = make_log(redaction, stream=self.log, readable=False)
        site = TickContext(
            self.container,
            job_file,
            self.place,
            clock,
            client,
            log,
            lambda run, event: self.heard.append((run, event)),
            seals=Seals(self.container.identity, (self.entropy, self.token)),
            publish=publish,
            reword=self.reword,
        )
        return site if job_file.notify is None else replace(site, notifier=self._notifier(site, redaction))

    def _notifier(self, site: TickContext, redaction: Redaction) -> Notifier:
        """The channels as the command line composes them."""
        notify = site.job_file.notify
        assert notify is not None
        kind = self.container.environment_type
        here = any(job.runs_on(kind) for job in site.job_file.jobs.values())
        whose = Origin(site.project, site.environment, kind, self.container.app or "", here)
        transport = Transport("upsun-agent/test")
        sender = HttpSender(self.environ, transport, redaction.hide, redaction.clean, site.clock.now)
        return Notifier(notify, whose, sender, site.clock, site.log)

    # --- time ---------------------------------------------------------------------------------------------

    def at(self, moment: datetime) -> Stage:
        """Let it be that moment."""
        self.manual_clock.set(moment)
        return self

    def later(self, **length: float) -> Stage:
        """Let that much time pass."""
        self.manual_clock.advance(timedelta(**length).total_seconds())
        return self

    # --- the agent ----------------------------------------------------------------------------------------

    def tick(self) -> TickReport:
        """One tick of a fresh process."""
        site = self.site()
        try:
            return run_tick(site)
        finally:
            site.client.close()

    def by_hand(self, job: str) -> str:
        """What ``upsun-agent run JOB`` does; returns the run's id."""
        site = self.site()
        with ticking(site) as tick:
            tick.verify_state()
            run = tick.open_by_hand(site.job_file.job(job))
            tick.advance(run)
            tick.finish()
        site.client.close()
        return run

    def ticks(self, most: int = 100, *, every: float = 300.0) -> Run:
        """Tick every five minutes until no run is open; the newest run as it then stands."""
        self.settle(most, every=every)
        return self.run(self.rows()[0].run)

    def settle(self, most: int = 100, *, every: float = 300.0) -> None:
        """Tick every five minutes until no run is open."""
        for _ in range(most):
            self.tick()
            if not self.rows(open_only=True):
                return
            self.manual_clock.advance(every)
        raise AssertionError(f"runs are still open after {most} ticks: {self.rows(open_only=True)}")

    def play(self, most: int = 100) -> Run:
        """From before the slot to the end of its run."""
        self.at(START).tick()
        self.at(SLOT + timedelta(seconds=7))
        return self.ticks(most)

    # --- the journal --------------------------------------------------------------------------------------

    def reseal(self, run: str = RUN) -> None:
        """Give the run a new seal, so that what a test changed in it counts as written by the agent."""
        with closing(SqliteJournal(str(self.directory), self.container.identity, begins=False)) as journal:
            journal.note(f"{SEAL}{run}", self.site().seals.seal(run, journal.written(run)))

    def rows(self, *, open_only: bool = False, job: str | None = None) -> list[RunRow]:
        """Runs, newest first."""
        with reading(self.place, self.container.identity) as journal:
            return list(journal.rows(open_only=open_only, job=job, most=1000))

    def events(self, run: str = RUN) -> list[Event]:
        """The run's events."""
        with reading(self.place, self.container.identity) as journal:
            return journal.events(run)

    def run(self, run: str = RUN) -> Run:
        """The run as its events make it."""
        return fold(self.events(run))

    def kinds(self, run: str = RUN) -> list[str]:
        """The run's events by their names."""
        return [event.kind for event in self.events(run)]

    def set_aside(self) -> list[str]:
        """Journals that were set aside."""
        return sorted(path.name for path in self.directory.glob("journal.sqlite.*-*"))

    def facts(self) -> dict[str, str]:
        """What the outbox holds."""
        with reading(self.place, self.container.identity) as journal:
            return journal.notes("outbox")

    def waiting(self) -> list[Message]:
        """The messages that wait."""
        return outbox.waiting(self.facts())

    # --- the platform's request log -------------------------------------------------------------------------

    def asked(self, end: str) -> list[dict[str, Any]]:
        """Requests that change something and whose path ends like that, as the simulator booked them."""
        found = [each for each in self.simulator.request_log()["requests"] if each["method"] == "POST"]
        return [each for each in found if each["path"].endswith(f"/{end}")]

    @property
    def backups_asked(self) -> int:
        """How many requests for a backup reached the platform."""
        return len(self.asked("backup"))

    @property
    def updates_asked(self) -> int:
        """How many requests for the source operation reached the platform."""
        return len(self.asked("source-operation"))

    def activities(self, kind: str) -> list[dict[str, Any]]:
        """Activities of a type, oldest first."""
        return [each for each in self.simulator.request_log()["activities"] if each["type"] == f"environment.{kind}"]

    def logged(self) -> list[dict[str, Any]]:
        """The log, line by line."""
        return [json.loads(line) for line in self.log.getvalue().splitlines()]

    def said(self, event: str) -> list[dict[str, Any]]:
        """The log lines of that name."""
        return [line for line in self.logged() if line["event"] == event]

    def with_container(self, **changes: Any) -> Stage:
        """The same stage seen from another container."""
        self.container = replace(self.container, **changes)
        return self


def build(directory: Path, start: datetime = START, jobs: str = JOB, **scenario: Any) -> Stage:
    """A stage at ``start`` with that behaviour of the platform."""
    manual_clock = ManualClock(start)
    return Stage(Simulator(Scenario(token=TOKEN, **scenario), manual_clock), manual_clock, directory / "state", jobs)


@dataclass
class SharedStage(Stage):
    """A stage whose state is in a database. ``url`` may be changed: through another door to the same database."""

    server: Server | None = None
    url: str = ""

    @property
    def place(self) -> DatabaseState:
        """Where the state is."""
        return place_of(self.url)

    def set_aside(self) -> list[str]:
        """Why journals of this identity were set aside."""
        assert self.server is not None
        table = "upsun_agent.journals" if self.server.scheme == "postgresql" else "upsun_agent_journals"
        where = f"present IS NULL AND environment = '{self.container.environment}'"
        query = f"SELECT why FROM {table} WHERE {where} ORDER BY id"  # noqa: S608  names of ours
        return self.server.execute(query, database=self.place.endpoint.database).splitlines()

    def instance(self, *, off: timedelta = timedelta()) -> SharedStage:
        """Another instance of the same app: the same state and platform, its own clock."""
        return replace_fields(self, heard=[], ahead=off)


def build_shared(
    server: Server, environment: str, *, jobs: str = JOB, url: str = "", database: str = DATABASE, **scenario: Any
) -> SharedStage:
    """A stage at ``START`` with that behaviour of the platform, and its state on the server."""
    manual_clock = ManualClock(START)
    container = Container(
        phase="runtime", project="abcdefgh1234z", environment=environment, environment_type="production", app="app"
    )
    simulator = Simulator(Scenario(token=TOKEN, environment=environment, **scenario), manual_clock)
    if database != DATABASE:
        server.fresh_database(database)
    url = url or server.url(database=database, query="sslmode=disable")
    return SharedStage(simulator, manual_clock, Path("/nowhere"), jobs, container, server=server, url=url)
