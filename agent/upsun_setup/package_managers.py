"""Package managers by the files that they leave, and the commands that update what these files lock.

Every operation exits 0 when there is nothing to commit
(https://developer.upsun.com/docs/learn/tutorials/dependency-updates): the platform
counts a failing commit as a failed operation.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable

from msgspec import Struct

from upsun_setup.image import Image

#: A tool of Node that its image does not have: the shims of Corepack take the version that package.json names.
SHIM = (
    "command -v {tool} >/dev/null || "
    "{{ mkdir -p /tmp/{tool}/bin && npx --yes corepack enable --install-directory /tmp/{tool}/bin {tool}; }}"
)
#: A tool that the image may not have: made in a virtual environment of its own, outside the checkout.
TOOL = "command -v {tool} >/dev/null || {{ python3 -m venv /tmp/{tool} && /tmp/{tool}/bin/pip install -q {package}; }}"
PINNED = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*+(?:\[[^\]\n]*+\])?+[^\S\n]*+==", re.MULTILINE)


class Manager(Struct, frozen=True):
    """A package manager of an app: its name, what updates, what to commit, and the runtimes that have it."""

    #: The name of the package manager.
    name: str
    #: The commands that update the packages.
    commands: tuple[str, ...]
    #: The files that the update commits.
    commit: tuple[str, ...]
    #: The runtimes of which one must be there.
    runtimes: tuple[str, ...]
    #: The file that shows it.
    lock: str
    #: Packages that bring it to an image of another runtime.
    packages: tuple[str, ...] = ()

    def is_in(self, image: Image) -> bool:
        """Return whether the image has the tool, as far as that is known; every single-runtime image has npm."""
        if image.unknown or not (image.composable or image.runtimes):
            return True
        if set(self.runtimes) & set(image.runtimes) or set(self.packages or (self.name,)) & image.tools:
            return True
        return self.name == "npm" and not image.composable


def _tool(tool: str, package: str = "") -> tuple[str, str]:
    return TOOL.format(tool=tool, package=package or tool), f'PATH="$PATH:/tmp/{tool}/bin"'


class Unreadable(Exception):
    """A file whose text decides how to update cannot be read as text; its name is the argument."""


class Folder:
    """The files of an app's folder, looked at and never edited: no size and no content makes ``init`` refuse them."""

    def __init__(self, has: Callable[[str], bool], peek: Callable[[str], str | None]) -> None:
        """Take the questions.

        Args:
            has: whether there is a file or folder of that name.
            peek: the beginning of a file; None if it is not text.
        """
        self.has = {name for name in LOCKS if has(name)}
        self._peek = peek

    def text(self, name: str) -> str:
        """Return the beginning of a file; raise Unreadable if it is not text."""
        found = self._peek(name)
        if found is None:
            raise Unreadable(name)
        return found


def managers(folder: Folder) -> tuple[list[Manager], list[str]]:
    """Return the package managers whose lock files are there, and the files that would show one but are not text."""
    found: list[Manager] = []
    unreadable: list[str] = []
    for kind in (_php, _node, _python, _others):
        try:
            found += kind(folder)
        except Unreadable as error:
            unreadable.append(str(error))
    return found, unreadable


def _php(folder: Folder) -> list[Manager]:
    if "composer.lock" not in folder.has:
        return []
    update = "composer update --no-interaction --no-progress"
    return [Manager("composer", (update,), ("composer.lock",), ("php",), "composer.lock", ("composer/composer",))]


def _others(folder: Folder) -> list[Manager]:
    has = folder.has
    found: list[Manager] = []
    update: tuple[str, ...]
    if "Gemfile.lock" in has:
        found.append(Manager("bundler", ("bundle lock --update",), ("Gemfile.lock",), ("ruby",), "Gemfile.lock"))
    if "go.mod" in has:
        commit = ("go.mod", *(["go.sum"] if "go.sum" in has else []))
        update = ("go get -u ./...", "go mod tidy")
        found.append(Manager("go modules", update, commit, ("golang",), "go.mod", ("go",)))
    if "Cargo.lock" in has:
        found.append(Manager("cargo", ("cargo update",), ("Cargo.lock",), ("rust",), "Cargo.lock"))
    if "mix.lock" in has:
        update = ("mix local.hex --force", "mix deps.update --all")
        found.append(Manager("mix", update, ("mix.lock",), ("elixir",), "mix.lock", ("elixir",)))
    if "packages.lock.json" in has:
        lock = "packages.lock.json"
        update = ("dotnet restore --force-evaluate",)
        found.append(Manager("dotnet", update, (lock,), ("dotnet",), lock, ("dotnet-sdk",)))
    if "gradle.lockfile" in has:
        lock = "gradle.lockfile"
        found.append(Manager("gradle", ("./gradlew dependencies --write-locks",), (lock,), ("java",), lock))
    if "pom.xml" in has:
        update = ("mvn -B -q versions:use-latest-releases -DallowMajorUpdates=false -DgenerateBackupPoms=false",)
        found.append(Manager("maven", update, ("pom.xml",), ("java",), "pom.xml"))
    return found


def _shim(tool: str) -> tuple[str, str]:
    return SHIM.format(tool=tool), f'PATH="$PATH:/tmp/{tool}/bin"'


def _node(folder: Folder) -> list[Manager]:
    has = folder.has
    update: tuple[str, ...]
    if "pnpm-lock.yaml" in has:
        lock = "pnpm-lock.yaml"
        update = (*_shim("pnpm"), "pnpm update --lockfile-only --ignore-scripts")
        return [Manager("pnpm", update, ("package.json", lock), ("nodejs",), lock)]
    if "yarn.lock" in has:
        if ".yarnrc.yml" in has or "__metadata:" in folder.text("yarn.lock"):
            offline = tuple(name for name in (".pnp.cjs", ".yarn/cache") if name in has)
            update = (*_shim("yarn"), "yarn up -R '**'")
            return [Manager("yarn (berry)", update, ("yarn.lock", *offline), ("nodejs",), "yarn.lock", ("yarn",))]
        update = (*_shim("yarn"), "yarn upgrade --ignore-scripts --no-progress")
        return [Manager("yarn", update, ("yarn.lock",), ("nodejs",), "yarn.lock")]
    for lock in ("bun.lock", "bun.lockb"):
        if lock in has:
            update = ("bun update --ignore-scripts",)
            return [Manager("bun", update, ("package.json", lock), ("bun", "nodejs"), lock)]
    for lock in ("package-lock.json", "npm-shrinkwrap.json"):
        if lock in has:
            update = ("npm update --package-lock-only --ignore-scripts",)
            return [Manager("npm", update, (lock,), ("nodejs",), lock)]
    return []


def _python(folder: Folder) -> list[Manager]:
    has = folder.has
    for lock, name, command in (
        ("uv.lock", "uv", "uv lock --upgrade"),
        ("poetry.lock", "poetry", "poetry update --lock --no-interaction"),
        ("pdm.lock", "pdm", "pdm update --no-sync"),
        ("Pipfile.lock", "pipenv", "pipenv lock"),
    ):
        if lock in has:
            return [Manager(name, (*_tool(name), command), (lock,), ("python",), lock)]
    lock = "requirements.txt"
    if lock in has and "requirements.in" in has:
        hashes = " --generate-hashes" if "--hash=sha256:" in folder.text(lock) else ""
        command = f"pip-compile --quiet --upgrade{hashes} --output-file requirements.txt requirements.in"
        return [Manager("pip-tools", (*_tool("pip-compile", "pip-tools"), command), (lock,), ("python",), lock)]
    if lock in has and PINNED.search(folder.text(lock)):
        return [Manager("pip", (*_tool("pur"), f"pur -r {lock}"), (lock,), ("python",), lock, ("pur",))]
    return []


#: Every file that says something about a package manager.
LOCKS = (
    "composer.lock",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "yarn.lock",
    ".yarnrc.yml",
    ".pnp.cjs",
    ".yarn/cache",
    "pnpm-lock.yaml",
    "bun.lock",
    "bun.lockb",
    "uv.lock",
    "poetry.lock",
    "pdm.lock",
    "Pipfile.lock",
    "requirements.in",
    "requirements.txt",
    "Gemfile.lock",
    "go.mod",
    "go.sum",
    "Cargo.lock",
    "mix.lock",
    "packages.lock.json",
    "gradle.lockfile",
    "pom.xml",
)


def operation(found: list[Manager], root: str) -> str:
    """Return the command of a source operation that updates everything, in one commit, and exits 0 when nothing is new.

    Args:
        found: the package managers.
        root: the app's folder in the checkout, ``""`` for the top.
    """
    lines = ["set -e"]
    if root:
        lines.append(f'cd "$PLATFORM_SOURCE_DIR"/{shlex.quote(root)}')
    for manager in found:
        lines += manager.commands
    files = " ".join(dict.fromkeys(name for manager in found for name in manager.commit))
    lines += [f"git add {files}", 'git diff --cached --quiet || git commit -m "Update dependencies"']
    return "\n".join(lines) + "\n"
