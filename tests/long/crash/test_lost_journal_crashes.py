"""Kill the first tick ever, and the first tick after a loss, at their system calls: neither mistakes the other.

With ``UPSUN_SOAK=1`` at every one of them (minutes), else at a seeded sample.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from upsun_simulator import serve

from tests.harness.needs import program, strace
from tools.crash_matrix import MEMORY, Point, Scene, platform, points, tick
from tools.ticks import zygote

SEED, SAMPLE = 20261127, 24
WRITES = ("fdatasync", "ftruncate", "openat", "pwrite64", "rename", "unlink", "write")
JOBS = """\
[jobs.look]
schedule = "* * * * *"
misfire-grace = "10m"
[[jobs.look.steps]]
command = {{ shell = "echo $UPSUN_AGENT_RUN >> {ran}", changes = false }}

[jobs.held]
schedule = "* * * * *"
misfire-grace = "10m"
[[jobs.held.steps]]
command = {{ shell = "echo $UPSUN_AGENT_RUN >> {ran}", changes = false }}
"""


def fresh(root: Path) -> Scene:
    scene = Scene(root)
    scene.job_file.write_text(JOBS.format(ran=root / "ran"))
    return scene


def chosen(everything: list[Point]) -> list[Point]:
    files = [point for point in everything if point.area == "files"]
    if os.environ.get("UPSUN_SOAK") == "1":
        return files
    dice, writes = random.Random(SEED), [point for point in files if point.call in WRITES]
    return dice.sample(writes, min(len(writes), SAMPLE // 2)) + dice.sample(files, SAMPLE // 2)


def said(output: str) -> list[str]:
    lines = [line for line in output.splitlines() if line.startswith("{")]
    return [json.loads(line)["event"] for line in lines]


def notes(scene: Scene) -> dict[str, str]:
    with sqlite3.connect(f"file:{scene.state}/journal.sqlite?mode=ro", uri=True) as db:
        found = dict(db.execute("SELECT key, value FROM notes").fetchall())
    db.close()
    return found


def strike(arrange: Callable[[Path], Scene], point: Point) -> tuple[list[str], list[str], list[str]]:
    """Kill a tick at the point, then let two run, the second one two minutes later.

    Returns:
        The names of the events that these two logged, the runs whose command ran, and what is broken.

    """
    broken: list[str] = []
    with tempfile.TemporaryDirectory(dir=MEMORY) as directory, serve(platform()) as server:
        scene = arrange(Path(directory))
        tick(scene, server.url, point, broken)
        logged = []
        for run in (in_this_minute, two_minutes_later):
            code, output = run(scene.variables(server.url))
            logged += said(output)
            if code not in {0, 1}:  # 1: a command that was interrupted has failed
                broken.append(f"exit code {code}: {output[-300:]}")
        if "lost:why" in notes(scene):
            broken.append("the loss was never told")
        ran = (scene.root / "ran").read_text().split() if (scene.root / "ran").exists() else []
    broken += [f"{run} ran twice" for run in set(ran) if ran.count(run) > 1]
    if not any(run.startswith("look@") for run in ran):
        broken.append("no slot of the job that is not paused ran")
    return logged, ran, broken


def in_this_minute(variables: dict[str, str]) -> tuple[int, str]:
    return zygote().run(variables, [])


def two_minutes_later(variables: dict[str, str]) -> tuple[int, str]:
    done = subprocess.run(
        [program("faketime", "the crashes of a first tick"), "-f", "+2m", sys.executable, "-m", "upsun_agent", "tick"],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> list[Point]:
    strace("the crashes of a first tick")
    return points(fresh(tmp_path_factory.mktemp("first")), ("KILL",))


def test_a_first_tick_that_is_killed_anywhere_is_never_taken_for_a_loss(first: list[Point]) -> None:
    for point in chosen(first):
        logged, _, broken = strike(fresh, point)
        assert broken == [], point
        assert "journal-set-aside" not in logged, point


@pytest.fixture(scope="module")
def emptied(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    strace("the crashes of a tick after a loss")
    scene = fresh(tmp_path_factory.mktemp("emptied"))
    with serve(platform()) as server:
        variables = scene.variables(server.url)
        zygote().run(variables, [])
        pause = [sys.executable, "-m", "upsun_agent", "pause", "held"]
        subprocess.run(pause, env=variables, check=True, capture_output=True)
    (scene.root / "ran").unlink(missing_ok=True)
    os.truncate(scene.state / "journal.sqlite", 0)
    return scene


def test_a_tick_after_a_loss_that_is_killed_anywhere_runs_no_paused_job_and_no_slot_twice(emptied: Scene) -> None:
    def arrange(root: Path) -> Scene:
        scene = emptied.copy(root)
        scene.job_file.write_text(JOBS.format(ran=root / "ran"))
        return scene

    everything = points(emptied, ("KILL",))
    for point in chosen(everything):
        began = datetime.now(UTC)
        _, ran, broken = strike(arrange, point)
        assert broken == [], point
        assert [run for run in ran if run.startswith("held@")] == [], point
        assert f"look@{began:%Y-%m-%dT%H:%M}" not in ran, "the slot of that minute may have run before the loss"
