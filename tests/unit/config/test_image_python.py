"""What is known of the Python of an image, and that the documentation says the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from upsun_agent.platform.image_python import UNKNOWN, image_python, table

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "init.md"


@pytest.mark.parametrize(
    ("kind", "minor", "certainty", "is_enough"),
    [
        ("php:8.5", 13, "known", True),
        ("php:8.4", 11, "known", True),
        ("php:8.3", 11, "inferred", True),
        ("php:8.2", 9, "inferred", False),
        ("php:8.1", 7, "known", False),
        ("nodejs:20", 9, "inferred", False),
        ("rust:1", 9, "inferred", False),
        ("golang:1.26", 13, "inferred", True),
        ("python:3.10", 10, "known", False),
        ("python:3.14", 14, "known", True),
        ("python:2.7", 0, "known", False),
    ],
)
def test_what_an_image_has_is_said_with_how_sure_it_is(
    kind: str, minor: int, certainty: str, *, is_enough: bool
) -> None:
    found = image_python(kind)
    assert (found.minor, found.certainty, found.is_enough) == (minor, certainty, is_enough)


@pytest.mark.parametrize(
    "kind", ["", "php", "php:9.0", "java:21", "dotnet:8.0", "elixir:1.18", "cobol:1", "php:8", "x:y"]
)
def test_what_is_not_known_is_not_guessed(kind: str) -> None:
    assert image_python(kind) == UNKNOWN
    assert image_python(kind).is_enough is None


def test_the_page_has_every_row_of_the_table() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for row in table():
        assert f"| {' | '.join(row)} |\n" in page
