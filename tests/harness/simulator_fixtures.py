"""The simulator as its tests ask it: in process, as its owner, or by the official CLI over a socket."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from upsun_simulator import ManualClock, Scenario, Simulator, serve

from tests.harness.official_cli import OWNER_TOKEN, Cli, binary
from tests.harness.simulator_client import START, Talker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


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


@pytest.fixture
def boss(sim: Simulator) -> Talker:
    """The owner of the project."""
    talker = Talker(sim)
    talker.bearer = talker.exchange(OWNER_TOKEN).content["access_token"]
    return talker


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cli-runtime")


@pytest.fixture
def cli(tmp_path: Path, unpacked: Path) -> Iterator[Cli]:
    found = binary()
    long = ("backup", "source_operation", "deploy")
    short = ("sync", "merge", "restore", "operation", "task", "branch", "switch")
    seconds: dict[str, Any] = {f"{name}_seconds": 1 for name in long} | {f"{name}_seconds": 0 for name in short}
    scenario = Scenario(**seconds, tasks=("migrate",))
    with serve(Simulator(scenario)) as server:
        yield Cli(found, server, tmp_path, unpacked)
