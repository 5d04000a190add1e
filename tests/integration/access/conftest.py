"""A client and the platform that it talks to, in this process and in virtual time."""

from __future__ import annotations

from tests.harness.access_fixtures import make
from tests.harness.environment import bare_environment

__all__ = ["bare_environment", "make"]
