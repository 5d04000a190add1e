"""Versions of Python packages (https://packaging.python.org/specifications/version-specifiers/)."""

from __future__ import annotations

from packaging.version import InvalidVersion
from packaging.version import Version as PythonVersion

from upsun_agent.packages.versions.version import Version

_EPOCH = 10**9  # above every number that a release begins with


def parse(text: str) -> Version | None:
    """Return the version; None if it does not follow the specification. Another epoch changes the first number."""
    try:
        found = PythonVersion(text)
    except InvalidVersion:
        return None
    first, *rest = found.release
    return Version(found, (found.epoch * _EPOCH + first, *rest))
