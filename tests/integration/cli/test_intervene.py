"""approve and cancel as commands, against the simulator on a socket."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from upsun_simulator import Scenario, Simulator, serve

from tests.harness.sources import SOURCES

TOKEN = "canary-api-token-1234567890"
JOB_FILE = """\
[jobs.promote]

[[jobs.promote.steps]]
approval = { message = "to production" }

[[jobs.promote.steps]]
backup = {}
"""


@dataclass
class App:
    directory: Path
    simulator: Simulator
    url: str

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        variables = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": SOURCES,
            "PLATFORM_APP_DIR": str(self.directory),
            "PLATFORM_PROJECT": "abcdefgh1234z",
            "PLATFORM_BRANCH": "main",
            "PLATFORM_ENVIRONMENT_TYPE": "production",
            "UPSUN_CLI_TOKEN": TOKEN,
            "UPSUN_CLI_API_URL": self.url,
            "UPSUN_CLI_AUTH_URL": self.url,
        }
        command = [sys.executable, "-m", "upsun_agent", *arguments]
        done = subprocess.run(
            command, env=variables, cwd=self.directory, capture_output=True, text=True, check=False, timeout=60
        )
        assert "Traceback" not in done.stdout + done.stderr
        assert TOKEN not in done.stdout + done.stderr
        return done

    def shown(self, of: str = "promote") -> Any:
        return json.loads(self.call("show", of, "--json").stdout)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    (tmp_path / ".upsun").mkdir()
    (tmp_path / ".upsun" / "agent.toml").write_text(JOB_FILE)
    simulator = Simulator(Scenario(token=TOKEN, backup_seconds=3600))
    with serve(simulator) as server:
        yield App(tmp_path, simulator, server.url)


def test_a_run_waits_until_somebody_approves_and_keeps_who_it_was(app: App) -> None:
    begun = app.call("run", "promote")
    assert begun.returncode == 0
    assert "upsun-agent approve promote@manual-" in begun.stdout
    assert app.call("tick").returncode == 0
    assert app.shown()["waits_on"] == "approval"
    approved = app.call("approve", "promote", "--by", "ada\x1b[31m")
    assert approved.returncode == 0
    assert "Approved: promote@manual-" in approved.stdout
    again = app.call("approve", "promote")
    assert again.returncode == 64
    assert "does not wait for approval" in again.stderr
    assert app.call("tick").returncode == 0
    run = app.shown()
    assert run["steps"][0]["message"] == "approved by ada"
    assert run["steps"][1]["phase"] == "accepted"


def test_a_denied_run_has_failed(app: App) -> None:
    app.call("run", "promote")
    denied = app.call("approve", app.shown()["run"], "--deny", "--by", "ada", "--json")
    assert json.loads(denied.stdout)["state"] == "open"
    assert app.call("tick").returncode == 1
    run = app.shown()
    assert (run["outcome"], run["failure"]) == ("failed", "denied")
    assert app.simulator.request_log()["activities"] == []


def test_a_cancelled_run_asks_for_nothing_more_and_says_what_goes_on(app: App) -> None:
    app.call("run", "promote")
    app.call("approve", "promote")
    app.call("tick")
    done = app.call("cancel", "promote", "--by", "ada")
    assert done.returncode == 0
    assert "continues (upsun activity:cancel" in done.stdout
    run = app.shown()
    assert (run["outcome"], run["failure"]) == ("cancelled", "cancelled")
    assert app.call("tick").returncode == 0
    assert [each["state"] for each in app.simulator.request_log()["activities"]] == ["in_progress"]


def test_a_cancelled_run_can_cancel_its_activity(app: App) -> None:
    app.call("run", "promote")
    app.call("approve", "promote")
    app.call("tick")
    done = app.call("cancel", "promote", "--activity", "--json")
    assert "was cancelled" in json.loads(done.stdout)["message"]
    assert [each["state"] for each in app.simulator.request_log()["activities"]] == ["cancelled"]


@pytest.mark.parametrize("command", ["approve", "cancel"])
def test_a_run_that_is_not_in_flight_is_named(app: App, command: str) -> None:
    for wanted, code in (("promote", 64), ("no-such-job", 78), ("promote@2026-11-28T03:00", 78)):
        done = app.call(command, wanted)
        assert done.returncode == code
        assert f"no run '{wanted}' is in flight" in done.stderr
        assert "in flight: none" in done.stderr


@pytest.mark.parametrize("command", ["approve", "cancel"])
def test_a_run_that_is_over_is_no_wrong_configuration(app: App, command: str) -> None:
    app.call("run", "promote")
    app.call("cancel", "promote")
    (over,) = json.loads(app.call("history", "--json").stdout)["runs"]
    assert app.call(command, over["run"]).returncode == 64
