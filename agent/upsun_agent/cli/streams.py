"""Standard streams that may be closed, full or unable to show a character. Ticks import this: keep it light."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import sys
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from typing import TextIO
from upsun_agent.log.escapes import printable

_BYTE = re.compile("[\udc80-\udcff]")
_ODD = "\N{REPLACEMENT CHARACTER}"  # replaces a character that must not be shown


#: Seconds after which a full, non-blocking pipe that nobody reads counts as broken.
PATIENCE = {"stdout": 30.0, "stderr": 10.0}


def prepare_streams() -> None:
    """Replace standard streams so that they take every text; a closed one becomes /dev/null.

    Some crons start programs with closed streams. A pipe that another process made non-blocking is written whole.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115  for the process's life
        elif isinstance(stream, io.TextIOWrapper) and mode == "w":
            stream.reconfigure(errors="backslashreplace")
            if type(stream) is io.TextIOWrapper:
                setattr(sys, name, _patient(stream, PATIENCE[name]))


def _patient(stream: io.TextIOWrapper, seconds: float) -> io.TextIOWrapper:
    """Return the stream with writes that wait for its reader; return a stream without a file unchanged."""
    inner: object = stream.buffer
    unbuffered = isinstance(inner, io.FileIO)  # with PYTHONUNBUFFERED
    if not unbuffered and not isinstance(getattr(inner, "raw", None), io.FileIO):
        return stream
    stream.flush()
    raw = Patient(stream.fileno(), seconds)
    return io.TextIOWrapper(
        cast("Any", raw if unbuffered else io.BufferedWriter(raw)),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


class Patient(io.RawIOBase):
    """A raw file, blocking or not, whose writes wait for the reader; after ``seconds`` they raise TimeoutError."""

    def __init__(self, number: int, seconds: float) -> None:
        self._number = number
        self._seconds = seconds

    def write(self, data: Any) -> int:
        """Write all of the data."""
        left = memoryview(data).cast("B")
        size = len(left)
        while left:
            try:
                left = left[os.write(self._number, left) :]
            except BlockingIOError:
                self._await_room()
        return size

    def _await_room(self) -> None:
        import select  # noqa: PLC0415  late: few pipes are full

        poll = select.poll()
        poll.register(self._number, select.POLLOUT)
        if not poll.poll(self._seconds * 1000):
            raise TimeoutError(errno.ETIMEDOUT, f"nobody read from the pipe for {self._seconds:.0f} s")

    def writable(self) -> bool:
        """Return whether the file can be written."""
        return True

    def fileno(self) -> int:
        """Return the file descriptor."""
        return self._number

    def isatty(self) -> bool:
        """Return whether somebody reads it on a terminal."""
        return os.isatty(self._number)


_GIVEN_UP: set[int] = set()


def is_given_up(stream: TextIO) -> bool:
    """Return whether the stream failed and was redirected to /dev/null."""
    return id(stream) in _GIVEN_UP


def give_up(stream: TextIO) -> None:
    """Redirect the stream to /dev/null so that interpreter shutdown does not fail to flush it."""
    _GIVEN_UP.add(id(stream))
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def complain(text: str) -> None:
    """Write a line to standard error, if possible."""
    Steady(sys.stderr).write(f"{harmless(text)}\n")


def escaped(text: str) -> str:
    r"""Return the text with bytes that are not UTF-8 (in arguments, variables, file names) as ``\xNN``."""
    return text if text.isascii() else _BYTE.sub(lambda found: f"\\x{ord(found[0]) - 0xDC00:02x}", text)


def harmless(text: str) -> str:
    """Return the text without escape sequences and control characters, which it may quote from outside."""
    return printable(escaped(text), keep="\n", odd=_ODD)


class Steady(io.TextIOBase):
    """Standard error whose writes never raise: a message that cannot be printed must not stop the work."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text, if possible."""
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            give_up(self._stream)
        return len(text)

    def isatty(self) -> bool:
        """Return whether somebody reads it on a terminal."""
        return self._stream.isatty()
