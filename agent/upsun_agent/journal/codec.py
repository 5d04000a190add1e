"""Events as JSON text and back; what does not read is refused, never guessed at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from upsun_agent.errors import StateNotWritable
from upsun_agent.log.foreign_text import safe_values
from upsun_agent.model.events import EVENTS, Event
from upsun_agent.records import fields, replace

YEAR_LEAST, YEAR_MOST = 1970, 9000  # beyond these, arithmetic with dates overflows

#: Fields of events that hold moments; every other field holds plain JSON.
MOMENTS = frozenset({"at", "due_at", "server_at", "again_at"})


E = TypeVar("E", bound=Event)

#: Fields of events by which runs, activities and backups are found again, what comes from the job file, and words from
#: closed lists. They stay as they are: a changed id would be another one. The client refuses ids that hold a secret.
IDENTITY = frozenset(
    {"run", "environment", "slot", "trigger", "job", "activity", "backup", "head", "failure", "outcome", "granted"}
)


class EventUnreadable(StateNotWritable):
    """The journal holds an event that this version cannot read."""

    turn = "you: install the version that wrote it, or move the state away"


def cleaned(event: E) -> E:
    """Return the event as it may be kept: its texts normalised and without secrets, its ids as they are."""
    found = {each.name: getattr(event, each.name) for each in fields(event) if each.name not in IDENTITY}
    texts = {name: value for name, value in found.items() if isinstance(value, str | Mapping)}
    changed = {name: clean for name, value in texts.items() if (clean := safe_values(value)) != value}
    return replace(event, **changed) if changed else event


def encode(event: Event) -> str:
    """Return the event without its kind as JSON text; no journal gets one that was not cleaned."""
    event = cleaned(event)
    data = {each.name: getattr(event, each.name) for each in fields(event)}
    return json.dumps(
        {key: value.isoformat() if isinstance(value, datetime) else value for key, value in data.items()},
        ensure_ascii=False,
        separators=(",", ":"),
        default=_plain,
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be kept in the journal")


def decode(kind: str, text: str) -> Event:
    """The event of that kind; raises EventUnreadable where it is unknown or damaged."""
    remedy = "a newer version wrote it, or it is damaged: install that version, or move the state directory away"
    if kind not in EVENTS:
        raise EventUnreadable(f"the journal holds an event of the unknown kind {kind[:40]!r}", remedy=remedy)
    try:
        data = json.loads(text)
        values: dict[str, Any] = {key: _moment(value) if key in MOMENTS else value for key, value in data.items()}
        event = EVENTS[kind](**values)
        _check_types(event)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise EventUnreadable(f"the journal holds a damaged {kind} event ({error})", remedy=remedy) from None
    return event


#: What the annotations of events allow; every other annotation is a word from a closed list, so a text.
_TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "int | None": (int, type(None)),
    "datetime": (datetime,),
    "datetime | None": (datetime, type(None)),
    "str | None": (str, type(None)),
    "Mapping[str, Any]": (dict,),
}


def _check_types(event: Event) -> None:
    for each in fields(event):
        expected = _TYPES.get(str(each.type), (str,))
        value = getattr(event, each.name)
        if not isinstance(value, expected) or isinstance(value, bool):
            raise TypeError(f"{each.name} is a {type(value).__name__}")


def _moment(value: Any) -> datetime | None:
    if value is None:
        return None
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError("a moment without a zone")
    if not YEAR_LEAST <= moment.year <= YEAR_MOST:
        raise ValueError(f"a moment in the year {moment.year}")
    return moment
