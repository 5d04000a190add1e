"""The command line as a cron, a person and a program use it, against the simulator on a socket."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from agent_process import TOKEN, Agent  # isort: skip
from cli_app import IDENTITY, App  # isort: skip

from agent.simulator import ManualClock, Scenario, Simulator, serve

FOREIGN = ("PLATFORM_", "UPSUN_", "SSH_", "XDG_", "COLUMNS", "NO_COLOR", "PYTHONIOENCODING")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background: what we start would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(FOREIGN):
            monkeypatch.delenv(name)


@pytest.fixture
def make_app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., App]]:
    """Builds a container on a platform with another behaviour."""
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

    yield build
    for server in servers:
        server.close()


@pytest.fixture
def app(make_app: Callable[..., App]) -> App:
    """A container on a platform where every operation takes no time at all."""
    return make_app()
