"""The one place that prints: plain text for people, one JSON document for programs.

Without a terminal there are no colours, no prompts and no progress. ``NO_COLOR`` is honoured.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from agent.cli.streams import give_up, harmless
from agent.errors import StateNotWritable
from agent.report.story import Line, Tone

_COLOURS: dict[Tone, str] = {"good": "32", "bad": "31", "odd": "33", "dim": "2"}
_SIGNS: dict[Tone, str] = {"good": "✓", "bad": "✗", "odd": "!", "dim": "·", "plain": "→"}
_ASCII: dict[Tone, str] = {"good": "+", "bad": "x", "odd": "!", "dim": ".", "plain": ">"}


def _put(text: str) -> None:
    """Write to standard output at once; raises StateNotWritable where it is full (a broken pipe is its own case)."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        give_up(sys.stdout)
        raise StateNotWritable(f"the output cannot be written: {error.strerror}", remedy="free its disk") from error


class Terminal:
    """Standard output as it is: a terminal or not, wide or narrow, able to show signs or not."""

    def __init__(self, *, json_wanted: bool = False) -> None:
        self.json_wanted = json_wanted
        self.interactive = sys.stdout.isatty() and not json_wanted
        self.coloured = self.interactive and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower().replace("-", "")
        self._signs = _SIGNS if encoding.startswith("utf") else _ASCII
        self._live = False

    def document(self, value: Any) -> None:
        """The one JSON document of a ``--json`` call."""
        _put(json.dumps(value, indent=2) + "\n")  # ASCII only: every terminal and every pipe can take it

    def say(self, text: str = "", tone: Tone = "plain") -> None:
        """A line for people; nothing where JSON is wanted."""
        if not self.json_wanted:
            self.unlive()
            _put(harmless(self.paint(text, tone), coloured=self.coloured) + "\n")

    def paragraph(self, text: str) -> None:
        """Text folded to the terminal's width."""
        width = min(shutil.get_terminal_size((80, 24)).columns, 100)
        self.say("\n".join(textwrap.wrap(text, width)))

    def beside(self, head: str, text: str, indent: int) -> None:
        """A text beside its head, which takes ``indent`` columns; on a terminal it is folded to stay beside it."""
        room = max(shutil.get_terminal_size((80, 24)).columns - indent, 30) if self.interactive else sys.maxsize
        lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]
        self.say("\n".join([f"{head}{lines[0]}", *(f"{' ' * indent}{line}" for line in lines[1:])]))

    def remarks(self, found: Iterable[tuple[str, str]]) -> None:
        """What should be put right, each with what helps below it."""
        for text, remedy in found:
            self.say(f"! {text}", "odd")
            self.say(f"  {remedy}", "dim")

    def story(self, line: Line, moment: datetime | None = None) -> None:
        """A sentence of a story with its sign, the time before it, and the remedy below."""
        clock = f"{moment:%H:%M:%S}  " if moment is not None else ""
        sign = self._signs[line.tone]
        self.say(f"{clock}{self.paint(sign, line.tone)} {self.paint(line.text, line.tone)}")
        if line.remedy:
            self.say(f"{' ' * len(clock)}  {line.remedy}", "dim")

    def paint(self, text: str, tone: Tone) -> str:
        """The text in the tone's colour, where there are colours."""
        return f"\x1b[{_COLOURS[tone]}m{text}\x1b[0m" if self.coloured and tone in _COLOURS else text

    def live(self, text: str) -> None:
        """A line that the next one replaces, on a terminal only."""
        if self.interactive:
            width = shutil.get_terminal_size().columns
            _put(f"\r\x1b[2K{text[: width - 1]}")
            self._live = True

    def unlive(self) -> None:
        """Take the live line away."""
        if self._live:
            _put("\r\x1b[2K")
            self._live = False

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Columns as wide as they need; the last one takes what is left and is cut at the terminal's edge."""
        widths = [max(len(str(row[i])) for row in [heads, *rows]) for i in range(len(heads))]
        room = max(shutil.get_terminal_size((80, 24)).columns, 40) if self.interactive else 10_000
        for number, row in enumerate([heads, *rows]):
            cells = [str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)]
            line = "  ".join(cells).rstrip()
            self.say(line if len(line) <= room else f"{line[: room - 1]}…", "dim" if number == 0 else "plain")


def ago(moment: datetime | None, now: datetime) -> str:
    """How long ago a moment was, or how far ahead, in one unit."""
    if moment is None:
        return "never"
    seconds = (now - moment).total_seconds()
    text = span(timedelta(seconds=abs(seconds)))
    return f"{text} ago" if seconds >= 0 else f"in {text}"


def span(length: timedelta) -> str:
    """A length of time in its largest one or two units."""
    seconds = int(length.total_seconds())
    for size, unit, smaller, name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= size:
            rest = seconds % size // smaller
            return f"{seconds // size} {unit} {rest} {name}" if rest and unit != "d" else f"{seconds // size} {unit}"
    return f"{seconds} s"
