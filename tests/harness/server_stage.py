"""The stage with its state in a database: instances are processes of one container or of several."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from upsun_agent.journal import RunRow
from upsun_agent.journal.directory import reading
from upsun_agent.journal.state import DatabaseState
from upsun_agent.model.events import Event
from upsun_agent.platform.container import Container
from upsun_agent.runtime.context import TickContext
from upsun_simulator import ManualClock, Scenario, Simulator

from tests.harness.journal_forms import place_of
from tests.harness.stage import JOB, START, TOKEN, Stage
from tools.databases import DATABASE, Server


class Skewed:
    """A clock that is off by so much: one instance's own."""

    def __init__(self, manual_clock: ManualClock, off: timedelta) -> None:
        self._manual_clock = manual_clock
        self._off = off

    def now(self) -> datetime:
        return self._manual_clock.now() + self._off

    def advance(self, seconds: float) -> object:
        return self._manual_clock.advance(seconds)


@dataclass
class SharedStage(Stage):
    """A stage whose state is in a database. ``url`` may be changed: through another door to the same database."""

    server: Server | None = None
    url: str = ""

    @property
    def place(self) -> DatabaseState:
        """Where the state is."""
        return place_of(self.url)

    def site(self) -> TickContext:
        """What a fresh process of the agent would work with."""
        return replace_state(super().site(), self.place)

    def rows(self, *, open_only: bool = False, job: str | None = None) -> list[RunRow]:
        """Runs, newest first."""
        with reading(self.place, self.container.identity) as journal:
            return list(journal.rows(open_only=open_only, job=job, most=1000))

    def events(self, run: str = "nightly@2026-03-02T03:00") -> list[Event]:
        """The run's events."""
        with reading(self.place, self.container.identity) as journal:
            return journal.events(run)

    def set_aside(self) -> list[str]:
        """Why journals of this identity were set aside."""
        assert self.server is not None
        table = "upsun_agent.journals" if self.server.scheme == "postgresql" else "upsun_agent_journals"
        where = f"present IS NULL AND environment = '{self.container.environment}'"
        query = f"SELECT why FROM {table} WHERE {where} ORDER BY id"  # noqa: S608  names of ours
        return self.server.execute(query, database=self.place.endpoint.database).splitlines()

    def instance(self, *, off: timedelta = timedelta()) -> SharedStage:
        """Another instance of the same app: the same state and platform, its own clock."""
        other = replace(self, heard=[])
        if off:
            other.manual_clock = Skewed(self.manual_clock, off)  # type: ignore[assignment]
        return other


def replace_state(site: TickContext, place: DatabaseState) -> TickContext:
    """The same site with its state there."""
    from msgspec.structs import replace as replaced

    return replaced(site, state=place)


def build(
    server: Server, environment: str, *, jobs: str = JOB, url: str = "", database: str = DATABASE, **scenario: Any
) -> SharedStage:
    """A stage at ``START`` with that behaviour of the platform."""
    manual_clock = ManualClock(START)
    container = Container(
        phase="runtime", project="abcdefgh1234z", environment=environment, environment_type="production", app="app"
    )
    simulator = Simulator(Scenario(token=TOKEN, environment=environment, **scenario), manual_clock)
    if database != DATABASE:
        server.fresh_database(database)
    url = url or server.url(database=database, query="sslmode=disable")
    return SharedStage(simulator, manual_clock, Path("/nowhere"), jobs, container, server=server, url=url)
