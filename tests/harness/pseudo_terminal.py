"""A command on a real pseudo-terminal of a size that a test chooses."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.harness.agent_process import COMMAND, PATIENCE, Agent

_CONTROL = re.compile(rb"\x1b\[[0-9;?]*[a-zA-Z]")


@dataclass
class OnTerminal:
    """The process, the terminal that it is on, and what it wrote there so far."""

    process: subprocess.Popen[bytes]
    master: int
    said: bytes = b""
    settings: list[Any] = field(default_factory=list)

    def read(self, seconds: float) -> bytes:
        """What comes within that time, or until the end."""
        new, end = b"", time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and select.select([self.master], [], [], left)[0]:
            try:
                piece = os.read(self.master, 65536)
            except OSError:  # Linux says EIO when nobody holds the other end any more
                break
            if not piece:
                break
            new += piece
        self.said += new
        return new

    def wait_for(self, text: str, *, after: int = 0) -> bytes:
        """Read until the text is there (behind that many bytes); fails when it does not come."""
        end = time.monotonic() + PATIENCE
        while text.encode() not in self.said[after:]:
            assert time.monotonic() < end, self.said[-2000:]
            assert self.process.poll() is None or self.read(0.2) or text.encode() in self.said[after:], self.said
            self.read(0.1)
        return self.said[after:]

    def press(self, keys: bytes) -> None:
        """Type."""
        os.write(self.master, keys)

    def resize(self, columns: int, lines: int) -> None:
        """Make the terminal another size."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def end(self) -> int:
        """Wait for the process's end, reading what it still says; returns its exit code."""
        end = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < end, self.said[-2000:]
            self.read(0.1)
        self.read(0.2)
        return self.process.returncode

    @property
    def modes(self) -> list[Any]:
        """How the terminal is set now: what a program must leave as it was."""
        return termios.tcgetattr(self.master)[:4]


@contextmanager
def on_terminal(
    agent: Agent, *arguments: str, columns: int = 80, lines: int = 24, **changes: str
) -> Iterator[OnTerminal]:
    """The command on a terminal of that size; it is ended with the block."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    process = subprocess.Popen(
        ["/bin/sh", "-c", f'exec "$0" "$@" < {os.ttyname(slave)}', *COMMAND, *arguments],
        cwd=agent.home,
        env=agent.environment(**{"TERM": "xterm-256color", **changes}),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,  # the first terminal that such a process opens controls it: Ctrl-C reaches it
    )
    found = OnTerminal(process, master)
    found.settings = found.modes
    os.close(slave)
    try:
        yield found
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(master)


def plain(said: bytes) -> str:
    """What was written, without colours and moves."""
    return _CONTROL.sub(b"", said).decode().replace("\r\n", "\n")


def frames(said: bytes) -> list[list[str]]:
    """The lines of each picture that a watching command drew."""
    pictures = said.split(b"\x1b[H")[1:]
    return [plain(picture.split(b"\x1b[J")[0]).split("\n") for picture in pictures]
