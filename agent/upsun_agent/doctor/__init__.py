"""The findings of ``check``: what keeps the agent from working, found without changing anything."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from upsun_agent.errors import ConfigInvalid

Level = Literal["ok", "warn", "fail"]


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
    return "fail" if "fail" in levels else "warn" if "warn" in levels else "ok"


def code_of(findings: Iterable[Finding]) -> int:
    """Return the exit code of the worst finding; warnings are 0."""
    return max((each.exit_code for each in findings if each.level == "fail"), default=0)
