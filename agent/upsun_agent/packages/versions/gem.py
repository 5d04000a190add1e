"""Versions of Ruby gems (https://guides.rubygems.org/patterns/ and the documentation of Gem::Version)."""

from __future__ import annotations

import re
from functools import cmp_to_key
from itertools import dropwhile, takewhile, zip_longest

from upsun_agent.packages.versions.version import Version

_VERSION = re.compile(r"[0-9]+(?:\.[0-9A-Za-z]+)*(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?")
_SEGMENT = re.compile(r"[0-9]+|[a-z]+", re.IGNORECASE | re.ASCII)
Segments = tuple[int | str, ...]


def parse(text: str) -> Version | None:
    """Return the version; None if it is not one. A version with a letter is a pre-release."""
    if not _VERSION.fullmatch(text):
        return None
    found = _SEGMENT.findall(text.replace("-", ".pre."))
    segments: Segments = tuple(int(each) if each.isdigit() else each for each in found)
    numbers = tuple(takewhile(lambda each: isinstance(each, int), segments))
    rest = tuple(dropwhile(lambda each: isinstance(each, int), segments))
    key = cmp_to_key(_compare)(_trimmed(numbers) + _trimmed(rest))
    return Version(key, tuple(each for each in numbers if isinstance(each, int)))


def _trimmed(segments: Segments) -> Segments:
    """Return the segments without zeros at their end: 1.0 is the same version as 1."""
    end = len(segments)
    while end and segments[end - 1] == 0:
        end -= 1
    return segments[:end]


def _compare(one: Segments, other: Segments) -> int:
    """Return whether one is lower (-1), higher (1) or the same; a missing segment is 0, a letter is below a number."""
    for left, right in zip_longest(one, other, fillvalue=0):
        if left == right:
            continue
        if isinstance(left, str) and isinstance(right, str):
            return -1 if left < right else 1
        if isinstance(left, str):
            return -1
        if isinstance(right, str):
            return 1
        return -1 if left < right else 1
    return 0
