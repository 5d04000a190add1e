"""Decode a text in every way in which programs encode it; each character keeps its place in the original text.

URL-encoding, escapes of JSON, JavaScript, C, Python and shells, HTML's references and quoted-printable are undone one
layer at a time, so that what is encoded twice is found too. A secret is then looked for as it is.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from upsun_agent.log.escapes import kept

UNICODE_END = 0x110000
LAYERS_MOST = 4  # JSON in JSON in JSON in a URL

#: What stands between the letters that are read, and is not seen.
_JOINING = re.compile("[\u00ad\u034f\u115f\u1160\u200c\u200d\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e007f]+")
_WRAPPED = re.compile(r"(?<=[A-Za-z0-9+/_-]{60})\r?\n[ \t]{0,40}(?=[A-Za-z0-9+/=_-])")  # base64 as MIME folds it
_FOLD = re.compile(r"\\?\r?\n[ \t]{0,40}")
_QUOTES = re.compile(r"[\\'\"]+")
_SOFT_BREAK = re.compile(r"=\r?\n|((?:=[0-9A-Fa-f]{2})+)")
_ESCAPES = re.compile(
    r"(?P<percent>(?:%[0-9A-Fa-f]{2})+)"
    r"|(?P<hex>(?:\\x[0-9A-Fa-f]{2})+)"
    r"|(?P<octal>(?:\\[0-3][0-7]{2})+)"
    r"|(?P<unit>(?:[\\%]u[0-9A-Fa-f]{4})+)"
    r"|\\[ux]\{(?P<braced>[0-9A-Fa-f]{1,6})\}|\\U(?P<long>[0-9A-Fa-f]{8})"
    r"|&(?:\#(?P<decimal>[0-9]{1,9})|\#[xX](?P<heximal>[0-9A-Fa-f]{1,8})|(?P<named>[A-Za-z][A-Za-z0-9]{1,31}));"
    r"|\\(?P<char>[^A-Za-z0-9\s]|[abefnrtv \t])",
    re.VERBOSE,
)
_HINT = re.compile(r"%[0-9A-Fa-fu]|\\[^\s]|&[#A-Za-z]")
_CONTROLS = {"a": "\a", "b": "\b", "e": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}


class Layer:
    """One spelling of a text; ``starts`` and ``ends`` are the places of its characters, None where they are their own.

    ``pure`` is true of the text as a terminal would show it: shapes are looked for in such a text only.
    """

    __slots__ = ("_ends", "_starts", "pure", "text")

    def __init__(self, text: str, starts: list[int] | None, ends: list[int] | None, *, pure: bool = False) -> None:
        self.text = text
        self.pure = pure
        self._starts = starts
        self._ends = ends

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the place in the text itself of a part of this layer."""
        if self._starts is None or self._ends is None or start >= end:
            return start, end
        return self._starts[start], self._ends[end - 1]

    def picked(self, parts: list[list[int]], *, pure: bool = False) -> Layer:
        """Return the layer of these parts of this one."""
        text = "".join(self.text[start:end] for start, end in parts)
        starts: list[int] = []
        ends: list[int] = []
        for start, end in parts:
            starts += range(start, end) if self._starts is None else self._starts[start:end]
            ends += range(start + 1, end + 1) if self._ends is None else self._ends[start:end]
        return Layer(text, starts, ends, pure=pure)

    def without(self, pattern: re.Pattern[str], *, pure: bool = False) -> Layer | None:
        """Return the layer without what the pattern matches; None where that is nothing."""
        parts, place = [], 0
        for match in pattern.finditer(self.text):
            parts.append([place, match.start()])
            place = match.end()
        return self.picked([*parts, [place, len(self.text)]], pure=pure) if place else None

    def unfolded(self) -> Layer | None:
        """Return the layer with its lines joined, as a header, a mail or a narrow terminal folds them; None for one."""
        return self.without(_FOLD) if "\n" in self.text else None

    def unquoted(self) -> Layer | None:
        """Return the layer without quotes and backslashes, and with a space for each plus; None where it has none."""
        bare = self.without(_QUOTES)
        if bare is None and "+" in self.text:
            bare = Layer(self.text, self._starts, self._ends)
        if bare is not None:
            bare.text = bare.text.replace("+", " ")
        return bare

    def decoded(self, pattern: re.Pattern[str] = _ESCAPES) -> Layer | None:
        """Return the layer with one layer of escapes undone; None where it has none."""
        parts: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        place = 0

        def keep(end: int) -> None:
            parts.append(self.text[place:end])
            starts.extend(range(place, end) if self._starts is None else self._starts[place:end])
            ends.extend(range(place + 1, end + 1) if self._ends is None else self._ends[place:end])

        for match in pattern.finditer(self.text):
            if not _stands_for_something(match):
                continue
            keep(match.start())
            for char, begin, end in _characters(match):
                first, last = self.span(match.start() + begin, match.start() + end)
                parts.append(char)
                starts.append(first)
                ends.append(last)
            place = match.end()
        if not place:
            return None
        keep(len(self.text))
        return Layer("".join(parts), starts, ends)


def unquoted(text: str) -> str:
    """Return the text as ``Layer.unquoted`` has it."""
    return _QUOTES.sub("", text).replace("+", " ")


def fully_decoded(text: str) -> str:
    """Return the text with all escapes undone, as the last of its layers has it."""
    layer: Layer | None = Layer(text, None, None)
    for _ in range(LAYERS_MOST):
        layer = layer.decoded() if layer is not None else None
        text = text if layer is None else layer.text
    return text


def layers(text: str) -> Iterator[Layer]:
    """Yield the text itself, without what is not seen, and with its escapes undone, layer by layer."""
    layer: Layer | None = Layer(text, None, None, pure=True)
    yield Layer(text, None, None, pure=True)
    parts = kept(text)
    if parts is not None:
        layer = Layer(text, None, None).picked(parts, pure=True)
        yield layer
    if layer is not None and not layer.text.isascii():
        joined = layer.without(_JOINING, pure=True)
        if joined is not None:
            yield joined
            layer = joined
    if "=" in text and layer is not None:
        printable = layer.decoded(_SOFT_BREAK)
        if printable is not None:
            yield printable
    yield from _unwrapped(layer)
    for _ in range(LAYERS_MOST):
        layer = layer.decoded() if layer is not None and _HINT.search(layer.text) else None
        if layer is None:
            return
        yield layer
        yield from _unwrapped(layer)
        hidden = kept(layer.text)  # a sequence that was escaped itself, as JSON does it
        if hidden is not None:
            yield layer.picked(hidden)


def _unwrapped(layer: Layer | None) -> Iterator[Layer]:
    """Yield the layer with the lines of long words joined, if it has such."""
    joined = layer.without(_WRAPPED) if layer is not None else None
    if joined is not None:
        yield joined


def _stands_for_something(match: re.Match[str]) -> bool:
    """Return whether what looks like an escape is one: not every name and number means a character in HTML."""
    kind = match.lastgroup
    if kind == "named":
        return _named(match[0]) != match[0]
    return kind not in {"decimal", "heximal", "braced", "long"} or _code(match) < UNICODE_END


def _code(match: re.Match[str]) -> int:
    kind = match.lastgroup or ""
    return int(match[kind], 10 if kind == "decimal" else 16)


def _characters(match: re.Match[str]) -> Iterator[tuple[str, int, int]]:
    """Yield the characters that an escape stands for, each with its place within it."""
    kind, said = match.lastgroup, match[0]
    if match.re is _SOFT_BREAK:
        if match[1]:
            yield from _of_bytes(match[1].replace("=", ""), 3)
    elif kind in {"percent", "hex"}:
        width = 3 if kind == "percent" else 4
        yield from _of_bytes(said.replace("%", "").replace("\\x", ""), width)
    elif kind == "octal":
        codes = (int(said[at + 1 : at + 4], 8) for at in range(0, len(said), 4))
        yield from _of_bytes("".join(f"{code:02x}" for code in codes), 4)
    elif kind == "unit":
        yield from _of_units(said)
    elif kind == "char":
        yield _CONTROLS.get(said[1], said[1]), 0, len(said)
    elif kind == "named":
        yield _named(said), 0, len(said)
    elif kind is not None:
        yield chr(_code(match)), 0, len(said)


def _of_bytes(digits: str, width: int) -> Iterator[tuple[str, int, int]]:
    """Yield the characters of escaped bytes, each with the number of characters that spell it: UTF-8, else Latin-1."""
    data, place = bytes.fromhex(digits), 0
    for char in data.decode("utf-8", "surrogateescape"):
        size = 1 if char.isascii() or "\udc80" <= char <= "\udcff" else len(char.encode())
        known = chr(ord(char) - 0xDC00) if "\udc80" <= char <= "\udcff" else char
        yield known, place, place + size * width
        place += size * width


def _of_units(said: str) -> Iterator[tuple[str, int, int]]:
    """Yield the characters of units of UTF-16, each written with six characters."""
    data, place = bytes.fromhex(said.replace("\\u", "").replace("%u", "")), 0
    for char in data.decode("utf-16-be", "surrogatepass"):
        size = 12 if ord(char) > 0xFFFF else 6  # noqa: PLR2004  the last that one unit holds
        yield char, place, place + size
        place += size


def _named(said: str) -> str:
    """Return the character of a named reference; a text of several, or of none, as it is."""
    name = said[1:-1]
    if name in _NAMED:
        return _NAMED[name]
    char = html.unescape(said)
    return char if len(char) == 1 else said
