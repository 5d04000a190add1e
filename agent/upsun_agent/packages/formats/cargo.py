"""Cargo.lock (https://doc.rust-lang.org/cargo/guide/cargo-toml-vs-cargo-lock.html)."""

from __future__ import annotations

from collections.abc import Iterator

from upsun_agent.packages.records import Package, Unreadable
from upsun_agent.packages.source import Source, TomlLock, check_count, commit_in, text_in

_NEWEST = 4


def read(source: Source) -> Iterator[Package]:
    """Yield the packages; those without a source are folders of the project, and tell what is direct."""
    lock = TomlLock(source.data)
    number = lock.head.get("version", 1)
    if not isinstance(number, int) or not 1 <= number <= _NEWEST:
        raise Unreadable(f"version {str(number)[:20]} of the format is not known")
    direct: set[str] = set()
    found: list[Package] = []
    local = 0
    for each in lock.packages():
        name, version = text_in(each, "name"), text_in(each, "version")
        place = each.get("source")
        if isinstance(place, str):
            commit = commit_in(place) if place.startswith("git+") else ""
            found.append(Package(name, version, commit))
            check_count(found)
        else:
            local += 1
            required = each.get("dependencies")
            direct.update(each for each in (required if isinstance(required, list) else ()) if isinstance(each, str))
    if not found and not local:
        raise Unreadable("it holds no package, not even the project's own")
    for package in found:
        is_direct = package.name in direct or f"{package.name} {package.version}" in direct
        yield Package(package.name, package.version, package.revision, is_direct)
