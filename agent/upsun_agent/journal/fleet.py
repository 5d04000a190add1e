"""All journals of one place: several environments, apps and projects may share a database.

Each is open for looking only. What a fleet's table shows comes from one statement, whatever their number.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol

from upsun_agent.journal import Identity, JournalReader
from upsun_agent.journal.directory import nothing_yet, open_to_read
from upsun_agent.journal.member import Member
from upsun_agent.journal.notes import moment_at
from upsun_agent.journal.server import fleet as database
from upsun_agent.journal.sqlite import SqliteJournal
from upsun_agent.journal.state import DatabaseState, State
from upsun_agent.model.events import StepDone

PROOF_SEARCHED = 50  # runs of a journal in a file that are looked through for the last proved backup


class Fleet(Protocol):
    """The journals of a place."""

    def members(self) -> list[Member]:
        """Return all journals, ordered by project, environment and app."""

    def journal(self, identity: Identity) -> JournalReader:
        """Return one member's journal, read-only; it is valid while the fleet is open."""


@contextmanager
def fleet(state: State) -> Iterator[Fleet]:
    """Open the journals of a place read-only: those in the database, or the one in the directory."""
    if isinstance(state, DatabaseState):
        with database.database_fleet(state) as found:
            yield found
        return
    alone = _Alone(state.directory)
    try:
        yield alone
    finally:
        alone.close()


class _Alone:
    """The fleet of a directory: one journal, or none."""

    def __init__(self, directory: str) -> None:
        self._journal: SqliteJournal | None = None
        if not nothing_yet(directory):
            self._journal = open_to_read(directory, ("", "", ""))

    def close(self) -> None:
        """Close the journal."""
        if self._journal is not None:
            self._journal.close()

    def members(self) -> list[Member]:
        """Return the directory's only journal."""
        return [] if self._journal is None else [self._member(self._journal)]

    def journal(self, identity: Identity) -> JournalReader:
        """Return the directory's only journal."""
        if self._journal is None or self._journal.identity != identity:
            raise LookupError(identity)
        return self._journal

    def _member(self, journal: SqliteJournal) -> Member:
        last = next(iter(journal.rows(most=1)), None)
        backup, at = _proof(journal)
        return Member(
            journal.identity,
            last_tick=moment_at(journal.last_tick()),
            in_flight=len(journal.rows(open_only=True, most=1000)),
            last_job=last.job if last else None,
            last_opened=last.opened_at if last else None,
            last_outcome=last.outcome if last else None,
            proved_backup=backup,
            proved_at=at,
        )


def _proof(journal: JournalReader) -> tuple[str | None, datetime | None]:
    for row in journal.rows(most=PROOF_SEARCHED):
        for event in reversed(journal.events(row.run)):
            if isinstance(event, StepDone) and event.detail.get("backup"):
                return str(event.detail["backup"]), event.at
    return None, None
