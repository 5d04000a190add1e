"""A client and the platform that it talks to, in this process and in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from upsun_agent.api.client import Client
from upsun_agent.api.endpoints import Endpoints
from upsun_agent.api.http import Transport, in_process
from upsun_agent.clock import VirtualClock
from upsun_simulator import ConnectionCut, ManualClock, Scenario, Simulator

START = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
HOST = "http://simulator.invalid"


class Desk:
    """A client, and a platform whose replies may be spoiled on their way."""

    def __init__(self, **scenario: Any) -> None:
        self.clock = ManualClock(START)
        self.simulator = Simulator(Scenario(**{"project_role": "admin", **scenario}), self.clock)

    def client(self, app: Callable[..., Any] | None = None) -> Client:
        """A client of the platform, or of an application that stands before it."""
        transport = Transport("upsun-agent/test", in_process(app or self.simulator.wsgi, ConnectionCut))
        token = self.simulator.scenario.token
        return Client(transport, Endpoints(HOST, HOST), token, clock=VirtualClock(self.clock))


@pytest.fixture
def make() -> type[Desk]:
    """Makes a platform with another behaviour."""
    return Desk
