"""poetry.lock, uv.lock and pdm.lock: TOML with a ``[[package]]`` for each version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from upsun_agent.packages.manifest import pyproject, python_name
from upsun_agent.packages.records import Package, Unreadable
from upsun_agent.packages.source import Source, TomlLock, check_count, commit_in, table_in, text_in

_POETRY_KNOWN = frozenset({"1", "2"})
_PDM_KNOWN = frozenset({"4"})
_UV_KNOWN = 1
#: Where uv says that a package is a folder of the project.
_UV_LOCAL = frozenset({"virtual", "editable", "directory"})


def read_poetry(source: Source) -> Iterator[Package]:
    """Yield the packages of poetry.lock (https://python-poetry.org/docs/basic-usage/#installing-with-poetrylock)."""
    direct = pyproject(source)
    lock = TomlLock(source.data)
    for each in lock.packages():
        place = table_in(each, "source")
        if place.get("type") in {"directory", "file"}:
            continue
        commit = commit_in(str(place.get("resolved_reference", "")))
        yield _package(each, commit, direct)
    lock.check_format("lock-version", _POETRY_KNOWN)


def read_pdm(source: Source) -> Iterator[Package]:
    """Yield the packages of pdm.lock (https://pdm-project.org/latest/usage/lockfile/)."""
    direct = pyproject(source)
    lock = TomlLock(source.data)
    for each in lock.packages():
        if "path" not in each:
            yield _package(each, commit_in(str(each.get("revision", ""))), direct)
    lock.check_format("lock_version", _PDM_KNOWN)


def read_uv(source: Source) -> Iterator[Package]:
    """Yield the packages of uv.lock (https://docs.astral.sh/uv/concepts/projects/layout/#the-lockfile)."""
    lock = TomlLock(source.data)
    if lock.head.get("version") != _UV_KNOWN:
        raise Unreadable(f"version {str(lock.head.get('version'))[:20]} of the format is not known")
    direct: set[str] = set()
    found: list[Package] = []
    for each in lock.packages():
        place = table_in(each, "source")
        if _UV_LOCAL & place.keys():
            direct.update(_uv_required(each))
        else:
            found.append(_package(each, commit_in(str(place.get("git", ""))), None))
            check_count(found)
    for package in found:
        yield Package(package.name, package.version, package.revision, package.name in direct)


def _uv_required(package: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names that a package of the project requires, with its extras and groups."""
    optional, groups = table_in(package, "optional-dependencies"), table_in(package, "dev-dependencies")
    for names in (package.get("dependencies"), *optional.values(), *groups.values()):
        for each in names if isinstance(names, list) else ():
            if isinstance(each, dict) and isinstance(each.get("name"), str):
                yield python_name(each["name"])


def _package(found: Mapping[str, Any], commit: str, direct: frozenset[str] | None) -> Package:
    name = python_name(text_in(found, "name"))
    version = found.get("version", "")
    if not isinstance(version, str) or not (version or commit):
        version = text_in(found, "version") if not commit else ""
    return Package(name, version, commit, None if direct is None else name in direct)
