"""pause, resume and why as commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.sources import SOURCES

JOB_FILE = """\
[jobs.nightly]
schedule = "0 3 * * *"

[[jobs.nightly.steps]]
backup = {}
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    (tmp_path / ".upsun").mkdir()
    (tmp_path / ".upsun" / "agent.toml").write_text(JOB_FILE)
    return tmp_path


def agent(app: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    variables = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": SOURCES,
        "PLATFORM_APP_DIR": str(app),
        "PLATFORM_PROJECT": "abcdefgh1234z",
        "PLATFORM_BRANCH": "main",
        "PLATFORM_ENVIRONMENT_TYPE": "production",
        "UPSUN_CLI_API_URL": "http://127.0.0.1:9",
        "UPSUN_CLI_AUTH_URL": "http://127.0.0.1:9",
    }
    command = [sys.executable, "-m", "upsun_agent", *arguments]
    done = subprocess.run(command, env=variables, cwd=app, capture_output=True, text=True, check=False, timeout=60)
    assert "Traceback" not in done.stdout + done.stderr
    return done


def test_a_paused_job_is_shown_as_paused_until_it_is_resumed(app: Path) -> None:
    assert agent(app, "tick").returncode == 0
    paused = agent(app, "pause", "nightly", "--reason", "the shop has a sale")
    assert paused.returncode == 0
    assert "the shop has a sale; upsun-agent resume nightly ends it" in paused.stdout
    again = json.loads(agent(app, "pause", "nightly", "--json").stdout)
    assert "the shop has a sale" in again["paused"], "the first reason stays"
    assert paused.stdout.startswith("nightly: the job is paused since ")
    third = agent(app, "pause", "nightly", "--reason", "another one").stdout
    assert "the shop has a sale" in third
    assert "another one" not in third
    assert "nightly was already paused: the first reason stays" in " ".join(third.split())
    status = agent(app, "status")
    assert "paused" in status.stdout
    assert "the shop has a sale" in status.stdout
    assert json.loads(agent(app, "status", "--json").stdout)["jobs"][0]["paused"] == again["paused"]
    assert json.loads(agent(app, "resume", "nightly", "--json").stdout) == {
        "job": "nightly",
        "paused": None,
        "suspended": None,
    }
    assert "it was neither paused nor suspended" in agent(app, "resume", "nightly").stdout
    assert "suspended" not in agent(app, "status").stdout
    assert "UTC: paused by hand; upsun" in agent(app, "pause", "nightly", "--reason", " ").stdout, "no reason is given"


def test_pausing_a_job_that_is_not_there_is_refused(app: Path) -> None:
    done = agent(app, "pause", "nope")
    assert done.returncode == 78
    assert "defines no job 'nope'" in done.stderr


def test_why_tells_of_a_slot_before_anything_ever_ran(app: Path) -> None:
    done = agent(app, "why", "nightly")
    assert done.returncode == 0
    assert "no tick has ever run on this state" in " ".join(done.stdout.split())
    document = json.loads(agent(app, "why", "nightly", "--json").stdout)
    assert document["job"] == "nightly"
    assert document["run"] is None
    assert document["explanation"].startswith(f"Slot {document['slot']} of nightly")


def test_why_refuses_a_time_that_is_none(app: Path) -> None:
    done = agent(app, "why", "nightly", "soonish")
    assert done.returncode == 64
    assert "write 03:12, 2026-11-24 or 2026-11-24T03:12" in done.stderr


def test_why_of_a_job_by_hand_says_where_to_look(app: Path) -> None:
    file = app / ".upsun" / "agent.toml"
    file.write_text(JOB_FILE.replace('schedule = "0 3 * * *"\n', ""))
    done = agent(app, "why", "nightly")
    assert done.returncode == 64
    assert "upsun-agent show nightly" in done.stderr
