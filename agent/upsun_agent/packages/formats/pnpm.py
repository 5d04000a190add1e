"""pnpm-lock.yaml, versions 5, 6 and 9 (https://github.com/pnpm/spec/tree/master/lockfile)."""

from __future__ import annotations

from collections.abc import Iterator

from upsun_agent.packages.formats.block_yaml import Path, mappings
from upsun_agent.packages.records import Package, Unreadable
from upsun_agent.packages.source import Source, check_count, commit_in, lines_of

_KNOWN = frozenset({"5", "6", "9"})
_REQUIRED = frozenset({"dependencies", "devDependencies", "optionalDependencies"})
_BLOCK, _PROPERTY = 2, 3  # how deep a package and its properties are


def read(source: Source) -> Iterator[Package]:
    """Yield the packages."""
    reader = _Reader()
    for path, value in mappings(lines_of(source.data)):
        yield from reader.take(path, value)
    yield from reader.package()
    if not reader.known:
        raise Unreadable("it has no lockfileVersion")


class _Reader:
    """What was read so far: the version of the format, what the project requires, and one package."""

    def __init__(self) -> None:
        self.known = ""
        self._required: set[tuple[str, str]] = set()
        self._key = ""
        self._properties: dict[str, str] = {}

    def take(self, path: Path, value: str) -> Iterator[Package]:
        """Take one key; yield the package that ends with it."""
        if path == ("lockfileVersion",):
            self.known = value.partition(".")[0]
            if self.known not in _KNOWN:
                raise Unreadable(f"lockfileVersion {value[:20]} is not known")
        if path[0] != "packages":
            yield from self.package()
            self._require(path[2:] if path[0] == "importers" else path, value)
        elif len(path) == _BLOCK:
            yield from self.package()
            self._key = path[1]
        elif len(path) == _PROPERTY and path[2] in {"name", "version"}:
            self._properties[path[2]] = value

    def package(self) -> Iterator[Package]:
        """Yield the package that was read, unless it is a folder of the project, and forget it."""
        key, properties = self._key, self._properties
        self._key, self._properties = "", {}
        if not key or "file:" in key or "link:" in key:
            return
        if not self.known:
            raise Unreadable("it has no lockfileVersion before its packages")
        name, version = self._split(key)
        commit = "" if version[:1].isdigit() and not commit_in(version) else commit_in(key)
        known = (properties.get("name", name), properties.get("version", "" if commit else version))
        is_direct = (name, version) in self._required or known in self._required
        yield Package(*known, commit, is_direct)

    def _require(self, path: Path, value: str) -> None:
        """Note what the project requires: ``name: version``, or ``version`` below the name since version 6."""
        if not path or path[0] not in _REQUIRED or not value:
            return
        if path[1:] and path[2:] in {(), ("version",)}:
            check_count(self._required)
            self._required.add(self._reference(path[1], value))

    def _reference(self, name: str, value: str) -> tuple[str, str]:
        """Return name and version of what a name stands for: a version, or the key of a package."""
        if self.known == "5":
            is_key = value.startswith("/") or value.count("/") > 1
            return self._split(value) if is_key else (name, value.partition("_")[0])
        version = value.partition("(")[0]
        is_key = version.startswith("/") or ("@" in version[1:] and "://" not in version)
        return self._split(version) if is_key else (name, version)

    def _split(self, key: str) -> tuple[str, str]:
        """Return name and version of the key of a package, without what stands for its peers."""
        key = key.removeprefix("/")
        if self.known == "5":
            name, _, version = key.rpartition("/")
            host, _, rest = name.partition("/")
            return (rest if "." in host and rest else name), version.partition("_")[0]
        key = key.partition("(")[0]
        at = key.find("@", 1)
        return (key[:at], key[at + 1 :]) if at > 0 else (key, "")
