"""A web server on loopback that answers as scripted and keeps books."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

#: What an answer can be besides a status: the body cut off, the connection closed at once, or a byte now and then.
Answer = int | str


class Origin:
    """Files by name; each request first takes the next scripted answer, if there is one."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.script: list[Answer] = []
        self.headers: dict[str, str] = {}
        self.books: list[str] = []
        self.url = ""

    def serve_index(self, wheels: Path) -> str:
        """The wheels as a package index; returns its address."""
        for wheel in wheels.glob("*.whl"):
            project = wheel.name.split("-")[0].replace("_", "-")
            page = self.files.get(f"/simple/{project}/", b"")
            self.files[f"/simple/{project}/"] = page + f'<a href="/wheels/{wheel.name}">{wheel.name}</a>\n'.encode()
            self.files[f"/wheels/{wheel.name}"] = wheel.read_bytes()
        return f"{self.url}/simple"


class _Handler(BaseHTTPRequestHandler):
    origin: Origin

    def do_GET(self) -> None:
        origin = self.origin
        origin.books.append(self.path)
        content = origin.files.get(self.path)
        answer = origin.script.pop(0) if origin.script else (404 if content is None else 200)
        content = content or b"no such file"
        if answer == "closed":
            self.connection.close()
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
        server.shutdown()
        thread.join()
        server.server_close()
