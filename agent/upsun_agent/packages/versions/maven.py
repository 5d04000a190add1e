"""Versions of Maven artifacts (https://maven.apache.org/pom.html#version-order-specification)."""

from __future__ import annotations

import re
from functools import cmp_to_key
from itertools import takewhile, zip_longest

from upsun_agent.packages.versions.version import Version

_TOKEN = re.compile(r"[0-9]+|[^0-9.\-]+|[.\-]")
_ORDER = {
    each: place
    for place, names in enumerate(
        (("alpha",), ("beta",), ("milestone",), ("rc", "cr"), ("snapshot",), ("", "final", "ga", "release"), ("sp",))
    )
    for each in names
}
_SHORT = {"a": "alpha", "b": "beta", "m": "milestone"}
_NULL = _ORDER[""]
#: A token with the separator before it, ``.`` or ``-``.
Token = tuple[str, int | str]


def parse(text: str) -> Version | None:
    """Return the version; None if it does not begin with a number: then it is a name, and nothing orders it."""
    tokens = _tokens(text.lower())
    if not tokens or not isinstance(tokens[0][1], int) or not text[:1].isdigit():
        return None
    numbers = takewhile(lambda token: isinstance(token[1], int) and token[0] == ".", tokens)
    return Version(cmp_to_key(_compare)(_trimmed(tokens)), tuple(int(value) for _, value in numbers))


def _tokens(text: str) -> list[Token]:
    """Return the tokens: split at dots, hyphens, and between digits and letters, which counts as a hyphen."""
    found: list[Token] = []
    separator, filled = ".", False
    for each in _TOKEN.findall(text):
        if each in {".", "-"}:
            if not filled:
                found.append((separator, 0))
            separator, filled = each, False
            continue
        if filled:
            separator = "-"
        is_number = each.isascii() and each.isdigit()
        if is_number and found and filled and found[-1][1] in _SHORT:
            found[-1] = (found[-1][0], _SHORT[str(found[-1][1])])
        found.append((separator, int(each) if is_number else each))
        filled = True
    return found


def _is_null(value: int | str) -> bool:
    return value == 0 if isinstance(value, int) else _ORDER.get(value) == _NULL


def _trimmed(tokens: list[Token]) -> tuple[Token, ...]:
    """Return the tokens without those that mean nothing, at the end and before each hyphen: 1.0-foo.0 is 1-foo."""
    found: list[Token] = []
    cut = True
    for separator, value in reversed(tokens):
        if not (cut and _is_null(value)):
            found.append((separator, value))
            cut = False
        if separator == "-":
            cut = True
    return tuple(reversed(found))


def _compare(one: tuple[Token, ...], other: tuple[Token, ...]) -> int:
    """Return whether one is lower (-1), higher (1) or the same; the shorter one is filled with what means nothing."""
    for left, right in zip_longest(one, other):
        first, second = left or _nothing(right), right or _nothing(left)
        if _rank(first) != _rank(second):
            return -1 if _rank(first) < _rank(second) else 1
    return 0


def _nothing(token: Token) -> Token:
    separator, value = token
    return separator, 0 if isinstance(value, int) else ""


def _rank(token: Token) -> tuple[int, int, str]:
    """Return what tokens are ordered by: qualifiers, then numbers behind a hyphen, then numbers behind a dot."""
    separator, value = token
    if isinstance(value, int):
        return (1 if separator == "-" else 2), value, ""
    place = _ORDER.get(value)
    return (0, place, "") if place is not None else (0, len(_ORDER), value)
