"""The journal as reports read it: a few statements for all jobs together, however many there are."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import islice

from upsun_agent.journal import Cursor, JournalReader, RunRow
from upsun_agent.limits import HISTORY_RUNS
from upsun_agent.model.events import Event


class BulkReader:
    """Read the rows of all runs and all cursors once, on first use.

    Args:
        journal: the journal, which must not change meanwhile, or whose changes need not be seen.
    """

    def __init__(self, journal: JournalReader) -> None:
        self.journal = journal

    @cached_property
    def every(self) -> Sequence[RunRow]:
        """Return the rows of all runs that a journal keeps, newest first."""
        return self.journal.rows(most=HISTORY_RUNS * 2)

    @cached_property
    def by_job(self) -> dict[str, list[RunRow]]:
        """Return the rows of all runs by job, newest first."""
        found: dict[str, list[RunRow]] = {}
        for row in self.every:
            found.setdefault(row.job, []).append(row)
        return found

    def rows(self, *, open_only: bool = False, job: str | None = None, most: int = 50) -> Sequence[RunRow]:
        """Return runs, newest first (open ones oldest first), as the journal does.

        Args:
            open_only: whether only runs that are not closed are returned.
            job: the name of the job whose runs are returned; None: all jobs.
            most: how many are returned at most.
        """
        found = self.every if job is None else self.by_job.get(job, [])
        if open_only:
            return list(islice((row for row in reversed(found) if row.outcome is None), most))
        return found[:most]

    @cached_property
    def _cursors(self) -> dict[str, Cursor]:
        return {cursor.job: cursor for cursor in self.journal.cursors()}

    def cursor(self, job: str) -> Cursor | None:
        """Return the time up to which the job's slots have been decided."""
        return self._cursors.get(job)

    def events(self, run: str) -> list[Event]:
        """Return all events of the run, oldest first."""
        return self.journal.events(run)

    def noted(self, key: str) -> str | None:
        """Return the note with the key."""
        return self.journal.noted(key)

    def notes(self, prefix: str) -> dict[str, str]:
        """Return all notes whose keys begin with the prefix."""
        return self.journal.notes(prefix)
