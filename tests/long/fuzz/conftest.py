"""What the fuzzers share: a bound of memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness import bounded


@pytest.fixture(autouse=True)
def memory_is_bounded() -> Iterator[None]:
    """No test of this folder may grow the process without a bound; what starts a process bounds that one itself."""
    with bounded.memory():
        yield
