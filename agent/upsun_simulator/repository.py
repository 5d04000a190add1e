"""The objects of the project's Git repository: trees and files, with Git's ids.

Commits are kept by `History`; what a commit holds follows from what is known of it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from upsun_simulator.lock_files import written

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from upsun_simulator.user import User

FILE, EXECUTABLE, FOLDER = "100644", "100755", "040000"
CONFIG = """applications:
  app:
    type: python:3.13
    source:
      operations:
        update:
          command: ./update.sh update
services:
  db:
    type: postgresql:16
  cache:
    type: redis:7.2
routes:
  https://{default}/:
    type: upstream
    upstream: app:http
"""
UPDATE = """#!/bin/sh
set -e
[ ! -f composer.lock ] || composer update
[ ! -f package-lock.json ] || npm update
git diff --quiet || git commit -am "Auto dependency updates via source operation"
"""


@dataclass(frozen=True)
class Entry:
    """One name in a folder, and the object that it stands for."""

    #: The name in the folder.
    name: str
    #: The mode, as Git writes it.
    mode: str
    #: The hash of the object.
    sha: str

    @property
    def kind(self) -> str:
        """Return the kind of the object, in Git's words."""
        return "tree" if self.mode == FOLDER else "blob"


class Objects:
    """Every tree and blob that the commits of the history reach; folders and files by their ids."""

    def __init__(self) -> None:
        self.trees: dict[str, list[Entry]] = {}
        self.blobs: dict[str, bytes] = {}

    def keep(self, content: Mapping[str, tuple[str, bytes]]) -> str:
        """Keep a folder with all that is in it, and return its id.

        Args:
            content: the mode and the content of each file, by its path.
        """
        entries, folders = [], dict.fromkeys(path.partition("/")[0] for path in content if "/" in path)
        for folder in folders:
            inside = {
                path.removeprefix(f"{folder}/"): one for path, one in content.items() if path.startswith(f"{folder}/")
            }
            entries.append(Entry(folder, FOLDER, self.keep(inside)))
        for path, (mode, data) in content.items():
            if "/" not in path:
                entries.append(Entry(path, mode, self._blob(data)))
        # Git sorts folders as if their names ended with a slash.
        entries.sort(key=lambda one: f"{one.name}/" if one.mode == FOLDER else one.name)
        sha = _sha("tree", b"".join(_row(one) for one in entries))
        self.trees[sha] = entries
        return sha

    def _blob(self, data: bytes) -> str:
        sha = _sha("blob", data)
        self.blobs[sha] = data
        return sha

    def paths(self, tree: str, before: str = "") -> Iterator[tuple[str, str]]:
        """Yield the path and the id of every file below a tree."""
        for one in self.trees[tree]:
            if one.mode == FOLDER:
                yield from self.paths(one.sha, f"{before}{one.name}/")
            else:
                yield f"{before}{one.name}", one.sha


def _row(one: Entry) -> bytes:
    return f"{one.mode.lstrip('0')} {one.name}".encode() + b"\0" + bytes.fromhex(one.sha)


def _sha(kind: str, data: bytes) -> str:
    return hashlib.sha1(f"{kind} {len(data)}".encode() + b"\0" + data, usedforsecurity=False).hexdigest()


def commit_id(tree: str, parents: tuple[str, ...], user: User, at: datetime, message: str) -> str:
    """Return the id of a commit.

    Args:
        tree: the id of its tree.
        parents: the ids of its parents.
        user: who made it.
        at: when it was made.
        message: the message.
    """
    signature = f"{user.first_name} {user.last_name} <{user.email}> {int(at.timestamp())} +0000"
    rows = [f"tree {tree}", *(f"parent {one}" for one in parents), f"author {signature}", f"committer {signature}"]
    return _sha("commit", "\n".join([*rows, "", message]).encode())


def files(breaks: str, locked: Mapping[tuple[str, str], str], least: int) -> dict[str, tuple[str, bytes]]:
    """Return the files of a commit: mode and content by path.

    Args:
        breaks: on which type of environment its site fails.
        locked: the versions of packages, by the path of the lock file and the name of the package.
        least: how many bytes each lock file has at least.
    """
    found = {
        ".upsun/config.yaml": (FILE, CONFIG.encode()),
        "README.md": (FILE, b"# Simulated project\n"),
        "src/site.py": (FILE, f'FAILS_ON = "{breaks}"\n'.encode()),
        "update.sh": (EXECUTABLE, UPDATE.encode()),
    }
    for path in dict.fromkeys(path for path, _ in locked):
        packages = {name: version for (place, name), version in locked.items() if place == path}
        found |= {name: (FILE, data) for name, data in written(path, packages, least).items()}
    return found
