"""Accept requests on the socket only from this machine's programs, and limit the size of what is read.

A web page in a browser on this machine can send requests here too: by a form or a script of another site, or under a
host name of its own that it makes point to this machine (DNS rebinding). Neither is a program of the user's.
"""

from __future__ import annotations

import io
import threading
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote

from upsun_simulator import control_api, site
from upsun_simulator.answers import Refusal

if TYPE_CHECKING:
    import socket
    from email.message import Message

    from upsun_simulator.state import PlatformState

BODY_MOST_BYTES = 1024 * 1024  # of a request: what an API's client sends has some kilobytes
LINE_MOST_BYTES = 4096  # of the size of a chunk with its extensions, or of a line of a trailer
LINES_MOST = 20_000  # chunks and lines of a trailer of one body
REQUEST_SECONDS = 30.0  # until a request is whole, with the time that a kept connection waits for its next one
CONNECTIONS_MOST = 100  # at once; each has a thread
HTTP_PORT = 80  # which clients leave out
HERE = ("localhost", "127.0.0.1", "::1")


class TooLarge(Exception):
    """A request's body is larger than the limit."""


class Bytes(Protocol):
    """The stream that a body is read from."""

    def read(self, size: int, /) -> bytes:
        """Read that many bytes, or fewer at the end."""

    def readline(self, size: int, /) -> bytes:
        """Read a line, at most that many bytes of it."""


def check_origin(headers: Message, path: str, port: int, state: PlatformState) -> None:
    """Raise a refusal if a request is meant for another server, or comes from a page of another site.

    Args:
        headers: the headers of the request.
        path: its path.
        port: the port that this server listens on.
        state: what the platform has: environments, activities, users, the clock.
    """
    names = headers.get_all("Host") or []
    if len(names) > 1 or not (_is_here(names[0] if names else "", port) or _is_site(names, path, state)):
        text = f"This simulator answers at {', '.join(_shown(each, port) for each in HERE)} only."
        raise Refusal(HTTPStatus.MISDIRECTED_REQUEST, text)
    if not path.startswith("/") and not _is_here(path.partition("://")[2].partition("/")[0], port):
        raise Refusal(HTTPStatus.MISDIRECTED_REQUEST, "The request names another host.")
    origins = headers.get_all("Origin") or []
    foreign = [each for each in origins if not _is_own(each, port)]
    if foreign or (headers.get("Sec-Fetch-Site") or "none") not in {"none", "same-origin"}:
        raise Refusal(HTTPStatus.FORBIDDEN, "Requests of pages of other sites are not answered.")


def _is_own(origin: str, port: int) -> bool:
    """Return whether an origin is this server's; an origin without a port means the default port."""
    scheme, _, name = origin.partition("://")
    return scheme == "http" and _is_here(name, port, bare=port == HTTP_PORT)


def _shown(name: str, port: int) -> str:
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def _is_here(name: str, port: int, *, bare: bool = True) -> bool:
    """Return whether a host name is this machine's, with our port, or without one if that is allowed."""
    known = {_shown(each, port) for each in HERE}
    if bare:
        known |= {_shown(each, port).removesuffix(f":{port}") for each in HERE}
    return name.lower() in known


def _is_site(names: list[str], path: str, state: PlatformState) -> bool:
    """Return whether a request goes to an environment's site, which has nothing to change."""
    return (
        bool(names) and control_api.PREFIX.strip("/") not in unquote(path) and site.at_host(state, names[0]) is not None
    )


def body_of(headers: Message, stream: Bytes) -> bytes:
    """Return the body of a request, read whole, so that the next request starts where it should.

    Raises:
        TooLarge: it is, or says that it is, larger than ``BODY_MOST_BYTES``. What is left of it is not read.
        ValueError: its length or one of its chunks is not valid.
        ConnectionResetError: the client left before it was whole.
    """
    coding, lengths = (headers.get("Transfer-Encoding") or "").strip().lower(), headers.get_all("Content-Length") or []
    if coding:
        if coding != "chunked" or lengths:
            raise ValueError("a body has either a length or chunks")
        return _chunks(stream)
    length = _number(lengths[0], 10) if lengths else 0
    if len(set(lengths)) > 1:
        raise ValueError("a body has one length")
    return _exactly(stream, length, 0)


def _number(text: str, base: int) -> int:
    """Return the number in the digits; raise TooLarge if it has more digits than the limit."""
    digits = text.strip()
    if not digits or not all(each in "0123456789abcdef"[:base] for each in digits.lower()):
        raise ValueError("a length is a number")
    if len(digits.lstrip("0")) > len(str(BODY_MOST_BYTES)):
        raise TooLarge
    return int(digits, base)


def _exactly(stream: Bytes, length: int, before: int) -> bytes:
    if before + length > BODY_MOST_BYTES:
        raise TooLarge
    data = stream.read(length)
    if len(data) < length:
        raise ConnectionResetError("the client left before its request was whole")
    return data


def _line(stream: Bytes) -> bytes:
    line = stream.readline(LINE_MOST_BYTES)
    if not line.endswith(b"\n"):
        raise ValueError("a line is too long, or has no end")
    return line.rstrip(b"\r\n")


def _chunks(stream: Bytes) -> bytes:
    found = io.BytesIO()
    for _ in range(LINES_MOST):
        size = _number(_line(stream).partition(b";")[0].decode("latin-1"), 16)
        if size == 0:
            _skip_trailer(stream)
            return found.getvalue()
        found.write(_exactly(stream, size, found.tell()))
        if _line(stream):
            raise ValueError("a chunk is longer than its size says")
    raise TooLarge


def _skip_trailer(stream: Bytes) -> None:
    for _ in range(100):
        if not _line(stream):
            return
    raise TooLarge


class Connections:
    """The open connections, with the deadline of each for sending a whole request."""

    def __init__(self) -> None:
        self._ends: dict[socket.socket, float | None] = {}
        self._guard = threading.Lock()

    def open(self, connection: socket.socket) -> bool:
        """Add a new connection; return False if there are too many."""
        with self._guard:
            if len(self._ends) >= CONNECTIONS_MOST:
                return False
            self._ends[connection] = time.monotonic() + REQUEST_SECONDS
            return True

    def expect(self, connection: socket.socket, *, request: bool) -> None:
        """Set the deadline for a request, or remove it while one is answered."""
        with self._guard:
            if connection in self._ends:
                self._ends[connection] = time.monotonic() + REQUEST_SECONDS if request else None

    def closed(self, connection: socket.socket) -> None:
        """Forget a connection."""
        with self._guard:
            self._ends.pop(connection, None)

    def every(self) -> list[socket.socket]:
        """Return all open connections."""
        with self._guard:
            return list(self._ends)

    def late(self) -> list[socket.socket]:
        """Return the connections whose request did not arrive in time; each is returned once."""
        now = time.monotonic()
        with self._guard:
            found = [each for each, end in self._ends.items() if end is not None and end < now]
            self._ends.update(dict.fromkeys(found))
        return found
