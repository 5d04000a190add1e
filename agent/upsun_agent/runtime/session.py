"""The session of a process that writes the journal: it holds the lock, the lease and the open journal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from time import monotonic
from typing import Protocol

from upsun_agent.journal import Journal
from upsun_agent.journal.damage import JournalDamaged
from upsun_agent.journal.directory import confirm_damage, open_journal, prepare, set_aside
from upsun_agent.journal.lock import FileLock, Lease
from upsun_agent.journal.move_marks import refuse_moved
from upsun_agent.journal.replacement import LOSSES, begun_anew
from upsun_agent.journal.server import opening
from upsun_agent.journal.sqlite import SqliteJournal
from upsun_agent.journal.state import DatabaseState, MountState
from upsun_agent.limits import MOVE_BUDGET
from upsun_agent.runtime.context import TickContext
from upsun_agent.runtime.suspension import notes_to_keep


class JournalSession(Protocol):
    """The open journal with its lease; a foreign or rewound journal can be replaced by a new one.

    ``fresh`` where it replaces another just now, which may have known more; ``since``: when it did so, however long ago
    that is: no slot up to then is due. ``waited``: seconds that it took to get.
    """

    fresh: bool
    waited: float

    @property
    def since(self) -> datetime | None:
        """When this journal replaced another; None if it is the first."""

    @property
    def journal(self) -> Journal:
        """The journal in use."""

    def begin_anew(self, word: str, why: str) -> None:
        """Set the journal aside and begin a new one without due slots; paused jobs stay paused."""


class MountSession:
    """The journal of a state directory, in use."""

    waited = 0.0

    def __init__(self, context: TickContext, directory: str, *, moving: bool = False) -> None:
        self._context, self._directory = context, directory
        self.journal, word, why = open_journal(directory, context.container.identity, context.clock.now())
        self.fresh = bool(word)
        if word:
            self._say(word, why)
        try:
            self._lease = self._leased(self.journal)
            if not moving:
                self._refuse_moved()
            self.journal.keep_beside(durable=True)
        except JournalDamaged as error:
            confirm_damage(directory, error)
            self.begin_anew("damaged", str(error))

    def _say(self, word: str, why: str) -> None:
        log = self._context.log
        (log.error if word in LOSSES else log.warning)("journal-set-aside", reason=why)

    @property
    def since(self) -> datetime | None:
        """When this journal replaced another; None if it is the first."""
        anew = begun_anew(self.journal)
        return anew.at if anew is not None else None

    def _refuse_moved(self) -> None:
        try:
            refuse_moved(self.journal, self._directory)
        except BaseException:
            self.close()
            raise

    def _leased(self, journal: SqliteJournal) -> Lease:
        lease = Lease(journal)
        try:
            lease.acquire(self._context.clock.now())
        except BaseException:
            journal.close()
            raise
        return lease

    def begin_anew(self, word: str, why: str) -> None:
        """Set the journal aside and begin a new one without due slots; paused jobs stay paused."""
        kept_notes = notes_to_keep(self.journal) if word == "rewound" else None
        self.journal.close()
        context = self._context
        self.journal, kept = set_aside(
            self._directory, context.container.identity, context.clock.now(), word, why, kept_notes
        )
        self.fresh = True
        self._say(word, kept)
        self._lease = self._leased(self.journal)

    def close(self) -> None:
        """Release the lease and close the journal."""
        try:
            self._lease.release()
        finally:
            self.journal.close()


class ServerSession:
    """The journal of a database, in use."""

    def __init__(self, context: TickContext, state: DatabaseState, *, moving: bool = False) -> None:
        self._context = context
        began = monotonic()
        budget, now = MOVE_BUDGET if moving else None, context.clock.now()
        self._held = opening.hold(state, context.container.identity, seconds=budget, now=now)
        self.waited = monotonic() - began
        self.fresh = self._held.is_copy
        if self._held.lost:
            self.fresh = True
            context.log.error("journal-set-aside", reason=self._held.lost)
        try:
            if not moving:
                refuse_moved(self.journal, state.name)
        except BaseException:
            self.close()
            raise

    @property
    def journal(self) -> Journal:
        """The journal in use."""
        return self._held.journal

    @property
    def since(self) -> datetime | None:
        """When this journal replaced another; None if it is the first."""
        anew = begun_anew(self.journal)
        return anew.at if anew is not None else None

    def begin_anew(self, word: str, why: str) -> None:
        """Set the journal aside and begin a new one without due slots; paused jobs stay paused."""
        kept_notes = notes_to_keep(self.journal) if word == "rewound" else {}
        kept = self._held.begin_anew(f"{word}: {why}", kept_notes)
        self.fresh = True
        self._context.log.warning("journal-set-aside", reason=kept)

    def close(self) -> None:
        """Release the lease and close the connection."""
        self._held.release()

    def abandon(self) -> None:
        """Close the connection at once, without sending anything to the server."""
        self._held.abandon()


@contextmanager
def open_session(context: TickContext, *, moving: bool = False) -> Iterator[JournalSession]:
    """Lock the state and open its journal for the block; with ``moving``, also if it is marked as moved.

    Raises:
        Busy: another process uses it, or the database is not available now.
        StateNotWritable: the state cannot be used.
        StateMoved, MoveUnfinished: nothing may act on it.
    """
    state = context.state
    opened = (
        _on_mount(context, state.directory, moving=moving)
        if isinstance(state, MountState)
        else _in_database(context, state, moving=moving)
    )
    with opened as session:
        yield session


@contextmanager
def _on_mount(context: TickContext, directory: str, *, moving: bool) -> Iterator[JournalSession]:
    prepare(directory)
    lock = FileLock(directory)
    lock.acquire()
    try:
        session = MountSession(context, directory, moving=moving)
        lock.mark()
        try:
            yield session
        except JournalDamaged as error:
            confirm_damage(directory, error)
            session.begin_anew("damaged", str(error))  # the next tick can work again; this one says why it could not
            raise
        finally:
            session.close()
    finally:
        lock.release()


@contextmanager
def _in_database(context: TickContext, state: DatabaseState, *, moving: bool) -> Iterator[JournalSession]:
    session = ServerSession(context, state, moving=moving)
    try:
        yield session
    except Exception:
        session.close()
        raise
    except BaseException:  # the process is to end now: a slow server is not waited for
        session.abandon()
        raise
    session.close()
