"""Cargo.lock (https://doc.rust-lang.org/cargo/guide/cargo-toml-vs-cargo-lock.html)."""

from __future__ import annotations

from collections.abc import Iterator

from upsun_agent.packages.records import Package, Unreadable
from upsun_agent.packages.source import Source, commit_in, text_in, toml_head_and_packages

_NEWEST = 4


def read(source: Source) -> Iterator[Package]:
    """Yield the packages; those without a source are folders of the project, and tell what is direct."""
    head, packages = toml_head_and_packages(source.data)
    number = head.get("version", 1)
    if not isinstance(number, int) or not 1 <= number <= _NEWEST:
        raise Unreadable(f"version {number} of the format is not known")
    direct: set[str] = set()
    found: list[Package] = []
    for each in packages:
        name, version = text_in(each, "name"), text_in(each, "version")
        place = each.get("source")
        if isinstance(place, str):
            commit = commit_in(place) if place.startswith("git+") else ""
            found.append(Package(name, version, commit))
        else:
            required = each.get("dependencies")
            direct.update(name for name in required if isinstance(name, str)) if isinstance(required, list) else None
    for package in found:
        is_direct = package.name in direct or f"{package.name} {package.version}" in direct
        yield Package(package.name, package.version, package.revision, is_direct)
