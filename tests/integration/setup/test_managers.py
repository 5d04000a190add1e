"""Source operations that init proposes, run by dash in a real Git checkout: news are committed, no news end well."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from upsun_setup.package_managers import LOCKS, Folder, Manager, managers, operation

from tests.harness.init_command import commit, git

SHELL = shutil.which("dash") or "/bin/sh"
#: The manager's name, the files that show it, and the tool that is called.
FOUND: dict[str, tuple[str, dict[str, str], str]] = {
    "composer": ("composer", {"composer.lock": "{}"}, "composer"),
    "npm": ("npm", {"package-lock.json": "{}"}, "npm"),
    "npm, shrinkwrapped": ("npm", {"npm-shrinkwrap.json": "{}"}, "npm"),
    "yarn 1": ("yarn", {"yarn.lock": "# yarn lockfile v1\n"}, "yarn"),
    "yarn berry": ("yarn (berry)", {"yarn.lock": "__metadata:\n  version: 8\n"}, "yarn"),
    "yarn berry, with a cache": (
        "yarn (berry)",
        {"yarn.lock": "", ".yarnrc.yml": "", ".pnp.cjs": "", ".yarn/cache/a.zip": ""},
        "yarn",
    ),
    "pnpm": ("pnpm", {"pnpm-lock.yaml": "", "package.json": "{}"}, "pnpm"),
    "bun": ("bun", {"bun.lock": "{}", "package.json": "{}"}, "bun"),
    "bun, binary": ("bun", {"bun.lockb": "", "package.json": "{}"}, "bun"),
    "uv": ("uv", {"uv.lock": ""}, "uv"),
    "poetry": ("poetry", {"poetry.lock": ""}, "poetry"),
    "pdm": ("pdm", {"pdm.lock": ""}, "pdm"),
    "pipenv": ("pipenv", {"Pipfile.lock": "{}"}, "pipenv"),
    "pip-tools": ("pip-tools", {"requirements.txt": "flask==3.0.0", "requirements.in": "flask"}, "pip-compile"),
    "pip": ("pip", {"requirements.txt": "flask==3.0.0"}, "pur"),
    "bundler": ("bundler", {"Gemfile.lock": ""}, "bundle"),
    "go": ("go modules", {"go.mod": "module x", "go.sum": ""}, "go"),
    "go without sums": ("go modules", {"go.mod": "module x"}, "go"),
    "cargo": ("cargo", {"Cargo.lock": ""}, "cargo"),
    "mix": ("mix", {"mix.lock": ""}, "mix"),
    "dotnet": ("dotnet", {"packages.lock.json": "{}"}, "dotnet"),
    "gradle": ("gradle", {"gradle.lockfile": ""}, "./gradlew"),
    "maven": ("maven", {"pom.xml": "<project/>"}, "mvn"),
}
BOTH = {"composer.lock": "{}", "package-lock.json": "{}"}


def lay_out(place: Path, files: dict[str, str], folder: str = "") -> None:
    for name, text in {"README": "", **files}.items():
        (place / folder / name).parent.mkdir(parents=True, exist_ok=True)
        (place / folder / name).write_text(text)
    git(place, "init", "-q", "-b", "main")
    git(place, "config", "user.name", "A")
    git(place, "config", "user.email", "a@example.invalid")
    commit(place)


def tool(place: Path, name: str, body: str) -> None:
    """A stand-in for a package manager: what it would do to its lock files, in shell."""
    file = place / name if name.startswith("./") else place.parent / "bin" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\nset -e\n{body}\n")
    file.chmod(0o755)


def run(place: Path, command: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": f"{place.parent / 'bin'}:{os.environ['PATH']}",
        "HOME": str(place.parent),
        "PLATFORM_SOURCE_DIR": str(place),
    }
    return subprocess.run(
        [SHELL, "-c", command], cwd=place, env=environment, capture_output=True, text=True, check=False
    )


def commits(place: Path) -> int:
    return len(git(place, "log", "--oneline").splitlines())


def of(files: dict[str, str]) -> list[Manager]:
    def has(name: str) -> bool:
        return any(f"{file}/".startswith(f"{name}/") for file in files)

    found, unreadable = managers(Folder(has, files.get))
    assert unreadable == []
    return found


def found_in(files: dict[str, str]) -> list[str]:
    return [each.name for each in of(files)]


@pytest.mark.parametrize("what", FOUND)
def test_the_operation_commits_what_is_new_and_ends_well_where_nothing_is(tmp_path: Path, what: str) -> None:
    name, files, program = FOUND[what]
    assert found_in(files) == [name]
    command = operation(of(files), "")
    place = tmp_path / "checkout"
    lay_out(place, files)
    tool(place, program, "exit 0")
    if program.startswith("./"):
        commit(place)
    done = run(place, command)
    assert (done.returncode, done.stderr) == (0, "")
    assert commits(place) == 1 + program.startswith("./")
    lock = next(file for file in files if file in command)
    tool(place, program, f"echo news >>{lock}\necho junk >untracked")
    if program.startswith("./"):
        git(place, "update-index", "--assume-unchanged", "gradlew")
    before = commits(place)
    done = run(place, command)
    assert done.returncode == 0, done.stderr
    assert commits(place) == before + 1
    assert git(place, "show", "--name-only", "--format=%s").split("\n")[:3:2] == ["Update dependencies", lock]


def test_a_tool_that_fails_fails_the_operation(tmp_path: Path) -> None:
    place = tmp_path / "checkout"
    lay_out(place, BOTH)
    tool(place, "composer", "exit 0")
    tool(place, "npm", "echo more >>package-lock.json; exit 3")
    assert run(place, operation(of(BOTH), "")).returncode == 3
    assert commits(place) == 1


def test_several_managers_make_one_commit_in_the_apps_own_folder(tmp_path: Path) -> None:
    place = tmp_path / "checkout"
    lay_out(place, BOTH, "apps/my shop")
    for name, lock in (("composer", "composer.lock"), ("npm", "package-lock.json")):
        tool(place, name, f"echo news >>{lock}")
    done = run(place, operation(of(BOTH), "apps/my shop"))
    assert done.returncode == 0, done.stderr
    assert commits(place) == 2
    assert git(place, "status", "--porcelain") == ""


def test_what_locks_nothing_is_no_manager() -> None:
    assert found_in({}) == []
    assert found_in({"requirements.txt": "flask>=3\ngunicorn\n"}) == []
    assert found_in({"requirements.in": "flask"}) == []


def test_every_file_that_is_looked_for_shows_something() -> None:
    shown = {name for _, files, _ in FOUND.values() for name in files} | {".yarn/cache"}
    assert set(LOCKS) <= shown
