"""What Git says of files of a checkout, without running anything that the checkout or a variable names.

A repository's configuration names programs (``core.fsmonitor``, filters, hooks, transports), and so do variables such
as ``GIT_CONFIG_COUNT``. Git reads neither here: it gets a repository directory that is made for the question, with the
checkout's index and objects, and an environment of its own.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from msgspec import Struct
from upsun_agent.limits import GIT_FILE_MOST, GIT_PATIENCE

#: Keys that change what Git says of a file, and that can neither name a program nor make Git write.
HARMLESS = (
    "core.autocrlf",
    "core.eol",
    "core.excludesfile",
    "core.filemode",
    "core.ignorecase",
    "core.symlinks",
    "extensions.objectformat",
)
LINKS_MOST = 5  # a branch that names a branch, as in SYMREF_MAXDEPTH of Git
HASHES = (40, 64)  # hexadecimal digits of SHA-1 and SHA-256


class _Repository(Struct, frozen=True):
    """The places of a repository: its work tree, its own directory, and the one that work trees share."""

    #: The top directory of the working tree.
    tree: str
    #: The Git directory of this working tree.
    own: str
    #: The Git directory that all working trees share.
    common: str


class Git:
    """Questions about the files of one directory; the answer is empty where Git cannot say."""

    def __init__(self, directory: str, environ: Mapping[str, str]) -> None:
        """Look for the repository.

        Args:
            directory: the checkout, an absolute path without links.
            environ: the variables of the process; only PATH and the home are used.
        """
        self._directory = directory
        self._repository = _repository_of(directory)
        self._home = environ.get("HOME", "")
        self._configured = environ.get("XDG_CONFIG_HOME") or f"{self._home}/.config"
        self._path = trusted_path(environ.get("PATH", os.defpath), self._repository.tree if self._repository else "")

    def unsaved(self, paths: Sequence[str]) -> list[str]:
        """Return those of the files that have changes which are not committed."""
        words = ("--literal-pathspecs", "status", "--porcelain", "-z", "--no-renames", "--untracked-files=no")
        tree = self._repository.tree if self._repository else self._directory
        found = self._asked(*words, "--ignore-submodules=all", "--", *paths).split("\0")
        return [os.path.relpath(f"{tree}/{entry[3:]}", self._directory) for entry in found if entry]

    def ignored(self, paths: Sequence[str]) -> list[str]:
        """Return those of the files that Git ignores, so that a push would leave them out."""
        asked = "\0".join(f"./{path}" for path in paths).encode("utf-8", "surrogateescape")  # no name is a pattern
        found = self._asked("check-ignore", "-z", "--stdin", given=asked).split("\0")
        return [each.removeprefix("./") for each in found if each]

    def _asked(self, *words: str, given: bytes = b"") -> str:
        program = shutil.which("git", path=self._path) if self._path else None
        if self._repository is None or program is None:
            return ""
        try:
            with self._stand_in(program, self._repository) as variables:
                return _said([program, "-C", self._directory, *words], variables, given)
        except OSError:
            return ""

    @contextmanager
    def _stand_in(self, program: str, repository: _Repository) -> Iterator[dict[str, str]]:
        """Make a repository directory with the index and objects of the checkout; yield the variables that name it."""
        with tempfile.TemporaryDirectory(prefix="upsun-agent-git-") as own:
            for name in ("refs", "objects", "info"):
                os.mkdir(f"{own}/{name}")
            commit = _commit_of(repository)
            _write(f"{own}/HEAD", f"{commit}\n" if commit else "ref: refs/heads/none\n")
            for name in os.listdir(repository.own):
                if name.startswith("sharedindex."):
                    os.symlink(f"{repository.own}/{name}", f"{own}/{name}")
            _write(f"{own}/info/exclude", _text(f"{repository.common}/info/exclude") or "")
            variables = {
                "PATH": self._path,
                "HOME": own,
                "XDG_CONFIG_HOME": own,
                "LC_ALL": "C",
                "GIT_DIR": own,
                "GIT_WORK_TREE": repository.tree,
                "GIT_INDEX_FILE": f"{repository.own}/index",
                "GIT_OBJECT_DIRECTORY": f"{repository.common}/objects",
                "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_ATTR_NOSYSTEM": "1",
                "GIT_OPTIONAL_LOCKS": "0",
                "GIT_NO_REPLACE_OBJECTS": "1",
                "GIT_ALLOW_PROTOCOL": "",
            }
            found = self._settings(program, repository, variables)
            _write(f"{own}/config", _as_configuration(found))
            yield variables

    def _settings(self, program: str, repository: _Repository, variables: Mapping[str, str]) -> dict[str, str]:
        """Return the harmless keys of the user's and the repository's configuration; files that these name are left."""
        found = {"core.excludesfile": f"{self._configured}/git/ignore"}
        plain = {name: value for name, value in variables.items() if not name.startswith("GIT_")}
        for file in (f"{self._configured}/git/config", f"{self._home}/.gitconfig", f"{repository.common}/config"):
            if _text(file) is None:
                continue
            words = [program, "config", "--no-includes", "--null", "--file", file, "--list"]
            for entry in _said(words, {**plain, "GIT_DIR": variables["GIT_DIR"]}).split("\0"):
                key, _, value = entry.partition("\n")
                if key in HARMLESS:
                    found[key] = value
        excludes = found["core.excludesfile"]
        if excludes.startswith("~/"):
            found["core.excludesfile"] = f"{self._home}{excludes[1:]}"
        return found


def _repository_of(directory: str) -> _Repository | None:
    """Return the repository whose ``.git`` is nearest; a bare one in the tree is a directory like any other."""
    tree = directory
    while not os.path.lexists(f"{tree}/.git"):
        if os.path.dirname(tree) == tree:
            return None
        tree = os.path.dirname(tree)
    own = f"{tree}/.git"
    if not os.path.isdir(own):
        own = os.path.join(tree, (_text(own) or "").removeprefix("gitdir:").strip())
    shared = _text(f"{own}/commondir")
    common = os.path.join(own, shared.strip()) if shared else own
    known = os.path.isdir(f"{common}/objects") and not os.path.isdir(
        f"{common}/reftable"
    )  # whose branches are no files
    return _Repository(tree, own, common) if known else None


def _commit_of(repository: _Repository) -> str | None:
    """Return the commit that is checked out; None where there is none yet, or none that can be told from the files."""
    said = _text(f"{repository.own}/HEAD") or ""
    for _ in range(LINKS_MOST):
        said = said.strip()
        if not said.startswith("ref: refs/"):
            return said if len(said) in HASHES and not said.strip("0123456789abcdef") else None
        name = said.removeprefix("ref: ")
        said = _text(f"{repository.own}/{name}") or _text(f"{repository.common}/{name}") or ""
        if not said:
            packed = (_text(f"{repository.common}/packed-refs") or "").splitlines()
            said = next((line.partition(" ")[0] for line in packed if line.endswith(f" {name}")), "")
    return None


def trusted_path(path: str, tree: str) -> str:
    """Return the places of a search path at which Git may be: none that is relative, and none of the checkout's."""
    places = [place for place in path.split(os.pathsep) if os.path.isabs(place)]
    inside = f"{os.path.realpath(tree)}/" if tree else ""
    return os.pathsep.join(
        place for place in places if not tree or not f"{os.path.realpath(place)}/".startswith(inside)
    )


def _as_configuration(settings: Mapping[str, str]) -> str:
    lines = ["[core]", "bare = false", "fsmonitor = false", "untrackedCache = false"]
    for key, value in settings.items():
        if value and not any(char < " " for char in value):
            section, _, name = key.partition(".")
            quoted = value.replace("\\", "\\\\").replace('"', '\\"')
            lines += [f"[{section}]", f'{name} = "{quoted}"']
    version = int("extensions.objectformat" in settings)
    return "\n".join([*lines, "[core]", f"repositoryFormatVersion = {version}", ""])


def _said(command: Sequence[str], variables: Mapping[str, str], given: bytes = b"") -> str:
    """Run Git in a directory that is not the checkout; return what it printed, nothing where it failed."""
    try:
        done = subprocess.run(
            command, capture_output=True, check=False, timeout=GIT_PATIENCE, env=variables, input=given, cwd="/"
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", "surrogateescape") if done.returncode == 0 else ""


def _text(path: str) -> str | None:
    """Return the text of a regular file within bounds, or None; a pipe in its place is not waited for."""
    with suppress(OSError, ValueError):
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(handle, "rb") as file:
            if stat.S_ISREG(os.fstat(handle).st_mode):
                data = file.read(GIT_FILE_MOST + 1)
                return data.decode("utf-8", "surrogateescape") if len(data) <= GIT_FILE_MOST else None
    return None


def _write(path: str, text: str) -> None:
    with open(path, "x", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
