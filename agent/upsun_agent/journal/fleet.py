"""All journals of one place: several environments, apps and projects may share a database.

Each is open for looking only. What a fleet's table shows comes from one statement, whatever their number.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Protocol

from msgspec import Struct

from upsun_agent.journal import Identity, JournalReader
from upsun_agent.journal.directory import nothing_yet, open_to_read
from upsun_agent.journal.sqlite import SqliteJournal
from upsun_agent.journal.state import DatabaseState, State
from upsun_agent.platform.paths import LAST_MOMENT

PROOF_SEARCHED = 50  # runs of a journal in a file that are looked through for the last proved backup


class Member(Struct, frozen=True):
    """One journal at a glance. ``next_due``: when its next tick has to look closer, as its last one worked it out."""

    #: Whose journal it is: project, environment and app.
    identity: Identity
    #: When its last tick was; None if there was none.
    last_tick: datetime | None = None
    #: When its next tick has to look closer; None if that is not known.
    next_due: datetime | None = None
    #: How many runs are open.
    in_flight: int = 0
    #: The job of the last run; None if there was none.
    last_job: str | None = None
    #: When the last run was opened; None if there was none.
    last_opened: datetime | None = None
    #: How the last run ended; None if it has not, or there was none.
    last_outcome: str | None = None
    #: The name of the last verified backup; None if there is none.
    proved_backup: str | None = None
    #: When it was verified; None if there is none.
    proved_at: datetime | None = None


class Fleet(Protocol):
    """The journals of a place."""

    def members(self) -> list[Member]:
        """All of them, in the order of project, environment and app."""

    def journal(self, identity: Identity) -> JournalReader:
        """The journal of one of them, for looking only; valid while the fleet is open."""


@contextmanager
def fleet(state: State) -> Iterator[Fleet]:
    """Return the journals that are kept there: those in the database, or the one in the directory, to read only."""
    if isinstance(state, DatabaseState):
        from upsun_agent.journal.server.fleet import database_fleet  # noqa: PLC0415  late: most states are on a mount

        with database_fleet(state) as found:
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
        """Let go of the journal."""
        if self._journal is not None:
            self._journal.close()

    def members(self) -> list[Member]:
        """The one there is."""
        return [] if self._journal is None else [self._member(self._journal)]

    def journal(self, identity: Identity) -> JournalReader:
        """The one there is."""
        if self._journal is None or self._journal.identity != identity:
            raise LookupError(identity)
        return self._journal

    def _member(self, journal: SqliteJournal) -> Member:
        last = next(iter(journal.rows(most=1)), None)
        backup, at = _proof(journal)
        return Member(
            journal.identity,
            last_tick=moment(journal.last_tick()),
            in_flight=len(journal.rows(open_only=True, most=1000)),
            last_job=last.job if last else None,
            last_opened=last.opened_at if last else None,
            last_outcome=last.outcome if last else None,
            proved_backup=backup,
            proved_at=at,
        )


def _proof(journal: JournalReader) -> tuple[str | None, datetime | None]:
    from upsun_agent.model.events import StepDone  # noqa: PLC0415  a name that only this needs

    for row in journal.rows(most=PROOF_SEARCHED):
        for event in reversed(journal.events(row.run)):
            if isinstance(event, StepDone) and event.detail.get("backup"):
                return str(event.detail["backup"]), event.at
    return None, None


def moment(seconds: float | None) -> datetime | None:
    """The moment, where it is one."""
    if seconds is None or not 0 < seconds < LAST_MOMENT:
        return None
    return datetime.fromtimestamp(seconds, UTC)
