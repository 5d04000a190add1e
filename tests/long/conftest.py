"""What the long tests share: scratch space in memory, since nothing here is about disks."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def scratch_in_memory() -> Iterator[None]:
    """Temporary directories on a file system without a disk below, where there is one: syncing costs nothing there."""
    before = tempfile.tempdir
    if os.access("/dev/shm", os.W_OK):  # noqa: S108  it is the point
        tempfile.tempdir = "/dev/shm"  # noqa: S108  same
    yield
    tempfile.tempdir = before
