"""Real receivers on loopback: an HTTP server and an SMTP server, that behave as a test says."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.smtp import SMTP


@dataclass
class Request:
    """One request as the receiver got it."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class Receiver:
    """An HTTP receiver; ``behave`` says what it does with each request, after having noted it."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    behave: Callable[[BaseHTTPRequestHandler], None] = field(default=lambda handler: answer(handler, 200))
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def paths(self) -> list[str]:
        """Where requests went, without their parameters."""
        return [each.path.partition("?")[0] for each in self.requests]


def answer(handler: BaseHTTPRequestHandler, status: int, **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", "2")
    handler.end_headers()
    handler.wfile.write(b"ok")


def status(code: int, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    return lambda handler: answer(handler, code, **headers)


def hang(handler: BaseHTTPRequestHandler) -> None:
    handler.server.receiver.closing.wait(30)  # type: ignore[attr-defined]


def drip(handler: BaseHTTPRequestHandler) -> None:
    """A header that never ends, a byte at a time: each read succeeds."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
    for _ in range(300):
        if handler.server.receiver.closing.wait(0.1):  # type: ignore[attr-defined]
            return
        handler.wfile.write(b"x")
        handler.wfile.flush()


def cut(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Le")
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_RDWR)


def flood(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    with suppress(OSError):
        for _ in range(10_000):
            handler.wfile.write(b"x" * 65536)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    receiver: Receiver

    def handle_error(self, *_: Any) -> None:
        """A client that goes away is what many of these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        receiver = self.server.receiver  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        receiver.requests.append(Request(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        self.close_connection = True
        receiver.behave(self)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def receiver() -> Iterator[Receiver]:
    """An HTTP receiver that takes everything until it is told otherwise."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.receiver = Receiver(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.receiver
    finally:
        server.receiver.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Mailbox:
    """An SMTP relay; ``refuse`` is an answer that every recipient gets, ``answers`` those that some of them get."""

    host: str = ""
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    refuse: str | None = None
    refuse_text: str | None = None
    answers: dict[str, str] = field(default_factory=dict)

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802  aiosmtpd's name
        if self.refuse is not None or address in self.answers:
            return self.answers.get(address) or self.refuse or ""
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802  same
        if self.refuse_text is not None:
            return self.refuse_text
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.recipients.append(list(envelope.rcpt_tos))
        return "250 taken"


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    """A real SMTP server (aiosmtpd) on a port of its own."""
    box, loop, ready = Mailbox(), asyncio.new_event_loop(), threading.Event()

    def serve() -> None:
        asyncio.set_event_loop(loop)
        made = loop.create_server(lambda: SMTP(box, loop=loop, hostname="relay.invalid"), "127.0.0.1", 0)
        server = loop.run_until_complete(made)
        box.host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ready.set()
        loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0.01))
        loop.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield box
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


@contextmanager
def silent() -> Iterator[str]:
    """A server that takes connections and never says a word; the place as host:port."""
    listening = socket.create_server(("127.0.0.1", 0))
    try:
        yield f"127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.close()


@contextmanager
def _relay(talk: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """Serve one client of a relay; the place as host:port. ``talk`` ends once the event is set."""
    listening, closing = socket.create_server(("127.0.0.1", 0)), threading.Event()

    def serve() -> None:
        with suppress(OSError):
            client, _ = listening.accept()
            with client:
                talk(client, closing)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{listening.getsockname()[1]}"
    finally:
        closing.set()
        listening.close()
        thread.join(10)


def dripping_mail() -> AbstractContextManager[str]:
    """A relay whose greeting never ends, a byte at a time."""

    def drip(client: socket.socket, closing: threading.Event) -> None:
        client.sendall(b"220 ")
        while not closing.wait(0.1):
            client.sendall(b"x")

    return _relay(drip)


def endless_mail(heard: list[int]) -> AbstractContextManager[str]:
    """Serve a relay whose greeting has lines without end; ``heard`` gets the number of bytes that were taken."""

    def pour(client: socket.socket, _: threading.Event) -> None:
        sent = 0
        with suppress(OSError):
            while True:
                sent += client.send(b"220-one more line of many\r\n" * 400)
        heard.append(sent)

    return _relay(pour)


def closed_port() -> str:
    """A place where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return f"127.0.0.1:{listening.getsockname()[1]}"


def within(seconds: float) -> Callable[[], None]:
    """Call the result later: it asserts that not more time has passed."""
    began = time.monotonic()

    def check() -> None:
        assert time.monotonic() - began < seconds

    return check
