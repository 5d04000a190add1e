"""The result of a command that ran in this container."""

from __future__ import annotations

from msgspec import Struct


class Ended(Struct, frozen=True):
    """How a command ended, and its last words, safe to show.

    Its exit code is None where its time was up, negative for a signal.
    """

    #: The exit code; None if the command was killed at its time limit.
    exit_code: int | None
    #: How long it ran, in seconds.
    seconds: float
    #: The end of what it printed.
    output: str
