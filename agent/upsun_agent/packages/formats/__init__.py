"""The formats of lock files: a module for each family, and one table of the file names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from importlib import import_module

from msgspec import Struct

from upsun_agent.model.packages import Ecosystem
from upsun_agent.packages.records import Package
from upsun_agent.packages.source import Source

Reader = Callable[[Source], Iterator[Package]]
_REQUIREMENTS = re.compile(r"(?:.*/)?(?:[^/]*requirements[^/]*|requirements/[^/]+)\.txt", re.IGNORECASE)


class Format(Struct, frozen=True):
    """A format of lock files."""

    #: Its name.
    name: str
    #: The ecosystem of the packages.
    ecosystem: Ecosystem
    #: The module of this package that reads it, imported when it is needed.
    module: str
    #: The file beside it that tells which packages are direct; None if there is none, or the lock file tells itself.
    manifest: str | None = None
    #: The function of the module.
    function: str = "read"

    def read(self, source: Source) -> Iterator[Package]:
        """Yield the packages of a lock file; raise Unreadable, at any package, if it cannot be read."""
        reader: Reader = getattr(import_module(f"{__name__}.{self.module}"), self.function)
        return reader(source)


_NPM = Format("npm", Ecosystem.NPM, "npm", "package.json")
_BUNDLER = Format("bundler", Ecosystem.GEM, "bundler")
_GRADLE = Format("gradle", Ecosystem.MAVEN, "gradle")
_PIP = Format("pip", Ecosystem.PYPI, "requirements")
FORMATS: dict[str, Format] = {
    "composer.lock": Format("composer", Ecosystem.COMPOSER, "composer", "composer.json"),
    "package-lock.json": _NPM,
    "npm-shrinkwrap.json": _NPM,
    "yarn.lock": Format("yarn", Ecosystem.NPM, "yarn", "package.json"),
    "pnpm-lock.yaml": Format("pnpm", Ecosystem.NPM, "pnpm"),
    "bun.lock": Format("bun", Ecosystem.NPM, "bun"),
    "Pipfile.lock": Format("pipenv", Ecosystem.PYPI, "pipenv", "Pipfile"),
    "poetry.lock": Format("poetry", Ecosystem.PYPI, "python_toml", "pyproject.toml", "read_poetry"),
    "uv.lock": Format("uv", Ecosystem.PYPI, "python_toml", None, "read_uv"),
    "pdm.lock": Format("pdm", Ecosystem.PYPI, "python_toml", "pyproject.toml", "read_pdm"),
    "Gemfile.lock": _BUNDLER,
    "gems.locked": _BUNDLER,
    "go.mod": Format("go", Ecosystem.GOLANG, "golang", None, "read_mod"),
    "go.sum": Format("go-sum", Ecosystem.GOLANG, "golang", "go.mod", "read_sum"),
    "Cargo.lock": Format("cargo", Ecosystem.CARGO, "cargo"),
    "mix.lock": Format("mix", Ecosystem.HEX, "mix", "mix.exs"),
    "packages.lock.json": Format("nuget", Ecosystem.NUGET, "nuget"),
    "gradle.lockfile": _GRADLE,
    "buildscript-gradle.lockfile": _GRADLE,
    "pom.xml": Format("maven", Ecosystem.MAVEN, "maven"),
}


def format_of(path: str) -> Format | None:
    """Return the format of a file by its name; None if it is not a lock file."""
    found = FORMATS.get(path.rpartition("/")[2])
    return found or (_PIP if _REQUIREMENTS.fullmatch(path) else None)
