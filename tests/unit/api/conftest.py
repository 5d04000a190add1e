"""The client against the simulator, a scripted application, or a socket that misbehaves."""

from __future__ import annotations

from tests.harness.api_client import desk, make, misbehaving
from tests.harness.environment import bare_environment

__all__ = ["bare_environment", "desk", "make", "misbehaving"]
