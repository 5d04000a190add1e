"""Paths of the job file, the state directory and its files. Every tick imports this: keep it light."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping

JOURNAL = "journal.sqlite"
LOCK = "tick.lock"
LAST_TICK = "last-tick"
#: What SQLite puts beside the journal, by the end of the name.
BESIDE = ("-journal", "-wal", "-shm")
SIDECAR = "sidecar.json"
KEPT = "job-file.json"
#: How the job file names a state that is kept in a database: see agent/upsun_agent/database/location.py.
RELATIONSHIP = "relationship:"
URL_VARIABLE = "url-variable:"
LOG_FILE = "agent.log"
LAST_MOMENT = 32_503_680_000  # the year 3000: anything later is garbage
TICKS_COUNTED = 10**12  # more than that many ticks is garbage
TRACE_MOST = 64  # bytes of the trace of the last tick


def job_files(environ: Mapping[str, str], option: str | None = None) -> list[str]:
    """Return where a job file is looked for, in order; an option or variable that names one ends the search."""
    named = option or environ.get("UPSUN_AGENT_CONFIG")
    if named:
        return [named]
    base = environ.get("PLATFORM_APP_DIR") or os.curdir
    return [f"{base}/.upsun/agent.toml", f"{base}/upsun-agent.toml"]


def state_directory(environ: Mapping[str, str], setting: str | None, owner: str) -> str:
    """Return the place of the state.

    Args:
        environ: the environment variables.
        setting: the job file's ``state``; None without one.
        owner: project and environment, as a path.

    ``UPSUN_AGENT_STATE``, else the job file's ``state``, else ``var/agent`` in the app's directory, else the user's
    state directory with ``owner`` (project and environment) below it. Either may name a database instead.
    """
    named = environ.get("UPSUN_AGENT_STATE") or setting
    if named:
        return named
    if environ.get("PLATFORM_APP_DIR"):
        return f"{environ['PLATFORM_APP_DIR']}/var/agent"
    base = environ.get("XDG_STATE_HOME") or f"{environ.get('HOME') or '/tmp'}/.local/state"  # noqa: S108  last resort  # nosec B108
    return f"{base}/upsun-agent/{owner}"


def on_server(place: str) -> bool:
    """Return whether the state is kept in a database and not in a directory."""
    return place.startswith((RELATIONSHIP, URL_VARIABLE))


class NotOurs(OSError):
    """What bears a file's name is not a regular file of this user's; ``strerror`` says what it is."""


#: What a name can stand for besides a regular file.
_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a directory",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def not_regular(mode: int) -> str | None:
    """Return what a file of that mode is where it is not a regular file, in words; None where it is one."""
    if stat.S_ISREG(mode):
        return None
    return f"it is {_KINDS.get(stat.S_IFMT(mode), 'something else')}, not a regular file"


def not_ours(path: str, found: os.stat_result, directory: int | None = None) -> str | None:
    """Return why a file must not be used, in words; None where it is a regular file of this user's.

    A file of root's is accepted, and one of the owner of its directory: who owns the directory decides what is in it,
    and a network file system may show all of it as another user's.

    Args:
        path: the file, in ``directory`` where that is given.
        found: what ``fstat`` or ``lstat`` says of it.
        directory: the descriptor of the directory that ``path`` is relative to.
    """
    why = not_regular(found.st_mode)
    if why is None and found.st_uid not in {0, os.geteuid()}:
        folder = os.stat(os.path.dirname(path) or os.curdir, dir_fd=directory)
        if found.st_uid != folder.st_uid:
            why = f"it belongs to another user (uid {found.st_uid})"
    return why


def open_ours(path: str, flags: int, *, directory: int | None = None, others: int = 0) -> int:
    """Open a regular file of this user's, never through a link, and without waiting for what is on its other end.

    A file that is made is 0600. One whose mode gives others more than ``others`` is tightened, where this user may.

    Args:
        path: the file, relative to ``directory`` where that is given.
        flags: as for ``os.open``; what keeps links and FIFOs out is added.
        directory: a descriptor of the directory, held open, so that nobody exchanges it meanwhile.
        others: the rights that group and others may have.

    Raises:
        NotOurs: it is a link, a FIFO, a socket, a device, a directory, or belongs to another user.
        OSError: it cannot be opened.
    """
    safe = flags & ~os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    try:
        file = os.open(path, safe, 0o600, dir_fd=directory)
    except OSError as error:
        try:
            why = not_regular(os.lstat(path, dir_fd=directory).st_mode)
        except OSError:
            why = None
        if why is None:
            raise
        raise NotOurs(error.errno, why, path) from error
    try:
        found = os.fstat(file)
        _refuse_foreign(path, found, directory)
        if found.st_mode & 0o077 & ~others:
            _tighten(file, found, others)
        if flags & os.O_TRUNC:
            os.ftruncate(file, 0)
    except BaseException:
        os.close(file)
        raise
    return file


def _refuse_foreign(path: str, found: os.stat_result, directory: int | None) -> None:
    why = not_ours(path, found, directory)
    if why is not None:
        raise NotOurs(1, why, path)  # EPERM; its name takes a module more


def _tighten(file: int, found: os.stat_result, others: int) -> None:
    try:
        os.fchmod(file, stat.S_IMODE(found.st_mode) & (0o700 | others))
    except OSError:
        return  # not ours to change, or a file system without modes: ``check`` tells of it


def close_read(file: int) -> None:
    """Close a descriptor through which nothing was written: an error means nothing then, and it is closed anyway."""
    try:  # noqa: SIM105  contextlib costs an idle tick more than all of this module
        os.close(file)
    except OSError:
        pass


def without_waiting(path: str, flags: int) -> int:
    """Open what the user named, links included, as an ``opener`` of ``open``; raises NotOurs where it is not a file.

    For files that a person puts there, such as the job file: whose they are is that person's business.
    """
    file = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY, 0o666)
    why = not_regular(os.fstat(file).st_mode)
    if why is not None and path != os.devnull:
        os.close(file)
        raise NotOurs(1, why, path)
    return file


def read_ours(path: str, most: int) -> bytes:
    """Return the first ``most`` bytes of a file of ours; raises as ``open_ours`` does."""
    with open(open_ours(path, os.O_RDONLY), "rb") as file:
        return file.read(most)


def is_state_file(path: str) -> bool:
    """Return whether a file name is reserved for the state: its own files and those that SQLite creates beside them."""
    name = os.path.basename(os.path.normpath(path))
    return name in {LOCK, LAST_TICK, KEPT} or name.startswith((JOURNAL, SIDECAR))


def mark_tick(directory: str, now: float, count: int | None = None) -> None:
    """Write the time of this tick to a file and count it.

    A restore resets the file together with the rest of the state.

    Two simultaneous ticks may count as one.

    Args:
        directory: the state directory.
        now: the present, in epoch seconds.
        count: the number of ticks, if it is known from elsewhere; else the count in the file plus one.
    """
    try:
        file = open_ours(f"{directory}/{LAST_TICK}", os.O_RDWR | os.O_CREAT)
        try:
            ticks = _trace(os.read(file, TRACE_MOST))[1] + 1 if count is None else count
            if os.fstat(file).st_nlink > 1:  # the same file bears another name elsewhere: leave that one as it is
                os.unlink(f"{directory}/{LAST_TICK}")
                os.close(file)
                file = open_ours(f"{directory}/{LAST_TICK}", os.O_RDWR | os.O_CREAT | os.O_EXCL)
            os.ftruncate(file, os.pwrite(file, b"%-12d\n%d\n" % (int(now), ticks), 0))
        finally:
            os.close(file)
    except OSError:
        return  # a hint only: a tick does not fail over it


def last_tick(directory: str) -> int | None:
    """Return when the last tick was, in seconds since 1970, or None if no tick is known."""
    return tick_trace(directory)[0]


def tick_trace(directory: str) -> tuple[int | None, int]:
    """Return when the last tick was (None where none is known), and how many there were in this directory."""
    try:
        return _trace(read_ours(f"{directory}/{LAST_TICK}", TRACE_MOST))
    except OSError:
        return (None, 0)


def _trace(data: bytes) -> tuple[int | None, int]:
    """Return what the file says; the count is missing where a version wrote it that did not count."""
    try:
        seconds, *more = (int(word) for word in data.split())
    except ValueError:
        return (None, 0)
    count = more[0] if more and 0 <= more[0] < TICKS_COUNTED else 0
    return (seconds if 0 <= seconds < LAST_MOMENT else None, count)
