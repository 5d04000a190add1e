"""A client and the platform that it talks to, in this process and in virtual time."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS), str(Path(__file__).parent)]

from upsun_agent.api.client import Client  # noqa: E402  same
from upsun_agent.api.endpoints import Endpoints  # noqa: E402  same
from upsun_agent.api.http import Transport, in_process  # noqa: E402  same
from upsun_agent.clock import VirtualClock  # noqa: E402  found only now
from upsun_simulator import ConnectionCut, ManualClock, Scenario, Simulator  # noqa: E402  same

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


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("PLATFORM_", "UPSUN_")):
            monkeypatch.delenv(name)


@pytest.fixture
def make() -> type[Desk]:
    """Makes a platform with another behaviour."""
    return Desk
