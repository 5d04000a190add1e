"""Findings about this machine or container: writable places, the state directory, locks, the journal's owner."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shlex
import stat
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import datetime, timedelta

from upsun_agent.doctor import Finding, Level
from upsun_agent.errors import StateNotWritable
from upsun_agent.journal import Identity
from upsun_agent.journal.connect import connect, open_directory
from upsun_agent.journal.damage import JournalDamaged
from upsun_agent.journal.directory import is_own, lost, nameless, refuse_strange_files, set_aside_there
from upsun_agent.journal.lock import UNSUPPORTED
from upsun_agent.journal.notes import BEGUN_ANEW
from upsun_agent.journal.replacement import read_anew
from upsun_agent.journal.tables import tables_missing
from upsun_agent.platform.paths import JOURNAL, close_read, is_state_file

MOUNT = "declare a mount of source 'storage' there in .upsun/config.yaml, or point 'state' in the job file at one"

LOOK = "check the environment's activities (upsun activity:list): runs in flight were lost"
LOST = f"the next tick creates a new journal, which runs no earlier slot and keeps pauses; {LOOK}"
TRIED_BYTES = 64 * 1024  # more than a tick writes
LOSS_SHOWN = timedelta(days=7)


def build_places(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield whether a build can write where the installation writes; nothing is written."""
    app, cache = environ.get("PLATFORM_APP_DIR") or os.curdir, environ.get("PLATFORM_CACHE_DIR")
    bad = False
    for path, what in ((app, "the app's directory"), (_temporary(environ), "the temporary directory")):
        if not _writable(path):
            text, remedy = f"{path}, {what}, is not writable", "install in the build hook: the app is read-only later"
            bad = True
            yield Finding("places", Level.WARN, text, remedy)
    cache = cache if cache and os.path.lexists(cache) else None
    if cache and not _writable(cache):
        text = f"the build cache {cache} is not writable: every build downloads the dependencies again"
        bad = True
        yield Finding("places", Level.WARN, text, "clear the build cache: upsun project:clear-build-cache")
    if not bad:
        yield Finding("places", Level.OK, f"writable: {', '.join(filter(None, (app, cache, _temporary(environ))))}")


def state(directory: str, identity: Identity, now: datetime) -> Iterator[Finding]:
    """Yield whether ticks can keep their state in the directory, and who owns what is there. Nothing is locked.

    Some kilobytes are written, synced and removed: nothing else shows a full or read-only disk.

    Args:
        directory: the state directory.
        identity: the project, environment and app that run the agent.
        now: the present, UTC.
    """
    if not os.path.isdir(directory):
        yield _absent(directory)
        return
    if not _writable(directory):
        yield Finding("state", Level.FAIL, f"{directory} is not writable", MOUNT, StateNotWritable.exit_code)
        return
    try:
        locks = {
            True: "locks work",
            False: "locks do not work here: the lease row replaces them",
            None: "locks not known",
        }
        works = locks_work(directory)
        _try_to_write(directory)
        yield Finding("state", Level.OK, f"{directory} is writable, {locks[works]}")
    except OSError as error:
        yield _unwritten(directory, error)
    strange = list(_whose(directory))
    yield from strange
    if all(each.level != Level.FAIL for each in strange):
        yield from _journal(directory, identity, now)


def _whose(directory: str) -> Iterator[Finding]:
    """Yield who owns the directory and its files, and who else may enter or write them."""
    found = os.stat(directory)
    mode = stat.S_IMODE(found.st_mode)
    if not is_own(directory, found.st_uid):
        text = f"{directory} belongs to another user (uid {found.st_uid})"
        remedy = "run the agent as that user, or point 'state' in the job file at a directory of this user's"
        yield Finding("state", Level.FAIL, text, remedy, StateNotWritable.exit_code)
    try:
        with open_directory(directory) as folder:
            refuse_strange_files(directory, folder)
    except StateNotWritable as error:
        yield Finding("state", Level.FAIL, str(error), error.remedy, error.exit_code)
    if mode & 0o022:
        text = f"{directory} is writable by other users (mode {mode:o}): they can remove or replace the journal"
        yield Finding("state files", Level.WARN, text, f"chmod 700 {shlex.quote(directory)}")
    elif mode & 0o055:
        text = f"other users may enter {directory} (mode {mode:o}), as for every mount, but not read its files"
        yield Finding("state files", Level.OK, text, f"chmod 700 {shlex.quote(directory)}")
    for name in sorted(os.listdir(directory)):
        with contextlib.suppress(OSError):
            mode = os.lstat(f"{directory}/{name}").st_mode
            if is_state_file(name) and stat.S_ISREG(mode) and stat.S_IMODE(mode) & 0o077:
                path = f"{directory}/{name}"
                text = f"{path} is readable or writable by other users (mode {stat.S_IMODE(mode):o})"
                yield Finding("state files", Level.WARN, text, f"chmod 600 {shlex.quote(path)}")


def _try_to_write(directory: str) -> None:
    """Write and sync as much as a tick may, and remove it; raise OSError if that fails."""
    file = nameless(directory)
    try:
        view = memoryview(b"\0" * TRIED_BYTES)
        while view:
            view = view[os.write(file, view) :]
        os.fsync(file)
    finally:
        os.close(file)


def _absent(directory: str) -> Finding:
    parent = os.path.dirname(os.path.abspath(directory))
    while not os.path.lexists(parent):
        parent = os.path.dirname(parent)
    if os.path.lexists(directory) or not os.path.isdir(parent):
        text = (
            f"{directory} cannot be created: {directory if os.path.lexists(directory) else parent} is not a directory"
        )
    elif not _writable(parent):
        text = f"{directory} does not exist, and {parent} is not writable"
    else:
        try:
            _try_to_write(parent)
        except OSError as error:
            return _unwritten(parent, error)
        return Finding("state", Level.OK, f"{directory} does not exist yet: the first tick creates it")
    return Finding("state", Level.FAIL, text, MOUNT, StateNotWritable.exit_code)


def _unwritten(directory: str, error: OSError) -> Finding:
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    text = f"{directory} cannot be written: {error.strerror}"
    remedy = "free space on the mount: upsun disk, or delete what is in it" if full else MOUNT
    return Finding("state", Level.FAIL, text, remedy, StateNotWritable.exit_code)


def locks_work(directory: str) -> bool | None:
    """Return whether ``flock`` excludes a second process, tried on the directory itself, which no tick locks.

    Return None if that cannot be tried: a network file system may need a file that is open for writing.
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
            close_read(second)
    finally:
        close_read(first)
    return False  # both hold the lock


def _journal(directory: str, identity: Identity, now: datetime) -> Iterator[Finding]:
    """Yield who owns the journal, opened read-only, and whether it was lost or damaged."""
    path, gone = f"{directory}/{JOURNAL}", lost(directory)
    if gone is not None:
        yield Finding("journal", Level.WARN, f"the journal was lost: {gone}", LOST)
        return
    if not os.path.lexists(path) or not os.path.getsize(path):
        return  # the first tick creates it
    try:
        db, watch = connect(directory, reads_only=True)
        with closing(db), watch.bounded():
            missing = tables_missing(db)
            row = None if missing else db.execute("SELECT project, environment, app FROM idle_hint").fetchone()
            anew = None if missing else db.execute("SELECT value FROM notes WHERE key = ?", (BEGUN_ANEW,)).fetchone()
    except JournalDamaged as error:
        text = f"{path} cannot be read as a journal: {error}"
        yield Finding("journal", Level.WARN, text, "the next tick checks it, and sets a damaged one aside")
        return
    except StateNotWritable as error:
        yield Finding("journal", Level.FAIL, str(error), error.remedy, error.exit_code)
        return
    if missing:
        yield Finding("journal", Level.WARN, f"{path} is damaged: the tables {', '.join(missing)} are missing", LOST)
        return
    found = tuple(str(each) for each in row) if row else ()
    if found != identity:
        whose = "/".join(part or "?" for part in found) or "nobody"
        text = f"{path} belongs to {whose}, as after a clone: the agent does not use it"
        yield Finding("journal", Level.WARN, text, "nothing to do: the next tick sets it aside and creates a new one")
        return
    yield _own(directory, str(anew[0]) if anew else "", now)


def _own(directory: str, anew: str, now: datetime) -> Finding:
    """Return the finding about this environment's own journal: when it replaced a lost one, and what was set aside."""
    aside = [name for names in set_aside_there(directory).values() for name in names]
    kept = f"; {len(aside)} older ones are set aside beside it and may be deleted" if aside else ""
    begun = read_anew(anew)
    if begun is None or not begun.is_loss or now - begun.at > LOSS_SHOWN:
        return Finding("journal", Level.OK, f"this environment's own, not cloned{kept}")
    text = f"it was created at {begun.at:%Y-%m-%d %H:%M} UTC, because the one before was lost: {begun.why}"
    return Finding("journal", Level.WARN, text, f"{LOOK}; this warning stays for {LOSS_SHOWN.days} days")


def _temporary(environ: Mapping[str, str]) -> str:
    return environ.get("TMPDIR") or "/tmp"  # noqa: S108  nothing is written there: tempfile would try it out  # nosec B108


def _writable(path: str) -> bool:
    return os.access(path, os.W_OK | os.X_OK)
