"""Limit the bytes, time and memory of one answer of a database, below the driver.

Drivers keep all rows, notices, results and settings that a server sends. The meter is checked before each read from the
socket, with or without TLS. One read of libpq's goes on for as long as the server sends faster than it reads, up to the
gigabyte that a message may have: there the system's own limit on memory (RLIMIT_DATA) holds, not the meter.
"""

from __future__ import annotations

import _socket
import _thread
import os
import resource
import sys
import time

from upsun_agent.limits import DATABASE_ANSWER, DATABASE_CPU, DATABASE_MEMORY, DATABASE_STATEMENT, DATABASE_STEPS

TYPE_CHECKING = False  # the module that has it would cost every idle tick
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

#: Where Linux's ``struct tcp_info`` says how many bytes arrived, an unsigned number of eight bytes.
RECEIVED = slice(128, 136)
GRACE = 1.0  # seconds: the server's own limit is the one that is met first
LONG, LATE = "it sends more than an answer can be", "it takes too long to answer"


class TooMuch(Exception):
    """The server sends more than an answer may hold, or takes longer; the text continues "the server ..."."""


class Meter:
    """Count the bytes of one answer; ``begin`` starts the next one."""

    def __init__(self) -> None:
        self._bytes = self._steps = self._before = 0
        self.begin()

    def begin(self, file: int = -1) -> None:
        """Count from now on; ``file`` is the socket where the driver reads it by itself."""
        self._memory, self._computed = resident(), time.process_time()
        self._until = time.monotonic() + DATABASE_STATEMENT + GRACE
        self._bytes = self._steps = 0
        self._before = received(file)

    def read(self, count: int) -> None:
        """Count bytes that were read; raise TooMuch above the limit."""
        self._bytes += count
        self._judge()

    def look(self, file: int) -> None:
        """Count the bytes received by the socket so far; raise TooMuch above the limit."""
        self._bytes = received(file) - self._before
        self._judge()

    def _judge(self) -> None:
        self._steps += 1
        if time.monotonic() > self._until:
            raise TooMuch(LATE)
        long = self._bytes > DATABASE_ANSWER or self._steps > DATABASE_STEPS
        grown = resident() - self._memory > DATABASE_MEMORY
        if long or grown or time.process_time() - self._computed > DATABASE_CPU:
            raise TooMuch(LONG)

    def watched(self, steps: Generator[Any, Any, Any], file: int) -> Generator[Any, Any, Any]:
        """Yield psycopg's steps of one exchange, each checked before it reads; ``file`` -1: they name the socket."""
        try:
            with growth_limited:
                wanted = next(steps)
            self.begin(file)
            while True:
                ready = yield wanted
                self.look(file if file >= 0 else wanted[0])
                with growth_limited:
                    wanted = steps.send(ready)
        except StopIteration as end:
            return end.value
        finally:
            steps.close()


class _GrowthLimit:
    """Lets this process grow by DATABASE_MEMORY within a block at most; raises TooMuch if it wants more.

    The limit is the whole process's: the first of several threads sets it, the last one lifts it. No thread may start
    a child meanwhile, which would inherit it.
    """

    def __init__(self) -> None:
        self._lock = _thread.allocate_lock()
        self._readers = 0
        self._before = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)

    def __enter__(self) -> None:
        with self._lock:
            self._readers += 1
            if self._readers > 1:
                return
            soft, hard = self._before = resource.getrlimit(resource.RLIMIT_DATA)
            writable = _memory(WRITABLE)
            most = writable + DATABASE_MEMORY if writable else soft
            if soft != resource.RLIM_INFINITY:
                most = min(most, soft)
            resource.setrlimit(resource.RLIMIT_DATA, (most, hard))

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        with self._lock:
            self._readers -= 1
            if not self._readers:
                resource.setrlimit(resource.RLIMIT_DATA, self._before)
        if isinstance(error, MemoryError):
            raise TooMuch(LONG) from None


#: The limit of this process.
growth_limited = _GrowthLimit()


#: Where /proc/self/statm has the pages that are in memory, and those that the process may write to.
RESIDENT, WRITABLE = 1, 5


def resident() -> int:
    """Return the bytes of memory of this process; 0 if the system does not say."""
    return _memory(RESIDENT)


def _memory(field: int) -> int:
    try:
        with open("/proc/self/statm", "rb", buffering=0) as file:
            return int(file.read(100).split()[field]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def received(file: int) -> int:
    """Return the bytes received by a TCP socket since it was opened; 0 for others, or if they are not counted."""
    if file < 0:
        return 0
    looked_at = _socket.socket(fileno=file)
    try:
        told = looked_at.getsockopt(_socket.IPPROTO_TCP, _socket.TCP_INFO, RECEIVED.stop)
    except OSError:
        return 0
    finally:
        looked_at.detach()
    return int.from_bytes(told[RECEIVED], sys.byteorder)
