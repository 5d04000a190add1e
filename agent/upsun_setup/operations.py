"""Source operations: those of the app that update, and the one that is proposed. Pure but for looking at files."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from msgspec import Struct
from upsun_agent.platform.shell_text import code, code_lines, commands

from upsun_setup.app import App
from upsun_setup.hook import is_strict
from upsun_setup.image import Image
from upsun_setup.package_managers import Folder, Manager, managers
from upsun_setup.project import Project

#: Names that speak of an update, the plainest first.
_NAMES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (r"^(auto-?)?updates?$", r"dependenc|deps\b|packages|composer|npm", r"update|upgrade|bump")
)
_LOOKS_FIRST = re.compile(r"git (?:diff|status)|\|\||--allow-empty")
_SHELLS = frozenset({"sh", "bash", "dash", "zsh", ".", "source", "php", "python", "python3", "node", "perl", "ruby"})
_FETCHES = re.compile(r"\b(?:curl|wget)\b")
_RUNS = re.compile(r"\|[\s{(]*(?:sudo\s+)?(?:\w+=\S+\s+)*(?:(?:ba|da|z)?sh|php|python3?|node|perl|ruby)\b")
_RUNS_INSIDE = re.compile(r"(?:\b(?:ba|da|z)?sh\b|\beval\b|\bsource\b|(?:^|\s)\.\s).*(?:<\(|\$\()\s*(?:curl|wget)\b")


class Updates(Struct, frozen=True):
    """What can update the app's dependencies."""

    #: The package managers that the image has.
    usable: list[Manager]
    #: The package managers that it does not have.
    absent: list[Manager]
    #: The package managers whose files Git ignores, so that no environment has them.
    ignored: list[Manager]
    #: The files that would show one and are not text.
    unreadable: list[str]


def updates_of(project: Project, app: App, image: Image, ignored: Callable[[Sequence[str]], list[str]]) -> Updates:
    """Return what can update an app's dependencies.

    Args:
        project: the configuration.
        app: the app.
        image: its image.
        ignored: which files of the checkout Git ignores.
    """
    files = project.files
    found, unreadable = managers(
        Folder(lambda name: files.has(app.file(name)), lambda name: files.peek(app.file(name)))
    )
    out = set(ignored([app.file(each.lock) for each in found])) if found else set[str]()
    kept = [each for each in found if app.file(each.lock) not in out]
    return Updates(
        [each for each in kept if each.is_in(image)],
        [each for each in kept if not each.is_in(image)],
        [each for each in found if each not in kept],
        unreadable,
    )


def likely_operations(names: Sequence[str]) -> list[str]:
    """Return the operations that update by their names, the likeliest first."""
    if "update" in names:
        return ["update"]
    ranked = [(rank, at, name) for at, name in enumerate(names) if (rank := _rank(name)) is not None]
    return [name for _, _, name in sorted(ranked)]


def _rank(name: str) -> int | None:
    return next((number for number, pattern in enumerate(_NAMES) if pattern.search(name)), None)


def runs_what_it_fetches(command: str) -> bool:
    """Return whether a script runs what it downloads, in the same line or from a file; not if it checks a hash."""
    if "sha256sum" in command or "shasum" in command:
        return False
    for _, _, line in code_lines(command):
        fetched = _FETCHES.search(line)
        if fetched and (_RUNS.search(line, fetched.end()) or _RUNS_INSIDE.search(line)):
            return True
    fetched_files = set[str]()
    for words in commands(command):
        if words[0] in {"curl", "wget"}:
            fetched_files |= {word.rsplit("/", 1)[-1] for word in words[1:] if not word.startswith("-")}
        elif words[0].rsplit("/", 1)[-1] in fetched_files or (
            words[0] in _SHELLS and any(word.rsplit("/", 1)[-1] in fetched_files for word in words[1:])
        ):
            return True
    return False


def fails_without_news(command: str) -> bool:
    """Return whether a script ends with an error where ``git commit`` has nothing to commit."""
    text = code(command)
    lines = text.split("\n")
    commits = [number for number, line in enumerate(lines) if "git commit" in line]
    if not commits or _LOOKS_FIRST.search(text):
        return False
    return is_strict(command) or commits[-1] == len(lines) - 1
