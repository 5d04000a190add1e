"""The client against the simulator, a scripted application, or a socket that misbehaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from upsun_simulator import ManualClock, Scenario, Simulator

from tests.harness.api_client import Desk, Misbehaving

START = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)


@pytest.fixture
def desk() -> Desk:
    """A client of a platform where nothing is odd."""
    manual_clock = ManualClock(START)
    return Desk(Simulator(Scenario(), manual_clock), manual_clock)


@pytest.fixture
def make() -> Callable[..., Desk]:
    """Builds a client of a platform with another behaviour."""

    def build(**scenario: Any) -> Desk:
        manual_clock = ManualClock(START)
        return Desk(Simulator(Scenario(**scenario), manual_clock), manual_clock)

    return build


@pytest.fixture
def misbehaving() -> Iterator[Callable[..., Misbehaving]]:
    """Builds servers on loopback that do with each connection what a function says."""
    servers: list[Misbehaving] = []

    def build(behave: Callable[..., None], **options: Any) -> Misbehaving:
        servers.append(Misbehaving(behave, **options))
        return servers[-1]

    yield build
    for server in servers:
        server.close()
