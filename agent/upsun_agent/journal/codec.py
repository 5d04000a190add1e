"""Encode events as JSON text and decode them; a row that does not decode is refused."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

import msgspec
from msgspec.structs import asdict, replace

from upsun_agent.errors import StateNotWritable
from upsun_agent.log.foreign_text import safe_values
from upsun_agent.model.events import EVENTS, Event

YEAR_LEAST, YEAR_MOST = 1970, 9000  # beyond these, arithmetic with dates overflows

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
    found = {name: value for name, value in asdict(event).items() if name not in IDENTITY}
    texts = {name: value for name, value in found.items() if isinstance(value, str | Mapping | tuple)}
    changed = {name: clean for name, value in texts.items() if (clean := safe_values(value)) != value}
    return replace(event, **changed) if changed else event


def encode(event: Event) -> str:
    """Return the event without its kind as JSON text. Texts are cleaned first."""
    return _encoder().encode(cleaned(event)).decode()


def decode(kind: str, text: str) -> Event:
    """Return the event of that kind; raise EventUnreadable if the kind is unknown or the text is damaged."""
    remedy = "a newer version wrote it, or it is damaged: install that version, or move the state directory away"
    if kind not in EVENTS:
        raise EventUnreadable(f"the journal holds an event of the unknown kind {kind[:40]!r}", remedy=remedy)
    try:
        event: Event = _decoder(kind).decode(text)
        _check_years(event)
    except (ValueError, RecursionError) as error:
        raise EventUnreadable(f"the journal holds a damaged {kind} event ({error})", remedy=remedy) from None
    return event


@cache
def _encoder() -> msgspec.json.Encoder:
    return msgspec.json.Encoder(enc_hook=_dict_of)


@cache
def _decoder(kind: str) -> msgspec.json.Decoder[Event]:
    return msgspec.json.Decoder(EVENTS[kind])


def _dict_of(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be kept in the journal")


def _check_years(event: Event) -> None:
    for value in asdict(event).values():
        if isinstance(value, datetime) and not YEAR_LEAST <= value.year <= YEAR_MOST:
            raise ValueError(f"a moment in the year {value.year}")
