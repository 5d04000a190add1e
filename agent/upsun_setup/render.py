"""Values as YAML text in the style of the file around them. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

#: Words and numbers that YAML 1.1 or 1.2 would not read as text.
NO_TEXT = re.compile(r"(?i)(true|false|yes|no|on|off|y|n|null|~|[-+.0-9].*)?")
PLAIN = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./@+ -]*(?<! )")


class Style(Struct, frozen=True):
    """How a file is written: how many spaces a level is, its quotation mark, how its lines end."""

    #: How many spaces one level is indented by.
    step: int = 2
    #: The quotation mark.
    quote: str = '"'
    #: The end of a line.
    newline: str = "\n"


def scalar(value: Any, style: Style) -> str:
    """Return a text, number or truth on one line: as it is where YAML would read just that, else quoted."""
    if not isinstance(value, str):
        return json.dumps(value)
    if PLAIN.fullmatch(value) and not NO_TEXT.fullmatch(value):
        return value
    if style.quote == "'" and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    return json.dumps(value, ensure_ascii=False)


def flow(value: Any) -> str:
    """Return a value as it is written between braces: JSON, which YAML reads."""
    if isinstance(value, Mapping):
        return (
            "{" + ", ".join(f"{json.dumps(key, ensure_ascii=False)}: {flow(each)}" for key, each in value.items()) + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(flow(each) for each in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def pair(key: str, value: Any, indent: int, style: Style) -> list[str]:
    """Return the lines of a key with its value, in block style.

    Args:
        key: the key, not quoted yet.
        value: a text, number, truth, list of such, or mapping, which is written below its key.
        indent: how many spaces are before the key.
        style: the step, quotation mark and line ends of the file.
    """
    margin = " " * indent
    head = f"{margin}{scalar(key, style)}:"
    if isinstance(value, Mapping):
        return [head, *(line for name, each in value.items() for line in pair(name, each, indent + style.step, style))]
    if isinstance(value, list):
        return [head, *(f"{margin}{' ' * style.step}- {scalar(each, style)}" for each in value)]
    if isinstance(value, str) and "\n" in value and is_literal(value):
        header, *lines = literal(value, indent + style.step, style.step)
        return [f"{head} {header}", *lines]
    return [f"{head} {scalar(value, style)}"]


def is_literal(text: str) -> bool:
    """Return whether a literal block can hold the text as it is."""
    return all(char.isprintable() or char in "\n\t" for char in text) and text.strip() != ""


def literal(text: str, indent: int, step: int) -> list[str]:
    """Return the header and the lines of a literal block scalar.

    Args:
        text: a text that `is_literal` allows; its last line breaks decide between ``|``, ``|-`` and ``|+``.
        indent: how many spaces each line gets.
        step: how many spaces deeper the lines are than their key; the header says it where the text begins with a
            space.
    """
    body = text.rstrip("\n")
    ends = len(text) - len(body)
    hint = str(step) if body.lstrip("\n").startswith(" ") else ""
    header = "|" + hint + ("-" if ends == 0 else "" if ends == 1 else "+")
    return [header, *(" " * indent + line if line else "" for line in body.split("\n")), *[""] * (ends - 1)]
