"""What can come of telling somebody."""

from __future__ import annotations

from msgspec import Struct


class Delivered(Struct, frozen=True):
    """The receiver took the message."""

    #: What the receiver said that a person should know; empty if nothing.
    remark: str = ""


class Undelivered(Struct, frozen=True):
    """It did not, or nobody knows. ``for_good``: it never will."""

    #: Why.
    reason: str
    #: Whether another attempt is of no use.
    for_good: bool = False


class Partly(Struct, frozen=True):
    """Not every recipient got it: those of ``again`` may get it later, those of ``refused`` never will."""

    #: Why not everybody got it.
    reason: str
    #: The recipients that may get it later.
    again: tuple[str, ...]
    #: The recipients that never will.
    refused: tuple[str, ...]


class Disabled(Struct, frozen=True):
    """The channel is off here, which is no failure."""

    #: Why the channel is off here.
    reason: str


Outcome = Delivered | Undelivered | Partly | Disabled
