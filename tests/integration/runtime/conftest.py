"""Whole runs with real parts. No variable of the machine that runs the tests reaches the agent."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.harness.container import Container, due_container
from tests.harness.environment import bare_environment
from tests.harness.stage import JOB, START, Stage, build

__all__ = ["bare_environment"]


@pytest.fixture
def mounts(tmp_path: Path) -> Iterator[Path]:
    """A place for state directories, in memory where there is such: every event is synced, and disks are slow."""
    memory = "/dev/shm"  # noqa: S108  a fresh directory is made in it
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with TemporaryDirectory(prefix="upsun-agent-test-", dir=memory) as place:
        yield Path(place)


@pytest.fixture
def make(mounts: Path) -> Callable[..., Stage]:
    """Builds a stage with another job file or another behaviour of the platform, each on a mount of its own."""
    numbers = count()

    def build_here(jobs: str = JOB, **scenario: Any) -> Stage:
        place = mounts / str(next(numbers))
        place.mkdir()
        return build(place, START, jobs, **scenario)

    return build_here


@pytest.fixture
def stage(make: Callable[..., Stage]) -> Stage:
    """A container and a platform five minutes before the slot, nothing odd about them."""
    return make()


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Container]:
    with due_container(tmp_path) as found:
        yield found
