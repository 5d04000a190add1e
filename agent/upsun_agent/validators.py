"""The words in which the job file is defined: each shape checks a value and describes itself as JSON Schema.

One definition serves validation, ``did you mean`` and the schema, so the three cannot disagree.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from msgspec import Struct, field

from upsun_agent.engine.windows import DAYS
from upsun_agent.model.ids import page_fault, variable_fault

SHOWN_MOST = 24  # characters of a wrong value that a message repeats; API tokens are longer

Path = tuple[str | int, ...]


class Problem(Struct, frozen=True):
    """One thing that is wrong with the job file: where, what, and the remedy."""

    #: The path of keys to the value.
    path: Path
    #: What is wrong.
    message: str
    #: What to write instead; empty if the message says it.
    remedy: str = ""


class Shape(Protocol):
    """What a value may be."""

    def check(self, value: Any, path: Path) -> Iterator[Problem]:
        """Yield everything that is wrong with the value."""

    def read(self, value: Any) -> Any:
        """Return the value as the agent wants it; only called where ``check`` found nothing."""

    def schema(self) -> dict[str, Any]:
        """Return the shape as JSON Schema."""


def _kind(value: Any) -> str:
    names = {bool: "a boolean", int: "a number", float: "a number", str: "text", list: "an array", dict: "a table"}
    return names.get(type(value), "a date or time")


class Text(Struct, frozen=True):
    """Text that a pattern matches whole; ``rule`` may look closer and returns what is wrong, or None."""

    #: The regular expression that the whole text must match.
    pattern: str = r"[^\x00-\x1f\x7f]+"
    #: What it is, for messages.
    what: str = "text"
    #: The greatest length, in characters.
    most: int = 500
    #: Returns what is wrong with a text that matches, or None; None if there is no such rule.
    rule: Callable[[str], str | None] | None = None
    #: What to write instead; empty if the message says it.
    remedy: str = ""
    #: Whether a message may not repeat the text.
    secret: bool = False  # the value may be a secret, which no message repeats

    def check(self, value: Any, path: Path) -> Iterator[Problem]:
        """Yield everything that is wrong with the value."""
        if not isinstance(value, str):
            yield Problem(path, f"must be {self.what}, not {_kind(value)}", 'put it in "quotes"')
        elif len(value) > self.most:
            yield Problem(path, f"is longer than {self.most} characters")
        elif not re.fullmatch(self.pattern, value):
            short = len(value) <= SHOWN_MOST and not self.secret
            shown = repr(value) if short else "this value"  # it might be a pasted token
            yield Problem(path, f"must be {self.what}, not {shown}", self.remedy)
        elif self.rule is not None and (wrong := self.rule(value)):
            yield Problem(path, wrong, self.remedy)

    def read(self, value: Any) -> Any:
        """Return the text itself."""
        return value

    def schema(self) -> dict[str, Any]:
        """Return the shape as JSON Schema."""
        return {"type": "string", "maxLength": self.most, "pattern": f"^{self.pattern}$"}


class Choice(Struct, frozen=True):
    """One of a few words."""

    #: The words of which one must be written.
    words: tuple[str, ...]

    def check(self, value: Any, path: Path) -> Iterator[Problem]:
        """Yield everything that is wrong with the value."""
        if not isinstance(value, str) or value not in self.words:
            listed = ", ".join(f'"{word}"' for word in self.words)
            yield Problem(path, f"must be one of {listed}, not {value!r}", did_you_mean(str(value), self.words))

    def read(self, value: Any) -> Any:
        """Return the word itself."""
        return value

    def schema(self) -> dict[str, Any]:
        """Return the shape as JSON Schema."""
        return {"enum": list(self.words)}


class Boolean(Struct, frozen=True):
    """True or false."""

    def check(self, value: Any, path: Path) -> Iterator[Problem]:
        """Yield everything that is wrong with the value."""
        if not isinstance(value, bool):
            yield Problem(path, f"must be true or false, not {_kind(value)}", "write true or false without quotes")

    def read(self, value: Any) -> Any:
        """Return the boolean itself."""
        return value

    def schema(self) -> dict[str, Any]:
        """Return the shape as JSON Schema."""
        return {"type": "boolean"}


class Either(Struct, frozen=True):
    """One shape or another, told apart by what kind of value stands there."""

    #: The one shape.
    first: Shape
    #: The other shape.
    second: Shape

    def _shape(self, value: Any) -> Shape:
        return self.first if not list(self.first.check(value, ())) else self.second

    def check(self, value: Any, path: Path) -> Iterator[Problem]:
        """Yield everything that is wrong with the value, seen as the second shape if it is not the first."""
        yield from self._shape(value).check(value, path)

    def read(self, value: Any) -> Any:
        """Return what the shape that fits reads."""
        return self._shape(value).read(value)

    def schema(self) -> dict[str, Any]:
        """Return the shape as JSON Schema."""
        return {"anyOf": [self.first.schema(), self.second.schema()]}


class Number(Struct, frozen=True):
    """A whole number within bounds."""

    #: The least value.
    least: int
    #: The greatest value.
    most: int

    def check(self, value: Any, path: Path) -> Iterator[Problem]:
        """Yield everything that is wrong with the value."""
        if isinstance(value, bool) or not isinstance(value, int):
            yield Problem(path, f"must be a whole number, not {_kind(value)}", "write it without quotes")
        elif not self.least <= value <= self.most:
            yield Problem(path, f"must be between {self.least} and {self.most}, {value} is not")

    def read(self, value: Any) -> Any:
        """Return the number itself."""
        return value

    def schema(self) -> dict[str, Any]:
        """Return the shape as JSON Schema."""
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


_DURATION = r"(?:(\d{1,4})d)?(?:(\d{1,4})h)?(?:(\d{1,5})m)?(?:(\d{1,6})s)?"


class Duration(Struct, frozen=True):
    """A length of time such as ``90s``, ``15m``, ``6h``, ``1d12h``; read as whole seconds."""

    #: The shortest duration, in seconds.
    least: int = 0
    #: The longest duration, in seconds.
    most: int = 30 * 86400

    def check(self, value: Any, path: Path) -> Iterator[Problem]:
        """Yield everything that is wrong with the value."""
        if not isinstance(value, str) or not value or not re.fullmatch(_DURATION, value, re.ASCII):
            yield Problem(path, f"must be a duration, not {value!r}", 'write it like "90s", "15m", "6h" or "1d12h"')
        elif not self.least <= self.read(value) <= self.most:
            yield Problem(path, f"must be between {self.least} and {self.most} seconds, {value} is not")

    def read(self, value: Any) -> Any:
        """Return the duration in seconds."""
        match = re.fullmatch(_DURATION, value, re.ASCII)
        parts = match.groups() if match else ()
        return sum(int(part or 0) * unit for part, unit in zip(parts, (86400, 3600, 60, 1), strict=False))

    def schema(self) -> dict[str, Any]:
        """Return the shape as JSON Schema."""
        pattern = r"^(?=.)([0-9]{1,4}d)?([0-9]{1,4}h)?([0-9]{1,5}m)?([0-9]{1,6}s)?$"
        return {"type": "string", "pattern": pattern, "examples": ["90s", "15m", "6h", "1d12h"]}


class ListOf(Struct, frozen=True):
    """At least one of a shape (or none, where ``least`` is 0), all different."""

    #: The shape of each item.
    item: Shape
    #: The greatest number of items.
    most: int = 100
    #: Whether each item may stand in the list only once.
    distinct: bool = True
    #: The least number of items.
    least: int = 1

    def check(self, value: Any, path: Path) -> Iterator[Problem]:
        """Yield everything that is wrong with the value."""
        if not isinstance(value, list):
            yield Problem(path, f"must be an array, not {_kind(value)}", "write it as [ ... ]")
            return
        if not self.least <= len(value) <= self.most:
            yield Problem(path, f"must have {self.least} to {self.most} items, not {len(value)}")
            return
        for index, item in enumerate(value):
            yield from self.item.check(item, (*path, index))
            if self.distinct and item in value[:index]:
                yield Problem((*path, index), f"{item!r} is there twice")

    def read(self, value: Any) -> Any:
        """Return the items as a tuple."""
        return tuple(self.item.read(item) for item in value)

    def schema(self) -> dict[str, Any]:
        """Return the shape as JSON Schema."""
        schema = {"type": "array", "items": self.item.schema(), "minItems": self.least, "maxItems": self.most}
        return {**schema, "uniqueItems": True} if self.distinct else schema


class Field(Struct, frozen=True):
    """One key of a table: its shape, a line of documentation, and its default (None: left out)."""

    #: The shape of the value.
    shape: Shape
    #: What the key means, for the docs.
    doc: str
    #: The value if the key is left out.
    default: Any = None
    #: Whether the key must be there.
    required: bool = False


class Table(Struct, frozen=True):
    """A table with known keys; any other key is an error."""

    #: The keys that the table can have.
    fields: Mapping[str, Field] = field(default_factory=dict)
    #: Whether exactly one of the keys must be there.
    one_of: bool = False
    #: What the table is, for messages.
    noun: str = "step"

    def check(self, value: Any, path: Path) -> Iterator[Problem]:
        """Yield everything that is wrong with the value."""
        if not isinstance(value, dict):
            yield Problem(path, f"must be a table, not {_kind(value)}", "write it as { key = value }")
            return
        for key, item in value.items():
            if key in self.fields:
                yield from self.fields[key].shape.check(item, (*path, key))
            else:
                known = tuple(self.fields)
                remedy = did_you_mean(key, known) or f"the keys here are: {', '.join(known)}"
                yield Problem((*path, key), f"unknown key '{key}'", remedy)
        if self.one_of and len([key for key in value if key in self.fields]) != 1:
            yield Problem(path, f"must name exactly one kind of {self.noun}", f"one of: {', '.join(self.fields)}")
        if self.one_of:
            return
        for key, entry in self.fields.items():
            if entry.required and key not in value:
                yield Problem(path, f"'{key}' is missing", entry.doc)

    def read(self, value: Any) -> Any:
        """Return the table with every default filled in (with ``one_of`` only the key that is there)."""
        if self.one_of:
            return {key: self.fields[key].shape.read(item) for key, item in value.items()}
        return {
            key: entry.shape.read(value[key]) if key in value else entry.default for key, entry in self.fields.items()
        }

    def schema(self) -> dict[str, Any]:
        """Return the shape as JSON Schema."""
        properties = {key: {**entry.shape.schema(), "description": entry.doc} for key, entry in self.fields.items()}
        schema: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
        required = [key for key, entry in self.fields.items() if entry.required]
        if required:
            schema["required"] = required
        if self.one_of:
            schema |= {"minProperties": 1, "maxProperties": 1}
        return schema


class MapOf(Struct, frozen=True):
    """A table whose keys are names of the user's choice."""

    #: The shape of each value.
    value: Shape
    #: The shape of each key.
    key: Text
    #: The greatest number of keys.
    most: int = 1000
    #: The least number of keys.
    least: int = 0

    def check(self, value: Any, path: Path) -> Iterator[Problem]:
        """Yield everything that is wrong with the value."""
        if not isinstance(value, dict):
            yield Problem(path, f"must be a table, not {_kind(value)}")
            return
        if not self.least <= len(value) <= self.most:
            yield Problem(path, f"must have {self.least} to {self.most} entries, not {len(value)}")
            return
        for name, item in value.items():
            for problem in self.key.check(name, (*path, name)):
                yield Problem(problem.path, f"the name {problem.message}", problem.remedy)
            yield from self.value.check(item, (*path, name))

    def read(self, value: Any) -> Any:
        """Return the table with every value read."""
        return {name: self.value.read(item) for name, item in value.items()}

    def schema(self) -> dict[str, Any]:
        """Return the shape as JSON Schema."""
        return {
            "type": "object",
            "propertyNames": self.key.schema(),
            "additionalProperties": self.value.schema(),
            "minProperties": self.least,
            "maxProperties": self.most,
        }


def did_you_mean(word: str, known: tuple[str, ...]) -> str:
    """Return the hint for a misspelt word, or an empty string."""
    close = difflib.get_close_matches(word.replace("_", "-").lower(), known, n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else ""


# --- values that stand in more than one place of a job file ---------------------------------------------------------

VARIABLE = Text(r"[A-Za-z_][A-Za-z0-9_]{0,127}", "the name of a variable", 128)
#: A variable that holds a URL or a secret: these never stand in the job file itself (promise P5).
SECRET_VARIABLE = Text(
    VARIABLE.pattern,
    VARIABLE.what,
    VARIABLE.most,
    rule=variable_fault,
    remedy="store what is secret as a variable of the environment (upsun variable:create) and name that here",
    secret=True,
)
PAGE = Text(r"https?://[^\s@]+", "an address without user or password", 2000, page_fault)
WINDOW = Text(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d", "a window of the day such as 22:00-05:00", 11)
DAYS_OF_WEEK = ListOf(Choice(DAYS))
