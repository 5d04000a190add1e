"""A web server on loopback that answers as scripted and keeps books."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

#: What an answer can be besides a status: the body cut off, the connection closed at once, a byte now and then, and
#: without end: a body without a length, one with a length, one in chunks, headers, a header a byte at a time, or the
#: body of a redirect.
Answer = int | str


class Origin:
    """Files by name; each request first takes the next scripted answer, if there is one."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.script: list[Answer] = []
        self.headers: dict[str, str] = {}
        self.request_log: list[str] = []
        self.logins: list[str | None] = []
        self.sent = 0  # bytes of answers without end
        self.url = ""
        self.over = threading.Event()

    def serve_index(self, wheels: Path) -> str:
        """The wheels as a package index; returns its address."""
        for wheel in wheels.glob("*.whl"):
            project = wheel.name.split("-")[0].replace("_", "-")
            page = self.files.get(f"/simple/{project}/", b"")
            self.files[f"/simple/{project}/"] = page + f'<a href="/wheels/{wheel.name}">{wheel.name}</a>\n'.encode()
            self.files[f"/wheels/{wheel.name}"] = wheel.read_bytes()
        return f"{self.url}/simple"


#: Without end is meant for the client: the disk of a test is not filled.
ENOUGH = 300_000_000
#: What is sent once, what is sent again and again, and the pause between.
ENDLESS: dict[str, tuple[bytes, bytes, float]] = {
    "endless": (b"HTTP/1.1 200 OK\r\n\r\n", bytes(65536), 0),
    "endless with a length": (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", bytes(65536), 0),
    "endless chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"10000\r\n" + bytes(65536) + b"\r\n",
        0,
    ),
    "endless error": (b"HTTP/1.1 404 Not Found\r\n\r\n", bytes(65536), 0),
    "endless headers": (b"HTTP/1.1 200 OK\r\n", b"X: " + b"x" * 8000 + b"\r\n", 0),
    "slow headers": (b"HTTP/1.1 200 OK\r\nX: ", b"x", 0.1),
    "slow body": (b"HTTP/1.1 200 OK\r\n\r\n", b"x", 0.1),
    "endless redirect": (b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n\r\n", bytes(65536), 0),
}


class _Handler(BaseHTTPRequestHandler):
    origin: Origin

    def do_GET(self) -> None:
        origin = self.origin
        origin.request_log.append(self.path)
        origin.logins.append(self.headers.get("Authorization"))
        content = origin.files.get(self.path)
        answer = origin.script.pop(0) if origin.script else (404 if content is None else 200)
        content = content or b"no such file"
        if answer == "closed":
            self.connection.close()
            return
        if isinstance(answer, str) and answer in ENDLESS:
            self._endless(*ENDLESS[answer])
            return
        self.send_response(answer if isinstance(answer, int) else 200)
        for name, value in origin.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "text/html" if self.path.endswith("/") else "application/octet-stream")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if answer == "slow":
            for byte in content[:100]:
                self.wfile.write(bytes([byte]))
                time.sleep(0.1)
        else:
            self.wfile.write(content[: len(content) // 2] if answer == "cut" else content)

    def _endless(self, begin: bytes, block: bytes, pause: float) -> None:
        self.close_connection = True
        self.wfile.write(begin)
        while self.origin.sent < ENOUGH and not self.origin.over.wait(pause):
            self.wfile.write(block)
            self.origin.sent += len(block)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is part of the script."""


@contextmanager
def serving() -> Iterator[Origin]:
    origin = Origin()
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"origin": origin}))
    origin.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield origin
    finally:
        origin.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
