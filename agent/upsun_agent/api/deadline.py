"""Interrupt long waits: an alarm for the main thread, and a daemon thread that resolves names."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

from upsun_agent.limits import CONNECT_TIMEOUT

#: Bytes for the thread that looks a name up: the usual eight megabytes count where memory is short.
STACK = 512 * 1024
#: Seconds between two signals of the timer.
TICK = 1.0
#: Seconds by which the timer's clock may be before ours when the time is over.
EARLY = 0.01


class OverDeadline(BaseException):
    """The alarm went off. No Exception, so that no handler inside httpx swallows it."""


@contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """Interrupt the running code after that many seconds: the only limit that covers slowly sent headers.

    The timer fires every second, also before the time is over and after it. Before: a SIGTERM or SIGINT that arrives
    just before a system call begins to wait does not end that call, and Python calls its handler only when the call
    returns; the timer makes it return. After: an exception that is raised in a destructor is lost. Signals reach the
    main thread only; elsewhere the timeout of each read must do.

    Args:
        seconds: how long the block may take.

    Raises:
        OverDeadline: it took longer.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    until = monotonic() + seconds

    def ring(*_: object) -> None:
        if monotonic() >= until - EARLY:
            raise OverDeadline

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, max(seconds % TICK or TICK, EARLY), TICK)
    try:
        yield
    finally:
        silence()
        signal.signal(signal.SIGALRM, before)


def silence() -> None:
    """Turn the alarm off."""
    signal.setitimer(signal.ITIMER_REAL, 0)


@contextmanager
def names_resolved_in_a_thread() -> Iterator[None]:
    """Resolve names in a daemon thread: ``getaddrinfo`` blocks in C, where no signal interrupts it.

    So neither the deadline nor SIGTERM has to wait for a name server that says nothing. httpx offers no place to hang
    this in that also serves proxies; it is this process's own resolver that is wrapped, for the time of one request.
    """
    inner = socket.getaddrinfo

    def look_up(host: Any, *arguments: Any, **settings: Any) -> Any:
        answers: list[Any] = []
        if isinstance(host, str) and host.isascii():
            host = host.encode()  # or the interpreter imports a codec for other names

        def ask() -> None:
            try:
                answers.append(inner(host, *arguments, **settings))
            except Exception as error:  # noqa: BLE001  raised below, where somebody hears it
                answers.append(error)

        thread = threading.Thread(target=ask, daemon=True, name="name look-up")
        usual = threading.stack_size(STACK)
        try:
            thread.start()
        finally:
            threading.stack_size(usual)
        thread.join(CONNECT_TIMEOUT)
        if not answers:
            raise socket.gaierror(socket.EAI_AGAIN, f"no name server answered within {CONNECT_TIMEOUT:.0f} s")
        if isinstance(answers[0], Exception):
            raise answers[0]
        return answers[0]

    socket.getaddrinfo = look_up
    try:
        yield
    finally:
        socket.getaddrinfo = inner
