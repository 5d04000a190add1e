"""The client and what it talks to: the simulator, scripted answers, or servers that misbehave; and the fixtures."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
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
PROJECT = "abcdefgh1234z"
MAIN = f"/projects/{PROJECT}/environments/main"


class Clock(VirtualClock):
    """Virtual time that remembers how long it was made to sleep."""

    def __init__(self, manual_clock: ManualClock) -> None:
        super().__init__(manual_clock)
        self.sleeps: list[float] = []

    def sleep(self, seconds: float) -> None:
        """Let that many virtual seconds pass."""
        self.sleeps.append(seconds)
        super().sleep(seconds)


class Desk:
    """A client and the platform it talks to, both in view."""

    def __init__(self, **scenario: Any) -> None:
        self.manual_clock = ManualClock(START)
        self.simulator = Simulator(Scenario(**scenario), self.manual_clock)
        self.clock = Clock(self.manual_clock)
        self.hidden: list[str] = []
        self.client = self.client_of(self.simulator.wsgi)

    def client_with(self, token: str | None, app: Callable[..., Any] | None = None) -> Client:
        """A client with another token, or of another application."""
        transport = Transport("upsun-agent/test", in_process(app or self.simulator.wsgi, ConnectionCut))
        return Client(transport, Endpoints(HOST, HOST), token, clock=self.clock, hide=self.hidden.append)

    def client_of(self, app: Callable[..., Any]) -> Client:
        """A client of an application that may stand before the platform."""
        return self.client_with(self.simulator.scenario.token, app)

    @property
    def requests(self) -> list[str]:
        """Method and path of every request that arrived, as it stood on the wire."""
        return [f"{each.method} {each.raw_path}" for each in self.simulator.requests]

    def asked(self, end: str) -> int:
        """How many requests for a path that ends like that arrived."""
        return len([each for each in self.simulator.requests if each.path.endswith(end)])


class Scripted:
    """An application that answers each path (without its query) with what the script holds for it."""

    def __init__(self, answers: dict[str, bytes | tuple[str, bytes]]) -> None:
        self.answers: dict[str, bytes | tuple[str, bytes]] = {
            "/oauth2/token": b'{"access_token": "opaque-access-token", "expires_in": 900}',
            **answers,
        }
        self.seen: list[dict[str, Any]] = []
        self.headers: list[tuple[str, str]] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        """Answer one request."""
        self.seen.append(environ)
        answer = self.answers.get(environ["PATH_INFO"], ("404 Not Found", b'{"error": "not found"}'))
        status, body = answer if isinstance(answer, tuple) else ("200 OK", answer)
        start_response(status, [("Content-Type", "application/json"), *self.headers])
        return [body]


class Misbehaving:
    """A server on loopback that reads each request and then does what ``behave(connection, server)`` does.

    ``heard`` holds the bytes of every request; with a TLS ``context`` only those that came through it. An ``eager``
    one does not wait for a request to be whole.
    """

    def __init__(
        self,
        behave: Callable[[Any, Misbehaving], None],
        *,
        context: ssl.SSLContext | None = None,
        eager: bool = False,
    ) -> None:
        self._behave = behave
        self._eager = eager
        self._context = context
        self.heard: list[bytes] = []
        self.connections = 0
        self.closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}"
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self.connections += 1
                self._open.append(connection)
                thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            talking = self._context.wrap_socket(connection, server_side=True) if self._context else connection
            with talking:
                while self._hear(talking):
                    self._behave(talking, self)

    def _hear(self, connection: socket.socket) -> bool:
        """Read one request with its body; false at the end of the connection."""
        data = b""
        while b"\r\n\r\n" not in data:
            more = connection.recv(65536)
            if not more:
                return False
            data += more
            if self._eager:
                return True
        head, _, body = data.partition(b"\r\n\r\n")
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        while len(body) < length:
            body += connection.recv(65536)
        self.heard.append(head + b"\r\n\r\n" + body)
        return True

    def close(self) -> None:
        """End everything."""
        self.closing.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in [self._accepting, *self._threads]:
            thread.join(5)


def answer(status: str = "200 OK", body: bytes = b"{}", *headers: str) -> bytes:
    """A whole answer as it stands on the wire."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


@pytest.fixture
def desk() -> Desk:
    """A client of a platform where nothing is odd."""
    return Desk()


@pytest.fixture
def make() -> type[Desk]:
    """Builds a client of a platform with another behaviour."""
    return Desk


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
