"""The possible results of a delivery."""

from __future__ import annotations

from msgspec import Struct


class Delivered(Struct, frozen=True):
    """The receiver took the message."""

    #: What the receiver said that a person should know; empty if nothing.
    remark: str = ""


class Undelivered(Struct, frozen=True):
    """The receiver did not accept the message, or that is not known."""

    #: Why.
    reason: str
    #: Whether another attempt is of no use.
    for_good: bool = False


class Partly(Struct, frozen=True):
    """Some recipients did not get the message."""

    #: Why not everybody got it.
    reason: str
    #: The recipients that may get it later.
    again: tuple[str, ...]
    #: The recipients that never will.
    refused: tuple[str, ...]


class Disabled(Struct, frozen=True):
    """The channel is disabled here, which is not a failure."""

    #: Why the channel is off here.
    reason: str


Outcome = Delivered | Undelivered | Partly | Disabled
