"""bun.lock, the text format of Bun (https://bun.sh/docs/pm/lockfile)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Raw, Struct

from upsun_agent.packages.manifest import PackageJson
from upsun_agent.packages.records import Package, Unreadable
from upsun_agent.packages.source import Source, check_keys, commit_in, json_of

_NEWEST = 2
_STRING = rb'"(?:[^"\\]++|\\.)*+"?+'
#: Strings are matched too, so that what looks like a comment or a comma within one is not taken for it.
_COMMENT = re.compile(_STRING + rb"|//[^\n]*+|/\*(?:[^*]++|\*(?!/))*+(?:\*/)?+", re.DOTALL)
_COMMA = re.compile(_STRING + rb"|,(?=[ \t\r\n]*+[}\]])", re.DOTALL)
_FIRST = re.compile(rb"\s*\[\s*(" + _STRING + rb")", re.DOTALL)
#: What a resolution begins with if the package is a folder of the project.
_LOCAL = ("workspace:", "link:", "file:", "root:")


class _Lock(Struct, rename="camel"):
    #: The version of the format.
    lockfile_version: int
    #: What the project and its workspaces require, by their folders; the project has the folder "".
    workspaces: dict[str, PackageJson]
    #: The packages by their place: a name, or a name below another one. Each list begins with name and version.
    packages: dict[str, Raw] = {}


def read(source: Source) -> Iterator[Package]:
    """Yield the packages."""
    check_keys(source.data)
    lock = json_of(strict_json(source.data), _Lock)
    if not 0 <= lock.lockfile_version <= _NEWEST:
        raise Unreadable(f"lockfileVersion {lock.lockfile_version} is not known")
    required = {name for workspace in lock.workspaces.values() for name in workspace.ranges}
    for place, entry in lock.packages.items():
        first = _FIRST.match(bytes(entry))
        resolution = json_of(first[1], str) if first else ""
        at = resolution.find("@", 1)
        if at < 0:
            raise Unreadable("a package has no version")
        name, version = resolution[:at], resolution[at + 1 :]
        if version.startswith(_LOCAL):
            continue
        commit = _commit(version)
        yield Package(name, "" if commit else version, commit, place in required)


def strict_json(data: bytes) -> bytes:
    """Return the document with spaces in place of comments and of commas before a closing bracket."""
    text = bytearray(data)
    for pattern in (_COMMENT, _COMMA):
        for found in pattern.finditer(bytes(text)):
            if not found[0].startswith(b'"'):
                text[found.start() : found.end()] = b" " * len(found[0])
    return bytes(text)


def _commit(version: str) -> str:
    """Return what follows the ``#`` of an address: a commit, which Bun shortens for some hosts."""
    address, _, mark = version.partition("#")
    return (commit_in(mark) or mark) if ":" in address else ""
