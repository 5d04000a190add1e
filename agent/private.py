"""A directory that nobody else may enter, for what must not be read by others: keys, certificates, bearers.

Never the state directory: mounts are cloned into child environments and kept in backups
(docs:learn/overview/build-deploy).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from agent.errors import Busy, StateNotWritable

LOCK_PATIENCE = 60.0  # seconds: the holder makes one request, with its retries


def places(environ: Mapping[str, str], name: str, variable: str) -> list[str]:
    """Where a directory of that name may be, best first: named, the session's own, in the home, in the temporary one.

    Args:
        environ: the variables of the process.
        name: what the directory is for, such as ``ssh``.
        variable: the variable that names it.
    """
    named = environ.get(variable)
    if named:
        return [named]
    runtime, home = environ.get("XDG_RUNTIME_DIR"), environ.get("HOME")
    found = [f"{runtime}/upsun-agent/{name}"] if runtime and os.path.isdir(runtime) else []
    at_home = f"{home}/.local/state/upsun-agent/{name}"
    found += [at_home] if home and _is_part_of(home, at_home) else []
    return [*found, f"{tempfile.gettempdir()}/upsun-agent-{name}-{os.geteuid()}"]


def _is_part_of(home: str, path: str) -> bool:
    """Whether the path lies, or would be made, on the home's own file system and not on a mount below it."""
    while not os.path.exists(path) and len(path) > len(home):
        path = os.path.dirname(path)
    try:
        return os.path.isdir(home) and os.stat(path).st_dev == os.stat(home).st_dev
    except OSError:
        return False


def write_whole(path: str, text: str, mode: int = 0o600) -> None:
    """Put a file there, whole or not at all, for our eyes only unless ``mode`` says otherwise; raises OSError."""
    directory, name = os.path.split(path)
    handle, new = tempfile.mkstemp(prefix=f".{name}-", dir=directory or os.curdir)  # 0600 from the first moment
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(file.fileno(), mode)
        os.replace(new, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise


class PrivateDirectory:
    """The first of some places that can be made private.

    Raises:
        StateNotWritable: none can.
    """

    def __init__(self, candidates: list[str], variable: str) -> None:
        reasons = []
        for candidate in candidates:
            reason = _made_private(candidate)
            if reason is None:
                self.path = candidate
                return
            reasons.append(f"{candidate} {reason}")
        raise StateNotWritable("; ".join(reasons), remedy=f"name a private directory with {variable}")

    def read(self, name: str, most: int) -> str:
        """The text of a file, at most so many characters; raises OSError or ValueError where it is not to be had."""
        with open(f"{self.path}/{name}", encoding="ascii") as file:
            return file.read(most)

    def write(self, name: str, text: str) -> None:
        """Put a file there, whole or not at all, for our eyes only; raises StateNotWritable."""
        path = f"{self.path}/{name}"
        try:
            write_whole(path, text)
        except OSError as error:
            raise StateNotWritable(f"{path} cannot be written: {error.strerror}", remedy="free its disk") from error

    def provide(self, name: str) -> None:
        """Have a file there that another program adds to, for our eyes only; raises StateNotWritable."""
        path = f"{self.path}/{name}"
        try:
            handle = _for_our_eyes(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW)
            try:
                os.fchmod(handle, 0o600)
            finally:
                os.close(handle)
        except OSError as error:
            raise StateNotWritable(f"{path} cannot be made: {error.strerror}", remedy="free its disk") from error

    def remove(self, name: str) -> None:
        """Take a file away, if it is there and that works."""
        with contextlib.suppress(OSError):
            os.unlink(f"{self.path}/{name}")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One process at a time; raises Busy where another does not finish, StateNotWritable without a lock file."""
        try:
            file = open(f"{self.path}/lock", "a", encoding="ascii", opener=_for_our_eyes)  # noqa: SIM115  closed below
        except OSError as error:
            text = f"{self.path}/lock cannot be opened: {error.strerror}"
            raise StateNotWritable(text, remedy="free its disk, or take the file away") from error
        with file:
            until = time.monotonic() + LOCK_PATIENCE
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError:
                    if time.monotonic() > until:
                        raise Busy(f"another process holds {self.path}/lock", remedy="try again") from None
                    time.sleep(0.05)
            yield


def _for_our_eyes(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def _made_private(directory: str) -> str | None:
    """Make the directory, private; why it cannot be used, or None. What lies in /tmp may have been laid by others."""
    try:
        os.makedirs(os.path.dirname(directory) or ".", mode=0o700, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.mkdir(directory, 0o700)
        found = os.lstat(directory)
        if not stat.S_ISDIR(found.st_mode):
            return "is no directory"
        if found.st_uid != os.geteuid():
            return "belongs to somebody else"
        if stat.S_IMODE(found.st_mode) & 0o077:
            return f"can be entered by others (mode {stat.S_IMODE(found.st_mode):o})"
        if not os.access(directory, os.W_OK | os.X_OK):
            return "is not writable"
    except OSError as error:
        return f"cannot be made: {error.strerror}"
    return None
