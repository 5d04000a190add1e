"""The only module that prints: text for people, or one JSON document for programs.

Without a terminal there are no colours, prompts or progress lines. ``NO_COLOR`` is honoured.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from msgspec import UNSET, Struct
from msgspec import json as fast_json

from upsun_agent.cli.streams import escaped, give_up, harmless
from upsun_agent.errors import StateNotWritable
from upsun_agent.log.foreign_text import safe, without_secrets
from upsun_agent.text.columns import folded, table
from upsun_agent.text.event_text import Line, Tone
from upsun_agent.text.humanize import iso

_COLOURS: dict[Tone, str] = {"good": "32", "bad": "31", "odd": "33", "dim": "2"}
_WORD = re.compile(r"[a-z]{1,20}(?:_[a-z]{1,20}){0,3}")
_SIGNS: dict[Tone, str] = {"good": "✓", "bad": "✗", "odd": "!", "dim": "·", "plain": "→"}
_ASCII: dict[Tone, str] = {"good": "+", "bad": "x", "odd": "!", "dim": ".", "plain": ">"}


#: The marker of our own colours in a text until it is written: text from outside cannot know the random number.
_MARK = os.urandom(8).hex()
_OURS = re.compile(f"\ufdd0{_MARK}([0-9]{{1,2}})\ufdd1")


def _mark(colour: str) -> str:
    return f"\ufdd0{_MARK}{colour}\ufdd1"


class Exact(str):
    """A text that programs apply, such as a patch: only secrets are removed; JSON escapes control characters."""

    __slots__ = ()


def _clean(text: str) -> str:
    """Return the text without secrets and control characters, with bytes that are not UTF-8 escaped."""
    return safe(escaped(text))


#: The keys of documents whose texts may name files and commands of one product.
WORDED = frozenset({"message", "remedy"})


class _Cleaned(dict[str, str]):
    """The texts of one document, clean: most stand in it many times."""

    def __init__(self, reword: Callable[[str], str]) -> None:
        """Take the function that returns a message or a remedy in the words of the project's product."""
        super().__init__()
        self._reword = reword

    def item(self, key: Any, value: Any) -> Any:
        """Return the value of a key; messages and remedies in the words of the product."""
        return self._reword(value) if key in WORDED and isinstance(value, str) else value

    def __missing__(self, text: str) -> str:
        """Return the text clean, and keep it."""
        self[text] = _clean(text)
        return self[text]


def _documented(value: Any, clean: _Cleaned) -> Any:
    """Return the value as a document may hold it: every text clean, a record as an object, a time to the second.

    Lone surrogates are escaped, since many JSON parsers refuse them.
    """
    if isinstance(value, Exact):
        return without_secrets(escaped(value))
    if isinstance(value, str):
        return clean[value]
    if isinstance(value, Struct):
        keys, names = value.__struct_encode_fields__, value.__struct_fields__
        found = ((key, getattr(value, name)) for key, name in zip(keys, names, strict=True))
        return {key: _documented(clean.item(key, item), clean) for key, item in found if item is not UNSET}
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, dict):
        return {_key(key, clean): _documented(clean.item(key, item), clean) for key, item in value.items()}
    return [_documented(item, clean) for item in value] if isinstance(value, list | tuple) else value


def _key(key: Any, clean: _Cleaned) -> Any:
    """Return a key of a document; the agent's own words stay even if a secret has the same text."""
    return key if not isinstance(key, str) or _WORD.fullmatch(key) else clean[key]


def _put(text: str, *, as_file: bool = False) -> None:
    """Write to standard output and flush it; raise StateNotWritable if it is full, BrokenPipeError if it is closed.

    With ``as_file`` the text is the content of a file: UTF-8 in every locale.
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
        remedy = "let its reader continue" if isinstance(error, TimeoutError) else "free space there"
        raise StateNotWritable(f"the output cannot be written: {error.strerror}", remedy=remedy) from error


def text_of(value: Any, reword: Callable[[str], str] = str) -> str:
    """Return a document as the text of ``--json``: clean, and ASCII only, which every terminal and pipe can take."""
    return fast_json.format(json.dumps(_documented(value, _Cleaned(reword))), indent=2) + "\n"


class Terminal:
    """Standard output, with what is known of it: terminal, width, colours, characters."""

    def __init__(self, *, json_wanted: bool = False, reword: Callable[[str], str] = str) -> None:
        """Look at standard output.

        Args:
            json_wanted: whether one document is printed instead of text.
            reword: returns a remedy in the words of the project's product.
        """
        self.json_wanted = json_wanted
        self._reword = reword
        self.interactive = sys.stdout.isatty() and not json_wanted
        self.coloured = self.interactive and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower().replace("-", "")
        self._signs = _SIGNS if encoding.startswith("utf") else _ASCII
        self._live = False

    def document(self, value: Any) -> None:
        """Print the one JSON document of a ``--json`` call."""
        _put(text_of(value, self._reword))

    def say(self, text: str = "", tone: Tone = "plain") -> None:
        """Print a line; print nothing when JSON is wanted."""
        if not self.json_wanted:
            self.unlive()
            _put(self.shown(text, tone) + "\n")

    def raw(self, text: str) -> None:
        """Write text that holds our own escape sequences; text from outside must go through ``shown`` first."""
        _put(text)

    def file(self, text: str) -> None:
        """Write the content of a file byte for byte, for a pipe or a redirection."""
        _put(text, as_file=True)

    def shown(self, text: str, tone: Tone) -> str:
        """Return a text for the terminal: in the colour of its tone, without foreign control characters."""
        parts = _OURS.split(self.paint(text, tone))
        for place, part in enumerate(parts):
            parts[place] = f"\x1b[{part}m" if place % 2 else harmless(_clean(part))
        return "".join(parts)

    def paragraph(self, text: str) -> None:
        """Print a text, folded to the terminal's width."""
        text = _clean(text)
        width = min(shutil.get_terminal_size((80, 24)).columns, 100)
        self.say("\n".join(textwrap.wrap(text, width)))

    def beside(self, head: str, text: str, indent: int) -> None:
        """Print a text beside its head, which takes ``indent`` columns.

        On a terminal the text is folded to stay there.

        Args:
            head: the text on the left.
            text: the text on the right.
            indent: how many columns the head takes.
        """
        text = _clean(text)  # before folding: half of a secret would not be recognised
        room = max(shutil.get_terminal_size((80, 24)).columns - indent, 30) if self.interactive else sys.maxsize
        lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]
        self.say("\n".join([f"{head}{lines[0]}", *(f"{' ' * indent}{line}" for line in lines[1:])]))

    def remarks(self, found: Iterable[tuple[str, str]]) -> None:
        """Print problems, each with its remedy below it."""
        for text, remedy in found:
            self.note(f"! {text}", "odd")
            self.note(f"  {self._reword(remedy)}", "dim")

    def story(self, line: Line, moment: datetime | None = None) -> None:
        """Print a sentence about a run: the time, its sign, the sentence, and the remedy below."""
        clock = f"{moment:%H:%M:%S}  " if moment is not None else ""
        room, indent = self.width, " " * (len(clock) + 2)
        first, *rest = folded(_clean(line.text), room and room - len(indent))
        self.say(f"{clock}{self.paint(self._signs[line.tone], line.tone)} {self.paint(first, line.tone)}")
        for part in rest:
            self.say(f"{indent}{part}", line.tone)
        if line.remedy:
            self.note(f"{indent}{self._reword(line.remedy)}", "dim", indent)

    def paint(self, text: str, tone: Tone) -> str:
        """Return the text in the colour of the tone, if colours are used."""
        return f"{_mark(_COLOURS[tone])}{text}{_mark('0')}" if self.coloured and tone in _COLOURS else text

    def live(self, text: str) -> None:
        """Print a line that the next one replaces, on a terminal only."""
        if self.interactive:
            width = shutil.get_terminal_size().columns
            _put(f"\r\x1b[2K{harmless(_clean(text)[: width - 1])}")
            self._live = True

    def unlive(self) -> None:
        """Clear the live line."""
        if self._live:
            _put("\r\x1b[2K")
            self._live = False

    @property
    def width(self) -> int | None:
        """The width of the terminal in cells; None without a terminal."""
        return max(shutil.get_terminal_size((80, 24)).columns, 40) if self.interactive else None

    def note(self, text: str, tone: Tone = "plain", indent: str = "  ") -> None:
        """Print a line, folded if the terminal is narrower.

        Args:
            text: the line.
            tone: how it is coloured.
            indent: what stands before each line of it.
        """
        for part in folded(_clean(text), self.width, indent):
            self.say(part, tone)

    def clean(self, text: str) -> str:
        """Return the text without secrets and control characters, so that it can be cut to a width."""
        return _clean(text)

    def lines(self, found: Iterable[Line]) -> None:
        """Print lines that already fit the width."""
        for line in found:
            self.say(line.text, line.tone)

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[str]], flexible: Collection[int] = (0,)) -> None:
        """Print a table with columns as wide as needed.

        On a terminal the flexible columns are narrowed so that lines fit.

        Args:
            heads: the headings.
            rows: the cells, row by row.
            flexible: the numbers, from 0, of the columns that may be narrowed.
        """
        rows = [[_clean(cell) for cell in row] for row in rows]
        for number, line in enumerate(table(heads, rows, room=self.width, flexible=flexible)):
            self.say(line, "dim" if number == 0 else "plain")
