"""Which python3 the platform's single-runtime images have, as far as that can be told from outside. Pure.

The source is the history of https://github.com/upsun/meta, ``resources/image/registry.json``, March to July 2026: the
version of each runtime's package names the release of Debian that it was built for, and each release has one python3.
Where the package does not say it, the date of the image tells it with less certainty, or nothing does.
"""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

#: The least minor version of Python 3 that runs the agent.
LEAST_MINOR = 11

Certainty = Literal["known", "inferred", "unknown"]

#: Debian's own python3, by release: the minor version.
_DEBIAN = {8: 4, 9: 5, 10: 7, 11: 9, 12: 11, 13: 13}
#: Versions of an image, the release of Debian, and how sure that is.
_IMAGES: dict[str, tuple[tuple[str, int, Certainty], ...]] = {
    "php": (
        ("7.2 7.3 7.4", 9, "known"),
        ("8.0 8.1", 10, "known"),
        ("8.2", 11, "inferred"),
        ("8.3", 12, "inferred"),
        ("8.4", 12, "known"),
        ("8.5", 13, "known"),
    ),
    "golang": (
        ("1.18", 10, "known"),
        ("1.19 1.20 1.21", 11, "known"),
        ("1.22 1.23 1.24", 12, "inferred"),
        ("1.25 1.26", 13, "inferred"),
    ),
    "ruby": (
        ("3.1", 10, "known"),
        ("3.2", 11, "known"),
        ("3.3 3.4", 12, "inferred"),
        ("4.0", 13, "inferred"),
    ),
    "rust": (("1", 11, "inferred"),),
    "nodejs": (("18", 10, "inferred"), ("20", 11, "inferred"), ("22 24", 12, "inferred"), ("26", 13, "inferred")),
    "elixir": (("1.15", 11, "known"),),
    "java": (("8", 8, "known"),),
}
_PYTHON = re.compile(r"python:(\d{1,3})\.(\d{1,3})$")


class ImagePython(Struct, frozen=True):
    """The python3 of an image."""

    #: Its minor version; None if nothing tells it.
    minor: int | None
    #: How sure that is.
    certainty: Certainty

    @property
    def is_enough(self) -> bool | None:
        """Whether it runs the agent; None if that is unknown."""
        return None if self.minor is None else self.minor >= LEAST_MINOR


UNKNOWN = ImagePython(None, "unknown")


def image_python(kind: str) -> ImagePython:
    """Return the python3 of a type such as ``php:8.4``."""
    own = _PYTHON.match(kind)
    if own is not None:
        return ImagePython(int(own[2]) if own[1] == "3" else 0, "known")
    name, _, version = kind.partition(":")
    for versions, release, certainty in _IMAGES.get(name, ()):
        if version in versions.split():
            return ImagePython(_DEBIAN[release], certainty)
    return UNKNOWN


def table() -> list[tuple[str, str, Certainty]]:
    """Return the rows of the documentation: image, python3, how sure that is."""
    return [
        (f"{name} {versions.replace(' ', ', ')}", f"3.{_DEBIAN[release]}", certainty)
        for name, rows in _IMAGES.items()
        for versions, release, certainty in rows
    ]
