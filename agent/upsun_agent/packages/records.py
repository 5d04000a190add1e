"""The records of lock files: a locked package, what changed of it, and the changes of one file."""

from __future__ import annotations

from enum import StrEnum

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


class Package(Struct, frozen=True, order=True, gc=False):
    """One version of a package that a lock file holds; a lock file may hold several versions of a package."""

    #: The name as the ecosystem compares it, such as ``drupal/core`` or ``org.slf4j:slf4j-api``.
    name: str
    #: The version as the lock file writes it; empty if the package is locked to a commit only.
    version: str
    #: The commit that is locked, shortened; empty for a released version.
    revision: str = ""
    #: Whether the project itself requires it; None if neither the lock file nor the manifest tells.
    direct: bool | None = None

    @property
    def shown(self) -> str:
        """Return the version as a person reads it, with the commit behind ``#``."""
        return f"{self.version}#{self.revision}" if self.revision else self.version


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
    #: Why the file could not be compared, or what is not compared in it; None if everything is.
    warning: str | None = None


class Unreadable(Exception):
    """A lock file or manifest does not have the form that its name promises."""
