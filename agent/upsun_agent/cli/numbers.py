"""Argument types for bounded numbers and durations; numbers in sentences."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable

from upsun_agent.validators import Duration


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """Return an argparse type that reads whole numbers from ``low`` to ``high``."""

    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not low <= int(text[:12]) <= high:
            raise ArgumentTypeError(f"must be a number from {low} to {high}, not {text[:20]!r}")
        return int(text)

    return read


def duration(low: int, high: int) -> Callable[[str], int]:
    """Return an argparse type that reads durations such as ``90s`` and ``1h30m`` as ``low`` to ``high`` seconds."""
    shape = Duration(low, high)

    def read(text: str) -> int:
        for problem in shape.check(text, ()):
            raise ArgumentTypeError(f"{problem.message}{f': {problem.remedy}' if problem.remedy else ''}")
        return int(shape.read(text))

    return read


def counted(number: int, word: str) -> str:
    """Return a number with its noun: 1 run, 2 runs."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
