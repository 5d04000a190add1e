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

#: Facts to keep beside the events, by key; None takes one away.
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
    """Up to when a job's slots have been decided, and for which schedule and zone."""

    #: The name of the job.
    job: str
    #: The schedule and time zone that the slots were judged by.
    schedule: str
    #: Slots up to here have been judged.
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
    """How many runs of a job ended so, how long they took together, and when the first was opened.

    Runs that ``prune`` forgot are counted in: the numbers never go down as long as the journal lasts.
    """

    #: The name of the job.
    job: str
    #: The outcome that is counted.
    outcome: str
    #: How many runs ended so.
    runs: int
    #: How long they took together, in seconds.
    seconds: float
    #: When the first of them was opened.
    since: datetime


class JournalReader(Protocol):
    """What a reader asks of a journal: status, reports, the doctor. Nothing here changes anything."""

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
        """Return of each job the last finished step that names a backup, newest first: job, run, event."""

    def tallies(self) -> Sequence[Tally]:
        """Return how many runs of each job ended how, forgotten ones included; by job and outcome."""

    def claimed(self) -> dict[str, str]:
        """Activities that belong to runs, by id, with the run."""

    def cursor(self, job: str) -> Cursor | None:
        """Return up to when the job's slots have been decided."""

    def cursors(self) -> list[Cursor]:
        """Return up to when slots have been decided, for every job."""

    def noted(self, key: str) -> str | None:
        """Return a fact kept beside the events."""

    def notes(self, prefix: str) -> dict[str, str]:
        """Return all facts kept beside the events whose keys begin so."""

    def last_tick(self) -> int | None:
        """Return when the last tick was, in seconds since 1970, or None where none is known."""

    def ticks(self) -> int:
        """Return how many ticks there were: a hint too."""

    def copied(self, runs: Sequence[RunRow]) -> list[Copied]:
        """Return all of these runs, as they are written, in the same order."""


class Journal(JournalReader, Protocol):
    """What a tick asks of a journal. Every call that changes something is synced when it returns."""

    def open_run(self, event: RunOpened, later: Iterable[Event] = (), *, notes: Notes | None = None) -> bool:
        """Open a run, with the events that follow at once. False where the job already has a run for the slot.

        Args:
            event: the event that opens the run.
            later: the events that follow at once, in order.
            notes: notes to write in the same transaction; None: none.
        """

    def append(self, run: str, *events: Event, notes: Notes | None = None) -> None:
        """Add events to a run that is open, and change facts beside them: all or nothing."""

    def prune(self, before: datetime, most: int) -> int:
        """Forget closed runs opened before that moment, and the oldest of more than ``most``; returns how many.

        How many ended how stays known (see ``tallies``).
        """

    def set_cursor(self, cursor: Cursor) -> None:
        """Store up to when the job's slots have been decided."""

    def forget_cursors(self, but: Iterable[str]) -> None:
        """Delete the cursors of all jobs but these."""

    def note(self, key: str, value: str | None) -> None:
        """Store a note beside the events; None deletes it."""

    def set_idle_hint(self, hint: IdleHint) -> None:
        """Keep what the next idle tick will read."""

    def mark_tick(self, now: float, count: int | None = None) -> None:
        """Remember when the last tick was, and how many there were by then: one more than before, or that many.

        A hint, that a restore rewinds with the rest.
        """

    def take_in(self, copies: Iterable[Copied]) -> None:
        """Copy runs of another journal: add what is missing, write nothing twice."""

    def drop(self, runs: Sequence[str]) -> None:
        """Delete these runs, with everything that belongs to them."""

    def close(self) -> None:
        """Close the journal."""
