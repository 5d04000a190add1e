"""A version that was read: what it is ordered by, and its numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct


class Version(Struct, frozen=True):
    """A version by the rules of one ecosystem."""

    #: What versions of the ecosystem are ordered by; it compares with keys of the same ecosystem only.
    key: Any
    #: The numbers of the release, from the one that stands first.
    numbers: tuple[int, ...]
    #: Whether it names a commit and no release.
    is_commit: bool = False


def identifiers(text: str, fold: Callable[[str], str] = str) -> tuple[Any, ...]:
    """Return a key for the pre-release part of a semantic version: a release is higher than its pre-releases.

    Args:
        text: the identifiers with dots between them; empty for a release.
        fold: makes those texts equal that the ecosystem takes for the same.
    """
    if not text:
        return (1,)
    parts = (each for each in text.split("."))
    return (0, *((0, int(each), "") if _is_number(each) else (1, 0, fold(each)) for each in parts))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
