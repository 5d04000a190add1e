"""A file beside the journal that records suspended jobs and runs in flight, in case the journal is lost.

``sidecar.json`` is written whenever a job is paused, suspended or resumed, and whenever a run begins or ends. It is
read only where the journal itself is lost, damaged or set aside; as long as there is a journal, that alone counts.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from upsun_agent.errors import StateNotWritable
from upsun_agent.journal import Identity
from upsun_agent.journal.notes import SUSPENDED
from upsun_agent.platform.paths import JOURNAL, LAST_TICK, LOCK, LOG_FILE, SIDECAR, open_ours, read_ours

VERSION = 1
FILE_MOST_BYTES = 4 * 1024 * 1024  # a hundred runs in flight, each with the snapshot of a large job
LOG_SEARCHED = 256 * 1024  # bytes of the log file that are searched for a run
#: The name of a journal that was set aside: its kind and the time.
ASIDE = re.compile(re.escape(JOURNAL) + r"\.([a-z]+)-(\d{8}T\d{6}Z)(?:-\d+)?\Z")


class Beside(Struct, frozen=True):
    """The content of the file: notes of suspended jobs, and the opening events of the runs in flight."""

    #: Notes of suspended jobs, by their key.
    suspended: Mapping[str, str] = field(default_factory=dict)
    #: The JSON text of the event that opened each open run, by run.
    flights: Mapping[str, str] = field(default_factory=dict)
    #: Whether there is a file that cannot be read, so that what it kept is not known.
    is_unreadable: bool = False


def keep(directory: str, identity: Identity, kept: Beside, *, durable: bool) -> None:
    """Replace the file atomically if its content changes; delete it if there is nothing to keep.

    A failure to write is not an error: the journal has it, and the next tick tries again.

    Args:
        directory: the state directory.
        identity: whose journal it is, so that a clone does not take it for its own.
        kept: what is to be there.
        durable: whether it has to be on the disk when this returns.
    """
    path = f"{directory}/{SIDECAR}"
    with contextlib.suppress(OSError):
        if not kept.suspended and not kept.flights:
            if os.path.lexists(path):
                os.unlink(path)
            return
        data = {
            "version": VERSION,
            "identity": list(identity),
            "suspended": dict(kept.suspended),
            "runs": dict(kept.flights),
        }
        text = json.dumps(data, ensure_ascii=True, sort_keys=True).encode() + b"\n"
        if _content(path) == text:
            return
        if os.path.lexists(f"{path}.new"):  # of a process that was killed; whatever it is, it is not written into
            os.unlink(f"{path}.new")
        file = open_ours(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            view = memoryview(text)
            while view:
                view = view[os.write(file, view) :]
            if durable:
                os.fsync(file)
        finally:
            os.close(file)
        os.rename(f"{path}.new", path)
        if durable:
            _sync_directory(directory)


def _sync_directory(directory: str) -> None:
    folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def kept_beside(directory: str, identity: Identity) -> Beside:
    """Return the file's content if it is this identity's; empty if it is missing or unreadable."""
    path = f"{directory}/{SIDECAR}"
    if not os.path.lexists(path):
        return Beside()
    try:
        data: Any = json.loads(_content(path) or b"")
        if data["version"] != VERSION or data["identity"] != list(identity):
            return Beside()
        kept = data["suspended"].items()
        suspended = {key: text for key, text in kept if key.startswith(SUSPENDED) and isinstance(text, str)}
        flights = {str(run): text for run, text in data["runs"].items() if isinstance(text, str)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Beside(is_unreadable=True)
    return Beside(suspended, flights)


def _content(path: str) -> bytes | None:
    """Return the file's text; None if it is missing, or larger than the agent ever writes."""
    try:
        data = read_ours(path, FILE_MOST_BYTES + 1)
    except OSError:
        return None
    return data if len(data) <= FILE_MOST_BYTES else None


def size_of(path: str) -> int | None:
    """Return the size in bytes of the file at the path; None if there is none.

    Raises:
        StateNotWritable: nobody can say. A look that failed is no proof that a file is missing.
    """
    try:
        return os.lstat(path).st_size
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StateNotWritable(f"{path} cannot be examined: {error.strerror}") from error


def is_there(path: str) -> bool:
    """Return whether the path exists; raise as ``size_of`` does."""
    return size_of(path) is not None


def traces(directory: str) -> list[str]:
    """Return the files that show that there was a journal in the directory: only work on a journal leaves them.

    A first tick that is killed leaves none before its journal is complete: an empty lock file, at most.

    Raises:
        StateNotWritable: the files cannot be looked at.
    """
    found = [name for name in (LAST_TICK, SIDECAR) if is_there(f"{directory}/{name}")]
    if size_of(f"{directory}/{LOCK}"):  # see FileLock.mark
        found.append(LOCK)
    with contextlib.suppress(OSError):
        found += sorted(name for name in os.listdir(directory) if ASIDE.match(name))[:1]
    if not found and _logs_a_run(f"{directory}/{LOG_FILE}"):
        found.append(LOG_FILE)
    return found


def _logs_a_run(path: str) -> bool:
    """Return whether a log file contains an event of a run."""
    try:
        return b'"run-opened"' in read_ours(path, LOG_SEARCHED)
    except OSError:
        return False
