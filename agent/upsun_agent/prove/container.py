"""Probes in the app's container: python3 on the PATH, and locks on the mount of the state."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import socket
import subprocess  # nosec B404  starts python3, and this interpreter
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from upsun_agent.platform.image_python import ImagePython, image_python
from upsun_agent.platform.paths import open_ours
from upsun_agent.prove.rows import Row, not_tried, row

ELSEWHERE = "run the command in the container of the environment: upsun ssh"
NAME = "prove.lock"  # beside the state; removed at the end
HELD = 120.0  # seconds: for how long the name in the lock file stands for a holder at work
PATIENCE = 20.0  # seconds for a process that only tells a version or tries a lock
#: Tries the lock in another process: 0 if it is free, 3 if somebody holds it.
_TRY = """import fcntl, os, sys
file = os.open(sys.argv[1], os.O_RDWR)
try:
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    sys.exit(3)
"""
_VERSION = re.compile(r"Python 3\.(\d{1,3})\b")


def play_python(path: str, kind: str) -> Row:
    """Return the row about python3.

    Args:
        path: the PATH of the container.
        kind: the type of the app, such as ``php:8.4``; empty if it is not known.
    """
    found = shutil.which("python3", path=path)
    if found is None:
        return python(None, kind, image_python(kind))
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(
            [found, "--version"], capture_output=True, text=True, timeout=PATIENCE, check=False, env={"PATH": path}
        )
        version = _VERSION.search(done.stdout + done.stderr)
        if version is not None:
            return python(int(version[1]), kind, image_python(kind))
    return not_tried("python", "python3 is on the PATH, but does not say its version")


def python(minor: int | None, kind: str, table: ImagePython) -> Row:
    """Return the row about python3.

    Args:
        minor: the minor version on the PATH; None if there is none.
        kind: the type of the app.
        table: what the table of images says of it.
    """
    image = kind if re.fullmatch(r"[a-z0-9-]{1,30}:[0-9.]{1,10}", kind) else ""
    has = f"{image or 'the image'} has " + (f"Python 3.{minor}" if minor is not None else "no python3 on the PATH")
    if table.minor is None:
        return row("python", f"{has}; the table does not list it", same=True, image=image, minor=minor)
    text = f"{has}; the table says 3.{table.minor} ({table.certainty})"
    return row("python", text, same=minor == table.minor, image=image, minor=minor)


@contextmanager
def lock_row(directory: str, instance: str | None = None) -> Iterator[Row]:
    """Try locks in the directory, and hold one until the end of the block, for another instance to try it.

    Args:
        directory: the directory on the mount.
        instance: what tells this instance from others; None for the name of the host.
    """
    mine, path = f"{instance or socket.gethostname()}", f"{directory}/{NAME}"
    try:
        file = open_ours(path, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        yield not_tried("locks", f"the state directory cannot be written: {error.strerror}")
        return
    try:
        yield _tried(file, path, mine)
    finally:
        if os.pread(file, 300, 0).decode("utf-8", "replace").partition("\n")[0] == mine:
            with suppress(OSError):
                os.unlink(path)
        os.close(file)


def _tried(file: int, path: str, mine: str) -> Row:
    holder, _, since = os.pread(file, 300, 0).decode("utf-8", "replace").partition("\n")
    other = holder not in {"", mine} and _is_recent(since)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return locks(works=None, other=other, got=False)
    os.ftruncate(file, os.pwrite(file, f"{mine}\n{int(time.time())}\n".encode(), 0))
    done = subprocess.run([sys.executable, "-c", _TRY, path], timeout=PATIENCE, check=False)
    return locks(works=done.returncode == 3, other=other, got=True)  # noqa: PLR2004  what _TRY says


def _is_recent(since: str) -> bool:
    return since.strip().isdigit() and abs(time.time() - int(since)) < HELD


def locks(*, works: bool | None, other: bool, got: bool) -> Row:
    """Return the row about locks.

    Args:
        works: whether the lock kept another process of this instance out; None if that was not tried.
        other: whether another instance says that it holds the lock.
        got: whether this process got the lock.
    """
    if not got:
        who = "another instance" if other else "another process"
        return row("locks", f"{who} holds the lock and keeps this one out", same=True, instances=other, works=True)
    if other:
        text = "another instance says that it holds the lock, and this one got it too"
        return row("locks", text, same=False, instances=True, works=False)
    if not works:
        return row("locks", "two processes of one instance hold one lock", same=False, instances=False, works=False)
    text = "a lock keeps out a second process of this instance; run the command in two instances to try both"
    return row("locks", text, same=True, instances=False, works=True)


def outside(names: Mapping[str, str] | None = None) -> list[Row]:
    """Return the rows of this module where the command does not run in the environment's container."""
    return [not_tried(name, (names or {}).get(name, ELSEWHERE)) for name in ("python", "locks")]
