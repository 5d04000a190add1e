"""A seeded sample of the crash matrix: the whole of it is `make soak`, and docs/reference/crash-matrix.md."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.harness.needs import strace
from tools import crash_matrix
from tools.crash_matrix import Point, Scene, points, strike

SEED = 20261123
SAMPLE, PAIRS = 64, 10


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    strace("the crash matrix")
    root = tmp_path_factory.mktemp("template")
    return Scene.build(root)


@pytest.fixture(scope="module")
def everything(template: Scene) -> list[Point]:
    return points(template, crash_matrix.WAYS)


def test_the_matrix_covers_files_locks_and_network(everything: list[Point]) -> None:
    kills = [point for point in everything if point.way == "KILL"]
    calls = {point.call for point in kills}
    assert len(kills) > 300, "strace sees fewer calls than a run makes"
    assert {"openat", "flock", "fcntl", "pwrite64", "fdatasync", "ftruncate", "connect", "sendto", "recvfrom"} <= calls


def weighted_sample(everything: list[Point], count: int) -> list[Point]:
    """Every writing and sending call is in; the rest is drawn."""
    dice = random.Random(SEED)
    telling = {"fdatasync", "fsync", "ftruncate", "sendto", "flock"}
    first = [point for point in everything if point.call in telling and point.way == "KILL"]
    rest = [point for point in everything if point not in set(first)]
    return dice.sample(first, min(len(first), count // 2)) + dice.sample(rest, count // 2)


def test_no_sampled_crash_breaks_a_promise(template: Scene, everything: list[Point]) -> None:
    struck = [strike(str(template.root), point) for point in weighted_sample(everything, SAMPLE)]
    broken = [f"{result.point}: {result.broken}" for result in struck if result.broken]
    assert broken == []
    assert any(result.code == -9 for result in struck), "nothing was killed: strace did not inject"


def test_a_second_crash_while_recovering_breaks_no_promise(template: Scene, everything: list[Point]) -> None:
    dice = random.Random(SEED)
    kills = [point for point in everything if point.way == "KILL"]
    for _ in range(PAIRS):
        first, second = dice.sample(kills, 2)
        result = strike(str(template.root), first, second)
        assert result.broken == (), f"{first} then {second}"


def test_the_check_is_not_blind(template: Scene, tmp_path: Path) -> None:
    """A platform that was asked twice, or updated without a backup, is found out."""
    simulator = crash_matrix.platform()
    simulator.start_activity(type="environment.backup", seconds=0)
    simulator.start_activity(type="environment.backup", seconds=0)
    scene = template.copy(tmp_path / "scene")
    found = " ".join(crash_matrix.judge(simulator, scene))
    assert "P1: 2 times backup" in found
    assert "P3" in found
    lonely = crash_matrix.platform()
    lonely.start_activity(type="environment.source-operation", seconds=0, parameters={"operation": "update"})
    assert "P2" in " ".join(crash_matrix.judge(lonely, scene))


FLAGSHIP_SAMPLE = 40


def test_no_sampled_crash_breaks_a_promise_of_a_pipeline_that_is_rolled_back(tmp_path: Path) -> None:
    strace("the crash matrix")
    root = tmp_path / "template"
    root.mkdir()
    template = Scene.build(root, "flagship")
    everything = points(template, ("KILL",))
    assert len(everything) > 700
    struck = [
        strike(str(template.root), point, play="flagship") for point in weighted_sample(everything, FLAGSHIP_SAMPLE)
    ]
    assert [f"{result.point}: {result.broken}" for result in struck if result.broken] == []
    assert any(result.code == -9 for result in struck), "nothing was killed: strace did not inject"
