"""package-lock.json and npm-shrinkwrap.json (https://docs.npmjs.com/cli/configuring-npm/package-lock-json)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Raw, Struct

from upsun_agent.packages.manifest import PackageJson, package_json
from upsun_agent.packages.records import Package, Unreadable
from upsun_agent.packages.source import Source, check_keys, commit_in, json_of

FOLDER = "node_modules/"
_NEWEST = 3


class _Entry(Struct):
    #: The name, if the folder does not have it: an alias, or a workspace.
    name: str | None = None
    #: The version; None for a link.
    version: str | None = None
    #: Where it comes from.
    resolved: Raw = Raw()
    #: Whether it is a link to a folder of the project.
    link: bool = False
    #: What the root and workspaces need.
    dependencies: Raw = Raw()


class _Nested(Struct):
    #: The version, or an address with a commit, or an alias.
    version: str
    #: The packages in its own ``node_modules``.
    dependencies: dict[str, _Nested] = {}


class _Lock(Struct, rename="camel"):
    #: The version of the format; npm 4 and older wrote none.
    lockfile_version: int = 1
    #: Versions 2 and 3: each package by its folder; the project itself has the folder "".
    packages: dict[str, Raw] | None = None
    #: Version 1: each package by its name. Version 2 has it for npm 6.
    dependencies: Raw = Raw()


def read(source: Source) -> Iterator[Package]:
    """Yield the packages, each version once for every folder that holds it."""
    check_keys(source.data)
    lock = json_of(source.data, _Lock)
    if not 1 <= lock.lockfile_version <= _NEWEST:
        raise Unreadable(f"lockfileVersion {lock.lockfile_version} is not known")
    if lock.packages is not None:
        yield from _by_folder(lock.packages)
        return
    if lock.lockfile_version > 1:
        raise Unreadable("it has no packages")
    ranges = package_json(source)
    nested = json_of(lock.dependencies, dict[str, _Nested]) if bytes(lock.dependencies) else {}
    yield from _by_name(nested, None if ranges is None else frozenset(ranges))


def _by_folder(packages: Mapping[str, Raw]) -> Iterator[Package]:
    """Yield the packages of versions 2 and 3."""
    required = {
        (folder, name)
        for folder, raw in packages.items()
        if FOLDER not in f"{folder}/"
        for name in json_of(raw, PackageJson).ranges
    }
    roots = {folder for folder, _ in required}
    for folder, raw in packages.items():
        above, found, name = folder.rpartition(FOLDER)
        if not found:
            continue
        entry = json_of(raw, _Entry)
        if entry.link or entry.version is None:
            continue
        owner = above.removesuffix("/")
        direct = (owner, name) in required or (not owner and any((root, name) in required for root in roots))
        yield Package(entry.name or name, entry.version, _commit(entry.resolved), direct)


def _commit(resolved: Raw) -> str:
    """Return the commit of an address of git; empty for an archive of the registry."""
    text = bytes(resolved)
    return commit_in(text.decode(errors="replace")) if text.startswith(b'"git') else ""


def _by_name(dependencies: Mapping[str, _Nested], direct: frozenset[str] | None) -> Iterator[Package]:
    """Yield the packages of version 1; those in the folder of another package are not direct."""
    waiting = [(dependencies, direct)]
    while waiting:
        level, required = waiting.pop()
        for name, entry in level.items():
            is_direct = None if required is None else name in required
            yield from _of_version(name, entry.version, direct=is_direct)
            if entry.dependencies:
                waiting.append((entry.dependencies, None if required is None else frozenset()))


def _of_version(name: str, version: str, *, direct: bool | None) -> Iterator[Package]:
    """Yield the package of an entry, unless it is a folder of the project."""
    if version.startswith("npm:"):
        name, _, version = version.removeprefix("npm:").rpartition("@")
    if version.startswith(("file:", "link:")):
        return
    commit = commit_in(version)
    yield Package(name, "" if commit else version, commit, direct)
