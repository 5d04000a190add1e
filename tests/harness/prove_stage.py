"""A development environment on a simulator with a cron that runs often, and ``check --prove`` against it over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from upsun_agent.clock import SystemClock, VirtualClock
from upsun_simulator import ManualClock, Scenario, Simulator, serve

from tests.harness.agent_process import TOKEN, Agent, Result
from tests.harness.cli_app import App

LAB = "lab"
SHORT: dict[str, Any] = {
    "backup_seconds": 24,
    "deploy_seconds": 8,
    "source_operation_seconds": 8,
    "housekeeping_seconds": 4,
    "other_role": "admin",
}
CRON_SECONDS = 60


@dataclass
class Lab:
    """A simulator with the environment ``lab``, and an app container of it; time passes where the command waits."""

    app: App
    simulator: Simulator
    #: Whether the platform starts a cron whenever none waits or runs.
    crons: bool = True

    def pass_time(self, seconds: float) -> None:
        """Move the platform's clock on, and start a cron there if none waits or runs."""
        self.app.clock.advance(seconds)
        self.simulator.request_log()  # plays what is due
        with self.simulator.platform.lock:
            idle = not any(one.unfinished for one in self.simulator.state.open)
        if self.crons and idle:
            self.simulator.start_activity(LAB, seconds=CRON_SECONDS)

    def stop_crons(self) -> None:
        """Start no more crons, and let the one that runs end."""
        self.crons = False
        self.pass_time(CRON_SECONDS)

    def prove(self, *more: str, **changes: str | None) -> Result:
        """Call the command in the container of the environment."""
        return self.app.call("check", "--prove", LAB, "--yes", *more, **changes)

    def rows(self, *more: str, **changes: str | None) -> dict[str, dict[str, Any]]:
        """Return the rows of the document by name."""
        said = self.prove("--json", *more, **changes)
        assert said.code == 0, said.said
        return {each["name"]: each for each in said.document["rows"]}

    def backups(self) -> list[str]:
        """Return the backups of the environment that are there and not being deleted."""
        self.pass_time(60)  # deletions end
        return [each.id for each in self.simulator.state.backups if each.environment == LAB]


@contextmanager
def lab(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], **scenario: Any
) -> Iterator[Lab]:
    """Serve a simulator on which a cron runs again and again; a wait of the command moves its clock."""
    clock = ManualClock(datetime.now(UTC))
    simulator = Simulator(Scenario(token=TOKEN, **{**SHORT, **scenario}), clock)
    simulator.add_environment(LAB, parent="main")
    for number in range(20):
        simulator.start_activity(LAB, seconds=4, age=4000 - 100 * number)
    with serve(simulator) as server:
        directory = tmp_path / "app"
        (directory / "var" / "agent").mkdir(parents=True)
        variables = {
            "PLATFORM_PROJECT": simulator.scenario.project,
            "PLATFORM_BRANCH": LAB,
            "PLATFORM_APPLICATION_NAME": "app",
            "PLATFORM_ENVIRONMENT_TYPE": "development",
            "PLATFORM_APP_DIR": str(directory),
            "UPSUN_CLI_API_URL": server.url,
            "UPSUN_CLI_AUTH_URL": server.url,
            "UPSUN_CLI_TOKEN": TOKEN,
        }
        app = App(directory, Agent(directory, variables), simulator, clock, clock.now(), monkeypatch, capsys)
        app.jobs.write_text("[jobs.nightly]\nsteps = [{ backup = {} }]\n")
        stage, virtual = Lab(app, simulator), VirtualClock(clock)
        with monkeypatch.context() as patch:
            patch.setattr(SystemClock, "now", lambda _: virtual.now())
            patch.setattr(SystemClock, "monotonic", lambda _: virtual.monotonic())
            patch.setattr(SystemClock, "sleep", lambda _, seconds: stage.pass_time(seconds))
            yield stage
