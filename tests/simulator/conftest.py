from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from agent.simulator import ManualClock, Scenario, Simulator

from simulator_talker import START, Talker  # isort: skip

if TYPE_CHECKING:
    from collections.abc import Callable

# Where openapi_document.py lies, which other tests use too.
sys.path.insert(0, str(Path(__file__).parent.parent))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def make(clock: ManualClock) -> Callable[..., Talker]:
    def build(**changes: Any) -> Talker:
        # Bearers outlive any test here unless it is about bearers.
        return Talker(Simulator(Scenario(**{"bearer_seconds": 10**6, **changes}), clock))

    return build


@pytest.fixture
def ask(make: Callable[..., Talker]) -> Talker:
    return make()


@pytest.fixture
def sim(ask: Talker) -> Simulator:
    return ask.simulator
