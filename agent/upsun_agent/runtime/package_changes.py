"""Read the changes of lock files between two commits, within limits; a problem is a warning, not an error.

Folders that are the same in both commits are not read. Of each lock file that differs both versions are read, one
after the other, and the manifest beside it.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct, field
from msgspec.structs import replace

from upsun_agent.api.client import Client, OutOfTime
from upsun_agent.api.git import Entry, GitObjects
from upsun_agent.errors import AgentError, NotFound
from upsun_agent.limits import (
    CHANGES_BUDGET,
    CHANGES_RESERVE,
    LOCK_DEPTH_MOST,
    LOCK_ENTRIES_MOST,
    LOCK_FILES_MOST,
    LOCK_FOLDERS_MOST,
    LOCKED_TEXT_MOST,
    PATH_MOST,
)
from upsun_agent.log.foreign_text import one_line
from upsun_agent.model.packages import LockFileChange, LookAtChanges, PackageChanges
from upsun_agent.packages.compare import LockFile, compare, read
from upsun_agent.packages.formats import Format, format_of

#: Folders of packages that somebody committed: their lock files are not the project's.
_FOREIGN_FOLDERS = frozenset({"node_modules", "vendor", "bower_components", ".git"})
#: The path of a folder, with a slash behind it, and its trees before and after; None where it was not there.
_Pair = tuple[str, str | None, str | None]


class _Differing(Struct, frozen=True):
    """A lock file that is not the same in both commits."""

    #: The path.
    path: str
    #: The format.
    format: Format
    #: The ids of the file before and after; None if it was not there.
    files: tuple[str | None, str | None]
    #: The ids of the manifest beside it before and after; None if there is none.
    manifests: tuple[str | None, str | None]


class _Search(Struct):
    """What the search through both trees has found so far."""

    #: The lock files that differ.
    found: list[_Differing] = field(default_factory=list)
    #: What was not read, a sentence each.
    warnings: list[str] = field(default_factory=list)
    #: How many names were compared.
    names: int = 0
    #: How many pairs of folders were read.
    folders: int = 0


class ChangeReader:
    """Read what commits of one project changed."""

    def __init__(self, client: Client, project: str) -> None:
        self._client = client
        self._git = GitObjects(client, project)

    def read(self, question: LookAtChanges) -> PackageChanges:
        """Return the changes between two commits, as far as they can be read now."""
        left = min(self._client.left - CHANGES_RESERVE, CHANGES_BUDGET)
        if left <= 0:
            return PackageChanges((), unread="time")
        with self._client.within(left):
            try:
                search = self._searched(question)
            except OutOfTime:
                return PackageChanges((), unread="time")
            except NotFound:
                return PackageChanges((), unread="absent")
            except AgentError as error:
                return PackageChanges((), warnings=(one_line(f"what changed is not known: {error}"),))
            return self._compared(question, search)

    def _searched(self, question: LookAtChanges) -> _Search:
        search = _Search()
        pairs: list[_Pair] = [("", self._git.tree_of(question.base), self._git.tree_of(question.head))]
        for depth in range(LOCK_DEPTH_MOST + 1):
            pairs = [deeper for pair in pairs if pair[1] != pair[2] for deeper in self._folder(*pair, search)]
            if depth == LOCK_DEPTH_MOST and pairs:
                search.warnings.append(f"folders more than {LOCK_DEPTH_MOST} deep are not searched for lock files")
        return search

    def _folder(self, path: str, before: str | None, after: str | None, search: _Search) -> Iterator[_Pair]:
        """Compare one folder of both trees, and yield the folders in it."""
        if search.folders >= LOCK_FOLDERS_MOST or search.names >= LOCK_ENTRIES_MOST:
            if not search.warnings:
                search.warnings.append("there are more folders than are searched for lock files")
            return
        search.folders += 1
        old, new = (self._entries(tree) for tree in (before, after))
        search.names += len(old) + len(new)
        for name in sorted(old.keys() | new.keys()):
            one, other = old.get(name), new.get(name)
            if one == other:
                continue
            where = f"{path}{name}"
            if all(each is None or each.is_folder for each in (one, other)):
                if name not in _FOREIGN_FOLDERS:
                    yield f"{where}/", _sha(one), _sha(other)
            elif len(where) <= PATH_MOST and (form := format_of(where)) is not None:
                files = tuple(None if each is None or each.is_folder else each.sha for each in (one, other))
                manifests = tuple(_sha(each.get(form.manifest or "")) for each in (old, new))
                search.found.append(_Differing(where, form, (files[0], files[1]), (manifests[0], manifests[1])))

    def _entries(self, tree: str | None) -> dict[str, Entry]:
        return {} if tree is None else {each.name: each for each in self._git.entries(tree)}

    def _compared(self, question: LookAtChanges, search: _Search) -> PackageChanges:
        """Return the changes of the files that were found, without those that were read already."""
        wanted = search.found[:LOCK_FILES_MOST]
        if len(search.found) > LOCK_FILES_MOST:
            more = len(search.found) - LOCK_FILES_MOST
            search.warnings.append(f"{more} more lock files changed than the {LOCK_FILES_MOST} that are read")
        files: list[LockFileChange] = []
        room = question.room
        for each in wanted:
            if one_line(each.path, PATH_MOST) in question.done:
                continue
            try:
                found = _bounded(self._change(each), room)
            except OutOfTime:
                return PackageChanges(tuple(files), unread="time")
            files.append(found)
            room -= len(found.changes)
        return PackageChanges(tuple(files), warnings=tuple(one_line(text) for text in search.warnings))

    def _change(self, file: _Differing) -> LockFileChange:
        try:
            manifests: dict[str, bytes] = {}
            before, after = (self._read(file, side, manifests) for side in (0, 1))
            return compare(before, after)
        except OutOfTime:
            raise
        except AgentError as error:
            text = f"{file.path} cannot be read: {error}"
        except Exception as error:  # noqa: BLE001  a run must not end, or its ticks fail, because of a lock file
            text = f"{file.path} cannot be compared ({type(error).__name__})"
        return LockFileChange(path=file.path, format=file.format.name, warning=text)

    def _read(self, file: _Differing, side: int, manifests: dict[str, bytes]) -> LockFile | None:
        """Return the lock file before (0) or after (1); None if it was not there."""
        sha, manifest = file.files[side], file.manifests[side]
        if sha is None:
            return None
        if manifest is not None and manifest not in manifests:
            manifests[manifest] = self._git.blob(manifest)
        return read(file.path, self._git.blob(sha), manifests.get(manifest or ""))


def _sha(entry: Entry | None) -> str | None:
    return None if entry is None else entry.sha


def _bounded(found: LockFileChange, room: int) -> LockFileChange:
    """Return it with cleaned texts, and with at most as many changes as may be stored."""
    kept = found.changes[: max(room, 0)]
    changes = tuple(
        replace(
            each,
            name=one_line(each.name, LOCKED_TEXT_MOST),
            before=_version(each.before),
            after=_version(each.after),
        )
        for each in kept
    )
    warning = None if found.warning is None else one_line(found.warning)
    path = one_line(found.path, PATH_MOST)
    return replace(found, path=path, changes=changes, more=len(found.changes) - len(kept), warning=warning)


def _version(text: str | None) -> str | None:
    return None if text is None else one_line(text, LOCKED_TEXT_MOST)
