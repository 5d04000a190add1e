"""Lay text out in columns and within a width. Pure."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Collection, Sequence

LEAST = 8  # cells that a column keeps however narrow the terminal is
GAP = "  "


def breadth(text: str) -> int:
    """Return the width of the text in terminal cells."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def cut(text: str, room: int) -> str:
    """Return the text in at most ``room`` cells, with an ellipsis in place of the end that does not fit."""
    if breadth(text) <= room:
        return text
    kept = text[: max(room - 1, 0)]
    while kept and breadth(kept) > room - 1:
        kept = kept[:-1]
    return f"{kept}…"


def shortened(text: str, room: int) -> str:
    """Return the text in at most ``room`` cells, with an ellipsis in place of the middle: names differ at both ends."""
    if breadth(text) <= room or not text.isascii():
        return cut(text, room)
    tail = (room - 1) // 2
    return f"{text[: room - 1 - tail]}…{text[len(text) - tail :]}"


def table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], *, room: int | None = None, flexible: Collection[int] = (0,)
) -> list[str]:
    """Return the lines of a table, the headings first.

    Columns are as wide as their texts. If that exceeds ``room`` cells, the widest ``flexible`` columns are narrowed:
    their texts are shortened in the middle (in the last column at the end); lines that are still too long are cut.

    Args:
        heads: the headings.
        rows: the cells, row by row.
        room: how many columns of the terminal there are; None: no limit.
        flexible: the numbers, from 0, of the columns that may be narrowed.
    """
    every = [heads, *rows]
    widths = [max(breadth(row[i]) for row in every) for i in range(len(heads))]
    while room is not None and sum(widths) + len(GAP) * (len(widths) - 1) > room:
        widest = max(flexible, key=lambda i: widths[i])
        if widths[widest] <= LEAST:
            break
        widths[widest] -= 1
    last = len(heads) - 1
    lines = []
    for row in every:
        cells = [(cut if i == last else shortened)(cell, widths[i]) for i, cell in enumerate(row)]
        padded = [cell + " " * (widths[i] - breadth(cell)) for i, cell in enumerate(cells)]
        line = GAP.join(padded).rstrip()
        lines.append(line if room is None else cut(line, room))
    return lines


def folded(text: str, room: int | None, indent: str = "") -> list[str]:
    """Return the text as lines.

    Args:
        text: the text.
        room: the width in cells; None for one line.
        indent: what every line but the first begins with.
    """
    if room is None or breadth(text) <= room:
        return [text]
    if breadth(text) > len(text):  # textwrap counts characters; wide ones take two cells
        room //= 2
    width = max(room, LEAST + len(indent))
    return textwrap.wrap(text, width, subsequent_indent=indent, break_on_hyphens=False) or [""]
