"""The project's Git repository as the API shows it: trees and files of every commit.

Commits are kept by `History`, by ids of their own; what a commit holds follows from what is known of it. Trees and
blobs have the ids that Git gives them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from upsun_simulator.state import PlatformState

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

    def __init__(self, state: PlatformState) -> None:
        self.trees: dict[str, list[Entry]] = {}
        self.blobs: dict[str, bytes] = {}
        self.roots = {sha: self._tree(files(state, sha)) for sha in state.history}

    def _tree(self, content: dict[str, tuple[str, bytes]]) -> str:
        """Keep a folder, given as modes and contents by path, and return its id."""
        entries, folders = [], dict.fromkeys(path.partition("/")[0] for path in content if "/" in path)
        for folder in folders:
            inside = {
                path.removeprefix(f"{folder}/"): one for path, one in content.items() if path.startswith(f"{folder}/")
            }
            entries.append(Entry(folder, FOLDER, self._tree(inside)))
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


def files(state: PlatformState, sha: str) -> dict[str, tuple[str, bytes]]:
    """Return what a commit holds: each file's mode and content, by its path."""
    breaks = state.history.breaks(sha)
    return {
        ".upsun/config.yaml": (FILE, CONFIG.encode()),
        "README.md": (FILE, b"# Simulated project\n"),
        "src/site.py": (FILE, f'FAILS_ON = "{breaks}"\n'.encode()),
        "update.sh": (EXECUTABLE, b'#!/bin/sh\nuv lock --upgrade && git commit -am "Update dependencies"\n'),
        # Every commit brings other versions.
        "uv.lock": (FILE, f'version = 1\nrevision = "{sha}"\n'.encode()),
    }
