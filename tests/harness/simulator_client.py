"""The simulator as its tests ask it: in process, as its owner, or by the official CLI over a socket. With fixtures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import pytest
from upsun_simulator import ManualClock, Scenario, Simulator, serve
from werkzeug.test import Client

from tests.harness.official_cli import OWNER_TOKEN, Cli, binary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PROJECT = "/projects/abcdefgh1234z"
MAIN = f"{PROJECT}/environments/main"
STAGING = f"{PROJECT}/environments/staging"
TOKEN = "simulated-token"
FORM = "application/x-www-form-urlencoded"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def content(self) -> Any:
        return json.loads(self.text)

    @property
    def activity(self) -> Any:
        return self.content["_embedded"]["activities"][0]


class Talker:
    """A client in process that has a bearer."""

    main = MAIN
    staging = STAGING
    project = PROJECT

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.client = Client(simulator.wsgi)
        self.bearer: str | None = None

    def exchange(self, token: str = TOKEN, **fields: str) -> Answer:
        form = {"client_id": "upsun-cli", "grant_type": "api_token", "api_token": token, **fields}
        return self.send("POST", "/oauth2/token", urlencode(form), FORM)

    def send(
        self,
        method: str,
        path: str,
        data: str | None = None,
        kind: str = "application/json",
        headers: dict[str, str] | None = None,
    ) -> Answer:
        answer = self.client.open(
            path, method=method, data=data, content_type=kind if data is not None else None, headers=headers
        )
        with answer:
            return Answer(answer.status_code, dict(answer.headers), answer.get_data(as_text=True))

    def __call__(self, method: str, path: str, body: Any = None) -> Answer:
        if self.bearer is None:
            self.bearer = self.exchange().content["access_token"]
        data = None if body is None else json.dumps(body)
        return self.send(method, path, data, headers={"Authorization": f"Bearer {self.bearer}"})

    def get(self, path: str) -> Any:
        answer = self("GET", path)
        assert answer.status == 200, answer.text
        return answer.content

    def post(self, path: str, body: Any = None) -> Any:
        """The activity that a request became."""
        answer = self("POST", path, body)
        assert answer.status == 202, answer.text
        return answer.activity

    def place(self, environment: str = "main") -> Any:
        """What the request log says of an environment."""
        return self.simulator.request_log()["environments"][environment]

    def links(self, path: str = MAIN) -> set[str]:
        """What may be done there now."""
        return {name for name in self.get(path)["_links"] if name.startswith("#")}

    def site(self, environment: str = "main", path: str = "/") -> Answer:
        """What the site of an environment answers to somebody without a bearer."""
        return self.send("GET", f"/_site/{quote(environment, safe='')}{path}")

    def back_up(self, path: str = MAIN) -> Any:
        return self.post(f"{path}/backup", {"safe": True})

    def update(self, path: str = MAIN, operation: str = "update") -> Any:
        return self.post(f"{path}/source-operation", {"operation": operation, "variables": {}})

    def states(self, path: str = MAIN) -> list[tuple[str, str]]:
        """Type and state of an environment's activities, oldest first."""
        found = self.get(f"{path}/activities?count=100")
        return [(one["type"].removeprefix("environment."), one["state"]) for one in reversed(found)]


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
