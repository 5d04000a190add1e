"""The answer of a server to a statement: rows of the requested shape, or an error that the answer cannot be read.

All rows are taken at once, so that what a driver raises while it makes values of bytes is said as every other trouble.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from upsun_agent.database.errors import UnexpectedAnswer, translated_errors

#: Columns of the tables that hold numbers; every other column of them holds text.
WHOLE = frozenset(
    {"version", "least", "id", "present", "fence", "journal", "next_due", "ticks", "seq", "number", "step"}
)
MOMENTS = frozenset(
    {"at", "begun_at", "ended_at", "lease_until", "proved_at", "last_tick", "due_at", "opened_at", "closed_at", "until"}
)
NUMBERS = WHOLE | MOMENTS


class Answer:
    """The rows of an answer, each as wide as asked and of the kinds of its columns."""

    def __init__(self, place: str, done: Any, statement: Any = None) -> None:
        self._place = place
        columns = list(getattr(statement, "selected_columns", ()))
        self.rowcount: int = done.rowcount
        try:
            self._rows: list[Any] = list(done.all()) if done.returns_rows else []
        except Exception as error:  # drivers raise anything over a value that is none of its kind
            raise UnexpectedAnswer from error
        if columns and not done.returns_rows:
            raise UnexpectedAnswer
        for row in self._rows if columns else ():
            if len(row) != len(columns) or not all(map(_fits, columns, row)):
                raise UnexpectedAnswer

    def all(self) -> list[Any]:
        """Return all rows."""
        return self._rows

    def __iter__(self) -> Iterator[Any]:
        """Go through the rows."""
        return iter(self._rows)

    def first(self) -> Any:
        """Return the first row; None if there is none."""
        return next(iter(self._rows), None)

    def one(self) -> Any:
        """Return the only row; raise DatabaseUnreachable if there is not exactly one."""
        with translated_errors(self._place):
            if len(self._rows) != 1:
                raise UnexpectedAnswer
            return self._rows[0]

    def scalar(self) -> Any:
        """Return the first value of the first row; None if there is no row."""
        row = self.first()
        return None if row is None else row[0]

    def scalars(self) -> list[Any]:
        """Return the first value of each row."""
        return [row[0] for row in self._rows]


def _fits(column: Any, value: Any) -> bool:
    """Return whether the value has the column's type; a column of no table may hold any value."""
    if value is None or getattr(column, "table", None) is None:
        return True
    if column.name not in NUMBERS:
        return isinstance(value, str)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isinstance(value, int) if column.name in WHOLE else math.isfinite(value)
