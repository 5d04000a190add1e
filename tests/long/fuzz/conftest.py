"""What the fuzzers share: scratch space in memory, since nothing here is about disks."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator

import pytest

from tests.harness import bounded


@pytest.fixture(scope="session", autouse=True)
def scratch_in_memory() -> Iterator[None]:
    """Temporary directories on a file system without a disk below, where there is one: syncing costs nothing there."""
    before = tempfile.tempdir
    if os.access("/dev/shm", os.W_OK):  # noqa: S108  it is the point
        tempfile.tempdir = "/dev/shm"  # noqa: S108  same
    yield
    tempfile.tempdir = before


@pytest.fixture(autouse=True)
def memory_is_bounded() -> Iterator[None]:
    """No test of this folder may grow the process without a bound; what starts a process bounds that one itself."""
    with bounded.memory():
        yield
