"""The changes of an update in lock files: the scenario's, else slightly higher versions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from upsun_simulator.lock_files import FORMATS, filler, first_packages

if TYPE_CHECKING:
    from collections.abc import Mapping

    #: Versions by the path of the lock file and the name of the package.
    Locked = Mapping[tuple[str, str], str]

# The word for the version of a package that is not there.
NONE = "none"
_CHANGE = re.compile(r"(?:(?P<path>\S+): )?(?P<name>\S+) (?P<old>\S+) -> (?P<new>\S+)")
_NUMBERS = re.compile(r"\d+")
MINOR_EVERY = 4


@dataclass(frozen=True)
class PackageChange:
    """One change of an update, as a scenario writes it: `[PATH: ]NAME FROM -> TO`."""

    #: The path of the lock file; empty: the first that holds the package, else the first of all.
    path: str
    #: The name of the package.
    name: str
    #: The version before; None: the update adds the package.
    old: str | None
    #: The version after; None: the update removes the package.
    new: str | None


def change_of(text: str) -> PackageChange:
    """Parse a change in a scenario; raise ValueError if it is not valid."""
    found = _CHANGE.fullmatch(text)
    if found is None or found["old"] == found["new"]:
        raise ValueError(f"the package change {text!r} is not [PATH: ]NAME FROM -> TO, with 'none' for no version")
    old, new = (None if found[side] == NONE else found[side] for side in ("old", "new"))
    return PackageChange(found["path"] or "", found["name"], old, new)


def check_paths(paths: tuple[str, ...], changes: tuple[str, ...]) -> None:
    """Raise ValueError for lock files of an unsupported format, and for changes of missing lock files."""
    for path in paths:
        parts = PurePosixPath(path).parts
        if not parts or parts[-1] not in FORMATS or "/".join(parts) != path or {"..", "/"} & set(parts):
            raise ValueError(f"the lock file {path!r} is not a path that ends with one of {', '.join(FORMATS)}")
    for text in changes:
        change = change_of(text)
        if not paths or (change.path and change.path not in paths):
            raise ValueError(f"the package change {text!r} is of a lock file that the project does not have")


def first_locked(paths: tuple[str, ...], changes: tuple[str, ...], raised: int) -> dict[tuple[str, str], str]:
    """Return the locked packages of a new project.

    Args:
        paths: the lock files.
        changes: the changes that updates will make: what they begin with is there.
        raised: how many packages an update raises: so many are there.
    """
    locked = {(path, name): version for path in paths for name, version in first_packages(path).items()}
    for text in changes:
        change = change_of(text)
        key = _key(change, locked, paths)
        locked.pop(key, None)
        if change.old is not None:
            locked[key] = change.old
    number = 0
    while paths and len(locked) < raised:
        locked[paths[number % len(paths)], filler(paths[number % len(paths)], 9000 + number)] = f"1.{number}.0"
        number += 1
    return locked


def _key(change: PackageChange, locked: Locked, paths: tuple[str, ...]) -> tuple[str, str]:
    holding = (path for path in paths if (path, change.name) in locked)
    return change.path or next(holding, paths[0]), change.name


@dataclass(frozen=True)
class UpdatePlan:
    """The changes of an update in lock files; decided when it is requested."""

    #: The lock files of the project, as paths.
    paths: tuple[str, ...]
    #: The changes, as a scenario writes them; empty: versions are raised.
    changes: tuple[str, ...]
    #: How many packages are raised.
    raised: int
    #: How many of them to the next major version.
    majors: int

    def carried_out(self, locked: Locked, number: int) -> dict[tuple[str, str], str]:
        """Return the locked packages after the update; once all the scenario's changes are made, raise versions.

        Args:
            locked: what is locked before it.
            number: which update it is: others raise other packages.
        """
        found = dict(locked)
        for text in self.changes:
            change = change_of(text)
            key = _key(change, found, self.paths)
            if change.new is None:
                found.pop(key, None)
            else:
                found[key] = change.new
        return found if found != locked else self._raised(found, number)

    def _raised(self, locked: dict[tuple[str, str], str], number: int) -> dict[tuple[str, str], str]:
        """Return higher versions for the wanted number of packages, from each lock file in turn."""
        by_file = [[key for key in locked if key[0] == path] for path in self.paths]
        longest = max(map(len, by_file), default=0)
        turns = [keys[place] for place in range(longest) for keys in by_file if place < len(keys)]
        first, rest = turns[:1], turns[1:]
        shift = number % len(rest) if rest else 0
        for place, key in enumerate([*first, *rest[shift:], *rest[:shift]][: self.raised]):
            part = 0 if place < self.majors else 1 if place % MINOR_EVERY == 0 else 2
            locked[key] = raised(locked[key], part)
        return locked


def raised(version: str, part: int) -> str:
    """Return the next version: its major (0), minor (1) or patch number (2) raised, what is behind it set to zero."""
    numbers = [int(text) for text in _NUMBERS.findall(version)][:3]
    numbers += [0] * (3 - len(numbers))
    numbers[part] += 1
    return ".".join(str(number if place <= part else 0) for place, number in enumerate(numbers))
