"""The bounds that the fuzzers of this folder set are real ones."""

from __future__ import annotations

import mmap
import resource
import signal

import pytest

from tests.harness import bounded
from tests.harness.bounded import TooLong


def test_more_memory_than_an_example_may_take_is_refused_and_the_bound_is_lifted_after_it() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    with bounded.memory(16 * 1024 * 1024), pytest.raises(OSError, match="Cannot allocate memory"):
        mmap.mmap(-1, 32 * 1024 * 1024)
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_an_example_without_end_is_broken_off_whatever_it_catches() -> None:
    def without_end() -> None:
        while True:
            try:
                sum(range(1000))
            except Exception:  # noqa: BLE001, S112  as code would that must not hide this
                continue

    with pytest.raises(TooLong), bounded.time(0.1):
        without_end()
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)


def test_every_test_of_this_folder_has_a_bound_of_memory() -> None:
    assert resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY
