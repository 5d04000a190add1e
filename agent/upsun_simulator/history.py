"""The commits of the project's repository: what each is made from, and whether it breaks the site."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from upsun_simulator.ids import commit_hash

if TYPE_CHECKING:
    from collections.abc import Iterator

Breaks = Literal["never", "staging", "production", "everywhere"]


@dataclass(frozen=True)
class Version:
    """A commit: its parents, and on which type of environment its tree makes a site that fails."""

    #: The hash.
    sha: str
    #: The hashes of its parents.
    parents: tuple[str, ...]
    #: On which type of environment its tree makes a site that fails.
    breaks: Breaks


class History:
    """Every commit, parents before children; the one fact kept of a tree is `breaks`."""

    def __init__(self) -> None:
        self._versions: dict[str, Version] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._versions)

    def __contains__(self, sha: object) -> bool:
        return sha in self._versions

    def add(self, sha: str, parents: tuple[str, ...], breaks: Breaks = "never") -> None:
        """Keep a commit, unless it is known.

        Args:
            sha: the hash of the commit.
            parents: the hashes of its parents.
            breaks: on which type of environment its site fails.
        """
        self._versions.setdefault(sha, Version(sha, parents, breaks))

    def breaks(self, sha: str) -> Breaks:
        """On which type of environment the commit's site fails."""
        return self._versions[sha].breaks

    def parents(self, sha: str) -> tuple[str, ...]:
        """Return the commits that this one is made from."""
        return self._versions[sha].parents

    def knows(self, sha: str) -> bool:
        """Return whether a commit is in the repository."""
        return sha in self._versions

    def between(self, old: str, new: str) -> list[str]:
        """Return what `new` has that `old` has not, newest first; nothing where either is unknown."""
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
        """Return how many commits `head` has that `of` has not."""
        return len(self._reached(head) - self._reached(of))

    def joined(self, into: str, other: str, *, name: str, rebase: bool = False) -> str:
        """Return the head that comes of bringing `other` into the branch at `into`, as Git does it.

        The same head when it has `other` already, `other` itself when `into` has nothing of its own; else a new
        commit: a merge of both or, with `rebase`, what is `into`'s own on top of `other`.

        Args:
            into: the head of the branch that takes.
            other: the head that is brought.
            name: what the hash of a new commit is made from.
            rebase: whether the branch's own commits are put on top of the other's.
        """
        ours, theirs = self._reached(into), self._reached(other)
        if other in ours:
            return into
        if into in theirs:
            return other
        sha = commit_hash(into, other, name)
        self.add(sha, (other,) if rebase else (into, other), self._merged(into, other, ours & theirs))
        return sha

    def _merged(self, into: str, other: str, common: set[str]) -> Breaks:
        """Merge two trees that hold one fact: the side that changed it since the newest common commit wins."""
        base: Breaks = "never"
        for sha in self._versions:
            if sha in common:
                base = self.breaks(sha)
        return self.breaks(other) if self.breaks(other) != base else self.breaks(into)

    def _reached(self, head: str) -> set[str]:
        found: set[str] = set()
        ahead = [head]
        while ahead:
            sha = ahead.pop()
            if sha not in found:
                found.add(sha)
                ahead.extend(self._versions[sha].parents)
        return found
