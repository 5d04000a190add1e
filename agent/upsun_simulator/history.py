"""The commits of the project's repository: their parents and their trees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

from upsun_simulator.repository import Objects, commit_id, files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from upsun_simulator.user import User

Breaks = Literal["never", "staging", "production", "everywhere"]
T = TypeVar("T")


@dataclass(frozen=True)
class Content:
    """The known content of a commit's tree."""

    #: On which type of environment it makes a site that fails.
    breaks: Breaks
    #: The versions of packages, by the path of the lock file and the name of the package.
    locked: Mapping[tuple[str, str], str]


@dataclass(frozen=True)
class Origin:
    """Who made a commit, when and why."""

    #: When it was made.
    at: datetime
    #: Who made it: its author and its committer.
    user: User
    #: The message.
    message: str


@dataclass(frozen=True)
class Version:
    """A commit."""

    #: The hash.
    sha: str
    #: The hash of its tree.
    tree: str
    #: The hashes of its parents.
    parents: tuple[str, ...]
    #: Who made it, when and why.
    origin: Origin
    #: What its tree holds.
    content: Content


class History:
    """Every commit, parents before children, with all objects that they reach."""

    def __init__(self) -> None:
        self._versions: dict[str, Version] = {}
        # Commits that were made elsewhere and have not come back yet.
        self._outside: set[str] = set()
        #: The trees and files of all commits.
        self.objects = Objects()
        #: How many bytes each lock file has at least.
        self.lock_file_bytes = 0

    def __iter__(self) -> Iterator[str]:
        return (sha for sha in self._versions if sha not in self._outside)

    def __contains__(self, sha: object) -> bool:
        return sha in self._versions and sha not in self._outside

    def commit(self, parents: tuple[str, ...], content: Content, origin: Origin, *, outside: bool = False) -> str:
        """Make a commit and return its hash.

        Args:
            parents: the hashes of its parents.
            content: what its tree holds.
            origin: who makes it, when and why.
            outside: whether it is made elsewhere, and cannot be read before it arrives.
        """
        tree = self.objects.keep(files(content.breaks, content.locked, self.lock_file_bytes))
        before = len(self._versions)
        sha = self.commit_tree(tree, parents, content, origin)
        if outside and len(self._versions) > before:
            self._outside.add(sha)
        return sha

    def commit_tree(self, tree: str, parents: tuple[str, ...], content: Content, origin: Origin) -> str:
        """Make a commit of an existing tree, and return its hash.

        Args:
            tree: the hash of the tree.
            parents: the hashes of its parents.
            content: what the tree holds, as far as later commits need it.
            origin: who makes it, when and why.
        """
        sha = commit_id(tree, parents, origin.user, origin.at, origin.message)
        self._versions.setdefault(sha, Version(sha, tree, parents, origin, content))
        return sha

    def arrive(self, sha: str) -> None:
        """Add a commit to the repository that was made elsewhere."""
        self._outside.discard(sha)

    def __getitem__(self, sha: str) -> Version:
        return self._versions[sha]

    def breaks(self, sha: str) -> Breaks:
        """Return the type of environment on which the commit's site fails."""
        return self._versions[sha].content.breaks

    def parents(self, sha: str) -> tuple[str, ...]:
        """Return the commits that this one is made from."""
        return self._versions[sha].parents

    def knows(self, sha: str) -> bool:
        """Return whether a commit is in the repository."""
        return sha in self

    def between(self, old: str, new: str) -> list[str]:
        """Return the commits in `new` that are not in `old`, newest first; empty if either is unknown."""
        if not (self.knows(old) and self.knows(new)):
            return []
        found: list[str] = []
        known, ahead = self._reached(old), [new]
        while ahead:
            sha = ahead.pop(0)
            if sha not in known:
                known.add(sha)
                found.append(sha)
                ahead.extend(self._versions[sha].parents)
        return found

    def ahead(self, head: str, of: str) -> int:
        """Return how many commits of `head` are not in `of`."""
        return len(self._reached(head) - self._reached(of))

    def joined(self, into: str, other: str, origin: Origin, *, rebase: bool = False) -> str:
        """Merge `other` into the branch at `into`, as Git does, and return the new head.

        The same head when it has `other` already, `other` itself when `into` has nothing of its own; else a new
        commit: a merge of both or, with `rebase`, what is `into`'s own on top of `other`.

        Args:
            into: the head of the branch that takes.
            other: the head that is brought.
            origin: who makes a new commit, when and why.
            rebase: whether the branch's own commits are put on top of the other's.
        """
        ours, theirs = self._reached(into), self._reached(other)
        if other in ours:
            return into
        if into in theirs:
            return other
        content = self._merged(into, other, ours & theirs)
        return self.commit((other,) if rebase else (into, other), content, origin)

    def _merged(self, into: str, other: str, common: set[str]) -> Content:
        """Merge two trees value by value: the side that changed one since the newest common commit wins."""
        newest = [sha for sha in self._versions if sha in common]
        base = self._versions[newest[-1]].content if newest else Content("never", {})
        ours, theirs = self._versions[into].content, self._versions[other].content
        locked = {}
        for key in {**ours.locked, **theirs.locked}:
            version = _changed(base.locked.get(key), ours.locked.get(key), theirs.locked.get(key))
            if version is not None:
                locked[key] = version
        return Content(_changed(base.breaks, ours.breaks, theirs.breaks), locked)

    def _reached(self, head: str) -> set[str]:
        found: set[str] = set()
        ahead = [head]
        while ahead:
            sha = ahead.pop()
            if sha not in found:
                found.add(sha)
                ahead.extend(self._versions[sha].parents)
        return found


def _changed(base: T, ours: T, theirs: T) -> T:
    """Return the other side's value if that side changed it, else our own."""
    return theirs if theirs != base else ours
