"""Versions of Composer packages (https://getcomposer.org/doc/articles/versions.md)."""

from __future__ import annotations

import re

from upsun_agent.packages.versions.version import Version

#: The stability; its digits are taken once and for all, or long ones would be tried in every division.
_SUFFIX = r"(?:[._-]?(?:(stable|beta|b|rc|alpha|a|patch|pl|p)((?:[.-]?[0-9]++)*+)?)?([.-]?dev)?)(?:\+[^\s]*)?"
_NUMBERS = re.compile(rf"v?([0-9]{{1,5}})(\.[0-9]+)?(\.[0-9]+)?(\.[0-9]+)?{_SUFFIX}", re.IGNORECASE | re.ASCII)
_DATE = re.compile(
    rf"v?([0-9]{{4}}(?:[.:-]?[0-9]{{2}}){{1,6}}(?:[.:-]?[0-9]{{1,3}}){{0,2}}){_SUFFIX}", re.IGNORECASE | re.ASCII
)
_BRANCH = re.compile(
    r"v?([0-9]+)(\.(?:[0-9]+|[xX*]))?(\.(?:[0-9]+|[xX*]))?(\.(?:[0-9]+|[xX*]))?-dev", re.IGNORECASE | re.ASCII
)
#: What stands for the ``x`` of a branch such as ``1.x-dev``: higher than every release of the branch.
_OPEN = 9999999
_STABLE = 5
_RANK = {
    "": _STABLE,
    "stable": _STABLE,
    "alpha": 1,
    "a": 1,
    "beta": 2,
    "b": 2,
    "rc": 3,
    "patch": 6,
    "pl": 6,
    "p": 6,
}
_PARTS = 4


def parse(text: str) -> Version | None:
    """Return the version; None for a branch without a number, such as ``dev-main``, which nothing orders."""
    found = _NUMBERS.fullmatch(text)
    if found is not None:
        numbers = tuple(int((found[place] or "0").lstrip(".")) for place in range(1, _PARTS + 1))
        return _with_stability(numbers, *found.groups()[_PARTS:])
    found = _DATE.fullmatch(text)
    if found is not None:
        return _with_stability(tuple(map(int, re.findall(r"[0-9]+", found[1]))), *found.groups()[1:])
    found = _BRANCH.fullmatch(text)
    if found is None:
        return None
    parts = ((found[place] or ".x").lstrip(".") for place in range(1, _PARTS + 1))
    return _with_stability(tuple(int(each) if each.isdigit() else _OPEN for each in parts), "", "", "-dev")


def _with_stability(numbers: tuple[int, ...], word: str | None, counts: str | None, dev: str | None) -> Version:
    """Return the version; ``dev`` is below the same without it, and below every other stability if it stands alone.

    Args:
        numbers: those of the release.
        word: the stability, such as ``beta``.
        counts: the numbers behind it.
        dev: the mark of a development version.
    """
    rank = 0 if dev and not word else _RANK[(word or "").lower()]
    numbered = tuple(map(int, re.findall(r"[0-9]+", counts or "")))
    padded = (*numbers, *[0] * (_PARTS - len(numbers)))
    return Version((padded, rank, () if rank == _STABLE else numbered, not dev), numbers)
