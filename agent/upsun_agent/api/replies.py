"""Parse replies of the API: JSON within limits, checked types, the server's clock."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from upsun_agent.api.dates import header_date
from upsun_agent.api.http import Reply
from upsun_agent.errors import BadReply
from upsun_agent.limits import ID_MOST, JSON_DEPTH_MOST, JSON_MARKS_MOST
from upsun_agent.log.foreign_text import one_line, reveals

#: Times outside these years are refused: dates that overflow in arithmetic.
YEAR_LEAST, YEAR_MOST = 1970, 9000
#: What stands for no text and no date: null, and the zero value of languages that cannot leave a field out.
ABSENT_TEXTS = (None, "")
#: How the zero values of dates begin: Go's and .NET's year 1, and the year 0 of MySQL.
ZERO_DATES = ("0001-01-01", "0000-00-00")
#: The remedy if a successful answer is not JSON.
NO_JSON = "a proxy or a sign-in page may answer instead of the API: check the network's settings, then try again"


class TooLarge(BadReply):
    """The answer is larger than the limit; for a list, fewer items can be requested."""


def document(reply: Reply, what: str) -> Any:
    """Return the JSON document in a reply; raise BadReply if it is not valid, too deep, or ambiguous."""
    if sum(map(reply.body.count, (b"{", b"[", b","))) > JSON_MARKS_MOST:  # counted first: parsing is what costs
        raise TooLarge(f"{what}: the answer has more than {JSON_MARKS_MOST} parts")
    try:
        value = json.loads(reply.body, parse_constant=_no_constant, object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as error:
        reason = "nested too deep" if isinstance(error, RecursionError) else _shown(error)
        raise BadReply(f"{what}: the answer is not valid JSON ({reason})", remedy=NO_JSON) from None
    if _depth(value) > JSON_DEPTH_MOST:
        raise BadReply(f"{what}: the answer is nested deeper than {JSON_DEPTH_MOST}")
    return value


def _shown(error: Exception) -> str:
    return str(error).split(":", maxsplit=1)[0][:80]


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key occurs twice in one object")
    return result


def _depth(value: Any) -> int:
    """Return how deep containers nest, counted without recursion."""
    depth, level = 0, [value]
    while level:
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        depth += 1
    return depth


def _bounded(moment: datetime) -> datetime:
    """Return the time in UTC; raise ValueError if arithmetic with it could overflow."""
    aware = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    if not YEAR_LEAST <= aware.year <= YEAR_MOST:
        raise ValueError(f"the year {aware.year}")
    return aware


def server_time(reply: Reply, fallback: datetime) -> datetime:
    """Return the server's clock when it answered (the Date header), or ``fallback``."""
    return dated(reply) or fallback


def dated(reply: Reply) -> datetime | None:
    """Return the server's clock when it answered (the Date header); None without a valid date."""
    try:
        return _bounded(header_date(reply.headers.get("date", "")))
    except (TypeError, ValueError, OverflowError):
        return None


def retry_after(reply: Reply, now: datetime) -> float | None:
    """Return the seconds in the Retry-After header, a number or a date; None if there is no valid value."""
    wish = reply.headers.get("retry-after", "").strip()
    if wish.isascii() and wish.isdigit():
        return float(wish[:9])
    try:
        moment = _bounded(header_date(wish))
    except (TypeError, ValueError, OverflowError):
        return None
    return max((moment - now).total_seconds(), 0.0)


class Fields(Struct, frozen=True):
    """The fields of one JSON object; each is read with a check of its type."""

    #: What the object is, for messages.
    what: str
    #: The object.
    data: Mapping[str, Any]

    @classmethod
    def of(cls, value: Any, what: str) -> Fields:
        """Return the object; raise BadReply if the value is not an object."""
        if not isinstance(value, dict):
            raise BadReply(f"{what} is {_kind(value)}, not an object")
        return cls(what, value)

    def _fail(self, name: str, wanted: str) -> BadReply:
        found = _kind(self.data[name]) if name in self.data else "missing"
        if isinstance(self.data.get(name), str):
            found = _described(self.data[name])
        return BadReply(f"{self.what}.{name} is {found}, not {wanted}")

    def text(self, name: str, most: int = ID_MOST) -> str:
        """Return a required printable text of 1 to ``most`` characters that contains no secret.

        Ids and names go into requests, where a redacted one would be another: one with a secret is a BadReply.
        """
        value = self.secret(name, most)
        if reveals(value):
            remedy = "the answer repeats a secret: find out who answers there, and replace that secret"
            raise BadReply(f"{self.what}.{name} holds a secret", remedy=remedy)
        return value

    def word(self, name: str, most: int = ID_MOST) -> str:
        """Return a text as ``text`` does, but with secrets replaced: for texts that are only compared or shown."""
        return one_line(self.secret(name, most), most)

    def secret(self, name: str, most: int = ID_MOST) -> str:
        """Return a text as ``text`` does, unchanged: a bearer, or a text that the caller cleans."""
        value = self.data.get(name)
        if not isinstance(value, str) or not value or len(value) > most or not value.isprintable():
            raise self._fail(name, f"a text of 1 to {most} characters")
        return value

    def long_text(self, name: str, most: int) -> str:
        """Return a required text of any characters."""
        value = self.data.get(name)
        if not isinstance(value, str) or not value or len(value) > most:
            raise self._fail(name, f"a text of 1 to {most} characters")
        return value

    def optional_text(self, name: str, most: int = ID_MOST) -> str | None:
        """Return a text, or None if it is null, empty or missing."""
        return None if self.data.get(name) in ABSENT_TEXTS else self.text(name, most)

    def optional_word(self, name: str, most: int = ID_MOST) -> str | None:
        """Return a text as ``word`` does, or None if it is null, empty or missing."""
        return None if self.data.get(name) in ABSENT_TEXTS else self.word(name, most)

    def boolean(self, name: str, *, default: bool | None = None) -> bool:
        """Return a boolean; ``default`` if it is missing."""
        value = self.data.get(name, default)
        if not isinstance(value, bool):
            raise self._fail(name, "a boolean")
        return value

    def moment_or_zero(self, name: str) -> datetime | None:
        """Return a date and time as ``moment`` does, or None for the zero time of another language."""
        value = self.data.get(name)
        is_zero = value == "" or (isinstance(value, str) and value.startswith(ZERO_DATES))
        return None if is_zero else self.moment(name)

    def moment(self, name: str) -> datetime | None:
        """Return a date and time with zone, or None if it is null or missing."""
        value = self.data.get(name)
        if value is None:
            return None
        try:
            return _bounded(datetime.fromisoformat(value))
        except (TypeError, ValueError, OverflowError):
            raise self._fail(name, "a date and time") from None

    def number(self, name: str, low: int, high: int) -> int:
        """Return an integer within the limits.

        Args:
            name: the name of the field.
            low: the least number that is accepted.
            high: the greatest number that is accepted.
        """
        value = self.data.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self._fail(name, f"a whole number from {low} to {high}")
        return value

    def object(self, name: str) -> Mapping[str, Any]:
        """Return an object; empty if it is null, missing, or an empty array (PHP writes an empty object so)."""
        value = self.data.get(name)
        if value in (None, []):
            return {}
        if not isinstance(value, dict):
            raise self._fail(name, "an object")
        return value


def _described(text: str) -> str:
    """Describe a text that is not accepted, without repeating it."""
    if not text:
        return "an empty text"
    shown = f"a text of {len(text)} characters"
    return shown if text.isprintable() else f"{shown}, some of which cannot be printed"


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "an array", str: "a text", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
