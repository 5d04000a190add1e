"""The journal: all events of all runs, append-only, on the agent's mount or in the project's database.

``JournalReader`` is what a reader may ask, ``Journal`` what a tick may. ``sqlite`` is the form in a file, ``server``
the one in a database that several instances share. It holds no secret. What P1 rests on is not the lock but that an
intent is synced before its request and reconciled after.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from upsun_agent.model.events import Event, RunOpened

Identity = tuple[str, str, str]

#: Notes to store, by key; None deletes one.
Notes = Mapping[str, str | None]


class RunRow(Struct, frozen=True):
    """A run as the look-up table knows it. ``outcome`` is None while it is open."""

    #: The id of the run.
    run: str
    #: The name of its job.
    job: str
    #: The local wall-clock name of the slot; None for a manual run.
    slot: str | None
    #: When the slot fell due.
    due_at: datetime
    #: When the run was opened.
    opened_at: datetime
    #: When it was closed; None while it is open.
    closed_at: datetime | None
    #: How it ended; None while it is open.
    outcome: str | None


class Cursor(Struct, frozen=True):
    """The time up to which a job's slots have been decided, and the schedule and zone it holds for."""

    #: The name of the job.
    job: str
    #: The schedule and time zone that the slots were judged by.
    schedule: str
    #: The time up to which slots have been decided.
    until: datetime


class IdleHint(Struct, frozen=True):
    """What an idle tick needs to know: the job file it was worked out for and when something is due next.

    ``text`` is the whole job file; ``next_due`` an instant in seconds since 1970, at which a tick must look closer.
    """

    #: Where the agent ran: project, environment and app.
    identity: Identity
    #: The whole job file that the hint was made for.
    text: str
    #: When a tick must look closer, in seconds since 1970.
    next_due: int


class Copied(Struct, frozen=True):
    """All of a run as a journal holds it: its row, its events as (kind, JSON), its activities as (id, step)."""

    #: The row of the run.
    row: RunRow
    #: Its events, each as kind and JSON text.
    events: tuple[tuple[str, str], ...]
    #: Its activities, each as id and index of the step.
    activities: tuple[tuple[str, int], ...]


class Tally(Struct, frozen=True):
    """The number of a job's runs with one outcome, their total duration, and when the first was opened.

    Runs that ``prune`` forgot are counted in: the numbers never go down as long as the journal lasts.
    """

    #: The name of the job.
    job: str
    #: The outcome that is counted.
    outcome: str
    #: How many runs ended with this outcome.
    runs: int
    #: How long they took together, in seconds.
    seconds: float
    #: When the first of them was opened.
    since: datetime


class JournalReader(Protocol):
    """Read access to a journal, for status, reports and the doctor. No method changes anything."""

    def events(self, run: str) -> list[Event]:
        """Return all events of the run, oldest first."""

    def written(self, run: str) -> list[tuple[str, str]]:
        """Return all events of the run as they are written, (kind, JSON), oldest first."""

    def rows(self, *, open_only: bool = False, job: str | None = None, most: int = 50) -> Sequence[RunRow]:
        """Return runs, newest first (open ones oldest first).

        Args:
            open_only: whether only runs that are not closed are returned.
            job: the name of the job whose runs are returned; None: all jobs.
            most: how many are returned at most.
        """

    def latest(self, kind: str, *, job: str | None = None, most: int = 50) -> Sequence[tuple[str, Event]]:
        """Return the events of that kind recorded last, newest first, each with its run.

        Args:
            kind: the kind of the events.
            job: the name of the job whose runs are returned; None: all jobs.
            most: how many are returned at most.
        """

    def last_proofs(self) -> Sequence[tuple[str, str, Event]]:
        """Return each job's last finished step that names a backup, newest first, as (job, run, event)."""

    def tallies(self) -> Sequence[Tally]:
        """Return the number of runs by job and outcome, including runs that were deleted from the history."""

    def claimed(self) -> dict[str, str]:
        """Return the run of each activity that belongs to a run, by activity id."""

    def cursor(self, job: str) -> Cursor | None:
        """Return the time up to which the job's slots have been decided."""

    def cursors(self) -> list[Cursor]:
        """Return the time up to which slots have been decided, for every job."""

    def noted(self, key: str) -> str | None:
        """Return the note with the key."""

    def notes(self, prefix: str) -> dict[str, str]:
        """Return all notes whose keys begin with the prefix."""

    def last_tick(self) -> int | None:
        """Return when the last tick was, in seconds since 1970, or None if no tick is known."""

    def ticks(self) -> int:
        """Return the number of ticks; a restore rewinds it with the rest."""

    def copied(self, runs: Sequence[RunRow]) -> list[Copied]:
        """Return these runs in the same order, each as it is stored."""


class Journal(JournalReader, Protocol):
    """Read and write access to a journal, for a tick. A call that changes something returns after the sync."""

    def open_run(self, event: RunOpened, later: Iterable[Event] = (), *, notes: Notes | None = None) -> bool:
        """Open a run and add its first events; return False if the job already has a run for the slot.

        Args:
            event: the event that opens the run.
            later: the events that follow at once, in order.
            notes: notes to write in the same transaction; None: none.
        """

    def append(self, run: str, *events: Event, notes: Notes | None = None) -> None:
        """Add events to an open run and change notes, in one transaction."""

    def prune(self, before: datetime, most: int) -> int:
        """Delete closed runs opened before that time, and the oldest beyond ``most``; return how many.

        How many ended how stays known (see ``tallies``).
        """

    def set_cursor(self, cursor: Cursor) -> None:
        """Store the time up to which the job's slots have been decided."""

    def forget_cursors(self, but: Iterable[str]) -> None:
        """Delete the cursors of all jobs except these."""

    def note(self, key: str, value: str | None) -> None:
        """Store a note; the value None deletes it."""

    def set_idle_hint(self, hint: IdleHint) -> None:
        """Store the hint that the next idle tick will read."""

    def mark_tick(self, now: float, count: int | None = None) -> None:
        """Store the time of the last tick and the number of ticks: one more than before, or ``count`` if given.

        A hint, that a restore rewinds with the rest.
        """

    def take_in(self, copies: Iterable[Copied]) -> None:
        """Copy runs of another journal into this one; skip what is already here."""

    def drop(self, runs: Sequence[str]) -> None:
        """Delete these runs, with everything that belongs to them."""

    def close(self) -> None:
        """Close the journal."""
