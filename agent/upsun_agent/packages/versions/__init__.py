"""Versions as each ecosystem orders them, and how much lies between two of them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest

from upsun_agent.model.packages import ChangeKind, Ecosystem
from upsun_agent.packages.versions import composer, gem, maven, nuget, pypi, semver
from upsun_agent.packages.versions.version import Version

#: How each ecosystem reads a version.
SCHEMES: dict[Ecosystem, Callable[[str], Version | None]] = {
    Ecosystem.CARGO: semver.parse,
    Ecosystem.COMPOSER: composer.parse,
    Ecosystem.GEM: gem.parse,
    Ecosystem.GOLANG: semver.parse_go,
    Ecosystem.HEX: semver.parse,
    Ecosystem.MAVEN: maven.parse,
    Ecosystem.NPM: semver.parse,
    Ecosystem.NUGET: nuget.parse,
    Ecosystem.PYPI: pypi.parse,
}
#: Where ``^0.2.3`` does not allow 0.3.0: the first number that is not zero is the one that may break.
CARET = frozenset({Ecosystem.CARGO, Ecosystem.COMPOSER, Ecosystem.NPM})
_BY_PLACE = (ChangeKind.MAJOR, ChangeKind.MINOR)


def parse(ecosystem: Ecosystem, text: str) -> Version | None:
    """Return the version by the rules of the ecosystem; None if they do not order it, as a branch."""
    return SCHEMES[ecosystem](text)


def difference(ecosystem: Ecosystem, before: str, after: str) -> tuple[ChangeKind, bool]:
    """Return how much lies between two versions, and whether the second one is lower.

    The first number that differs decides: the first one is a major change, the second a minor one, any later one a
    patch, as is a higher pre-release or suffix of the same numbers. For cargo, composer and npm a change is major too
    if it changes the first number that is not zero: 0.2.3 to 0.3.0, and 0.0.3 to 0.0.4.

    Args:
        ecosystem: whose rules order the versions.
        before: the version before.
        after: the version after.
    """
    old, new = parse(ecosystem, before), parse(ecosystem, after)
    if old is None or new is None or old.key == new.key:
        return ChangeKind.OTHER, False
    if new.key < old.key:
        return ChangeKind.OTHER, True
    pairs = list(zip_longest(old.numbers, new.numbers, fillvalue=0))
    place = next((place for place, (one, other) in enumerate(pairs) if one != other), None)
    if place is None:
        return (ChangeKind.OTHER if old.is_commit or new.is_commit else ChangeKind.PATCH), False
    if ecosystem in CARET and not any(old.numbers[:place]):
        return ChangeKind.MAJOR, False
    return (_BY_PLACE[place] if place < len(_BY_PLACE) else ChangeKind.PATCH), False
