"""gradle.lockfile (https://docs.gradle.org/current/userguide/dependency_locking.html)."""

from __future__ import annotations

from collections.abc import Iterator

from upsun_agent.packages.records import Package, Unreadable
from upsun_agent.packages.source import Source, lines_of

_PARTS = 3


def read(source: Source) -> Iterator[Package]:
    """Yield the packages; each line is ``group:artifact:version=configurations``."""
    for line in lines_of(source.data):
        text = line.strip()
        if not text or text.startswith(("#", "empty=")):
            continue
        place, found, _ = text.partition("=")
        parts = place.split(":")
        if not found or len(parts) != _PARTS or not all(parts):
            raise Unreadable("a line is not made of group, artifact and version")
        yield Package(f"{parts[0]}:{parts[1]}", parts[2])
