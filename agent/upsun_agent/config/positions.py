"""On which line of a TOML text each key stands. ``tomllib`` knows values only, people want lines."""

from __future__ import annotations

import re
from collections.abc import Iterator

from upsun_agent.validators import Path

_BARE = re.compile(r"\s*([A-Za-z0-9_-]+|\"(?:[^\"\\]|\\.)*\"|'[^']*')\s*")
_OPENERS, _CLOSERS = "[{", "]}"


class Positions:
    """Line numbers, 1-based, of the keys and tables of a TOML text that parses."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Path, int] = {(): 1}
        self._counts: dict[Path, int] = {}
        self._scan(text)

    def line(self, path: Path) -> int:
        """Return the line of ``path``, or of the nearest thing around it that has one (inline tables share theirs)."""
        while path not in self._lines:
            path = path[:-1]
        return self._lines[path]

    def _scan(self, text: str) -> None:
        table: Path = ()
        for number, line in _statements(text):
            if line.startswith("[["):
                table = self._array_table(self._resolved(_keys(line[2:])), number)
            elif line.startswith("["):
                table = self._resolved(_keys(line[1:]))
                self._note(table, number)
            else:
                self._note((*table, *_keys(line)), number)

    def _array_table(self, path: Path, number: int) -> Path:
        self._note(path, number)
        index = self._counts.get(path, 0)
        self._counts[path] = index + 1
        self._note((*path, index), number)
        return (*path, index)

    def _resolved(self, keys: Path) -> Path:
        """Return a header's keys, with the index of the last element after each array of tables except the last key."""
        path: Path = ()
        for position, key in enumerate(keys):
            path = (*path, key)
            if position < len(keys) - 1 and path in self._counts:
                path = (*path, self._counts[path] - 1)
        return path

    def _note(self, path: Path, number: int) -> None:
        for length in range(1, len(path) + 1):
            self._lines.setdefault(path[:length], number)


def _keys(text: str) -> Path:
    """Return the dotted key at the start of the text."""
    keys: list[str] = []
    position = 0
    while match := _BARE.match(text, position):
        keys.append(match[1].strip("\"'"))
        position = match.end()
        if text[position : position + 1] != ".":
            break
        position += 1
    return tuple(keys)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield each line that begins a header or a key, with its number; continued values are passed over."""
    depth, closing = 0, ""
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.strip()
        if not closing and depth == 0 and stripped and not stripped.startswith("#"):
            yield number, stripped
            if stripped.startswith("["):
                continue
        depth, closing = _after(line, depth, closing)


def _after(line: str, depth: int, closing: str) -> tuple[int, str]:
    """Bracket depth and open multi-line string after the line."""
    position = 0
    while position < len(line):
        if closing:
            end = line.find(closing, position)
            if end < 0:
                return depth, closing if len(closing) == len('"""') else ""
            if closing.startswith('"') and _escaped(line, end):
                position = end + 1
                continue
            position = end + len(closing)
            if len(closing) == len('"""'):  # up to two quotes more belong to the text
                tail = line[position : position + 2]
                position += len(tail) - len(tail.lstrip(closing[0]))
            closing = ""
            continue
        char = line[position]
        if char == "#":
            break
        if char in "\"'":
            closing = char * 3 if line[position : position + 3] == char * 3 else char
            position += len(closing)
            continue
        depth += (char in _OPENERS) - (char in _CLOSERS)
        position += 1
    return depth, closing if len(closing) == len('"""') else ""


def _escaped(line: str, position: int) -> bool:
    """Return whether an odd number of backslashes stands before the position."""
    count = 0
    while count < position and line[position - count - 1] == "\\":
        count += 1
    return count % 2 == 1
