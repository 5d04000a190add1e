"""Read lock files, and tell what changed between two of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import zip_longest
from typing import Any

from msgspec import Struct

from upsun_agent.limits import LOCKED_MOST, LOCKED_TEXT_MOST
from upsun_agent.model.packages import PLACES, Change, ChangeKind, Ecosystem, LockFileChange
from upsun_agent.packages.formats import Format, format_of
from upsun_agent.packages.records import Package, Unreadable
from upsun_agent.packages.source import Source, checked
from upsun_agent.packages.versions import difference, parse


class LockFile(Struct, frozen=True, kw_only=True):
    """The packages of a lock file."""

    #: The path of the file as the caller named it.
    path: str
    #: The format of the file.
    format: Format
    #: Each version of each package once; empty if the file could not be read.
    packages: tuple[Package, ...] = ()
    #: Why the file could not be read; None if it was.
    fault: str | None = None
    #: What is not read of the file, or what is not known of its packages, a sentence each.
    notes: tuple[str, ...] = ()


def read(path: str, data: bytes, manifest: bytes | None = None) -> LockFile:
    """Return the packages of a lock file. A file that cannot be read is a ``fault``, never an error.

    Args:
        path: its path, whose last part must be the name of a known format.
        data: the bytes of the file.
        manifest: the bytes of the manifest beside it, such as composer.json; None without one.

    Raises:
        ValueError: the name belongs to no known format.
    """
    found = format_of(path)
    if found is None:
        raise ValueError(f"no known lock file has the name of {path}")
    notes: list[str] = []
    try:
        packages = _unique(found.read(Source(checked(data), manifest, notes)))
    except Unreadable as error:
        return LockFile(path=path, format=found, fault=str(error)[:LOCKED_TEXT_MOST])
    return LockFile(path=path, format=found, packages=packages, notes=tuple(notes))


def _unique(packages: Iterable[Package]) -> tuple[Package, ...]:
    """Return each version once; it is direct if it is so anywhere.

    Raises:
        Unreadable: there are too many, or a name or a version is empty or too long.
    """
    found: dict[tuple[str, str, str], bool | None] = {}
    for each in packages:
        if not each.name or max(len(each.name), len(each.version)) > LOCKED_TEXT_MOST:
            raise Unreadable(f"the name or version of a package is empty or longer than {LOCKED_TEXT_MOST} characters")
        key = (each.name, each.version, each.revision)
        found[key] = _direct((each.direct, found.get(key)))
        if len(found) > LOCKED_MOST:
            raise Unreadable(f"it holds more than {LOCKED_MOST} packages")
    return tuple(Package(*key, direct) for key, direct in found.items())


def compare(before: LockFile | None, after: LockFile | None) -> LockFileChange:
    """Return what changed from one lock file to another of the same format.

    Args:
        before: the file before; None if it did not exist.
        after: the file after; None if it does not exist any more.

    Raises:
        ValueError: both are None.
    """
    known = after or before
    if known is None:
        raise ValueError("there is no lock file to compare")
    path, name = known.path, known.format.name
    files = [each for each in (before, after) if each is not None]
    faults = {each.fault for each in files if each.fault is not None}
    if faults:
        return LockFileChange(path=path, format=name, warning=f"{path} cannot be read: {'; '.join(sorted(faults))}")
    notes = dict.fromkeys(note for each in files for note in each.notes)
    changes = _changes(known.format.ecosystem, before.packages if before else (), after.packages if after else ())
    ordered = sorted(changes, key=lambda each: (PLACES[each.kind], each.name, each.before or "", each.after or ""))
    warning = f"{path}: {'; '.join(notes)}" if notes else None
    return LockFileChange(path=path, format=name, changes=tuple(ordered), warning=warning)


def _changes(ecosystem: Ecosystem, before: Sequence[Package], after: Sequence[Package]) -> Iterator[Change]:
    """Yield what changed; of several versions of a package the highest ones that differ make a pair, then the next."""
    old, new = _by_name(before), _by_name(after)
    rank = partial(_rank, ecosystem)
    for name in old.keys() | new.keys():
        these, those = old.get(name, []), new.get(name, [])
        direct = _direct(each.direct for each in those or these)
        gone, come = (sorted(each, key=rank, reverse=True) for each in _apart(these, those))
        for one, other in zip_longest(gone, come):
            kind, downgrade = _kind(ecosystem, one, other)
            yield Change(
                ecosystem=ecosystem,
                name=name,
                before=one.shown if one else None,
                after=other.shown if other else None,
                kind=kind,
                downgrade=downgrade,
                direct=direct,
            )


def _by_name(packages: Iterable[Package]) -> dict[str, list[Package]]:
    found: dict[str, list[Package]] = {}
    for each in packages:
        found.setdefault(each.name, []).append(each)
    return found


def _apart(before: Sequence[Package], after: Sequence[Package]) -> tuple[list[Package], list[Package]]:
    """Return the versions that are gone and those that are new; another commit is another version."""
    old, new = ({(each.version, each.revision) for each in packages} for packages in (before, after))
    gone = [each for each in before if (each.version, each.revision) not in new]
    return gone, [each for each in after if (each.version, each.revision) not in old]


def _direct(told: Iterable[bool | None]) -> bool | None:
    """Return whether a package is direct in any of its places; None if nothing tells."""
    found = set(told)
    return True if True in found else (False if False in found else None)


def _rank(ecosystem: Ecosystem, package: Package) -> tuple[Any, ...]:
    """Return what versions of one package are ordered by; those that the ecosystem does not order come first."""
    version = parse(ecosystem, package.version)
    return (0, package.version, package.revision) if version is None else (1, version.key, package.version)


def _kind(ecosystem: Ecosystem, before: Package | None, after: Package | None) -> tuple[ChangeKind, bool]:
    """Return how much a package changed, and whether its version is lower now."""
    if before and after:
        return difference(ecosystem, before.version, after.version)
    return (ChangeKind.REMOVED if before else ChangeKind.ADDED), False
