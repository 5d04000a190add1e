"""YAML as pnpm and yarn write it: mappings, a key on each line, indented with spaces. Anything else is passed over."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

Path = tuple[str, ...]
_DEPTH = 12


def mappings(lines: Iterable[str]) -> Iterator[tuple[Path, str]]:
    """Yield each key with the keys above it, and its value as text; the value is empty if a mapping follows."""
    above: list[tuple[int, str]] = []
    for line in lines:
        text = line.lstrip(" ")
        if not text or text[0] in "#-":
            continue
        indent = len(line) - len(text)
        if text.startswith(": "):  # the value of a key that is too long for one line
            indent, text = indent + 2, text[2:]
        key, value = _split(text.removeprefix("? "))
        while above and above[-1][0] >= indent:
            above.pop()
        above.append((indent, key))
        if len(above) <= _DEPTH:
            yield tuple(each for _, each in above), value


def _split(text: str) -> tuple[str, str]:
    """Return key and value of a line; a quoted key may hold colons."""
    quote = text[0] if text[:1] in {"'", '"'} else ""
    end = text.find(quote + ":", 1) if quote else -1
    if end > 0:
        return scalar(text[: end + 1]), scalar(text[end + 2 :].strip())
    key, found, value = text.partition(": ")
    if not found:
        return scalar(text.rstrip().removesuffix(":")), ""
    return scalar(key), scalar(value.strip())


def scalar(text: str) -> str:
    """Return a value without its quotes."""
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if len(text) > 1 and text[0] == text[-1] == '"':
        try:
            return str(json.loads(text))
        except ValueError:
            return text[1:-1]
    return text
