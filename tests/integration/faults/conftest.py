"""One night with faults."""

from __future__ import annotations

import pytest

from tests.harness.night import Night


@pytest.fixture
def night() -> type[Night]:
    return Night
