"""Let one tick at a time use a state directory: ``flock`` where the file system honours it, a lease row behind it.

The lock keeps ticks out of each other's way; that no request is made twice does not rest on it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from datetime import datetime, timedelta

from upsun_agent.errors import Busy, StateNotWritable
from upsun_agent.journal.sqlite import SqliteJournal
from upsun_agent.limits import LEASE
from upsun_agent.platform.paths import LOCK, open_ours

#: The errors of a file system without working locks.
UNSUPPORTED = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}

#: The content of the lock file once there is a journal.
BEGUN = b"a journal was begun here\n"


class FileLock:
    """``flock`` on a file in the state directory. The system lets go of it when the process ends, however it ends."""

    def __init__(self, directory: str) -> None:
        self.path = f"{directory}/{LOCK}"
        self._file: int | None = None
        self.works = True

    def acquire(self) -> None:
        """Take the lock at once.

        Raises:
            Busy: another process has it.
            StateNotWritable: the lock file cannot be opened.
        """
        try:
            self._file = open_ours(self.path, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            remedy = "give the agent a writable directory: 'state' in the job file, on a mount"
            raise StateNotWritable(f"{self.path} cannot be opened: {error.strerror}", remedy=remedy) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            raise Busy("another tick is using this state directory", remedy="try again in a minute") from None
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                self.release()
                raise StateNotWritable(f"{self.path} cannot be locked: {error.strerror}") from error
            self.works = False  # the lease row alone must do

    def mark(self) -> None:
        """Write into the lock file that a journal was begun, so that its loss is noticed later."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # a full disk: a later tick leaves it
                if not os.fstat(self._file).st_size:
                    os.write(self._file, BEGUN)

    def release(self) -> None:
        """Release the lock."""
        if self._file is not None:
            file, self._file = self._file, None
            with contextlib.suppress(OSError):  # the descriptor is gone whatever close says, and the lock with it
                os.close(file)


class Lease:
    """The lease row: its holder, and until when. It stops ticks on file systems where ``flock`` does not reach.

    Broken only on proof of death (the holder ran in this very container and its process is gone) or on expiry.
    """

    def __init__(self, journal: SqliteJournal, *, holder: str | None = None) -> None:
        self._journal = journal
        self._holder = holder or holder_here()

    def acquire(self, now: datetime) -> None:
        """Take the lease; raise Busy while another process holds it."""
        until = now + timedelta(seconds=LEASE)
        other = self._journal.take_lease(self._holder, now, until)
        if other is not None and _is_dead(other):
            self._journal.drop_lease(other)
            other = self._journal.take_lease(self._holder, now, until)
        if other is not None:
            raise Busy(f"another tick holds the lease ({other[:80]})", remedy=f"it expires within {int(LEASE)} s")

    def release(self) -> None:
        """Release the lease."""
        self._journal.drop_lease(self._holder)


def holder_here() -> str:
    """Return how a lease names this process."""
    return f"{container_identity()} {os.getpid()} {process_start(os.getpid())}"


def container_identity() -> str:
    """Host, boot and PID name space: within one of these a process id means one process."""
    boot = _read("/proc/sys/kernel/random/boot_id") or "unknown-boot"
    try:
        space = str(os.stat("/proc/self/ns/pid").st_ino)
    except OSError:
        space = "unknown-space"
    return f"{os.uname().nodename} {boot} {space}"


def process_start(pid: int) -> str:
    """Return when the process began, in ticks since boot: tells a recycled process id from the old one."""
    stat = _read(f"/proc/{pid}/stat")
    # The command's name, in brackets, may hold spaces; the start time is field 22.
    return stat.rpartition(")")[2].split()[19] if stat else ""


def _is_dead(holder: str) -> bool:
    identity, _, process = holder.rpartition(" ")
    identity, _, pid = identity.rpartition(" ")
    if identity != container_identity() or not pid.isdigit():
        return False
    return process_start(int(pid)) != process


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read(4096).strip()
    except OSError:
        return ""
