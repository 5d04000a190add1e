"""What the documents of ``--json`` are made of: the base of their types, and the values that many of them hold.

The pages and the schema in docs/reference/ are generated from these types (tools/documents.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct

#: A time with its offset from UTC.
Moment = Annotated[datetime, Meta(tz=True)]
#: A number of things.
Count = Annotated[int, Meta(ge=0)]
#: A duration in seconds.
Seconds = Annotated[float, Meta(ge=0)]
#: A slot by its local time.
SlotName = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d([+-]\d\d:\d\d)?$")]


class View(Struct, frozen=True, forbid_unknown_fields=True):
    """A document, or an object in one. Its fields are the keys; a time is written as ISO 8601 to the second."""


class RemarkView(View, frozen=True, kw_only=True):
    """A problem and its remedy."""

    #: The problem.
    message: str
    #: What to do about it.
    remedy: str


class ProblemView(View, frozen=True, kw_only=True):
    """Why a command failed."""

    #: The error's stable name.
    kind: str
    #: What went wrong.
    message: str
    #: What to do about it; empty if nothing helps.
    remedy: str
    #: The exit code of the command.
    exit_code: Count


class ErrorView(View, frozen=True, kw_only=True):
    """What a command that fails prints instead; see exit-codes.md."""

    #: The error.
    error: ProblemView


def remarks_view(found: Iterable[tuple[str, str]]) -> list[RemarkView]:
    """Return problems, each with its remedy."""
    return [RemarkView(message=text, remedy=remedy) for text, remedy in found]


def fields_of(view: Struct) -> dict[str, Any]:
    """Return the fields of a view, for a view that has them and more."""
    return {name: getattr(view, name) for name in view.__struct_fields__}
