"""A client that may change who has access, and the platform that it talks to."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from tests.harness.api_client import Desk
from tests.harness.environment import bare_environment

__all__ = ["bare_environment"]


@pytest.fixture
def make() -> Callable[..., Desk]:
    """Builds a client of a platform with another behaviour."""
    return partial(Desk, project_role="admin")
