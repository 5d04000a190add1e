"""The simulator on a socket: a threaded HTTP/1.1 server that can also break connections for real."""

from __future__ import annotations

import io
import socket
import sys
import threading
import traceback
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self

from werkzeug.http import http_date
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from upsun_simulator import guard, wire
from upsun_simulator.answers import Refusal, error
from upsun_simulator.faults import ConnectionCut
from upsun_simulator.simulator import CLOSING, Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from _typeshed.wsgi import WSGIEnvironment

POLL_SECONDS = 0.02
JOIN_SECONDS = 5.0
BODILESS = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


class _Listener(ThreadedWSGIServer):
    """Accepts connections, and can end all of them."""

    daemon_threads = True

    def __init__(self, simulator: Simulator, host: str, port: int, log: Callable[[str], None] | None) -> None:
        self.simulator = simulator
        self.closing = threading.Event()
        self.report = log
        self.connections = guard.Connections()
        self._workers: set[threading.Thread] = set()
        self._guard = threading.Lock()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # Bound here because werkzeug ends the whole process when a port is taken.
        with socket.create_server((host, port), family=family, backlog=128) as bound:
            super().__init__(host, port, simulator.wsgi, handler=_Handler, fd=bound.fileno())

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self.connections.open(request):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def service_actions(self) -> None:
        """End connections whose request does not come in time, also one that comes byte by byte."""
        for connection in self.connections.late():
            wire.shut(connection)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        with self._guard:
            self._workers.add(threading.current_thread())
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._guard:
                self._workers.discard(threading.current_thread())

    def shutdown_request(self, request: Any) -> None:
        self.connections.closed(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the signature of the base
        """Ignore a client that went away; print anything else, which is a bug of the simulator."""
        if not isinstance(sys.exception(), OSError):
            traceback.print_exc()

    def end_connections(self) -> None:
        """Shut every connection down and wait for the threads that served them."""
        with self._guard:
            threads = list(self._workers)
        for connection in self.connections.every():
            wire.shut(connection)
        for thread in threads:
            thread.join(JOIN_SECONDS)


class _Handler(WSGIRequestHandler):
    """Serves one connection, request after request."""

    protocol_version = "HTTP/1.1"
    # An answer is sent in several pieces, and none of them may wait for an acknowledgement.
    disable_nagle_algorithm = True
    timeout = guard.REQUEST_SECONDS  # for a client that does not read its answer
    server: _Listener

    def run_wsgi(self) -> None:
        """Answer one request. Its body is read whole first, so that the next request starts where it should."""
        environ = self.make_environ()
        try:
            guard.check_origin(self.headers, self.path, self.server.port, self.server.simulator.state)
            body = guard.body_of(self.headers, self.rfile)
        except Refusal as refusal:
            self.send_error(refusal.status, refusal.message)
            return
        except guard.TooLarge:
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large.")
            return
        except (OSError, ValueError):
            self.send_error(HTTPStatus.BAD_REQUEST, "The body cannot be read.")
            return
        self.server.connections.expect(self.connection, request=False)
        environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        environ.pop("wsgi.input_terminated", None)
        environ[CLOSING] = self.server.closing
        try:
            status, headers, parts = self._ask(environ)
        except ConnectionCut as cut:
            self.close_connection = True
            wire.break_off(self.connection, cut, self.server.closing)
            self._report(cut.phase)
            return
        self._write(status, headers, parts)
        self.server.connections.expect(self.connection, request=True)
        self._report(status)

    def _ask(self, environ: WSGIEnvironment) -> tuple[str, list[tuple[str, str]], Iterable[bytes]]:
        seen: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> Callable[[bytes], object]:
            seen[:] = [status, headers]
            return lambda data: data

        try:
            parts = self.server.app(environ, start_response)
        except ConnectionCut:
            raise
        except Exception:  # noqa: BLE001 - a bug here must reach the client as an answer and the tester as a trace
            traceback.print_exc()
            parts = error(HTTPStatus.INTERNAL_SERVER_ERROR, "The simulator failed.")(environ, start_response)
        return seen[0], seen[1], parts

    def _write(self, status: str, headers: list[tuple[str, str]], parts: Iterable[bytes]) -> None:
        """Send an answer: with its length when that is known, else in chunks as they come."""
        names = {name.lower() for name, _ in headers}
        code = int(status.split(maxsplit=1)[0])
        unknown = "content-length" not in names and self.command != "HEAD" and code not in BODILESS
        # An old client learns from the end of the connection that the answer is whole.
        chunked = unknown and self.request_version >= "HTTP/1.1"
        if chunked:
            headers = [*headers, ("Transfer-Encoding", "chunked")]
        try:
            self.connection.sendall(wire.head(status, headers))
            for part in filter(None, parts):
                self.connection.sendall(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
            if chunked:
                self.connection.sendall(b"0\r\n\r\n")
        finally:
            close = getattr(parts, "close", None)
            if close is not None:
                close()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002 - the signature of the base
        """Answer a request that could not even be read, as JSON, and end the connection."""
        self.close_connection = True
        body = error(code, message or HTTPStatus(code).phrase).get_data()
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("Connection", "close"),
            ("Date", http_date(self.server.simulator.clock.now())),
        ]
        self.connection.sendall(wire.head(f"{code} {HTTPStatus(code).phrase}", headers) + body)

    def _report(self, outcome: str) -> None:
        if self.server.report is not None:
            self.server.report(f"{self.command} {self.path} {outcome}")

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - the signature of the base
        """Log nothing: `_report` logs every request."""


class Server:
    """A simulator that listens; closes its port and every connection at the end of a `with` block."""

    def __init__(self, simulator: Simulator, host: str, port: int, log: Callable[[str], None] | None = None) -> None:
        self.simulator = simulator
        self._listener = _Listener(simulator, host, port, log)
        self.port: int = self._listener.port
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self.port}"
        self._thread = threading.Thread(
            target=self._listener.serve_forever, args=(POLL_SECONDS,), name="simulator", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening and end every connection; a second call does nothing."""
        if self._listener.closing.is_set():
            return
        self._listener.closing.set()
        self._listener.shutdown()
        self._listener.end_connections()
        self._thread.join(JOIN_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def serve(
    simulator: Simulator,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    log: Callable[[str], None] | None = None,
) -> Server:
    """Serve the simulator in a thread; port 0 takes a free one. OSError when the port is taken.

    Args:
        simulator: the simulator.
        host: the address to listen on.
        port: the port to listen on; 0: a free one.
        log: called with one line per request; None: nothing is written.
    """
    return Server(simulator, host, port, log)
