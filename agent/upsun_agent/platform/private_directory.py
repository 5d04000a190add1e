"""A directory that nobody else may enter, for what must not be read by others: keys, certificates, bearers.

Never the state directory: mounts are cloned into child environments and kept in backups
(https://developer.upsun.com/docs/learn/overview/build-deploy).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import tempfile
import time
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from upsun_agent.errors import Busy, StateNotWritable
from upsun_agent.platform.paths import NotOurs, close_read, open_ours

#: How a directory is held open, to work in whatever its path means by then.
HANDLE = os.O_DIRECTORY | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)
LOCK_PATIENCE = 60.0  # seconds: the holder makes one request, with its retries


def places(environ: Mapping[str, str], name: str, variable: str) -> list[str]:
    """Return the candidate paths for a private directory, best first: named, of the session, in HOME, temporary.

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
    """Return whether the path lies, or would be made, on the home's own file system and not on a mount below it."""
    while not os.path.exists(path) and len(path) > len(home):
        path = os.path.dirname(path)
    try:
        return os.path.isdir(home) and os.stat(path).st_dev == os.stat(home).st_dev
    except OSError:
        return False


def write_whole(path: str, text: str, mode: int = 0o600) -> None:
    """Put a file there, whole or not at all, for our eyes only unless ``mode`` says otherwise; raises OSError.

    Args:
        path: where the file is to be.
        text: what is to be in it.
        mode: its permissions.
    """
    directory, name = os.path.split(path)
    folder = os.open(directory or os.curdir, HANDLE)
    try:
        write_whole_in(folder, name, text, mode)
    finally:
        close_read(folder)


def write_whole_in(folder: int, name: str, text: str, mode: int = 0o600) -> None:
    """Put a file into the directory of that descriptor as ``write_whole`` does: a link of that name is replaced.

    Args:
        folder: the descriptor of the directory.
        name: the name of the file.
        text: what is to be in it.
        mode: its permissions.
    """
    new = f".{name}-{os.urandom(8).hex()}"
    handle = open_ours(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, directory=folder)  # 0600 from the first moment
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(file.fileno(), mode)
        os.replace(new, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(new, dir_fd=folder)
        raise


class PrivateDirectory:
    """The first of some places that can be made private.

    Raises:
        StateNotWritable: none can.
    """

    def __init__(self, candidates: list[str], variable: str) -> None:
        reasons = []
        for candidate in candidates:
            try:
                self.path, self._folder = _made_private(candidate)
            except OSError as error:
                reasons.append(f"{candidate} {error.strerror}")
                continue
            weakref.finalize(self, os.close, self._folder)
            return
        raise StateNotWritable("; ".join(reasons), remedy=f"name a private directory with {variable}")

    def read(self, name: str, most: int) -> str:
        """Return the text of a file of at most ``most`` characters.

        Raise OSError or ValueError if it cannot be read.
        """
        with open(open_ours(name, os.O_RDONLY, directory=self._folder), encoding="ascii") as file:
            return file.read(most)

    def write(self, name: str, text: str) -> None:
        """Put a file there, whole or not at all, for our eyes only.

        Raises:
            StateNotWritable: it cannot be written, or the path has come to mean another directory meanwhile.
        """
        path = f"{self.path}/{name}"
        try:
            write_whole_in(self._folder, name, text)
            same = os.path.samestat(os.fstat(self._folder), os.lstat(self.path))
        except OSError as error:
            raise StateNotWritable(f"{path} cannot be written: {error.strerror}", remedy="free disk space") from error
        if not same:
            raise StateNotWritable(f"{self.path} was replaced by another directory", remedy="find out who replaced it")

    def provide(self, name: str) -> None:
        """Have a file there that another program adds to, for our eyes only; raises StateNotWritable."""
        try:
            os.close(open_ours(name, os.O_WRONLY | os.O_CREAT, directory=self._folder))
        except OSError as error:
            text = f"{self.path}/{name} cannot be created: {error.strerror}"
            raise StateNotWritable(text, remedy="free disk space, or remove the file") from error

    def remove(self, name: str) -> None:
        """Delete a file, if possible."""
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=self._folder)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the directory's lock; raise Busy if another process keeps it, StateNotWritable without a lock file."""
        try:
            handle = open_ours("lock", os.O_WRONLY | os.O_APPEND | os.O_CREAT, directory=self._folder)
        except OSError as error:
            text = f"{self.path}/lock cannot be opened: {error.strerror}"
            raise StateNotWritable(text, remedy="free disk space, or remove the file") from error
        with open(handle, "a", encoding="ascii") as file:
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


def _made_private(directory: str) -> tuple[str, int]:
    """Make the directory, private: its path without links, and a descriptor of it.

    What lies in /tmp may have been laid by others, and who may write a directory above it can put another in its place.

    Raises:
        OSError: it cannot be used; ``strerror`` says why.
    """
    above = os.path.dirname(directory) or os.curdir
    try:
        os.makedirs(above, mode=0o700, exist_ok=True)
        above = os.path.realpath(above)
        _refuse_open_parents(above)
        path = os.path.join(above, os.path.basename(directory))
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700)
        folder = os.open(path, HANDLE | os.O_NOFOLLOW)
    except NotOurs:
        raise
    except NotADirectoryError as error:
        what = "is not a directory" if os.path.lexists(directory) else f"cannot be created: {error.strerror}"
        raise NotOurs(error.errno, what, directory) from error
    except OSError as error:
        raise NotOurs(error.errno, f"cannot be created: {error.strerror}", directory) from error
    why = _open_to_others(os.fstat(folder))
    if why is None and not os.access(path, os.W_OK | os.X_OK):
        why = "is not writable"
    if why is not None:
        os.close(folder)
        raise NotOurs(errno.EPERM, why, path)
    return path, folder


def _open_to_others(found: os.stat_result) -> str | None:
    if found.st_uid != os.geteuid():
        return "belongs to another user"
    if stat.S_IMODE(found.st_mode) & 0o077:
        return f"other users may enter it (mode {stat.S_IMODE(found.st_mode):o})"
    return None


def _refuse_open_parents(path: str) -> None:
    """Raise NotOurs where another user could put another directory in the place of one on the way.

    The superuser may own each, and whoever owns the root directory: it decides everything here. Others may write one
    that has the sticky bit, as /tmp has; a user's own group that bears the user's number has nobody else in it.
    """
    trusted = {0, os.geteuid(), os.stat("/").st_uid}
    while True:
        found = os.stat(path)
        private_group = found.st_gid == os.getegid() == os.geteuid()
        writable = found.st_mode & (stat.S_IWOTH if private_group else stat.S_IWOTH | stat.S_IWGRP)
        if found.st_uid not in trusted:
            raise NotOurs(errno.EPERM, f"is in {path}, which belongs to another user", path)
        if writable and not found.st_mode & stat.S_ISVTX:
            mode = stat.S_IMODE(found.st_mode)
            raise NotOurs(errno.EPERM, f"is in {path}, which is writable by other users (mode {mode:o})", path)
        if path == os.path.dirname(path):
            return
        path = os.path.dirname(path)
