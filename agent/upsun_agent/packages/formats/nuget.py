"""packages.lock.json (https://learn.microsoft.com/nuget/consume-packages/package-references-in-project-files)."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from upsun_agent.packages.records import Package, Unreadable
from upsun_agent.packages.source import Source, check_keys, json_of

_KNOWN = frozenset({1, 2})


class _Entry(Struct):
    #: ``Direct``, ``Transitive``, ``CentralTransitive``, or ``Project`` for a folder of the solution.
    type: str
    #: The version; None for a project.
    resolved: str | None = None


class _Lock(Struct):
    #: The version of the format.
    version: int
    #: The packages by the framework that they are for.
    dependencies: dict[str, dict[str, _Entry]]


def read(source: Source) -> Iterator[Package]:
    """Yield the packages of every framework."""
    check_keys(source.data)
    lock = json_of(source.data, _Lock)
    if lock.version not in _KNOWN:
        raise Unreadable(f"version {lock.version} of the format is not known")
    for packages in lock.dependencies.values():
        for name, entry in packages.items():
            if entry.resolved is not None:
                yield Package(name, entry.resolved, "", entry.type == "Direct")
