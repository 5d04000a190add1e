"""What commits changed in lock files, for people: a few lines, links, and one record for a commit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from msgspec import Struct

from upsun_agent.engine.run import Run
from upsun_agent.log.foreign_text import one_line
from upsun_agent.model.packages import (
    CHANGES_SHOWN,
    Change,
    ChangeKind,
    Ecosystem,
    LockFileChange,
    counted,
    ordered,
    step_of,
    summary,
)

#: Where people read about a package; ``{}`` is its name.
PAGES = {
    Ecosystem.CARGO: "https://crates.io/crates/{}",
    Ecosystem.COMPOSER: "https://packagist.org/packages/{}",
    Ecosystem.GEM: "https://rubygems.org/gems/{}",
    Ecosystem.GOLANG: "https://pkg.go.dev/{}",
    Ecosystem.HEX: "https://hex.pm/packages/{}",
    Ecosystem.MAVEN: "https://central.sonatype.com/artifact/{}",
    Ecosystem.NPM: "https://www.npmjs.com/package/{}",
    Ecosystem.NUGET: "https://www.nuget.org/packages/{}",
    Ecosystem.PYPI: "https://pypi.org/project/{}/",
}
#: Names that an index can have: anything else gets no link.
_NAME = re.compile(r"[A-Za-z0-9@][A-Za-z0-9._~@/-]*")


class CommitChanges(Struct, frozen=True, kw_only=True):
    """What the commit of one step changed."""

    #: The index of the step, from 0.
    step: int
    #: The head commit before the step.
    base: str
    #: The commit that the step made.
    commit: str
    #: The lock files that differ.
    files: tuple[LockFileChange, ...]
    #: What could not be read, a sentence each.
    warnings: tuple[str, ...]
    #: Whether all was read, or given up.
    whole: bool

    @property
    def summary(self) -> str:
        """Return the changes in one sentence."""
        return summary(self.files)


def changes_of(run: Run) -> list[CommitChanges]:
    """Return what the run's commits changed; a commit that brings on what an earlier one of the run did is left out."""
    found: list[CommitChanges] = []
    for index in dict.fromkeys(each.step for each in run.changes):
        events = [each for each in run.changes if each.step == index]
        files = tuple(file for each in events for file in each.files)
        warnings = [text for each in events for text in each.warnings]
        warnings += [file.warning for file in files if file.warning is not None]
        known = {(file.path, change) for each in found for file in each.files for change in file.changes}
        changed = {(file.path, change) for file in files for change in file.changes}
        if changed and changed <= known and not warnings:
            continue
        found.append(
            CommitChanges(
                step=index,
                base=events[-1].base,
                commit=events[-1].head,
                files=files,
                warnings=tuple(warnings),
                whole=events[-1].whole,
            )
        )
    return found


def change_words(change: Change) -> str:
    """Return a change as people read it, such as ``drupal/core 11.2.3 → 12.0.0 (major)``."""
    word = {ChangeKind.MAJOR: " (major)"}.get(change.kind, " (lower)" if change.downgrade else "")
    return one_line(f"{change.name} {step_of(change)}{word}")


def change_lines(files: Sequence[LockFileChange], most: int = CHANGES_SHOWN) -> list[str]:
    """Return the first changes, major ones first, and how many more there are; empty if nothing changed."""
    changes = ordered(files)
    hidden = len(changes) - most + sum(file.more for file in files)
    lines = [change_words(each) for each in changes[:most]]
    return [*lines, f"and {hidden} more"] if hidden > 0 and lines else lines


def told(run: Run, most: int = CHANGES_SHOWN) -> list[str]:
    """Return the changes of all commits of a run as lines, each commit with its count first."""
    lines = []
    for each in changes_of(run):
        count = counted(each.files)
        lines += [f"changed by commit {one_line(each.commit[:8])}: {count}"] if count else []
        lines += [f"  {line}" for line in change_lines(each.files, most)]
        lines += [f"  warning: {one_line(text)}" for text in each.warnings]
    return lines


def page_of(change: Change) -> str | None:
    """Return the address of the package's page; None if its name is none that an index has."""
    path = change.name.replace(":", "/", 1) if change.ecosystem is Ecosystem.MAVEN else change.name
    if _NAME.fullmatch(path) is None or ".." in path:
        return None
    return PAGES[change.ecosystem].format(quote(path, safe="/@"))


def by_ecosystem(files: Iterable[LockFileChange]) -> dict[Ecosystem, list[Change]]:
    """Return the changes of each ecosystem, major ones first, in the order of the ecosystems' names."""
    found: dict[Ecosystem, list[Change]] = {}
    for each in ordered(files):
        found.setdefault(each.ecosystem, []).append(each)
    return dict(sorted(found.items()))
