"""Bounds for the fuzzers that read foreign bytes in the process of the tests: the system holds time and memory."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

MEMORY_MOST = 256 * 1024 * 1024  # bytes of address space that a test may take beyond what the process has
CPU_MOST = 10  # seconds of CPU time for one example


class TooLong(BaseException):
    """One example took too much CPU time. No handler of the agent's takes it for an error of its own."""


def _stop(_: int, __: FrameType | None) -> None:
    raise TooLong("one example took more CPU time than it may")


@contextmanager
def memory(most: int = MEMORY_MOST) -> Iterator[None]:
    """Let the process grow by so many bytes; what asks for more gets a MemoryError."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm", encoding="ascii") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@contextmanager
def time(seconds: float = CPU_MOST) -> Iterator[None]:
    """Raise ``TooLong`` where what is done here takes so many seconds of CPU time of the process."""
    before = signal.signal(signal.SIGPROF, _stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
