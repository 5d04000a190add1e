"""What can come of telling somebody."""

from __future__ import annotations

from msgspec import Struct


class Delivered(Struct, frozen=True):
    """The receiver took the message."""

    remark: str = ""


class Undelivered(Struct, frozen=True):
    """It did not, or nobody knows. ``for_good``: it never will."""

    reason: str
    for_good: bool = False


class Partly(Struct, frozen=True):
    """Not every recipient got it: those of ``again`` may get it later, those of ``refused`` never will."""

    reason: str
    again: tuple[str, ...]
    refused: tuple[str, ...]


class Disabled(Struct, frozen=True):
    """The channel is off here, which is no failure."""

    reason: str


Outcome = Delivered | Undelivered | Partly | Disabled
