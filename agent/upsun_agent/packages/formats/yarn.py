"""yarn.lock, of yarn 1 and of yarn 2 and later (https://yarnpkg.com/configuration/manifest)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain

from msgspec import Struct, field

from upsun_agent.packages.formats.block_yaml import mappings
from upsun_agent.packages.manifest import package_json
from upsun_agent.packages.records import Package, Unreadable
from upsun_agent.packages.source import Source, check_count, commit_in, lines_of

_DESCRIPTOR = re.compile(r'"([^"]*)"|([^\s",:][^\s",]*)')
_PROPERTY = re.compile(r'  (version|resolved) "?([^"]*)"?')
_CLASSIC = "# yarn lockfile v1"
_METADATA = "__metadata"
_NEWEST = 20
_LOCAL = ("workspace:", "link:", "portal:", "file:")
_PROPERTY_DEPTH, _REQUIRED_DEPTH = 2, 3


class _Block(Struct):
    #: What the block resolves: a name with a range, each.
    descriptors: tuple[str, ...]
    #: The version.
    version: str = ""
    #: Where it comes from.
    resolution: str = ""
    #: What a package of the project requires, as descriptors.
    required: list[str] = field(default_factory=list)


def read(source: Source) -> Iterator[Package]:
    """Yield the packages."""
    lines, head = lines_of(source.data), []
    for line in lines:
        head.append(line)
        if line.rstrip() and (not line.startswith("#") or line.startswith(_CLASSIC)):
            break
    if head and head[-1].startswith(_METADATA):
        yield from _berry(chain(head, lines))
    elif not head or head[-1].startswith("#") or head[-1].rstrip().endswith(":"):
        yield from _classic(source, chain(head, lines))
    else:
        raise Unreadable("it is not a lock file of yarn")


def _named(descriptor: str) -> tuple[str, str]:
    """Return name and range of a descriptor, such as ``@babel/core@^7.0.0``."""
    at = descriptor.find("@", 1)
    return (descriptor[:at], descriptor[at + 1 :]) if at > 0 else (descriptor, "")


# --- yarn 1 ----------------------------------------------------------------------------------------------------


def _classic(source: Source, lines: Iterable[str]) -> Iterator[Package]:
    ranges = package_json(source)
    direct = None if ranges is None else frozenset(f"{name}@{wanted}" for name, wanted in ranges.items())
    for block in _classic_blocks(lines):
        if not block.version:
            raise Unreadable(f"{block.descriptors[0][:100]} has no version")
        name, wanted = _named(block.descriptors[0])
        if wanted.startswith("npm:"):
            name = _named(wanted.removeprefix("npm:"))[0]
        if wanted.startswith(_LOCAL):
            continue
        commit = "" if ".tgz" in block.resolution else commit_in(block.resolution)  # a SHA-1 stands behind an archive
        is_direct = None if direct is None else not direct.isdisjoint(block.descriptors)
        yield Package(name, block.version, commit, is_direct)


def _classic_blocks(lines: Iterable[str]) -> Iterator[_Block]:
    block: _Block | None = None
    for line in lines:
        if not line or line.startswith("#"):
            continue
        if not line.startswith(" "):
            if block:
                yield block
            found = tuple(one or other for one, other in _DESCRIPTOR.findall(line.rstrip().removesuffix(":")))
            if not found or not line.rstrip().endswith(":"):
                raise Unreadable("a line begins no package")
            block = _Block(found)
        elif block and (property_ := _PROPERTY.fullmatch(line)):
            if property_[1] == "version":
                block.version = property_[2]
            else:
                block.resolution = property_[2]
    if block:
        yield block


# --- yarn 2 and later ------------------------------------------------------------------------------------------


def _berry(lines: Iterable[str]) -> Iterator[Package]:
    blocks: list[_Block] = []
    for block in _berry_blocks(lines):
        blocks.append(block)
        check_count(blocks)
    required = {each for block in blocks for each in block.required}
    for block in blocks:
        name, place = _named(block.resolution)
        if not place or not block.version:
            raise Unreadable(f"{block.descriptors[0][:100]} has no version")
        if place.startswith(_LOCAL):
            continue
        commit = "" if place.startswith(("npm:", "patch:")) else commit_in(place)
        yield Package(name, block.version, commit, not required.isdisjoint(block.descriptors))


def _berry_blocks(lines: Iterable[str]) -> Iterator[_Block]:
    """Yield the blocks; what a package of the project requires is kept, of other packages it is not."""
    block: _Block | None = None
    for path, value in mappings(lines):
        if path[0] == _METADATA:
            if path[1:] == ("version",) and not (value.isascii() and value.isdigit() and int(value[:4]) <= _NEWEST):
                raise Unreadable(f"version {value[:20]} of the format is not known")
        elif len(path) == 1:
            if block:
                yield block
            block = _Block(tuple(path[0].split(", ")))
        elif block and len(path) == _PROPERTY_DEPTH and path[1] in {"version", "resolution"}:
            if path[1] == "version":
                block.version = value
            else:
                block.resolution = value
        elif block and len(path) == _REQUIRED_DEPTH and path[1] == "dependencies" and "@workspace:" in block.resolution:
            block.required += [f"{path[2]}@{value}", f"{path[2]}@npm:{value}"]
            check_count(block.required)
    if block:
        yield block
