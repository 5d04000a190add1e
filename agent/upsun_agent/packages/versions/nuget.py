"""Versions of NuGet packages (https://learn.microsoft.com/nuget/concepts/package-versioning)."""

from __future__ import annotations

import re

from upsun_agent.packages.versions.version import Version, identifiers

_VERSION = re.compile(
    r"([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?(?:\.([0-9]+))?(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?"
)


def parse(text: str) -> Version | None:
    """Return the version: up to four numbers, and a pre-release whose letters are compared without their case."""
    found = _VERSION.fullmatch(text)
    if found is None:
        return None
    numbers = tuple(int(found[place] or 0) for place in range(1, 5))
    return Version((numbers, identifiers(found[5] or "", str.lower)), numbers)
