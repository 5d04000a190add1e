"""The names that a project itself requires, read from the manifest beside its lock file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from msgspec import Struct

from upsun_agent.packages.records import Unreadable
from upsun_agent.packages.source import Source, json_of, manifest_of, table_in, toml_of

T = TypeVar("T")
_SEPARATORS = re.compile(r"[-_.]+")
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)")
_MIX = re.compile(r"\{\s*:([a-z_][a-z0-9_]*)\s*,")


class _ComposerJson(Struct, rename="kebab"):
    #: The packages that the project needs, by their names; PHP writes an empty object as a list.
    require: dict[str, str] | list[str] = {}
    #: Those that only its development needs.
    require_dev: dict[str, str] | list[str] = {}


class PackageJson(Struct, rename="camel"):
    """The packages that a package.json requires, each with its range."""

    #: The packages that the project needs.
    dependencies: dict[str, str] = {}
    #: Those that only its development needs.
    dev_dependencies: dict[str, str] = {}
    #: Those that it can do without.
    optional_dependencies: dict[str, str] = {}

    @property
    def ranges(self) -> dict[str, str]:
        """Return all of them."""
        return {**self.optional_dependencies, **self.dev_dependencies, **self.dependencies}


def python_name(name: str) -> str:
    """Return the name of a Python package as all its spellings are compared."""
    return _SEPARATORS.sub("-", name).lower()


def composer_json(source: Source) -> frozenset[str] | None:
    """Return the names in a composer.json; None without one."""
    found = _read(source, "composer.json", lambda data: json_of(data, _ComposerJson))
    return None if found is None else frozenset(name.lower() for name in (*found.require, *found.require_dev))


def package_json(source: Source) -> dict[str, str] | None:
    """Return the names in a package.json with their ranges; None without one."""
    found = _read(source, "package.json", lambda data: json_of(data, PackageJson))
    return None if found is None else found.ranges


def pyproject(source: Source) -> frozenset[str] | None:
    """Return the names in a pyproject.toml, by the standard and by what poetry and pdm add; None without one."""
    found = _read(source, "pyproject.toml", toml_of)
    return None if found is None else frozenset(python_name(name) for name in _of_pyproject(found))


def pipfile(source: Source) -> frozenset[str] | None:
    """Return the names in a Pipfile; None without one."""
    found = _read(source, "Pipfile", toml_of)
    if found is None:
        return None
    tables = (table for key, table in found.items() if key not in {"requires", "scripts", "pipenv"})
    return frozenset(python_name(name) for table in tables if isinstance(table, dict) for name in table)


def mix_exs(source: Source) -> frozenset[str] | None:
    """Return the names that stand first in the tuples of a mix.exs, packages among them; None without one."""
    return _read(source, "mix.exs", lambda data: frozenset(_MIX.findall(data.decode(errors="replace"))))


def _read(source: Source, name: str, reader: Callable[[bytes], T]) -> T | None:
    """Return what the reader makes of the manifest; None without one, or with a note if it cannot be read."""
    try:
        data = manifest_of(source)
        return None if data is None else reader(data)
    except Unreadable as error:
        source.notes.append(f"{name} cannot be read, so it is unknown which packages are direct: {error}")
        return None


def _of_pyproject(found: Mapping[str, Any]) -> Iterator[str]:
    project, tool = table_in(found, "project"), table_in(found, "tool")
    poetry = table_in(tool, "poetry")
    yield from _requirements(project.get("dependencies"))
    for extra in table_in(project, "optional-dependencies").values():
        yield from _requirements(extra)
    for group in (
        *table_in(found, "dependency-groups").values(),
        *table_in(table_in(tool, "pdm"), "dev-dependencies").values(),
    ):
        yield from _requirements(group)
    yield from table_in(poetry, "dependencies")
    yield from table_in(poetry, "dev-dependencies")
    for group in table_in(poetry, "group").values():
        yield from table_in(group if isinstance(group, dict) else {}, "dependencies")


def _requirements(found: Any) -> Iterator[str]:
    """Yield the names of a list of requirements."""
    texts: Iterable[Any] = found if isinstance(found, list) else ()
    for text in texts:
        name = _REQUIREMENT.match(text) if isinstance(text, str) else None
        if name:
            yield name[1]
