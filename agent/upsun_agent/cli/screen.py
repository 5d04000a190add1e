"""The alternate screen of a terminal, redrawn until the command ends, then restored."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import sys
import termios
import time
import tty
from collections.abc import Sequence
from datetime import datetime
from types import FrameType, TracebackType
from typing import Any, Self

from upsun_agent.cli.terminal import Terminal
from upsun_agent.text.columns import cut
from upsun_agent.text.event_text import Line

ENTER, LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
HOME, CLEAR_LINE, CLEAR_REST = "\x1b[H", "\x1b[K", "\x1b[J"
BLINK = 0.5  # seconds between two checks of the size of the terminal


class Screen:
    """A context manager that shows the alternate screen, and reads single keys if standard input is a terminal.

    The terminal is restored however the block ends, also by Ctrl-C and SIGTERM, and while Ctrl-Z stops the process.
    """

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._keys = sys.stdin.fileno() if sys.stdin.isatty() else None
        self._before: list[Any] | None = None
        self._stop: Any = signal.SIG_DFL
        self._blank = True
        self.columns, self.lines = 80, 24
        self._measure()

    def __enter__(self) -> Self:
        self._stop = signal.signal(signal.SIGTSTP, self._suspend)
        self._take()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.signal(signal.SIGTSTP, self._stop)
        self._give_back()

    def _take(self) -> None:
        if self._keys is not None:
            self._before = termios.tcgetattr(self._keys)
            tty.setcbreak(self._keys)
        self._blank = True
        self._terminal.raw(ENTER)

    def _give_back(self) -> None:
        if self._keys is not None and self._before is not None:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._keys, termios.TCSADRAIN, self._before)
        with contextlib.suppress(OSError):  # the terminal may be gone
            self._terminal.raw(LEAVE)

    def _suspend(self, _: int, __: FrameType | None) -> None:
        self._give_back()
        os.kill(os.getpid(), signal.SIGSTOP)  # the process stops here until it is continued
        self._take()

    def _measure(self) -> bool:
        """Measure the terminal, and return whether its size has changed."""
        before = (self.columns, self.lines)
        size = shutil.get_terminal_size((80, 24))
        self.columns, self.lines = max(size.columns, 1), max(size.lines, 2)
        return before != (self.columns, self.lines)

    def footer(self, now: datetime, seconds: float) -> Line:
        """Return the line with the time of the reading, the interval in seconds, and how to leave."""
        return Line(f"{now:%H:%M:%S} UTC, again every {seconds:g} s; q leaves", "dim")

    def draw(self, found: Sequence[Line]) -> None:
        """Draw these lines over the present ones, without flicker or scrolling."""
        shown = [
            self._terminal.shown(cut(self._terminal.clean(line.text), self.columns), line.tone)
            for line in found[: self.lines]
        ]
        self._blank = False
        self._terminal.raw(HOME + "\n".join(f"{line}{CLEAR_LINE}" for line in shown) + CLEAR_REST)

    def wait(self, seconds: float) -> str:
        """Return the key that was pressed, or "" after ``seconds`` or when the terminal was continued or resized."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self._keys is None:
                time.sleep(min(left, BLINK))
            elif select.select([self._keys], [], [], min(left, BLINK))[0]:
                data = os.read(self._keys, 32)
                if not data:  # the terminal is gone
                    return "q"
                if b"q" in data.lower():
                    return "q"
            if self._measure() or self._blank:
                break
        return ""
