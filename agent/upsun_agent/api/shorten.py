"""Replace very long texts in a JSON document (logs, whole files) with empty ones while it arrives.

An activity carries its log and its whole deployment. What the agent decides on is short: ids, states, moments.
"""

from __future__ import annotations

import re

#: What stands in a text up to its end, to a backslash that ends a piece, or to the end of the piece.
INSIDE = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)


class Shortener:
    """Passes a JSON document on, piece by piece, with texts of more than ``most`` bytes emptied.

    What is not JSON comes out as it is, but for what looks like such a text.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        # What stands between texts, and whole texts that are short and have no backslash: nearly all of a document.
        self._plain = re.compile(rb'(?:[^"]++|"[^"\\]{0,%d}+")*+' % most)
        self._text: bytearray | None = None  # of the text that the last piece ended in
        self._dropped = False
        self._escaped = False  # the last piece ended with a backslash

    def feed(self, piece: bytes) -> bytes:
        """Return the part of the piece to pass on."""
        passed, place = bytearray(), 0
        while place < len(piece):
            if self._text is None:
                found = self._plain.match(piece, place)
                end = found.end() if found else place
                if end < len(piece):  # a text begins that has a backslash, is long, or does not end in this piece
                    end += 1
                    self._text, self._dropped = bytearray(), False
                passed += piece[place:end]
                place = end
            else:
                place = self._inside(piece, place, passed)
        return bytes(passed)

    def _inside(self, piece: bytes, place: int, passed: bytearray) -> int:
        """Continue reading a text from ``place``; return where the text or the piece ends."""
        if self._escaped:
            self._escaped = False
            self._keep(piece[place : place + 1])
            return place + 1
        found = INSIDE.match(piece, place)
        end = found.end() if found else place
        self._keep(piece[place:end])
        if end == len(piece):
            return end
        if piece[end : end + 1] == b"\\":
            self._escaped = True
            self._keep(b"\\")
        else:
            passed += b'"' if self._dropped else bytes(self._text or b"") + b'"'
            self._text = None
        return end + 1

    def _keep(self, more: bytes) -> None:
        if self._dropped or self._text is None:
            return
        self._text += more
        if len(self._text) > self._most:
            self._dropped = True
            self._text.clear()

    def rest(self) -> bytes:
        """Return the rest at the end of the document: a text without an end."""
        return b"" if self._text is None else bytes(self._text)
