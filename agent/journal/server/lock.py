"""Locks that the server keeps for a connection, and lets go of with it: advisory ones, by name."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from agent.journal import Identity
from agent.journal.server.session import Session


def name_of(identity: Identity) -> str:
    """What the lock of a journal is called."""
    return "\0".join(("journal", *identity))


def _digest(session: Session, name: str) -> bytes:
    """A number for the name. The database's own goes in: MariaDB's locks are shared by all databases of a server."""
    return hashlib.sha256(f"upsun-agent\0{session.place.endpoint.database}\0{name}".encode()).digest()


def try_lock(session: Session, name: str) -> bool:
    """Take the lock at once; False where another connection has it. It is held until the connection ends."""
    digest = _digest(session, name)
    if session.scheme == "mysql":
        return bool(session.say("SELECT GET_LOCK(%s, 0)", (f"upsun-agent-{digest.hex()[:40]}",)).scalar() == 1)
    number = int.from_bytes(digest[:8], "big", signed=True)
    return bool(session.say("SELECT pg_try_advisory_lock(%s)", (number,)).scalar())


def unlock(session: Session, name: str) -> None:
    """Let go of the lock."""
    digest = _digest(session, name)
    if session.scheme == "mysql":
        session.say("SELECT RELEASE_LOCK(%s)", (f"upsun-agent-{digest.hex()[:40]}",))
    else:
        session.say("SELECT pg_advisory_unlock(%s)", (int.from_bytes(digest[:8], "big", signed=True),))


@contextmanager
def advisory_lock(session: Session, name: str) -> Iterator[bool]:
    """The lock for as long as the block lasts; yields whether it was to be had."""
    held = try_lock(session, name)
    try:
        yield held
    finally:
        if held:
            with contextlib.suppress(Exception):  # a connection that is gone has let go of it
                unlock(session, name)
