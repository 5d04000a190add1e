"""Errors about a journal's file: it is damaged, of a newer version, or cannot be used now."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from upsun_agent.errors import StateNotWritable


class JournalDamaged(StateNotWritable):
    """The journal's file is not a journal, or is damaged.

    ``certain`` where its content is not what was ever written; SQLite's own word may come from one read that failed.
    """

    certain = False

    turn = "nobody: the next tick sets it aside and creates a new one"


class JournalTooNew(StateNotWritable):
    """The journal was written by a newer version of the agent."""

    turn = "you: install that version, or move the state away"


def senseless(message: str) -> JournalDamaged:
    """Return the error for damage that is certain."""
    error = JournalDamaged(message)
    error.certain = True
    return error


def moment_of(seconds: float) -> datetime:
    """Return the time that a row holds as seconds since 1970; raise JournalDamaged if it is not a valid time."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        raise senseless(f"the journal holds an invalid time: {seconds!r}") from None


@contextmanager
def translated_errors(path: str) -> Iterator[None]:
    """Translate SQLite's errors: JournalDamaged for damage, StateNotWritable for what a person must fix."""
    try:
        yield
    except sqlite3.OperationalError as error:
        text = str(error)
        if "malformed" in text or "no such" in text:
            raise JournalDamaged(f"{path}: {text}", remedy="move it away; the agent creates a new one") from error
        if "decode" in text:
            raise senseless(f"{path} holds text that is not UTF-8") from error
        remedy = "give the agent a writable directory with free space: 'state' in the job file, on a mount"
        raise StateNotWritable(f"{path} cannot be used: {text}", remedy=remedy) from error
    except sqlite3.DatabaseError as error:
        raise JournalDamaged(f"{path}: {error}", remedy="move it away; the agent creates a new one") from error
    except UnicodeDecodeError as error:  # SQLite's complaint quotes the damage
        raise senseless(f"{path} holds text that is not UTF-8") from error
