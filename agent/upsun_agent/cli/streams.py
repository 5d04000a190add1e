"""Standard streams as they are: closed ones, full ones, ones that cannot show every character. Light: ticks use it."""

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

_BYTE = re.compile("[\udc80-\udcff]")
_ODD = "\N{REPLACEMENT CHARACTER}"  # stands for a character that is not shown


#: Seconds without a reader after which a pipe that is full and does not block counts as broken.
PATIENCE = {"stdout": 30.0, "stderr": 10.0}


def prepare_streams() -> None:
    """Make standard streams that take every text: a closed one becomes the null device, as some crons start us.

    A pipe that does not block, because whoever shares it set it so, is written to its end all the same.
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
    """The same stream, whose every write waits until its reader takes it; a stream that is no file stays as it is."""
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
    """A file that is written to whether it blocks or not; an OSError after so many seconds in which nobody read."""

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
        """Whether it takes data."""
        return True

    def fileno(self) -> int:
        """The file's number."""
        return self._number

    def isatty(self) -> bool:
        """Whether somebody reads it on a terminal."""
        return os.isatty(self._number)


_GIVEN_UP: set[int] = set()


def is_given_up(stream: TextIO) -> bool:
    """Return whether what is written to the stream goes nowhere since it failed."""
    return id(stream) in _GIVEN_UP


def give_up(stream: TextIO) -> None:
    """Let what the stream still holds go nowhere, or the end of the process fails on it once more."""
    _GIVEN_UP.add(id(stream))
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def complain(text: str) -> None:
    """A line on standard error, if it can be written."""
    Steady(sys.stderr).write(f"{harmless(text)}\n")


def escaped(text: str) -> str:
    r"""The text with bytes that are no UTF-8 (of arguments, variables and names of files) as ``\xNN``."""
    return text if text.isascii() else _BYTE.sub(lambda found: f"\\x{ord(found[0]) - 0xDC00:02x}", text)


def harmless(text: str) -> str:
    """Text that may quote files, variables or arguments, without what a terminal obeys."""
    return "".join(char if char.isprintable() or char == "\n" else _ODD for char in escaped(text))


class Steady(io.TextIOBase):
    """Standard error that never fails: what cannot be told must not stop what is being done."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text if that works."""
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            give_up(self._stream)
        return len(text)

    def isatty(self) -> bool:
        """Whether somebody reads it on a terminal."""
        return self._stream.isatty()
