"""bun.lock, the text format of Bun (https://bun.sh/docs/pm/lockfile)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Raw, Struct

from upsun_agent.packages.manifest import PackageJson
from upsun_agent.packages.records import Package, Unreadable
from upsun_agent.packages.source import Source, commit_in, json_of

_NEWEST = 2
_STRING = rb'"(?:[^"\\]|\\.)*(?:"|\Z)'
_COMMENT = re.compile(_STRING + rb"|//[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
_COMMA = re.compile(_STRING + rb"|,(?=[ \t\r\n]*[}\]])", re.DOTALL)
#: What a resolution begins with if the package is a folder of the project.
_LOCAL = ("workspace:", "link:", "file:", "root:")


class _Lock(Struct, rename="camel"):
    #: The version of the format.
    lockfile_version: int
    #: What the project and its workspaces require, by their folders; the project has the folder "".
    workspaces: dict[str, PackageJson]
    #: The packages by their place: a name, or a name below another one. The first item is name and version.
    packages: dict[str, list[Raw]] = {}


def read(source: Source) -> Iterator[Package]:
    """Yield the packages."""
    lock = json_of(strict_json(source.data), _Lock)
    if not 0 <= lock.lockfile_version <= _NEWEST:
        raise Unreadable(f"lockfileVersion {lock.lockfile_version} is not known")
    required = {name for workspace in lock.workspaces.values() for name in workspace.ranges}
    for place, entry in lock.packages.items():
        resolution = json_of(entry[0], str) if entry else ""
        at = resolution.find("@", 1)
        if at < 0:
            raise Unreadable("a package has no version")
        name, version = resolution[:at], resolution[at + 1 :]
        if version.startswith(_LOCAL):
            continue
        commit = _commit(version)
        yield Package(name, "" if commit else version, commit, place in required)


def strict_json(data: bytes) -> bytes:
    """Return the document without comments and without commas before a closing bracket."""
    data = _COMMENT.sub(lambda found: found[0] if found[0].startswith(b'"') else b" ", data)
    return _COMMA.sub(lambda found: found[0] if found[0].startswith(b'"') else b"", data)


def _commit(version: str) -> str:
    """Return what stands behind ``#`` of an address: a commit, which Bun shortens for some hosts."""
    address, _, mark = version.partition("#")
    return (commit_in(mark) or mark) if ":" in address else ""
