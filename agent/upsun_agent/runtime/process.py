"""Run a command in this container with limits on time and output, and end it with all its descendants.

Between the agent and the command is a process of ``runtime/supervisor.py``, which becomes the parent of whatever the
command leaves behind, in new sessions and after double forks too. It ends all of that when the command has ended, when
its time is up, and when the agent ends in any way, by SIGKILL too. The command never sees the variables that hold the
API token.
"""

from __future__ import annotations

import errno
import json
import os
import select
import selectors
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from upsun_agent.limits import COMMAND_OUTPUT_MOST, COMMAND_TAIL_MOST
from upsun_agent.log.foreign_text import last_words
from upsun_agent.log.redaction import Redaction
from upsun_agent.runtime import supervisor
from upsun_agent.runtime.command_result import Ended

GRACE = 2.0  # seconds between SIGTERM and SIGKILL
PIECE = 64 * 1024
AFTER = supervisor.KILL_WITHIN + 1.0  # seconds in which the supervisor ends what a command left behind
LINE_MOST = 64 * 1024  # bytes of a line that the supervisor tells: a path is the longest part of one
EXIT_CODE_LEAST, EXIT_CODE_MOST = -255, 255  # below zero: the signal that ended it
PIECES_AFTER = 64  # read after the end: what a pipe may still hold, and no more
NOT_FOUND, NOT_EXECUTABLE = 127, 126  # as shells say it
SUPERVISOR_KILLED = -9  # the command's exit code where nobody is left to tell it


def run(
    command: tuple[str, ...] | str,
    directory: str | None,
    within: float,
    variables: Mapping[str, str],
    hidden: tuple[str, ...],
    redaction: Redaction | None = None,
) -> Ended:
    """Run the command to its end, or to its time limit.

    Args:
        command: its arguments, or one text for ``/bin/sh -e``.
        directory: where it runs; None means here.
        within: seconds after which it is ended with all its descendants.
        variables: set for it on top of this process's own.
        hidden: variables of this process that it does not get.
        redaction: what is secret of what it prints; without it, what this process knows as secret.
    """
    arguments = ["/bin/sh", "-ec", command] if isinstance(command, str) else list(command)
    environment = {**{key: value for key, value in os.environ.items() if key not in hidden}, **variables}
    request = {"arguments": arguments, "directory": directory, "variables": environment, "grace": GRACE}
    began = time.monotonic()
    spared = frozenset(supervisor.children())
    supervisor.adopt_orphans(on=True)  # should the supervisor be killed
    try:
        output, exit_code, failure = _supervised(request, began + within, spared)
    except OSError as error:  # no memory or no process for the supervisor
        return Ended(
            NOT_FOUND, time.monotonic() - began, last_words(f"{arguments[0]}: {error.strerror}", 200, redaction)
        )
    finally:
        supervisor.adopt_orphans(on=False)
    seconds = time.monotonic() - began
    if failure is not None:
        number, reason, name = failure
        named = f"the directory {directory}" if directory is not None and name == directory else arguments[0]
        code = NOT_EXECUTABLE if number in {errno.EACCES, errno.EPERM} else NOT_FOUND
        return Ended(code, seconds, last_words(f"{named}: {reason}", 200, redaction))
    said = output.kept.decode("utf-8", "surrogateescape")
    return Ended(exit_code, seconds, last_words(said, COMMAND_OUTPUT_MOST, redaction, cut=output.cut))


def _supervised(
    request: Mapping[str, Any], end: float, spared: frozenset[int]
) -> tuple[_Tail, int | None, tuple[int, str, str | None] | None]:
    """Run the command under the supervisor; return its last output, its exit code, and why it could not start."""
    reading, writing = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", "-X", "utf8", supervisor.__file__, str(writing)],
            env={},  # the command's variables change nothing of the supervisor
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(writing,),
            start_new_session=True,  # Ctrl-C in a terminal reaches the agent, which tells the supervisor
        )
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    line, tail = _Line(reading), _Tail()
    try:
        _hand_over(process, request)
        _watch(process, line, tail, end)
        killed = line.closed and not line.is_told
        return tail, SUPERVISOR_KILLED if killed else line.exit_code, line.failure
    finally:
        _end(process, line, spared)


def _hand_over(process: subprocess.Popen[bytes], request: Mapping[str, Any]) -> None:
    """Send the command to the supervisor. The pipe stays open: closing it makes the supervisor end the command."""
    text = json.dumps(request).encode()
    if process.stdin is not None:
        with suppress(BrokenPipeError):
            process.stdin.write(b"%d\n%b" % (len(text), text))
            process.stdin.flush()


class _Line:
    """The supervisor's messages, read without blocking.

    ``exit_code`` is None until the command has ended, ``failure`` (number, reason, file) is why it could not start,
    ``clean`` says that nothing of it is left, ``closed`` that the supervisor has ended.
    """

    def __init__(self, file: int) -> None:
        self.file = file
        self.exit_code: int | None = None
        self.failure: tuple[int, str, str | None] | None = None
        self.clean = False
        self.closed = False
        self._text = b""

    def read(self) -> None:
        """Read the available bytes."""
        piece = os.read(self.file, PIECE)
        self.closed = not piece
        *lines, self._text = (self._text + piece).split(b"\n")
        self._text = self._text[-LINE_MOST:]
        for text in lines:
            self._take(text)

    def _take(self, text: bytes) -> None:
        """Handle one line. Ignore what the supervisor never writes: the command can write here through ``/proc``."""
        try:
            words = json.loads(text) if len(text) <= LINE_MOST else None
        except (ValueError, RecursionError):
            return
        match words:
            case ["ended", int(code)] if EXIT_CODE_LEAST <= code <= EXIT_CODE_MOST:
                self.exit_code = code
            case ["failed", int(number), str(reason), str() | None as name]:
                self.failure = number, reason, name
            case ["clean"]:
                self.clean = True

    @property
    def is_told(self) -> bool:
        """Return whether the supervisor has reported how the command ended."""
        return self.exit_code is not None or self.failure is not None


class _Tail:
    """Keep the end of what a command printed; ``cut`` is true if its beginning is lost."""

    def __init__(self) -> None:
        self.kept = bytearray()
        self.cut = False

    def take(self, pipe: int) -> bool:
        """Read one piece from the pipe; return False at its end."""
        piece = os.read(pipe, PIECE)
        self.kept += piece
        if len(self.kept) > COMMAND_TAIL_MOST:
            del self.kept[:-COMMAND_TAIL_MOST]
            self.cut = True
        return bool(piece)


def _watch(process: subprocess.Popen[bytes], line: _Line, tail: _Tail, end: float) -> None:
    """Read the command's output until all its processes have ended, or its time is up.

    Once it has ended, the supervisor gets some seconds to end what it left behind.
    """
    if process.stdout is None:
        return
    pipe = process.stdout.fileno()
    os.set_blocking(pipe, False)
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        selector.register(line.file, selectors.EVENT_READ)
        while not line.closed and (left := end - time.monotonic()) > 0:
            ready, over = {key.fd for key, _ in selector.select(left)}, line.is_told
            if pipe in ready and not tail.take(pipe):
                selector.unregister(pipe)
            if line.file in ready:
                line.read()
            if line.is_told and not over:
                end = time.monotonic() + AFTER
    for _ in range(PIECES_AFTER):
        with suppress(BlockingIOError):
            if tail.take(pipe):
                continue
        return


def _end(process: subprocess.Popen[bytes], line: _Line, spared: frozenset[int]) -> None:
    """Make the supervisor end everything; kill the processes from here if it does not."""
    for pipe in filter(None, (process.stdin, process.stdout)):
        with suppress(OSError):
            pipe.close()
    try:
        process.wait(GRACE + AFTER)
    except subprocess.TimeoutExpired:
        process.kill()
    try:
        while not line.closed and select.select([line.file], [], [], 0)[0]:
            line.read()
    finally:
        os.close(line.file)
        process.wait()
        if not line.clean or process.returncode:
            supervisor.kill_all(spared)
