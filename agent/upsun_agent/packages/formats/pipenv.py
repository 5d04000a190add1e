"""Pipfile.lock (https://pipenv.pypa.io/en/latest/pipfile.html)."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Raw, Struct

from upsun_agent.packages.manifest import pipfile, python_name
from upsun_agent.packages.records import Package, Unreadable
from upsun_agent.packages.source import Source, check_keys, commit_in, json_of

_KNOWN = 6


class _Entry(Struct):
    #: The version with ``==`` before it; None for a folder or a commit.
    version: str | None = None
    #: The commit.
    ref: str | None = None


class _Meta(Struct, rename="kebab"):
    #: The version of the format.
    pipfile_spec: int


def read(source: Source) -> Iterator[Package]:
    """Yield the packages of every category."""
    check_keys(source.data)
    lock = json_of(source.data, dict[str, Raw])
    meta = json_of(lock.pop("_meta", Raw(b"{}")), _Meta)
    if meta.pipfile_spec != _KNOWN:
        raise Unreadable(f"pipfile-spec {meta.pipfile_spec} is not known")
    direct = pipfile(source)
    for category in lock.values():
        for name, entry in json_of(category, dict[str, _Entry]).items():
            known = python_name(name)
            commit = commit_in(entry.ref or "")
            if entry.version or commit:
                version = (entry.version or "").lstrip("=")
                yield Package(known, version, commit, None if direct is None else known in direct)
