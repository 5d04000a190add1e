"""A development environment on a simulator with a cron that runs often, and ``check --prove`` against it over HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from upsun_agent.prove import place
from upsun_simulator import Scenario, Simulator, serve

from tests.harness.agent_process import TOKEN, Agent, Result
from tests.harness.cli_app import App

LAB = "lab"
SHORT: dict[str, Any] = {
    "backup_seconds": 0.6,
    "deploy_seconds": 0.2,
    "source_operation_seconds": 0.2,
    "housekeeping_seconds": 0.1,
    "other_role": "admin",
}
CRON_SECONDS = 1.5


@dataclass
class Lab:
    """A simulator with the environment ``lab``, and an app container of it."""

    app: App
    simulator: Simulator
    over: threading.Event

    def stop_crons(self) -> None:
        """Start no more crons, and wait for the one that runs."""
        self.over.set()
        time.sleep(CRON_SECONDS + 0.3)

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
        time.sleep(0.3)  # for deletions to end
        self.simulator.request_log()  # plays what is due
        return [each.id for each in self.simulator.state.backups if each.environment == LAB]


@contextmanager
def lab(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], **scenario: Any
) -> Iterator[Lab]:
    """Serve a simulator, and let a cron run there again and again until the block ends."""
    monkeypatch.setattr(place, "POLL", 0.05)
    monkeypatch.setattr(place, "CRON_PATIENCE", 9.0)
    simulator = Simulator(Scenario(token=TOKEN, **{**SHORT, **scenario}))
    simulator.add_environment(LAB, parent="main")
    for number in range(20):
        simulator.start_activity(LAB, seconds=0.1, age=4000 - 100 * number)
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
        app = App(directory, Agent(directory, variables), simulator, None, None, monkeypatch, capsys)  # type: ignore[arg-type]  # no moved clock
        app.jobs.write_text("[jobs.nightly]\nsteps = [{ backup = {} }]\n")
        over = threading.Event()
        crons = threading.Thread(target=_crons, args=(simulator, over), daemon=True)
        crons.start()
        try:
            yield Lab(app, simulator, over)
        finally:
            over.set()
            crons.join()


def _crons(simulator: Simulator, over: threading.Event) -> None:
    """Start a cron whenever none waits or runs."""
    while not over.wait(0.1):
        with simulator.platform.lock:
            waits = any(one.type == "environment.cron" and one.unfinished for one in simulator.state.open)
            busy = any(one.type != "environment.cron" and one.unfinished for one in simulator.state.open)
        if not waits and not busy:
            simulator.start_activity(LAB, seconds=CRON_SECONDS)
