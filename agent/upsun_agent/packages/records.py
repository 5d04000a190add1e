"""What readers of lock files speak in: a locked package, and that a file cannot be read."""

from __future__ import annotations

from msgspec import Struct


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


class Unreadable(Exception):
    """A lock file or manifest does not have the form that its name promises."""
