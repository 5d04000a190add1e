"""Standard streams as they are: closed ones, full ones, ones that cannot show every character. Light: ticks use it."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from typing import TextIO

_COLOUR = re.compile(r"(\x1b\[\d*m)")
_ODD = "\N{REPLACEMENT CHARACTER}"  # stands for a character that is not shown


def prepare_streams() -> None:
    """Make standard streams that take every text: a closed one becomes the null device, as some crons start us."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115  for the process's life
        elif isinstance(stream, io.TextIOWrapper) and mode == "w":
            stream.reconfigure(errors="backslashreplace")


def give_up(stream: TextIO) -> None:
    """Let what the stream still holds go nowhere, or the end of the process fails on it once more."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def complain(text: str) -> None:
    """A line on standard error, if it can be written."""
    Steady(sys.stderr).write(f"{harmless(text)}\n")


def harmless(text: str, *, coloured: bool = False) -> str:
    """Text that may quote files, variables or arguments, without what a terminal obeys (but for our colours)."""
    parts = _COLOUR.split(text)
    for place, part in enumerate(parts):
        if not (coloured and place % 2):
            parts[place] = "".join(char if char.isprintable() or char == "\n" else _ODD for char in part)
    return "".join(parts)


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
