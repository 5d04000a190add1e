"""Parse a request's body within limits, and check its fields."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from upsun_simulator.answers import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Kind = Callable[[Any], bool]

MARKS_MOST = 100_000  # brackets and commas of one body, 100 bytes of memory each: what clients send has some dozens
DEPTH_MOST = 50  # lists and objects in each other: what clients send nests some three deep
FORM_FIELDS_MOST = 1000


def marks(text: str) -> int:
    """Return how many parts a text may have as JSON."""
    return sum(text.count(each) for each in "[{,")


def parsed(text: str) -> Any:
    """Parse JSON; raise ValueError if it is not valid, a refusal if it has too many parts or is too deep."""
    if marks(text) > MARKS_MOST:
        raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body has more than {MARKS_MOST} parts.")
    try:
        content = json.loads(text)
    except RecursionError:
        raise _too_deep() from None
    level = [content]
    for _ in range(DEPTH_MOST + 1):
        level = [child for one in level for child in _children(one)]
        if not level:
            return content
    raise _too_deep()


def form(text: str) -> dict[str, str]:
    """Return the fields of a form; raise a refusal if there are too many."""
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=FORM_FIELDS_MOST))
    except ValueError:
        raise Refusal(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The form has more than {FORM_FIELDS_MOST} fields."
        ) from None


def _too_deep() -> Refusal:
    return Refusal(HTTPStatus.BAD_REQUEST, f"The body nests more than {DEPTH_MOST} lists and objects.")


def _children(content: Any) -> Iterable[Any]:
    if isinstance(content, dict):
        return content.values()
    return content if isinstance(content, list) else ()


def flag(value: Any) -> bool:
    """Return the value if it is true or false; raise a refusal otherwise."""
    return isinstance(value, bool)


def text(value: Any) -> bool:
    """Return text that is not empty."""
    return isinstance(value, str) and bool(value.strip())


def words(value: Any) -> bool:
    """Return text, which may be empty."""
    return isinstance(value, str)


def optional_text(value: Any) -> bool:
    """Return text, or null."""
    return value is None or text(value)


def texts(value: Any) -> bool:
    """Return a list of texts."""
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def mapping(value: Any) -> bool:
    """Return a map; an empty one is written as a list by some clients of PHP."""
    return value == [] or isinstance(value, dict)


def number(value: Any) -> bool:
    """Return a whole number that is not negative."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def groups(value: Any) -> bool:
    """Return a map of maps; an empty map is written as a list by some clients of PHP."""
    return value == [] or (isinstance(value, dict) and all(isinstance(one, dict) for one in value.values()))


def one_of(*choices: str) -> Kind:
    """Return one of these words."""
    return lambda value: value in choices


def resources(*choices: str) -> Kind:
    """Return how resources are initialized, which may be left to the platform."""

    def right(value: Any) -> bool:
        if value is None:
            return True
        return isinstance(value, dict) and not set(value) - {"init"} and value.get("init") in (*choices, None)

    return right
