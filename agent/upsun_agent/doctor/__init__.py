"""The findings of ``check``: what keeps the agent from working, found without changing anything."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct

from upsun_agent.errors import ConfigInvalid


class Level(StrEnum):
    """How bad a finding is."""

    #: All is well.
    OK = "ok"
    #: The agent works; a person should look at it.
    WARN = "warn"
    #: The agent does not work here until a person acts.
    FAIL = "fail"


class Finding(Struct, frozen=True):
    """The result of one check."""

    #: What was checked.
    name: str
    #: Whether all is well, or how bad it is.
    level: Level
    #: What was found.
    message: str
    #: What helps; empty if all is well.
    remedy: str = ""
    #: The exit code of ``check`` if this is the worst finding.
    exit_code: int = ConfigInvalid.exit_code


def worst(findings: Iterable[Finding]) -> Level:
    """Return the worst level; ok if there are no findings."""
    levels = {each.level for each in findings}
    return next((level for level in (Level.FAIL, Level.WARN) if level in levels), Level.OK)


def code_of(findings: Iterable[Finding]) -> int:
    """Return the exit code of the worst finding; warnings are 0."""
    return max((each.exit_code for each in findings if each.level == Level.FAIL), default=0)
