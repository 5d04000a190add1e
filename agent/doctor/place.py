"""What this machine or container itself says: writable places, the state directory, locks, the journal's owner."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import datetime, timedelta
from urllib.parse import quote

from agent.doctor import Finding
from agent.errors import StateNotWritable
from agent.journal import Identity
from agent.journal.anew import BEGUN_ANEW, read_anew
from agent.journal.directory import lost, set_aside_there
from agent.journal.lock import UNSUPPORTED
from agent.journal.tables import tables_missing
from agent.places import JOURNAL

MOUNT = "declare a mount of source 'storage' there in .upsun/config.yaml, or point 'state' in the job file at one"

LOOK = "look at the environment's activities (upsun activity:list): runs in flight were lost"
LOST = f"the next tick begins a new journal, in which no slot up to then is due and pauses are kept; {LOOK}"
TRIED_BYTES = 64 * 1024  # more than the events of a tick take
LOSS_SHOWN = timedelta(days=7)


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


def state(directory: str, identity: Identity, now: datetime) -> Iterator[Finding]:
    """Whether ticks can keep their state in the directory, and whose is what lies there. Nothing is locked.

    Some kilobytes are written there, synced and removed: a disk that is full or read-only shows in no other way.
    """
    if not os.path.isdir(directory):
        yield _absent(directory)
        return
    if not _writable(directory):
        yield Finding("state", "fail", f"{directory} is not writable", MOUNT, StateNotWritable.exit_code)
        return
    try:
        locks = {True: "locks work", False: "locks do not work here: the lease row stands in", None: "locks not known"}
        works = locks_work(directory)
        _try_to_write(directory)
        yield Finding("state", "ok", f"{directory} is writable, {locks[works]}")
    except OSError as error:
        yield _unwritten(directory, error)
    yield from _journal(directory, identity, now)


def _try_to_write(directory: str) -> None:
    """Write as much as a tick may, let it reach the disk, and remove it; raises OSError where that fails."""
    file = _nameless(directory)
    try:
        view = memoryview(b"\0" * TRIED_BYTES)
        while view:
            view = view[os.write(file, view) :]
        os.fsync(file)
    finally:
        os.close(file)


def _nameless(directory: str) -> int:
    """A new file in the directory that has no name, so that a process that is killed leaves nothing behind."""
    flags = os.O_WRONLY | os.O_CLOEXEC
    with contextlib.suppress(OSError):  # network file systems have no such files
        return os.open(directory, flags | os.O_TMPFILE, 0o600)
    path = f"{directory}/.check-{os.getpid()}"
    file = os.open(path, flags | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    os.unlink(path)
    return file


def _absent(directory: str) -> Finding:
    parent = os.path.dirname(os.path.abspath(directory))
    while not os.path.lexists(parent):
        parent = os.path.dirname(parent)
    if os.path.lexists(directory) or not os.path.isdir(parent):
        text = f"{directory} cannot be made: {directory if os.path.lexists(directory) else parent} is no directory"
    elif not _writable(parent):
        text = f"{directory} is not there, and {parent} is not writable"
    else:
        try:
            _try_to_write(parent)
        except OSError as error:
            return _unwritten(parent, error)
        return Finding("state", "ok", f"{directory} is not there yet: the first tick makes it")
    return Finding("state", "fail", text, MOUNT, StateNotWritable.exit_code)


def _unwritten(directory: str, error: OSError) -> Finding:
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    text = f"{directory} cannot be written: {error.strerror}"
    remedy = "free space on the mount: upsun disk, or delete what is in it" if full else MOUNT
    return Finding("state", "fail", text, remedy, StateNotWritable.exit_code)


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


def _journal(directory: str, identity: Identity, now: datetime) -> Iterator[Finding]:
    """Whose journal it is, read without the right to write; and whether one was lost or damaged."""
    path, gone = f"{directory}/{JOURNAL}", lost(directory)
    if gone is not None:
        yield Finding("journal", "warn", f"the journal was lost: {gone}", LOST)
        return
    if not os.path.lexists(path) or not os.path.getsize(path):
        return  # the first tick begins it
    try:
        with closing(sqlite3.connect(f"file:{quote(os.fsencode(path))}?mode=ro", uri=True, timeout=5.0)) as db:
            missing = tables_missing(db)
            row = None if missing else db.execute("SELECT project, environment, app FROM glance").fetchone()
            anew = None if missing else db.execute("SELECT value FROM notes WHERE key = ?", (BEGUN_ANEW,)).fetchone()
    except (sqlite3.Error, UnicodeDecodeError) as error:
        text = f"{path} cannot be read as a journal: {error}"
        yield Finding("journal", "warn", text, "the next tick looks closer: one that is damaged is set aside")
        return
    if missing:
        yield Finding("journal", "warn", f"{path} is damaged: it has lost its tables {', '.join(missing)}", LOST)
        return
    found = tuple(str(each) for each in row) if row else ()
    if found != identity:
        whose = "/".join(part or "?" for part in found) or "nobody"
        text = f"{path} belongs to {whose}, as after a clone: it is never acted on"
        yield Finding("journal", "warn", text, "nothing to do: the next tick sets it aside and begins a new one")
        return
    yield _own(directory, str(anew[0]) if anew else "", now)


def _own(directory: str, anew: str, now: datetime) -> Finding:
    """This environment's own journal: since when, where it took another's place, and what was set aside."""
    aside = [name for names in set_aside_there(directory).values() for name in names]
    kept = f"; {len(aside)} older ones are set aside beside it and may be deleted" if aside else ""
    begun = read_anew(anew)
    if begun is None or not begun.is_loss or now - begun.at > LOSS_SHOWN:
        return Finding("journal", "ok", f"this environment's own, not cloned{kept}")
    text = f"it was begun anew at {begun.at:%Y-%m-%d %H:%M} UTC, since the one before was lost: {begun.why}"
    return Finding("journal", "warn", text, f"{LOOK}; this is said for {LOSS_SHOWN.days} days")


def _temporary(environ: Mapping[str, str]) -> str:
    return environ.get("TMPDIR") or "/tmp"  # noqa: S108  nothing is written there: tempfile would try it out  # nosec B108


def _writable(path: str) -> bool:
    return os.access(path, os.W_OK | os.X_OK)
