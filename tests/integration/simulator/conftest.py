"""A simulated platform, and who asks it."""

from __future__ import annotations

from tests.harness.simulator_client import ask, boss, cli, clock, make, sim, unpacked

__all__ = ["ask", "boss", "cli", "clock", "make", "sim", "unpacked"]
