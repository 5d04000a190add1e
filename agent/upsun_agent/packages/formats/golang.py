"""go.mod and go.sum (https://go.dev/ref/mod#go-mod-file, https://go.dev/ref/mod#go-sum-files)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct, field

from upsun_agent.packages.records import Package, Unreadable
from upsun_agent.packages.source import Source, check_count, lines_of, manifest_of

_WORD = re.compile(r'"([^"]*)"|`([^`]*)`|([()]|[^\s()]+)')
_INDIRECT = re.compile(r"//\s*indirect(?:$|[\s;])")
#: All that Go 1.25 knows.
_DIRECTIVES = frozenset(
    (
        *("module", "go", "toolchain", "godebug", "require"),
        *("exclude", "replace", "retract", "tool", "ignore"),
    )
)
_WORDS_OF_SUM = 3


class _Module(Struct):
    #: The modules, by name and version.
    required: list[Package] = field(default_factory=list)
    #: What stands for a module, or for one version of it: its version, or "" for a folder.
    replaced: dict[tuple[str, str], str] = field(default_factory=dict)


def read_mod(source: Source) -> Iterator[Package]:
    """Yield the required modules, in the version that replaces them; a folder that replaces one is left out."""
    found = _module(source.data)
    for each in found.required:
        version = found.replaced.get((each.name, each.version), found.replaced.get((each.name, ""), each.version))
        if version:
            yield Package(each.name, version, "", each.direct)


def read_sum(source: Source) -> Iterator[Package]:
    """Yield the modules whose content is checked, without those that the go.mod beside it lists."""
    manifest = manifest_of(source)
    listed = {each.name for each in _module(manifest).required} if manifest is not None else set()
    for line in lines_of(source.data):
        words = line.split()
        if words and len(words) != _WORDS_OF_SUM:
            raise Unreadable("a line is not made of module, version and hash")
        if words and not words[1].endswith("/go.mod") and words[0] not in listed:
            yield Package(words[0], words[1], "", None if manifest is None else False)


def _module(data: bytes) -> _Module:
    found, block = _Module(), ""
    for line in lines_of(data):
        text, mark, comment = line.partition("//")
        words = [one or two or three for one, two, three in _WORD.findall(text)]
        if not words:
            continue
        if block:
            if words == [")"]:
                block = ""
            else:
                _take(found, block, words, f"{mark}{comment}")
        elif words[0] not in _DIRECTIVES:
            raise Unreadable(f"'{words[0][:20]}' is not a directive of go.mod")
        elif words[1:2] == ["("]:
            block = "" if words[-1] == ")" else words[0]
        else:
            _take(found, words[0], words[1:], f"{mark}{comment}")
    if block:
        raise Unreadable(f"the block of {block} has no end")
    return found


def _take(found: _Module, directive: str, words: list[str], comment: str) -> None:
    """Take one line of a directive."""
    check_count(found.required, found.replaced)
    match directive, words:
        case "require", [name, version]:
            found.required.append(Package(name, version, "", not _INDIRECT.match(comment)))
        case "require", _:
            raise Unreadable("a requirement has no version")
        case "replace", [name, "=>", *target]:
            found.replaced[name, ""] = target[1] if len(target) > 1 else ""
        case "replace", [name, version, "=>", *target]:
            found.replaced[name, version] = target[1] if len(target) > 1 else ""
