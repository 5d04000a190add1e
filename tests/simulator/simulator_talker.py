"""What the simulator's tests talk to it with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from werkzeug.test import Client

if TYPE_CHECKING:
    from agent.simulator import Simulator

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PROJECT = "/projects/abcdefgh1234z"
MAIN = f"{PROJECT}/environments/main"
TOKEN = "simulated-token"
OWNER_TOKEN = "simulated-owner-token"
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

    def back_up(self, path: str = MAIN) -> Any:
        answer = self("POST", f"{path}/backup", {"safe": True})
        assert answer.status == 202, answer.text
        return answer.activity

    def update(self, path: str = MAIN) -> Any:
        answer = self("POST", f"{path}/source-operation", {"operation": "update", "variables": {}})
        assert answer.status == 202, answer.text
        return answer.activity

    def states(self) -> list[tuple[str, str]]:
        """Type and state of production's activities, oldest first."""
        found = self.get(f"{MAIN}/activities?count=100")
        return [(one["type"].removeprefix("environment."), one["state"]) for one in reversed(found)]
