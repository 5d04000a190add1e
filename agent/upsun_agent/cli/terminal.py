"""The one place that prints: plain text for people, one JSON document for programs.

Without a terminal there are no colours, no prompts and no progress. ``NO_COLOR`` is honoured.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from upsun_agent.cli.streams import escaped, give_up, harmless
from upsun_agent.errors import StateNotWritable
from upsun_agent.log.foreign_text import safe, without_secrets
from upsun_agent.text.columns import folded, table
from upsun_agent.text.event_text import Line, Tone

_COLOURS: dict[Tone, str] = {"good": "32", "bad": "31", "odd": "33", "dim": "2"}
_WORD = re.compile(r"[a-z]{1,20}(?:_[a-z]{1,20}){0,3}")
_SIGNS: dict[Tone, str] = {"good": "✓", "bad": "✗", "odd": "!", "dim": "·", "plain": "→"}
_ASCII: dict[Tone, str] = {"good": "+", "bad": "x", "odd": "!", "dim": ".", "plain": ">"}


#: How a colour of ours stands in a text until it is written: what comes from elsewhere cannot know the number.
_MARK = os.urandom(8).hex()
_OURS = re.compile(f"\ufdd0{_MARK}([0-9]{{1,2}})\ufdd1")


def _mark(colour: str) -> str:
    return f"\ufdd0{_MARK}{colour}\ufdd1"


class Exact(str):
    """A text of a document that programs apply, such as a patch: line breaks and all stay, but secrets do not.

    JSON writes what a terminal obeys as escapes.
    """

    __slots__ = ()


def _clean(text: str) -> str:
    """Return the text without secrets and what a terminal obeys; bytes that are no UTF-8 are escaped."""
    return safe(escaped(text))


class _Cleaned(dict[str, str]):
    """The texts of one document, clean: most stand in it many times."""

    def __missing__(self, text: str) -> str:
        """Return the text clean, and keep it."""
        self[text] = _clean(text)
        return self[text]


def _documented(value: Any, clean: _Cleaned) -> Any:
    """Return the value as a document may hold it: every text clean.

    Half of a pair is escaped: many readers of JSON refuse it. Keys are ours, but for those that are names.
    """
    if isinstance(value, Exact):
        return without_secrets(escaped(value))
    if isinstance(value, str):
        return clean[value]
    if isinstance(value, dict):
        return {_key(key, clean): _documented(item, clean) for key, item in value.items()}
    return [_documented(item, clean) for item in value] if isinstance(value, list | tuple) else value


def _key(key: Any, clean: _Cleaned) -> Any:
    """Return a key of a document: a word of ours stays, whatever is secret."""
    return key if not isinstance(key, str) or _WORD.fullmatch(key) else clean[key]


def _put(text: str, *, as_file: bool = False) -> None:
    """Write to standard output at once; raises StateNotWritable where it is full (a broken pipe is its own case).

    ``as_file`` for what is a file's content: UTF-8 whatever the locale says.
    """
    try:
        if as_file:
            sys.stdout.buffer.write(text.encode())
        else:
            sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        give_up(sys.stdout)
        remedy = "have its reader read on" if isinstance(error, TimeoutError) else "free space there"
        raise StateNotWritable(f"the output cannot be written: {error.strerror}", remedy=remedy) from error


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
        _put(
            json.dumps(_documented(value, _Cleaned()), indent=2) + "\n"
        )  # ASCII only: every terminal and every pipe can take it

    def say(self, text: str = "", tone: Tone = "plain") -> None:
        """A line for people; nothing where JSON is wanted."""
        if not self.json_wanted:
            self.unlive()
            _put(self.shown(text, tone) + "\n")

    def raw(self, text: str) -> None:
        """Text with what a terminal obeys, ours alone: what comes from elsewhere goes through ``shown`` first."""
        _put(text)

    def file(self, text: str) -> None:
        """The content of a file, byte for byte, for a pipe or a redirection."""
        _put(text, as_file=True)

    def shown(self, text: str, tone: Tone) -> str:
        """A text as a terminal may get it: in its tone's colour, and harmless."""
        parts = _OURS.split(self.paint(text, tone))
        for place, part in enumerate(parts):
            parts[place] = f"\x1b[{part}m" if place % 2 else harmless(_clean(part))
        return "".join(parts)

    def paragraph(self, text: str) -> None:
        """Text folded to the terminal's width."""
        text = _clean(text)
        width = min(shutil.get_terminal_size((80, 24)).columns, 100)
        self.say("\n".join(textwrap.wrap(text, width)))

    def beside(self, head: str, text: str, indent: int) -> None:
        """A text beside its head, which takes ``indent`` columns; on a terminal it is folded to stay beside it."""
        text = _clean(text)  # before it is folded, as everywhere here: half of a secret is not known as one
        room = max(shutil.get_terminal_size((80, 24)).columns - indent, 30) if self.interactive else sys.maxsize
        lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]
        self.say("\n".join([f"{head}{lines[0]}", *(f"{' ' * indent}{line}" for line in lines[1:])]))

    def remarks(self, found: Iterable[tuple[str, str]]) -> None:
        """What should be put right, each with what helps below it."""
        for text, remedy in found:
            self.note(f"! {text}", "odd")
            self.note(f"  {remedy}", "dim")

    def story(self, line: Line, moment: datetime | None = None) -> None:
        """A sentence of a story with its sign, the time before it, and the remedy below."""
        clock = f"{moment:%H:%M:%S}  " if moment is not None else ""
        room, indent = self.width, " " * (len(clock) + 2)
        first, *rest = folded(_clean(line.text), room and room - len(indent))
        self.say(f"{clock}{self.paint(self._signs[line.tone], line.tone)} {self.paint(first, line.tone)}")
        for part in rest:
            self.say(f"{indent}{part}", line.tone)
        if line.remedy:
            self.note(f"{indent}{line.remedy}", "dim", indent)

    def paint(self, text: str, tone: Tone) -> str:
        """The text in the tone's colour, where there are colours."""
        return f"{_mark(_COLOURS[tone])}{text}{_mark('0')}" if self.coloured and tone in _COLOURS else text

    def live(self, text: str) -> None:
        """A line that the next one replaces, on a terminal only."""
        if self.interactive:
            width = shutil.get_terminal_size().columns
            _put(f"\r\x1b[2K{harmless(_clean(text)[: width - 1])}")
            self._live = True

    def unlive(self) -> None:
        """Take the live line away."""
        if self._live:
            _put("\r\x1b[2K")
            self._live = False

    @property
    def width(self) -> int | None:
        """How many cells a line has; None where nobody looks at it on a terminal."""
        return max(shutil.get_terminal_size((80, 24)).columns, 40) if self.interactive else None

    def note(self, text: str, tone: Tone = "plain", indent: str = "  ") -> None:
        """A line for people, folded where the terminal is narrower."""
        for part in folded(_clean(text), self.width, indent):
            self.say(part, tone)

    def clean(self, text: str) -> str:
        """Return the text as it may be cut to a width: without secrets and what a terminal obeys."""
        return _clean(text)

    def lines(self, found: Iterable[Line]) -> None:
        """Lines that fit already."""
        for line in found:
            self.say(line.text, line.tone)

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[str]], flexible: Collection[int] = (0,)) -> None:
        """Columns as wide as they need; on a terminal the flexible ones give way, so that lines fit."""
        rows = [[_clean(cell) for cell in row] for row in rows]
        for number, line in enumerate(table(heads, rows, room=self.width, flexible=flexible)):
            self.say(line, "dim" if number == 0 else "plain")
