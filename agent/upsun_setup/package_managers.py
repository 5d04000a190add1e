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


def _tool(tool: str, package: str = "") -> tuple[str, str]:
    return TOOL.format(tool=tool, package=package or tool), f'PATH="$PATH:/tmp/{tool}/bin"'


def managers(read: Callable[[str], str | None]) -> list[Manager]:
    """Return the package managers whose lock files are there; ``read`` gives the text of a file in the app's folder."""
    has = {name for name in LOCKS if read(name) is not None}
    found: list[Manager] = []
    if "composer.lock" in has:
        found.append(
            Manager("composer", ("composer update --no-interaction --no-progress",), ("composer.lock",), ("php",))
        )
    found += _node(has, read)
    found += _python(has, read)
    if "Gemfile.lock" in has:
        found.append(Manager("bundler", ("bundle lock --update",), ("Gemfile.lock",), ("ruby",)))
    if "go.mod" in has:
        commit = ("go.mod", *(["go.sum"] if "go.sum" in has else []))
        found.append(Manager("go modules", ("go get -u ./...", "go mod tidy"), commit, ("golang",)))
    if "Cargo.lock" in has:
        found.append(Manager("cargo", ("cargo update",), ("Cargo.lock",), ("rust",)))
    if "mix.lock" in has:
        found.append(Manager("mix", ("mix local.hex --force", "mix deps.update --all"), ("mix.lock",), ("elixir",)))
    if "packages.lock.json" in has:
        found.append(Manager("dotnet", ("dotnet restore --force-evaluate",), ("packages.lock.json",), ("dotnet",)))
    if "gradle.lockfile" in has:
        found.append(Manager("gradle", ("./gradlew dependencies --write-locks",), ("gradle.lockfile",), ("java",)))
    if "pom.xml" in has:
        update = "mvn -B -q versions:use-latest-releases -DallowMajorUpdates=false -DgenerateBackupPoms=false"
        found.append(Manager("maven", (update,), ("pom.xml",), ("java",)))
    return found


def _node(has: set[str], read: Callable[[str], str | None]) -> list[Manager]:
    if "pnpm-lock.yaml" in has:
        commit = ("package.json", "pnpm-lock.yaml")
        return [Manager("pnpm", ("pnpm update --lockfile-only --ignore-scripts",), commit, ("nodejs",))]
    if "yarn.lock" in has:
        if ".yarnrc.yml" in has or "__metadata:" in (read("yarn.lock") or ""):
            offline = tuple(name for name in (".pnp.cjs", ".yarn/cache") if name in has)
            return [Manager("yarn (berry)", ("yarn up -R '**'",), ("yarn.lock", *offline), ("nodejs",))]
        return [Manager("yarn", ("yarn upgrade --ignore-scripts --no-progress",), ("yarn.lock",), ("nodejs",))]
    for lock in ("bun.lock", "bun.lockb"):
        if lock in has:
            return [Manager("bun", ("bun update --ignore-scripts",), ("package.json", lock), ("bun", "nodejs"))]
    for lock in ("package-lock.json", "npm-shrinkwrap.json"):
        if lock in has:
            return [Manager("npm", ("npm update --package-lock-only --ignore-scripts",), (lock,), ("nodejs",))]
    return []


def _python(has: set[str], read: Callable[[str], str | None]) -> list[Manager]:
    for lock, name, command in (
        ("uv.lock", "uv", "uv lock --upgrade"),
        ("poetry.lock", "poetry", "poetry update --lock --no-interaction"),
        ("pdm.lock", "pdm", "pdm update --no-sync"),
        ("Pipfile.lock", "pipenv", "pipenv lock"),
    ):
        if lock in has:
            return [Manager(name, (*_tool(name), command), (lock,), ("python",))]
    if "requirements.in" in has and "requirements.txt" in has:
        hashes = " --generate-hashes" if "--hash=sha256:" in (read("requirements.txt") or "") else ""
        command = f"pip-compile --quiet --upgrade{hashes} --output-file requirements.txt requirements.in"
        return [Manager("pip-tools", (*_tool("pip-compile", "pip-tools"), command), ("requirements.txt",), ("python",))]
    if "requirements.txt" in has and PINNED.search(read("requirements.txt") or ""):
        return [Manager("pip", (*_tool("pur"), "pur -r requirements.txt"), ("requirements.txt",), ("python",))]
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
