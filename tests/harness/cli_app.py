"""An app container in which the command is called, and the platform around it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from upsun_agent.cli.main import run
from upsun_agent.journal import Cursor
from upsun_agent.journal.sqlite import SqliteJournal
from upsun_simulator import ManualClock, Scenario, Simulator, serve

from tests.harness.agent_process import TOKEN, Agent, Result

IDENTITY = ("abcdefgh1234z", "main", "app")
STEPS = """
[[jobs.NAME.steps]]
backup = {}
[[jobs.NAME.steps]]
source-operation = { name = "update" }
"""


@dataclass
class App:
    """An app container on a platform: job ``nightly`` fell due ten minutes ago, ``hand`` runs by hand only."""

    directory: Path
    agent: Agent
    simulator: Simulator
    clock: ManualClock
    due: datetime
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    @property
    def jobs(self) -> Path:
        """The job file."""
        return self.directory / "upsun-agent.toml"

    @property
    def state(self) -> Path:
        """The state directory."""
        return self.directory / "var" / "agent"

    @property
    def slot(self) -> str:
        """The name of the slot that is due."""
        return f"{self.due:%Y-%m-%dT%H:%M}"

    def write_jobs(self, text: str = "") -> None:
        """Write the job file, with more text at its end."""
        schedule = f'schedule = "{self.due.minute} {self.due.hour} {self.due.day} {self.due.month} *"'
        nightly = f"[jobs.nightly]\n{schedule}\n{STEPS.replace('NAME', 'nightly')}"
        self.jobs.write_text(f"{nightly}\n[jobs.hand]\n{STEPS.replace('NAME', 'hand')}\n{text}")

    def make_due(self) -> None:
        """Let the slot be one that the next tick opens: a tick was there before it."""
        self.state.mkdir(parents=True)
        journal = SqliteJournal(str(self.state), IDENTITY)
        key = f"{self.due.minute} {self.due.hour} {self.due.day} {self.due.month} *|UTC"
        journal.set_cursor(Cursor("nightly", key, self.due - timedelta(minutes=10)))
        journal.close()

    def call(self, *arguments: str, **changes: str | None) -> Result:
        """The command in this process: what a real process does, without the second that starting one takes."""
        environment = self.agent.environment(**changes)
        with self.monkeypatch.context() as patch:
            for name in list(os.environ):
                patch.delenv(name)
            for name, value in environment.items():
                patch.setenv(name, value)
            patch.chdir(self.directory)
            self.capsys.readouterr()
            try:
                code = run(arguments)
            except SystemExit as leaving:  # argparse leaves like this after --help
                code = int(leaving.code or 0)
            out, err = self.capsys.readouterr()
        return Result(code, out, err, arguments)

    def asked(self, end: str) -> int:
        """How many requests that change something reached the platform."""
        found = self.simulator.request_log()["requests"]
        return len([each for each in found if each["method"] == "POST" and each["path"].endswith(f"/{end}")])


@contextmanager
def apps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., App]]:
    """Builds a container on a platform that behaves as it is told; the platforms end with the block."""
    servers = []

    def build(**scenario: Any) -> App:
        clock = ManualClock(datetime.now(UTC))
        settings = {"backup_seconds": 0, "source_operation_seconds": 0, "deploy_seconds": 0, **scenario}
        simulator = Simulator(Scenario(token=TOKEN, **settings), clock)
        server = serve(simulator)
        servers.append(server)
        directory = tmp_path / "app"
        directory.mkdir()
        variables = {
            "PLATFORM_PROJECT": IDENTITY[0],
            "PLATFORM_BRANCH": IDENTITY[1],
            "PLATFORM_APPLICATION_NAME": IDENTITY[2],
            "PLATFORM_ENVIRONMENT_TYPE": "production",
            "PLATFORM_APP_DIR": str(directory),
            "UPSUN_CLI_API_URL": server.url,
            "UPSUN_CLI_AUTH_URL": server.url,
            "UPSUN_CLI_TOKEN": TOKEN,
        }
        due = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=10)
        app = App(directory, Agent(directory, variables), simulator, clock, due, monkeypatch, capsys)
        app.write_jobs()
        return app

    try:
        yield build
    finally:
        for server in servers:
            server.close()
