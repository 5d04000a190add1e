"""What this machine or container itself says: writable places, the state directory, locks, the journal's owner."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from urllib.parse import quote

from agent.doctor import Finding
from agent.errors import StateNotWritable
from agent.journal import Identity
from agent.journal.lock import UNSUPPORTED
from agent.places import JOURNAL

MOUNT = "declare a mount of source 'storage' there in .upsun/config.yaml, or point 'state' in the job file at one"


def build_places(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Whether a build can write where the install writes; only looked at, nothing is written."""
    app, cache = environ.get("PLATFORM_APP_DIR") or os.curdir, environ.get("PLATFORM_CACHE_DIR")
    bad = False
    for path, what in ((app, "the app's directory"), (_temporary(environ), "the temporary directory")):
        if not _writable(path):
            text, remedy = f"{path}, {what}, is not writable", "install in the build hook: later the app is read-only"
            bad = True
            yield Finding("places", "warn", text, remedy)
    cache = cache if cache and os.path.lexists(cache) else None
    if cache and not _writable(cache):
        text = f"the build cache {cache} is not writable: every build fetches the dependencies again"
        bad = True
        yield Finding("places", "warn", text, "clear the build cache: upsun project:clear-build-cache")
    if not bad:
        yield Finding("places", "ok", f"writable: {', '.join(filter(None, (app, cache, _temporary(environ))))}")


def state(directory: str, identity: Identity) -> Iterator[Finding]:
    """Whether ticks can keep their state in the directory, and whose is what lies there. Nothing is made or locked."""
    if not os.path.isdir(directory):
        yield _absent(directory)
        return
    if not _writable(directory):
        yield Finding("state", "fail", f"{directory} is not writable", MOUNT, StateNotWritable.exit_code)
        return
    try:
        locks = {True: "locks work", False: "locks do not work here: the lease row stands in", None: "locks not known"}
        yield Finding("state", "ok", f"{directory} is writable, {locks[locks_work(directory)]}")
    except OSError as error:
        text = f"{directory} cannot be opened: {error.strerror}"
        yield Finding("state", "fail", text, MOUNT, StateNotWritable.exit_code)
        return
    if os.path.exists(f"{directory}/{JOURNAL}"):
        yield _journal(f"{directory}/{JOURNAL}", identity)


def _absent(directory: str) -> Finding:
    parent = os.path.dirname(os.path.abspath(directory))
    while not os.path.lexists(parent):
        parent = os.path.dirname(parent)
    if os.path.lexists(directory) or not os.path.isdir(parent):
        text = f"{directory} cannot be made: {directory if os.path.lexists(directory) else parent} is no directory"
    elif not _writable(parent):
        text = f"{directory} is not there, and {parent} is not writable"
    else:
        return Finding("state", "ok", f"{directory} is not there yet: the first tick makes it")
    return Finding("state", "fail", text, MOUNT, StateNotWritable.exit_code)


def locks_work(directory: str) -> bool | None:
    """Whether ``flock`` keeps two processes apart there; tried on the directory itself, which no tick locks.

    None where that cannot be tried: a network file system may want a file that is open for writing.
    """
    first = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        second = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError as error:
            return None if error.errno in {errno.EBADF, errno.EISDIR} or error.errno not in UNSUPPORTED else False
        finally:
            os.close(second)
    finally:
        os.close(first)
    return False  # both have it


def _journal(path: str, identity: Identity) -> Finding:
    """Whose journal it is, read without the right to write."""
    try:
        with closing(sqlite3.connect(f"file:{quote(os.fsencode(path))}?mode=ro", uri=True, timeout=5.0)) as db:
            row = db.execute("SELECT project, environment, app FROM glance").fetchone()
    except (sqlite3.Error, UnicodeDecodeError) as error:
        text = f"{path} cannot be read as a journal: {error}"
        return Finding("journal", "warn", text, "the next tick looks closer: one that is damaged is set aside")
    found = tuple(str(each) for each in row) if row else ()
    if found != identity:
        whose = "/".join(part or "?" for part in found) or "nobody"
        text = f"{path} belongs to {whose}, as after a clone: it is never acted on"
        return Finding("journal", "warn", text, "nothing to do: the next tick sets it aside and begins a new one")
    return Finding("journal", "ok", "this environment's own, not cloned")


def _temporary(environ: Mapping[str, str]) -> str:
    return environ.get("TMPDIR") or "/tmp"  # noqa: S108  nothing is written there: tempfile would try it out


def _writable(path: str) -> bool:
    return os.access(path, os.W_OK | os.X_OK)
