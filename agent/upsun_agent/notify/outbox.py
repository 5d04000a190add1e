"""The outbox: messages that wait, kept in the journal's notes. Pure: notes in, changes of notes out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from upsun_agent.backoff import pause
from upsun_agent.journal.notes import LAST_PING, OUTBOX, OUTBOX_LOST, moment_of
from upsun_agent.limits import NOTICE_AGE, NOTICE_ATTEMPTS, NOTICE_PAUSE_FIRST, NOTICE_PAUSE_MOST, OUTBOX_MOST
from upsun_agent.model.events import EventType
from upsun_agent.notify.messages import Message

Changes = dict[str, str | None]

_FIRST = {EventType.STARTED: 0}  # at the same time: started goes first, suspended after the run that caused it
_LAST = {EventType.SUSPENDED: 2}


class Loss(Struct, frozen=True):
    """The messages of a channel that were given up since the last delivery on it."""

    #: The name of the channel.
    channel: str
    #: How many messages were given up.
    count: int
    #: When the last of them was given up, as ISO 8601 text.
    at: str
    #: Why.
    reason: str


def waiting(facts: Mapping[str, str]) -> list[Message]:
    """Return the messages that wait, oldest first, without entries that are not valid; see ``unreadable``."""
    found = [message for message in map(_read, facts.items()) if message is not None]
    return sorted(
        found, key=lambda each: (each.at, _FIRST.get(each.event_type, _LAST.get(each.event_type, 1)), each.id)
    )


def unreadable(facts: Mapping[str, str]) -> list[str]:
    """Return the keys of entries that are not valid messages: damaged, or a newer version's."""
    return [key for key, text in facts.items() if key.startswith(OUTBOX) and _read((key, text)) is None]


def _read(entry: tuple[str, str]) -> Message | None:
    key, text = entry
    try:
        message = Message.from_json(text) if key.startswith(OUTBOX) else None
    except ValueError:
        return None
    return message if message is not None and key == f"{OUTBOX}{message.id}" else None


def added(facts: Mapping[str, str], new: Iterable[Message], now: datetime) -> Changes:
    """Return the changes that add these messages; the oldest beyond the limit are given up.

    Args:
        facts: the notes of the outbox.
        new: the messages to add.
        now: the present.
    """
    fresh = {message.id: message for message in new}
    changes: Changes = {f"{OUTBOX}{each.id}": each.to_json() for each in fresh.values()}
    everything = sorted([*(each for each in waiting(facts) if each.id not in fresh), *fresh.values()], key=_age)
    known = dict(facts)
    for message in everything[: max(len(everything) - OUTBOX_MOST, 0)]:
        changes |= given_up(known, message, f"more than {OUTBOX_MOST} messages wait", now)
        known |= {key: value for key, value in changes.items() if value is not None}
    return changes


def _age(message: Message) -> datetime:
    return message.at


def delivered(message: Message) -> Changes:
    """Return the changes for a delivered message: it is removed, and the channel's loss, which it reported, is cleared.

    A message for the last of several recipients does not clear the loss: the others did not get it.
    """
    told: Changes = {} if message.to else {f"{OUTBOX_LOST}{message.channel}": None}
    return {f"{OUTBOX}{message.id}": None, **told}


def dropped(message: Message) -> Changes:
    """Return the changes that remove a message."""
    return {f"{OUTBOX}{message.id}": None}


def failed(message: Message, reason: str, now: datetime, jitter: float) -> Message | None:
    """Return the message with its next attempt; None if there will be none.

    Args:
        message: the message whose delivery failed.
        reason: the error.
        now: the present.
        jitter: a random number from 0 to 1 that spreads the attempts.
    """
    attempts = message.attempts + 1
    if attempts >= NOTICE_ATTEMPTS:
        return None
    rest = pause(attempts, None, jitter, first=NOTICE_PAUSE_FIRST, most=NOTICE_PAUSE_MOST, wish_most=0)
    again = now + timedelta(seconds=rest if rest is not None else NOTICE_PAUSE_MOST)
    return replace(message, attempts=attempts, again_at=again, reason=reason)


def next_attempt(message: Message, now: datetime) -> datetime:
    """Return when the next attempt is due."""
    again = message.again_at
    return again if again is not None and again <= now + timedelta(seconds=NOTICE_PAUSE_MOST) else now


def rests(message: Message, now: datetime) -> bool:
    """Return whether the next attempt is not due yet.

    A time beyond the longest pause was set by a clock that was ahead.
    """
    return next_attempt(message, now) > now


def is_stale(message: Message, now: datetime) -> bool:
    """Return whether the message is too old to be useful."""
    return (now - message.at).total_seconds() > NOTICE_AGE


def kept(message: Message) -> Changes:
    """Return the changes that store a message which continues to wait."""
    return {f"{OUTBOX}{message.id}": message.to_json()}


def given_up(facts: Mapping[str, str], message: Message, reason: str, now: datetime) -> Changes:
    """Return the changes that give a message up and count it as lost on its channel.

    Args:
        facts: the notes of the outbox.
        message: the message.
        reason: the last error.
        now: the present.
    """
    before = lost(facts).get(message.channel)
    count = (before.count if before else 0) + 1
    entry = {"count": count, "at": now.isoformat(timespec="seconds"), "reason": reason}
    return {f"{OUTBOX}{message.id}": None, f"{OUTBOX_LOST}{message.channel}": json.dumps(entry)}


def lost(facts: Mapping[str, str]) -> dict[str, Loss]:
    """Return the losses by channel."""
    found = {}
    for key, text in facts.items():
        if not key.startswith(OUTBOX_LOST):
            continue
        channel = key.removeprefix(OUTBOX_LOST)
        try:
            data: Any = json.loads(text)
            found[channel] = Loss(channel, int(data["count"]), str(data["at"]), str(data["reason"]))
        except (ValueError, KeyError, TypeError, RecursionError):
            found[channel] = Loss(channel, 1, "", "the note about it cannot be read")
    return found


def next_beat(facts: Mapping[str, str], every: int, now: datetime) -> datetime:
    """Return when to ping the heartbeat next; now if no ping is known, or the last one is in the future.

    Args:
        facts: the notes of the outbox.
        every: seconds between pings.
        now: the present.
    """
    last = moment_of(facts.get(LAST_PING))
    return last + timedelta(seconds=every) if last is not None and last <= now else now
