"""The files of a checkout, read within limits and written whole or not at all. Only this module writes for ``init``."""

from __future__ import annotations

import codecs
import contextlib
import os
import stat
import tempfile
from collections.abc import Sequence

from upsun_agent.errors import ConfigInvalid, Conflict, StateNotWritable
from upsun_agent.limits import (
    CONFIG_ALL_MOST_BYTES,
    CONFIG_FILES_MOST,
    CONFIG_LINES_MOST,
    CONFIG_MOST_BYTES,
    RELEASE_MOST_BYTES,
)

from upsun_setup.app import APP_FILE, FOLDER, TOP_FILES
from upsun_setup.plan_record import Change, FileChange

BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"


FOLDERS_MOST = 20_000
#: Folders that package managers fill: an app's own configuration is in none of them.
_FILLED = frozenset({"node_modules", "vendor", "bower_components", "__pycache__"})


def top_of(directory: str | None) -> str:
    """Return the checkout: the directory named, else the top of the Git repository around this one, else this one."""
    if directory is not None:
        if not os.path.isdir(directory):
            raise ConfigInvalid(f"{directory} is not a directory", remedy="name the checkout with --dir")
        return os.path.realpath(directory)
    here = os.path.realpath(os.curdir)
    place = here
    while not os.path.lexists(os.path.join(place, ".git")):
        parent = os.path.dirname(place)
        if parent == place:
            return here
        place = parent
    return place


class Checkout:
    """The texts of a checkout; what was read is remembered, so that a change by somebody else is noticed."""

    def __init__(self, top: str) -> None:
        self.top = top
        self._read: dict[str, bytes | None] = {}
        self._released = set[str]()

    def configurations(self) -> list[str]:
        """Return the configuration files of both products: those of Flex, then those of Fixed."""
        flex = [f"{FOLDER}/{name}" for name in self._listed(FOLDER) if name.endswith((".yaml", ".yml"))]
        top = [name for name in TOP_FILES if self.has(name)]
        fixed = top if flex and not top and not self.has(APP_FILE) else [*self._app_files(), *top]
        for found, where in ((flex, FOLDER), (fixed, "the checkout")):
            if len(found) > CONFIG_FILES_MOST:
                text = f"{where} has more than {CONFIG_FILES_MOST} configuration files"
                raise ConfigInvalid(text, remedy="join some of them")
        return flex + fixed

    def _listed(self, path: str) -> list[str]:
        """Return the sorted names in a folder; none if it is not there."""
        try:
            return sorted(os.listdir(os.path.join(self.top, path)))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise ConfigInvalid(f"{path} cannot be read: {error.strerror}", remedy="check its mode") from error

    def _app_files(self) -> list[str]:
        """Return every ``.platform.app.yaml``, but none in hidden folders or in those that package managers fill."""
        found, waiting, seen = list[str](), [""], 0
        while waiting:
            folder = waiting.pop(0)
            seen += 1
            if seen > FOLDERS_MOST:
                text = f"the checkout has more than {FOLDERS_MOST} folders in which {APP_FILE} may be"
                raise ConfigInvalid(text, remedy="remove the folders that do not belong to the project")
            try:
                entries = sorted(os.scandir(os.path.join(self.top, folder)), key=lambda each: each.name)
            except OSError:
                continue  # the platform does not read it there either, or a message about the app says why
            for entry in entries:
                path = f"{folder}/{entry.name}".lstrip("/")
                if entry.name == APP_FILE and self.has(path):
                    found.append(path)
                elif entry.is_dir(follow_symlinks=False) and not _is_passed_over(entry.name):
                    waiting.append(path)
        return found

    def has(self, path: str) -> bool:
        """Return whether there is such a file or folder in the checkout; what a link leads out to is not."""
        place = os.path.realpath(os.path.join(self.top, path))
        return self._is_inside(place) and os.path.exists(place)

    def peek(self, path: str) -> str | None:
        """Return the beginning of a file that is only looked at: no size and no content makes ``init`` refuse it.

        The text is at most ``CONFIG_MOST_BYTES`` long. None if there is no such file, or it is not UTF-8.
        """
        place = os.path.realpath(os.path.join(self.top, path))
        if not self._is_inside(place):
            return None
        try:
            with open(place, "rb", opener=_opened) as file:
                data = file.read(CONFIG_MOST_BYTES)
            return codecs.getincrementaldecoder("utf-8")().decode(data).removeprefix(BOM)
        except (OSError, UnicodeDecodeError):
            return None

    def _is_inside(self, place: str) -> bool:
        return place == self.top or place.startswith(self.top.rstrip("/") + "/")

    def read(self, path: str) -> str | None:
        """Return the text of a file, without a byte order mark; None where there is none.

        Raises:
            ConfigInvalid: it cannot be read, is too large, is not UTF-8, or leads out of the checkout.
        """
        data = self._text_bytes(path)
        self._read.setdefault(path, data)
        texts = (each for name, each in self._read.items() if name not in self._released)
        if sum(len(each or b"") for each in texts) > CONFIG_ALL_MOST_BYTES:
            text = f"the files of the checkout have more than {CONFIG_ALL_MOST_BYTES} bytes together"
            raise ConfigInvalid(
                text, remedy="init reads no more: the YAML files of .upsun, and those of package managers"
            )
        if data is None:
            return None
        try:
            return data.decode("utf-8").removeprefix(BOM)
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise ConfigInvalid(f"{path}:{line}: not UTF-8", remedy="save the file as UTF-8") from None

    def _text_bytes(self, path: str) -> bytes | None:
        data = self._bytes(path, CONFIG_MOST_BYTES)
        if data is not None and data.count(b"\n") + data.count(b"\r") > CONFIG_LINES_MOST:
            raise ConfigInvalid(
                f"{path} has more than {CONFIG_LINES_MOST} lines", remedy="make it shorter: init reads no longer file"
            )
        return data

    def _bytes(self, path: str, most: int) -> bytes | None:
        place = self._place(path)
        try:
            with open(place, "rb", opener=_opened) as file:
                data = file.read(most + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigInvalid(
                f"{path} cannot be read: {error.strerror}", remedy="check what it is, and its mode"
            ) from error
        if len(data) > most:
            raise ConfigInvalid(
                f"{path} is larger than {most} bytes", remedy="make it smaller: init reads no larger file"
            )
        return data

    def _place(self, path: str) -> str:
        """Return where the file really is; a link may point at another place of the checkout, and nowhere else."""
        place = os.path.realpath(os.path.join(self.top, path))
        if not self._is_inside(place):
            raise ConfigInvalid(f"{path} leads outside the checkout, to {place}", remedy="init changes nothing outside")
        return place

    def release_file(self, path: str) -> bytes | None:
        """Return a file of a release as it is; None where there is none.

        Raises:
            ConfigInvalid: it cannot be read, is larger than any release, or leads out of the checkout.
        """
        data = self._bytes(path, RELEASE_MOST_BYTES)
        self._released.add(path)
        self._read.setdefault(path, data)
        return data

    def real(self, path: str) -> str:
        """Return the path of a file without links, below the checkout: Git looks behind none.

        Raises:
            ConfigInvalid: it leads out of the checkout.
        """
        return os.path.relpath(self._place(path), self.top)

    def names(self, folder: str) -> list[str]:
        """Return the names of what is in a folder of the checkout; none where there is no such folder."""
        self._place(folder)  # raises where it leads out of the checkout
        return self._listed(folder)

    # --- writing ---------------------------------------------------------------------------------------------

    def write(self, changes: Sequence[Change | FileChange]) -> None:
        """Write and delete all files, each whole, or none.

        Raises:
            Conflict: a file is no longer what was read.
            StateNotWritable: a file or its folder cannot be written; what was written is put back.
        """
        ready: list[tuple[str, str, str | None]] = []  # the name, the place, the new file beside it
        try:
            ready.extend(map(self._prepare, changes))  # one by one: those made before one that fails are taken away
            for name, _, _ in ready:
                if self._bytes(name, RELEASE_MOST_BYTES) != self._read.get(name):
                    raise Conflict(
                        f"{name} was changed in the meantime", remedy="run the command again: nothing was written"
                    )
            self._swap(ready)
        finally:
            for _, _, new in ready:
                if new is not None:
                    with contextlib.suppress(OSError):
                        os.unlink(new)
        for _, place, new in ready:
            if new is None:
                self._drop_empty(os.path.dirname(place))

    def _prepare(self, change: Change | FileChange) -> tuple[str, str, str | None]:
        place = self._place(change.path)
        old = self._read.get(change.path)
        # A shell takes a byte order mark for a part of the first command.
        is_sourced = os.path.basename(change.path) == ".environment"
        mark = BOM if old is not None and old.startswith(BOM.encode()) and not is_sourced else ""
        remedy = "make it writable, or see --dry-run for what to change by hand"
        try:
            mode = stat.S_IMODE(os.stat(place).st_mode) if old is not None else 0o666 & ~_umask()
            if old is not None and not (mode & stat.S_IWUSR and os.access(place, os.W_OK)):
                raise StateNotWritable(f"{change.path} is read-only; nothing was written", remedy=remedy)
            if change.new is None:
                return change.path, place, None
            os.makedirs(os.path.dirname(place), exist_ok=True)
            handle, new = tempfile.mkstemp(prefix=f".{os.path.basename(place)}-", dir=os.path.dirname(place))
            with os.fdopen(handle, "wb") as file:
                file.write(change.new if isinstance(change.new, bytes) else (mark + change.new).encode())
                os.fchmod(file.fileno(), mode)
        except OSError as error:
            text = f"{change.path} cannot be written: {error.strerror}; nothing was written"
            raise StateNotWritable(text, remedy=remedy) from error
        return change.path, place, new

    def _swap(self, ready: list[tuple[str, str, str | None]]) -> None:
        swapped: list[tuple[str, str]] = []
        try:
            for name, place, new in ready:
                if new is None:
                    os.unlink(place)
                else:
                    os.replace(new, place)
                swapped.append((name, place))
        except OSError as error:
            for name, place in swapped:
                self._put_back(name, place)
            text = f"{ready[len(swapped)][0]} cannot be written: {error.strerror}; the others were put back"
            raise StateNotWritable(text, remedy="free disk space, or check the folder's mode") from error

    def _drop_empty(self, folder: str) -> None:
        """Remove a folder whose last file was deleted, and those above it that are empty then."""
        with contextlib.suppress(OSError):  # it is not empty
            while folder != self.top and self._is_inside(folder):
                os.rmdir(folder)
                folder = os.path.dirname(folder)

    def _put_back(self, name: str, place: str) -> None:
        old = self._read.get(name)
        with contextlib.suppress(OSError):
            if old is None:
                os.unlink(place)
            else:
                with open(place, "wb") as file:
                    file.write(old)


def _is_passed_over(name: str) -> bool:
    """Return whether no app's configuration is looked for in a folder of that name."""
    return name.startswith(".") or name in _FILLED


def _opened(path: str, flags: int) -> int:
    """Open without waiting: refuse a pipe or a device."""
    handle = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise IsADirectoryError(0, "not a regular file")
    return handle


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
