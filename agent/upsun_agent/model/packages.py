"""What changed in lock files: a package, a file, a commit; the question for it; and all of it in one sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import Literal

from msgspec import Struct


class Ecosystem(StrEnum):
    """Where packages come from, by the types of package URLs (https://github.com/package-url/purl-spec)."""

    CARGO = "cargo"
    COMPOSER = "composer"
    GEM = "gem"
    GOLANG = "golang"
    HEX = "hex"
    MAVEN = "maven"
    NPM = "npm"
    NUGET = "nuget"
    PYPI = "pypi"


class ChangeKind(StrEnum):
    """How much a package changed.

    ``major``, ``minor`` and ``patch`` are updates to a higher version. ``other`` is everything that no level describes:
    a lower version, another commit of the same version, a version that the ecosystem's rules cannot order.
    """

    MAJOR = "major"
    MINOR = "minor"
    PATCH = "patch"
    ADDED = "added"
    REMOVED = "removed"
    OTHER = "other"


class Change(Struct, frozen=True, kw_only=True):
    """A package that differs between two lock files."""

    #: The ecosystem of the package.
    ecosystem: Ecosystem
    #: The name of the package.
    name: str
    #: The version before, with the commit behind ``#`` where one is locked; None if the package was added.
    before: str | None
    #: The version after, in the same form; None if the package was removed.
    after: str | None
    #: How much it changed.
    kind: ChangeKind
    #: Whether the version after is lower; its kind is ``other`` then.
    downgrade: bool = False
    #: Whether the project itself requires the package; None if neither the lock file nor the manifest tells.
    direct: bool | None = None


class LockFileChange(Struct, frozen=True, kw_only=True):
    """What changed in one lock file."""

    #: The path of the file as the caller named it.
    path: str
    #: The name of the format, such as ``composer`` or ``npm``.
    format: str
    #: The changes: major ones first, then minor, patch, other, added and removed; by name within each kind.
    changes: tuple[Change, ...] = ()
    #: How many more changes there are that were too many to keep.
    more: int = 0
    #: Why the file could not be compared, or what is not compared in it; None if everything is.
    warning: str | None = None


class LookAtChanges(Struct, frozen=True):
    """Find out what changed in lock files from one commit to another."""

    #: The commit before.
    base: str
    #: The commit after.
    head: str
    #: The paths of lock files whose changes are known already.
    done: tuple[str, ...] = ()
    #: How many changes are kept at most; the rest is counted.
    room: int = 0


class PackageChanges(Struct, frozen=True):
    """What changed in lock files from one commit to another, as far as it could be read."""

    #: The lock files that differ.
    files: tuple[LockFileChange, ...]
    #: Why some are not read yet: ``time`` ran out, or a commit is ``absent``; empty if all are read.
    unread: Literal["", "time", "absent"] = ""
    #: What was not read for good, a sentence each.
    warnings: tuple[str, ...] = ()


#: The place of each kind of change in lists and sentences, the most important one first.
PLACES = {
    ChangeKind.MAJOR: 0,
    ChangeKind.MINOR: 1,
    ChangeKind.PATCH: 2,
    ChangeKind.OTHER: 3,
    ChangeKind.ADDED: 4,
    ChangeKind.REMOVED: 5,
}
ARROW = "→"
#: How many changes a message or a log line lists; the rest is counted.
CHANGES_SHOWN = 10


def ordered(files: Iterable[LockFileChange]) -> list[Change]:
    """Return the changes of all files: by kind, major ones first, those that the project requires first, by name."""
    changes = [change for file in files for change in file.changes]
    return sorted(changes, key=lambda each: (PLACES[each.kind], each.direct is not True, each.name, each.after or ""))


def step_of(change: Change) -> str:
    """Return the versions of a change, such as ``11.2.3 → 11.2.5``, ``new 1.0`` or ``1.0 removed``."""
    if change.before is None:
        return f"{change.after} added"
    if change.after is None:
        return f"{change.before} removed"
    return f"{change.before} {ARROW} {change.after}"


def counted(files: Iterable[LockFileChange]) -> str:
    """Return how many packages changed how, such as ``15 packages: 1 major, 14 patch``; empty if none did."""
    files = tuple(files)
    kinds = Counter(change.kind for file in files for change in file.changes)
    more = sum(file.more for file in files)
    total = kinds.total() + more
    if not total:
        return ""
    parts = [f"{kinds[kind]} {kind}" for kind in PLACES if kinds[kind]]
    parts += [f"{more} more"] if more else []
    return f"{total} {'package' if total == 1 else 'packages'}: {', '.join(parts)}"


def summary(files: Iterable[LockFileChange]) -> str:
    """Return the changes in one sentence: what changed first of all, and how many others, by kind."""
    files = tuple(files)
    changes = ordered(files)
    if not changes:
        return "no package changed"
    first = f"{changes[0].name} {step_of(changes[0])}"
    more = sum(file.more for file in files)
    others = len(changes) - 1 + more
    if not others:
        return first
    majors = sum(each.kind is ChangeKind.MAJOR for each in changes)
    told = {0: "no major", 1: "1 major"}.get(majors, f"{majors} majors")
    return f"{first}, {others} {'other' if others == 1 else 'others'}, {told}"
