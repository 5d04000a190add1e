"""The whole screen of a terminal, drawn again and again and given back as it was."""

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
BLINK = 0.5  # seconds between two looks at the size of the terminal


class Screen:
    """The alternate screen, for as long as the block lasts; keys are read one by one where they come from a terminal.

    However the block ends, also by Ctrl-C and SIGTERM, the terminal is as it was. Ctrl-Z gives it back meanwhile.
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
        os.kill(os.getpid(), signal.SIGSTOP)  # here the process stands still until somebody continues it
        self._take()

    def _measure(self) -> bool:
        """Look at the size; whether it has changed."""
        before = (self.columns, self.lines)
        size = shutil.get_terminal_size((80, 24))
        self.columns, self.lines = max(size.columns, 1), max(size.lines, 2)
        return before != (self.columns, self.lines)

    def footer(self, now: datetime, seconds: float) -> Line:
        """When this was seen and how to leave."""
        return Line(f"{now:%H:%M:%S} UTC, again every {seconds:g} s; q leaves", "dim")

    def draw(self, found: Sequence[Line]) -> None:
        """Put these lines on the screen, over what was there: no flicker, nothing scrolls."""
        shown = [
            self._terminal.shown(cut(self._terminal.clean(line.text), self.columns), line.tone)
            for line in found[: self.lines]
        ]
        self._blank = False
        self._terminal.raw(HOME + "\n".join(f"{line}{CLEAR_LINE}" for line in shown) + CLEAR_REST)

    def wait(self, seconds: float) -> str:
        """The key that was pressed; nothing after so many seconds, or once the screen is blank or has another size."""
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
