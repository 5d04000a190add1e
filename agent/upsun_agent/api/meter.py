"""Count the bytes and the time of one answer below the HTTP library, whatever the bytes mean.

The library has no bound for what is not a body: informational answers, extensions and trailers of chunks, a proxy's
answers. Its timeouts are those of single reads. Here each read gets the time that is left, and is counted.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

#: Bytes until the head of an answer is whole: the library takes one of 100 KiB, and reads 64 KiB of the body with it.
HEAD_MOST_BYTES = 256 * 1024
#: Bytes around a body of any size: sizes of chunks, and the trailer.
AROUND_MOST_BYTES = 1024 * 1024


class OverTime(Exception):
    """The time of the answer is over."""


class OverBytes(Exception):
    """More bytes came than this part of the answer may have."""

    def __init__(self, part: str) -> None:
        super().__init__(f"the {part} of the answer is too long")
        self.part = part


class Meter:
    """The budget of one answer, in seconds and bytes; it is reset for each request."""

    def __init__(self) -> None:
        self._end = 0.0
        self._bytes = 0
        self._part = ""

    def begin(self, seconds: float) -> None:
        """Begin a request, and expect the head of its answer."""
        self._end = time.monotonic() + seconds
        self._bytes, self._part = HEAD_MOST_BYTES, "head"

    def expect_body(self, most: int) -> None:
        """Expect a body of that many bytes at most, as it is on the wire without its chunks."""
        self._bytes, self._part = 2 * most + AROUND_MOST_BYTES, "body"

    def time_left(self, timeout: float | None) -> float:
        """Return the seconds that one step may take; at least a millisecond, since zero would mean no waiting."""
        left = self._end - time.monotonic()
        return max(left if timeout is None else min(timeout, left), 0.001)

    def check_time(self) -> None:
        """Raise OverTime if no time is left."""
        if time.monotonic() >= self._end:
            raise OverTime

    def count(self, number: int) -> None:
        """Count received bytes; raise OverBytes if they are too many."""
        self._bytes -= number
        if self._bytes < 0:
            raise OverBytes(self._part)


class MeteredStream:
    """A connection of the library whose reads and writes are metered."""

    def __init__(self, inner: Any, meter: Meter) -> None:
        self._inner = inner
        self._meter = meter

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read, and count what came."""
        self._meter.check_time()
        try:
            data: bytes = self._inner.read(max_bytes, self._meter.time_left(timeout))
        except Exception:
            self._meter.check_time()  # the same words, whoever notices it first
            raise
        self._meter.count(len(data))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write within the time that is left."""
        self._meter.check_time()
        self._inner.write(buffer, self._meter.time_left(timeout))

    def close(self) -> None:
        """Close the connection."""
        self._inner.close()

    def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> Any:
        """Return the same connection with TLS, metered too.

        Args:
            ssl_context: whom to trust, and how.
            server_hostname: the name that the certificate must be for.
            timeout: the time limit of httpcore, in seconds; the time that is left wins.
        """
        inner = self._inner.start_tls(ssl_context, server_hostname, self._meter.time_left(timeout))
        return MeteredStream(inner, self._meter)

    def get_extra_info(self, info: str) -> Any:
        """Return what the library wants to know of the connection."""
        return self._inner.get_extra_info(info)


class MeteredBackend:
    """The library's way to the network, with metered connections."""

    def __init__(self, inner: Any, meter: Meter) -> None:
        self._inner = inner
        self._meter = meter

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> MeteredStream:
        """Return a connection that was made within the time that is left.

        Args:
            host: the name or address of the host.
            port: the port.
            timeout: the time limit of httpcore, in seconds; the time that is left wins.
            local_address: the address to connect from; None: any.
            socket_options: options of the socket; None: none.
        """
        seconds = self._meter.time_left(timeout)
        return MeteredStream(self._inner.connect_tcp(host, port, seconds, local_address, socket_options), self._meter)

    def sleep(self, seconds: float) -> None:
        """Wait before another try to connect."""
        self._inner.sleep(self._meter.time_left(seconds))
