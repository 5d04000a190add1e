"""Kill a tick that tells people at its system calls: every message arrives at least once, and a double has the same id.

With ``UPSUN_SOAK=1`` at every one of them (minutes), else at a seeded sample.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from upsun_simulator import ManualClock, serve

from tests.harness.needs import strace
from tests.harness.receivers import Receiver, receiver
from tools import crash_matrix
from tools.crash_matrix import MEMORY, Point, Scene, points

SEED, SAMPLE = 20261125, 36
CHANNEL = '[notify.checks]\nhealthchecks = { url-variable = "PING" }\n'
TELLING = ("sendto", "recvfrom", "connect", "fdatasync", "ftruncate")
TICKS_MOST = 14


class TellingScene(Scene):
    """The scene of the matrix, with a check that is pinged."""

    ping = "http://127.0.0.1:9/canary-check"

    def variables(self, url: str) -> dict[str, str]:
        return {**super().variables(url), "PING": self.ping}

    def copy(self, root: Path) -> TellingScene:
        made = TellingScene(super().copy(root).root)
        made.ping = self.ping
        return made


@pytest.fixture(scope="module")
def ear() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, ear: Receiver) -> TellingScene:
    strace("the crashes of a tick that tells")
    plain = Scene.build(tmp_path_factory.mktemp("template"))
    plain.job_file.write_text(CHANNEL + plain.job_file.read_text())
    scene = TellingScene(plain.root)
    scene.ping = f"{ear.url}/canary-check"
    return scene


@pytest.fixture(scope="module")
def everything(template: TellingScene) -> list[Point]:
    return points(template, ("KILL",))


def chosen(everything: list[Point]) -> list[Point]:
    """Half of them calls by which something is sent, answered or made durable."""
    if os.environ.get("UPSUN_SOAK") == "1":
        return everything
    dice = random.Random(SEED)
    telling = [point for point in everything if point.call in TELLING]
    return dice.sample(telling, SAMPLE // 2) + dice.sample(everything, SAMPLE // 2)


def outbox_of(scene: Scene) -> list[str]:
    try:
        db = sqlite3.connect(f"file:{scene.state}/journal.sqlite?mode=ro", uri=True, timeout=0)
        try:
            return [row[0] for row in db.execute("SELECT value FROM notes WHERE key LIKE 'outbox%'").fetchall()]
        finally:
            db.close()
    except sqlite3.Error:
        return ["not readable now"]  # a reader cannot roll back what a kill left, the next tick will


def hurry(scene: Scene) -> None:
    """Let the pause be over after which a message is tried again: a busy machine's receiver may have been too slow."""
    if not any('"again_at":"' in each for each in outbox_of(scene)):
        return
    with sqlite3.connect(scene.state / "journal.sqlite") as db:
        for key, text in db.execute("SELECT key, value FROM notes WHERE key LIKE 'outbox:%'").fetchall():
            db.execute(
                "UPDATE notes SET value = ? WHERE key = ?", (json.dumps({**json.loads(text), "again_at": None}), key)
            )
        db.execute("UPDATE idle_hint SET next_due = 0")
    db.close()


def strike(template: TellingScene, ear: Receiver, point: Point) -> tuple[list[str], int]:
    """Kill one tick there, go on until nothing waits; everything that went wrong, and how many doubles came."""
    simulator = crash_matrix.platform()
    broken: list[str] = []
    ear.requests.clear()
    with tempfile.TemporaryDirectory(dir=MEMORY) as directory, serve(simulator) as server:
        scene = template.copy(Path(directory) / "scene")
        crash_matrix.tick(scene, server.url, point, broken)
        for _ in range(TICKS_MOST):
            if crash_matrix.is_over(scene) and not outbox_of(scene):
                break
            assert isinstance(simulator.clock, ManualClock)
            simulator.clock.advance(crash_matrix.STEP_SECONDS)
            hurry(scene)
            crash_matrix.tick(scene, server.url, None, broken)
        broken += crash_matrix.judge(simulator, scene)
        broken += [f"it still waits: {each}" for each in outbox_of(scene)]
    told = {(each.path.partition("?")[0], each.headers["upsun-agent-id"]) for each in ear.requests}
    if sorted(path for path, _ in told) != ["/canary-check", "/canary-check/start"]:
        broken.append(f"told: {sorted(told)}")
    return broken, len(ear.requests) - len(told)


def test_the_points_cover_what_telling_does(everything: list[Point]) -> None:
    connects = [point for point in everything if point.call == "connect"]
    assert len(connects) >= 2, "one to the platform, one to the receiver"
    assert len(everything) > 350


def test_no_message_is_lost_or_told_under_another_id(
    template: TellingScene, ear: Receiver, everything: list[Point]
) -> None:
    struck = {point: strike(template, ear, point) for point in chosen(everything)}
    assert {point: broken for point, (broken, _) in struck.items() if broken} == {}
    assert any(doubles for _, doubles in struck.values()), "no kill fell between a delivery and its note"
