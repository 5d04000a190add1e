"""What can come of telling somebody."""

from __future__ import annotations

from upsun_agent.records import dataclass


@dataclass(frozen=True, slots=True)
class Delivered:
    """The receiver took the message."""

    remark: str = ""


@dataclass(frozen=True, slots=True)
class Undelivered:
    """It did not, or nobody knows. ``for_good``: it never will."""

    reason: str
    for_good: bool = False


@dataclass(frozen=True, slots=True)
class Partly:
    """Not every recipient got it: those of ``again`` may get it later, those of ``refused`` never will."""

    reason: str
    again: tuple[str, ...]
    refused: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Disabled:
    """The channel is off here, which is no failure."""

    reason: str


Outcome = Delivered | Undelivered | Partly | Disabled
