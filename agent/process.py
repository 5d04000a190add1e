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
from agent.limits import COMMAND_OUTPUT_MOST

GRACE = 2.0  # seconds between SIGTERM and SIGKILL
PIECE = 64 * 1024
NOT_FOUND, NOT_EXECUTABLE = 127, 126  # as shells say it


def run(
    command: tuple[str, ...] | str,
    directory: str | None,
    within: float,
    variables: Mapping[str, str],
    hidden: tuple[str, ...],
) -> Ended:
    """Run the command to its end, or to its time limit.

    Args:
        command: its arguments, or one text for ``/bin/sh -e``.
        directory: where it runs; None means here.
        within: seconds after which its process group is killed.
        variables: set for it on top of this process's own.
        hidden: variables of this process that it does not get.
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
        reason = getattr(error, "strerror", None) or str(error)
        code = NOT_EXECUTABLE if isinstance(error, PermissionError) else NOT_FOUND
        return Ended(code, time.monotonic() - began, f"{arguments[0][:80]}: {reason}")
    try:
        output, in_time = _watched(process, began + within)
        exit_code = process.wait() if in_time else None
    finally:
        _end(process)
    return Ended(exit_code, time.monotonic() - began, output)


def _watched(process: subprocess.Popen[bytes], end: float) -> tuple[str, bool]:
    """What the command printed last, and whether it ended in time; what it left behind is not waited for."""
    pipe: IO[bytes] | None = process.stdout
    if pipe is None:
        return "", True
    os.set_blocking(pipe.fileno(), False)
    kept = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while (left := end - time.monotonic()) > 0:
            ended = process.poll() is not None
            if not selector.select(0 if ended else min(left, 0.2)):
                if ended:
                    return _text(kept), True
                continue
            piece = os.read(pipe.fileno(), PIECE)
            kept += piece
            del kept[: max(0, len(kept) - COMMAND_OUTPUT_MOST)]
            if not piece:
                return _text(kept), _waited(process, end)
    return _text(kept), False


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


def _text(kept: bytearray) -> str:
    """Printable text of what was printed."""
    text = kept.decode("utf-8", "replace")
    return "".join(char if char.isprintable() or char == "\n" else " " for char in text).strip()
