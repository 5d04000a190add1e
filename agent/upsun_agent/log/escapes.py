"""Remove escape sequences, control characters and direction marks from text.

Sequences are removed whole, as a terminal reads them (ECMA-48): CSI sequences, the strings of OSC, DCS, APC, PM
and SOS with either terminator, short sequences with intermediates, all of them with ESC or with an 8-bit introducer.
A sequence that begins within another one or is cut is removed too. The time is linear in the length of the text.
"""

from __future__ import annotations

import re

Span = tuple[int, int]

STRING_MOST = 4096  # characters of the string of one sequence, such as a title
OPEN_MOST = 512  # characters within which a sequence that another one interrupted goes on
HELD = 64  # characters that backspaces may still take away

ESC = "\x1b"
#: 8-bit introducers as characters, and as bytes that are not UTF-8 (decoded with ``surrogateescape``).
_CSI8, _STRINGS8 = "\x9b\udc9b", "\x90\x98\x9d\x9e\x9f\udc90\udc98\udc9d\udc9e\udc9f"

#: Invisible characters and direction marks. Joiners stay: several scripts and emoji need them.
_UNSEEN = "\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
_STOP = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_UNSEEN}\udc80-\udc9f]")
_PARAMETERS = re.compile(r"[0-?]{0,128}[ -/]{0,16}")
_RESUMED = re.compile(r"[0-?]{1,128}[ -/]{0,16}(?:[@-~]|\Z)")
_FINAL = re.compile(r"[@-~]")
_SHORT = re.compile(r"[ -/]{0,16}[0-~]")
_INTERMEDIATES = re.compile(r"[ -/]{0,16}\Z")
_STRING_END = re.compile("\x07|\x1b\\\\|[\x9c\udc9c\x18\x1a]")
_STRING_CUT = re.compile("[\n\r\x1b\x18\x1a]")
_BREAKS = str.maketrans({"\r": "\n", "\x0b": "\n", "\x0c": "\n"})
_SURROGATE = re.compile("[\ud800-\udfff]")


class _Scan:
    """One pass over a text that says what of it stays."""

    def __init__(self, text: str, *, final: bool) -> None:
        self._text = text
        self._final = final
        self._string_end = -1  # the nearest end of a string, looked for once
        self.kept: list[list[int]] = []

    def run(self) -> int:
        """Fill ``kept``; return how far the text is judged: the rest may be half of a sequence."""
        text, place, outer = self._text, 0, -1
        while (stop := _STOP.search(text, place)) is not None:
            at = stop.start()
            if at > place:
                self.kept.append([place, at])
                outer = -1
            end = self._after(at)
            if end is None:
                return at if outer < 0 else outer
            if text[at] in "\r\x0b\x0c":
                outer = -1
            elif text[at] == ESC and text[end : end + 1] == ESC and text[at + 1 : at + 2] == "[":
                # Another sequence began within this one. One that is far back is given up: a text in pieces would
                # hold back all from there on, and read it again with each piece.
                outer = at if outer < 0 or at - outer >= OPEN_MOST else outer
            elif outer >= 0:
                rest = _RESUMED.match(text, end)
                if not self._final and len(text) - outer < OPEN_MOST and (rest.end() if rest else end) == len(text):
                    return outer
                if rest is not None:
                    end, outer = rest.end(), -1
            place = end
        if place < len(text):
            self.kept.append([place, len(text)])
        return len(text)

    def _after(self, at: int) -> int | None:
        """Return where the text goes on behind what begins at ``at``; None where that is not known yet."""
        text, char, end = self._text, self._text[at], at + 1
        if char == "\b":
            self._back()
        elif char == "\r":
            if end == len(text) and not self._final:
                return None
            if text[end : end + 1] != "\n":
                self.kept.append([at, end])
        elif char in "\x0b\x0c":
            self.kept.append([at, end])
        elif char == ESC:
            return self._after_escape(end)
        elif char in _CSI8:
            return self._after_control(end, strict=True)
        elif char in _STRINGS8:
            return self._after_string(end, strict=True)
        return end

    def _back(self) -> None:
        """Take away what stands last on the line: what comes next is written over it."""
        last = self.kept[-1] if self.kept else None
        if last is not None and self._text[last[1] - 1] != "\n":
            last[1] -= 1
            if last[0] == last[1]:
                self.kept.pop()

    def _after_escape(self, place: int) -> int | None:
        kind = self._text[place : place + 1]
        if kind == "[":
            return self._after_control(place + 1, strict=False)
        if kind and kind in "]PX^_":
            return self._after_string(place + 1, strict=False)
        if (short := _SHORT.match(self._text, place)) is not None:
            return short.end()
        if (cut := _INTERMEDIATES.match(self._text, place)) is not None:
            return cut.end() if self._final else None
        return place

    def _after_control(self, place: int, *, strict: bool) -> int | None:
        """Behind a CSI sequence; ``strict``: one that does not end as it should is no sequence."""
        parameters = _PARAMETERS.match(self._text, place)
        end = parameters.end() if parameters else place
        if end == len(self._text):
            return end if self._final else None
        if _FINAL.match(self._text, end):
            return end + 1
        return place if strict else end

    def _after_string(self, place: int, *, strict: bool) -> int | None:
        """Behind the string of a sequence; where its end is missing, behind its line (``strict``: its introducer)."""
        text, limit = self._text, place + STRING_MOST
        if self._string_end < place:
            end = _STRING_END.search(text, place)
            self._string_end = end.start() if end else len(text) + STRING_MOST
        if self._string_end < min(limit, len(text)):
            at = self._string_end
            if text.find("\n", place, at) < 0 or text.find(ESC, place, at) < 0:
                return at + (2 if text[at] == ESC else 1)
        elif len(text) < limit and not self._final:
            return None
        if strict:
            return place
        cut = _STRING_CUT.search(text, place, limit)
        return cut.start() if cut else min(limit, len(text))


def kept(text: str) -> list[list[int]] | None:
    """Return the parts of the text that stay, as places; None where all of it stays."""
    if _STOP.search(text) is None:
        return None
    scan = _Scan(text, final=True)
    scan.run()
    return scan.kept


def _joined(text: str, parts: list[list[int]]) -> str:
    return _whole("".join(text[start:end] for start, end in parts).translate(_BREAKS))


def _whole(text: str) -> str:
    """Return the text with a sign for every byte that was not UTF-8."""
    return text if text.isascii() else _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)


def normal(text: str) -> str:
    """Return the text as it may be searched and shown: only line breaks and tabs are left of what is not printed."""
    parts = kept(text)
    return _whole(text) if parts is None else _joined(text, parts)


def printable(text: str, *, keep: str = "", odd: str = " ") -> str:
    """Return the text with a blank for white space, and ``odd`` for what else is not printed; ``keep`` stays.

    Args:
        text: the text.
        keep: characters that stay as they are.
        odd: what stands for a character that is not printed.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in keep else " " if char.isspace() else odd for char in text)


class Normaliser:
    """Normalises a text that comes in pieces: a sequence that two of them share is known as one."""

    def __init__(self) -> None:
        self._rest = ""

    def feed(self, piece: str) -> str:
        """Take one more piece; return what is known to stay."""
        text = self._rest + piece
        scan = _Scan(text, final=False)
        done = scan.run()
        held = 0
        while scan.kept and held < HELD and done - scan.kept[-1][1] < OPEN_MOST:  # a backspace may come next
            part = scan.kept[-1]
            done = max(part[0], part[1] - (HELD - held))
            held += part[1] - done
            part[1] = done
            if part[0] == done:
                scan.kept.pop()
        self._rest = text[done:]
        return _joined(text, scan.kept)

    def end(self) -> str:
        """Return the rest of the text."""
        rest, self._rest = self._rest, ""
        return normal(rest)
