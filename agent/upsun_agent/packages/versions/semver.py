"""Semantic versions (https://semver.org/spec/v2.0.0.html), as npm, Cargo, Hex and Go use them."""

from __future__ import annotations

import re

from upsun_agent.packages.versions.version import Version, identifiers

_NUMBER = "(0|[1-9][0-9]*)"
_IDENTIFIER = "(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_VERSION = re.compile(
    rf"v?{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
#: A time and a commit, as Go's tools make them for a commit without a tag (https://go.dev/ref/mod#pseudo-versions).
_PSEUDO = re.compile(r"(?:.*[.-])?[0-9]{14}-[0-9a-f]{12}")


def parse(text: str) -> Version | None:
    """Return the version; None if it is not a semantic version. Build metadata does not count."""
    found = _VERSION.fullmatch(text)
    if found is None:
        return None
    numbers = (int(found[1]), int(found[2]), int(found[3]))
    return Version((numbers, identifiers(found[4] or "")), numbers)


def parse_go(text: str) -> Version | None:
    """Return the version of a Go module; None if it is not one. A pseudo-version names a commit."""
    found = _VERSION.fullmatch(text)
    if found is None or not text.startswith("v"):
        return None
    version = parse(text)
    is_commit = found[4] is not None and _PSEUDO.fullmatch(found[4]) is not None
    return version and Version(version.key, version.numbers, is_commit)
