"""Whole runs in virtual time against the in-process simulator, with a look into its request log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from upsun_agent.config import parse
from upsun_agent.model.events import Event, RunClosed
from upsun_agent.platform.container import Container
from upsun_simulator.rehearsal.play import Played, Rehearsal
from upsun_simulator.user import MACHINE

START = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)

JOB_FILE = """\
[jobs.nightly-update]
schedule = "0 3 * * *"
{more}
[[jobs.nightly-update.steps]]
backup = {{ retries = 0 }}

{between}
[[jobs.nightly-update.steps]]
source-operation = {{ name = "update" }}
{after}
"""


class Night:
    """One night: the job with these faults, played to its end."""

    def __init__(self, *faults: str, more: str = "", between: str = "", after: str = "") -> None:
        job_file = parse(JOB_FILE.format(more=more, between=between, after=after))
        container = Container("runtime", project="abcdefgh1234z", environment="main", app="app")
        self.rehearsal = Rehearsal(job_file, job_file.job("nightly-update"), container, faults, START)
        self.simulator = self.rehearsal.simulator
        self.events: list[Event] = []

    def play(self, on_event: Callable[[Event], None] | None = None) -> Played:
        def hear(_: str, event: Event) -> None:
            self.events.append(event)
            if on_event is not None:
                on_event(event)

        self.played = self.rehearsal.play(hear)
        assert "simulated-token" not in self.played.log
        assert "Traceback" not in self.played.log
        return self.played

    @property
    def closed(self) -> RunClosed:
        """How the run ended."""
        run = self.played.run
        assert run is not None
        assert run.closed is not None, f"the run is stuck: {run.wait_message}"
        return run.closed

    def mine(self, kind: str) -> list[dict[str, Any]]:
        """The platform's activities of a type that the agent's user began."""
        listed = self.simulator.request_log()["activities"]
        return [each for each in listed if each["type"] == f"environment.{kind}" and each["user"] == MACHINE.id]

    def assert_promises(self) -> None:
        """P1 to P3, from the request log alone."""
        run = self.played.run
        assert run is not None
        assert run.closed is not None, f"the run is stuck: {run.wait_message}"
        backups, updates = self.mine("backup"), self.mine("source-operation")
        assert len(backups) <= 1, "P1: two backups"
        assert len(updates) <= 1, "P1: two updates"
        for update in updates:
            proved = [each for each in backups if each["result"] == "success" and each["number"] < update["number"]]
            assert proved, "P2: an update without a backup before it"
        if run.closed.outcome == "succeeded":
            assert len(backups) == len(updates) == 1

    def kinds(self) -> Counter[str]:
        return Counter(event.kind for event in self.events)
