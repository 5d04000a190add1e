"""Tables of the pages: each row stands below its head and has as many cells, else a reader sees its text with bars."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.harness.doc_blocks import PAGES
from tests.harness.sources import REPOSITORY

FENCE = re.compile(r"^ *(```+|~~~+)")
DELIMITER = re.compile(r"^ *\|?( *:?-+:? *\|)+ *(:?-+:?)? *$")


def rows(text: str) -> Iterator[tuple[int, str]]:
    """The lines outside of fenced blocks, with their numbers."""
    fence = ""
    for number, line in enumerate(text.splitlines(), 1):
        found = FENCE.match(line)
        if fence:
            fence = "" if found and found[1].startswith(fence) else fence
        elif found:
            fence = found[1]
        else:
            yield number, line


def cells(row: str) -> int:
    """How many cells a row has: bars that are escaped are text, also in code."""
    return len(re.findall(r"(?<!\\)\|", row.strip().strip("|"))) + 1


def stray(text: str) -> list[tuple[int, str]]:
    """The rows that are part of no table, or have another number of cells than its head."""
    found: list[tuple[int, str]] = []
    table, previous = 0, ""
    for number, line in rows(text):
        if not line.lstrip().startswith("|"):
            table = 0
        elif DELIMITER.match(line) and previous.lstrip().startswith("|"):
            table = cells(line)
            found = [each for each in found if each[0] != number - 1]  # that one was the head
            if cells(previous) != table:
                found.append((number - 1, previous))
        elif not table or cells(line) != table:
            found.append((number, line))
        previous = line
    return found


@pytest.mark.parametrize("page", [*PAGES, REPOSITORY / "CHANGELOG.md"], ids=lambda page: page.name)
def test_every_row_is_part_of_a_table(page: object) -> None:
    assert stray(page.read_text(encoding="utf-8")) == []  # type: ignore[attr-defined]  # a path


TABLE = "| a | b |\n| --- | --- |\n| 1 | 2 |\n"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (TABLE, []),
        (f"{TABLE}\n{TABLE}", []),
        (f"{TABLE}\n| 3 | 4 |\n", [5]),
        (f"{TABLE}\ntext\n\n| 3 | 4 |\n| 5 | 6 |\n", [7, 8]),
        (f"{TABLE}| 3 |\n", [4]),
        (f"{TABLE}| 3 | 4 | 5 |\n", [4]),
        (f"{TABLE}| `x \\| y` | 4 |\n", []),
        ("| a | b | c |\n| --- | --- |\n", [1]),
        ("| no | head |\n", [1]),
        (f"```text\n| 3 | 4 |\n```\n{TABLE}", []),
    ],
)
def test_a_row_that_stands_alone_or_is_too_long_is_found(text: str, lines: list[int]) -> None:
    assert [number for number, _ in stray(text)] == lines
