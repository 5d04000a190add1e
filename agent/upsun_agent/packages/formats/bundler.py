"""Gemfile.lock (https://bundler.io/man/bundle-lock.1.html)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from upsun_agent.packages.records import Package, Unreadable
from upsun_agent.packages.source import Source, check_count, commit_in, lines_of

_SPEC = re.compile(r" {4}([^\s()]+) \(([^\s()]+)\)")
_DEPENDENCY = re.compile(r" {2}([^\s()!]+)!?(?: \(.*\))?!?")
_REVISION = re.compile(r" {2}revision: (\S+)")
_SECTION = re.compile(r"[A-Z][A-Z _]*")
_WITH_GEMS = frozenset({"GEM", "GIT", "PLUGIN SOURCE"})


def read(source: Source) -> Iterator[Package]:
    """Yield the gems; a version for a platform is the same version."""
    section, commit, has_dependencies = "", "", False
    found: list[Package] = []
    direct: set[str] = set()
    for line in lines_of(source.data):
        if _SECTION.fullmatch(line):
            section, commit = line, ""
            has_dependencies = has_dependencies or line == "DEPENDENCIES"
        elif section == "DEPENDENCIES" and (named := _DEPENDENCY.fullmatch(line)):
            direct.add(named[1])
            check_count(direct)
        elif section == "GIT" and (named := _REVISION.fullmatch(line)):
            commit = commit_in(named[1])
        elif section in _WITH_GEMS and (named := _SPEC.fullmatch(line)):
            found.append(Package(named[1], named[2].partition("-")[0], commit))
            check_count(found)
        elif line and not line.startswith(" "):
            raise Unreadable("a line begins no section")
    if not has_dependencies:
        raise Unreadable("it has no section DEPENDENCIES")
    for each in found:
        yield Package(each.name, each.version, each.revision, each.name in direct)
