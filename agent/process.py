"""A command run in this container, bounded in time and output, in a process group of its own that dies with it.

The command never sees the variables that hold the API token, and what it leaves running is killed when it ends.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping
from typing import IO

from agent.commands import Ended
from agent.foreign import last_words
from agent.limits import COMMAND_OUTPUT_MOST, COMMAND_TAIL_MOST
from agent.redaction import Redaction

GRACE = 2.0  # seconds between SIGTERM and SIGKILL
PIECE = 64 * 1024
NOT_FOUND, NOT_EXECUTABLE = 127, 126  # as shells say it


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
        within: seconds after which its process group is killed.
        variables: set for it on top of this process's own.
        hidden: variables of this process that it does not get.
        redaction: what is secret of what it prints; without it, what this process knows as secret.
    """
    arguments = ["/bin/sh", "-ec", command] if isinstance(command, str) else list(command)
    environment = {**{key: value for key, value in os.environ.items() if key not in hidden}, **variables}
    began = time.monotonic()
    try:
        process = subprocess.Popen(
            arguments,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason, named = getattr(error, "strerror", None) or str(error), arguments[0]
        if directory is not None and getattr(error, "filename", None) == directory:
            named = f"the directory {directory}"
        code = NOT_EXECUTABLE if isinstance(error, PermissionError) else NOT_FOUND
        return Ended(code, time.monotonic() - began, last_words(f"{named}: {reason}", 200, redaction))
    try:
        output, in_time = _watched(process, began + within)
        exit_code = process.wait() if in_time else None
    finally:
        _end(process)
    seconds = time.monotonic() - began
    said = output.kept.decode("utf-8", "surrogateescape")
    return Ended(exit_code, seconds, last_words(said, COMMAND_OUTPUT_MOST, redaction, cut=output.cut))


class _Tail:
    """The end of what a command printed; ``cut`` is true where it has lost its beginning."""

    def __init__(self) -> None:
        self.kept = bytearray()
        self.cut = False

    def add(self, piece: bytes) -> None:
        """Keep one more piece."""
        self.kept += piece
        if len(self.kept) > COMMAND_TAIL_MOST:
            del self.kept[:-COMMAND_TAIL_MOST]
            self.cut = True


def _watched(process: subprocess.Popen[bytes], end: float) -> tuple[_Tail, bool]:
    """What the command printed last, and whether it ended in time; what it left behind is not waited for."""
    pipe: IO[bytes] | None = process.stdout
    tail = _Tail()
    if pipe is None:
        return tail, True
    os.set_blocking(pipe.fileno(), False)
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while (left := end - time.monotonic()) > 0:
            ended = process.poll() is not None
            if not selector.select(0 if ended else min(left, 0.2)):
                if ended:
                    return tail, True
                continue
            piece = os.read(pipe.fileno(), PIECE)
            tail.add(piece)
            if not piece:
                return tail, _waited(process, end)
    return tail, False


def _waited(process: subprocess.Popen[bytes], end: float) -> bool:
    """Whether a command that has closed its output ends in time."""
    try:
        process.wait(max(0.0, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the whole group: asked first, then killed."""
    if process.stdout is not None:
        process.stdout.close()
    for word in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, word)
        except (ProcessLookupError, PermissionError):
            break
        until = time.monotonic() + (GRACE if word == signal.SIGTERM and process.poll() is None else 0.0)
        while process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
    process.wait()
