"""The journal in one SQLite file, with a rollback journal (mounts are network file systems) that is truncated.

Truncated, not removed, at each commit: the end of a commit has to be on the disk before a request leaves, or a power
cut could bring the rollback file back. SQLite syncs a truncation with FULL, a removal only with EXTRA, one sync more.

Tables: ``events`` is append-only and the truth; ``runs``, ``activities`` and ``cursors`` are look-ups written in the
same transaction; ``idle_hint`` is the one row that an idle tick reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from upsun_agent.journal import Copied, Cursor, Identity, IdleHint, Notes, RunRow, Tally, sqlite_copy, tables
from upsun_agent.journal.codec import decode, encode
from upsun_agent.journal.connect import connect
from upsun_agent.journal.counters import remembered, summed
from upsun_agent.journal.damage import JournalTooNew, moment_of, senseless
from upsun_agent.journal.lease_end import lease_end
from upsun_agent.journal.notes import FORGOTTEN, LEASE, LEASE_SEEN, SUSPENDED
from upsun_agent.journal.sidecar import Beside, keep
from upsun_agent.limits import PRUNED_AT_ONCE
from upsun_agent.model.events import ActivityAdopted, Event, RequestAccepted, RunClosed, RunOpened
from upsun_agent.model.job import Job
from upsun_agent.platform.paths import JOURNAL, mark_tick, tick_trace


class SqliteJournal:
    """The journal in ``<directory>/journal.sqlite``.

    Args:
        directory: the state directory.
        identity: whose the journal is to be where it is begun.
        begins: whether a journal is begun where there is none; without, such a file is damage.
        notes: facts that a journal which is begun holds from its first moment on.
        reads_only: whether the file is opened read-only (SQLite's ``mode=ro``); then ``begins`` must be False.

    Raises:
        StateNotWritable: the file cannot be opened, or cannot be written.
        JournalDamaged: it is not a journal of ours, or has lost its tables.
        JournalTooNew: a newer version wrote it.
    """

    def __init__(
        self,
        directory: str,
        identity: Identity,
        *,
        begins: bool = True,
        notes: Notes | None = None,
        reads_only: bool = False,
    ) -> None:
        self.path = f"{directory}/{JOURNAL}"
        self._directory = directory
        self._db, self._watch = connect(directory, makes=begins, reads_only=reads_only)
        try:
            with self._watch.bounded():
                if not reads_only:
                    self._db.execute("PRAGMA journal_mode = TRUNCATE")
                    self._db.execute("PRAGMA synchronous = FULL")
                self._prepare(identity, notes, begins=begins)
        except BaseException:
            self._db.close()
            raise

    def _prepare(self, identity: Identity, notes: Notes | None, *, begins: bool) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > tables.SCHEMA_VERSION:
            raise JournalTooNew(
                f"{self.path} has schema {version}, this version knows {tables.SCHEMA_VERSION}",
                remedy="install the version that wrote it, or move the state directory away",
            )
        if version == 0 and begins and not tables.pages(self._db):
            self._begin(identity, notes)
        missing = tables.tables_missing(self._db)
        if missing:
            what = f"has lost its tables {', '.join(missing)}" if tables.pages(self._db) else "is empty"
            raise senseless(f"{self.path} {what}")

    def _begin(self, identity: Identity, notes: Notes | None) -> None:
        """Create the tables and the first rows in one transaction, so that a killed process leaves all or nothing."""
        with self._transaction():
            if self._db.execute("PRAGMA user_version").fetchone()[0] == 0:  # another process may have been faster
                for statement in tables.STATEMENTS:
                    self._db.execute(statement)
                self._write_idle_hint(IdleHint(identity, "", 0))
                self._keep(notes)
                self._db.execute(f"PRAGMA user_version = {tables.SCHEMA_VERSION}")

    @property
    def identity(self) -> Identity:
        """The owner of this journal: project, environment, app."""
        with self._watch.bounded():
            row = self._db.execute("SELECT project, environment, app FROM idle_hint").fetchone()
        if row is None:
            raise senseless(f"{self.path} does not say which environment it belongs to")
        return (str(row[0]), str(row[1]), str(row[2]))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    # --- runs and events -----------------------------------------------------------------------------------

    def open_run(self, event: RunOpened, later: Iterable[Event] = (), *, notes: Notes | None = None) -> bool:
        """Open a run and add its first events; return False if the job already has a run for the slot.

        Args:
            event: the event that opens the run.
            later: the events that follow at once, in order.
            notes: notes to write in the same transaction; None: none.
        """
        job = Job.from_json(event.job).name
        with self._watch.bounded(), self._transaction():
            taken = self._db.execute(
                "SELECT 1 FROM runs WHERE run = ? OR (job = ? AND slot IS NOT NULL AND slot = ?)",
                (event.run, job, event.slot),
            ).fetchone()
            if taken:
                return False
            self._db.execute(
                "INSERT INTO runs (run, job, slot, due_at, opened_at) VALUES (?, ?, ?, ?, ?)",
                (event.run, job, event.slot, event.due_at.timestamp(), event.at.timestamp()),
            )
            for each in (event, *later):
                self._write(event.run, each)
            self._keep(notes)
        self._keep_beside(notes, [event, *later])
        return True

    def append(self, run: str, *events: Event, notes: Notes | None = None) -> None:
        """Add events to an open run and change notes, in one transaction."""
        with self._watch.bounded(), self._transaction():
            for event in events:
                self._write(run, event)
            self._keep(notes)
        self._keep_beside(notes, events)

    def _keep_beside(self, notes: Notes | None, events: Iterable[Event] = ()) -> None:
        """Update the file beside the journal if the change concerns what it records."""
        kinds = {type(event) for event in events}
        suspends = any(key.startswith(SUSPENDED) for key in notes or {})
        if suspends or (RunOpened in kinds) != (RunClosed in kinds):
            self.keep_beside(durable=suspends)

    def keep_beside(self, *, durable: bool = False) -> None:
        """Write into the file beside the journal which jobs are paused or suspended and which runs are in flight."""
        with self._watch.bounded():
            flights = {str(run): str(data) for run, data in self._db.execute(tables.IN_FLIGHT)}
        keep(self._directory, self.identity, Beside(self.notes(SUSPENDED), flights), durable=durable)

    def _keep(self, notes: Notes | None) -> None:
        for key, value in (notes or {}).items():
            if value is None:
                self._db.execute("DELETE FROM notes WHERE key = ?", (key,))
            else:
                self._db.execute("INSERT OR REPLACE INTO notes (key, value) VALUES (?, ?)", (key, value))

    def _write(self, run: str, event: Event) -> None:
        self._db.execute("INSERT INTO events (run, kind, data) VALUES (?, ?, ?)", (run, event.kind, encode(event)))
        if isinstance(event, RequestAccepted | ActivityAdopted):
            self._db.execute(
                "INSERT OR REPLACE INTO activities (activity, run, step) VALUES (?, ?, ?)",
                (event.activity, run, event.step),
            )
        elif isinstance(event, RunClosed):
            self._db.execute(
                "UPDATE runs SET outcome = ?, closed_at = ? WHERE run = ?", (event.outcome, event.at.timestamp(), run)
            )

    def events(self, run: str) -> list[Event]:
        """Return all events of the run, oldest first; empty if there is no such run."""
        return [decode(kind, data) for kind, data in self.written(run)]

    def written(self, run: str) -> list[tuple[str, str]]:
        """Return all events of the run as they are written, (kind, JSON), oldest first."""
        with self._watch.bounded():
            rows = self._db.execute("SELECT kind, data FROM events WHERE run = ? ORDER BY seq", (run,)).fetchall()
        return [(str(kind), str(data)) for kind, data in rows]

    def rows(self, *, open_only: bool = False, job: str | None = None, most: int = 50) -> Sequence[RunRow]:
        """Return runs, newest first (open ones oldest first).

        Args:
            open_only: whether only runs that are not closed are returned.
            job: the name of the job whose runs are returned; None: all jobs.
            most: how many are returned at most.
        """
        ordered = "ASC" if open_only else "DESC"
        query = (  # the interpolated word is one of two of ours
            "SELECT run, job, slot, due_at, opened_at, closed_at, outcome FROM runs"  # noqa: S608  see above  # nosec B608
            " WHERE (?1 = 0 OR outcome IS NULL) AND (?2 IS NULL OR job = ?2)"
            f" ORDER BY opened_at {ordered}, rowid {ordered} LIMIT ?3"
        )
        with self._watch.bounded():
            rows = self._db.execute(query, (int(open_only), job, most)).fetchall()
        return [
            RunRow(r[0], r[1], r[2], moment_of(r[3]), moment_of(r[4]), None if r[5] is None else moment_of(r[5]), r[6])
            for r in rows
        ]

    def latest(self, kind: str, *, job: str | None = None, most: int = 50) -> Sequence[tuple[str, Event]]:
        """Return the events of that kind recorded last, newest first, each with its run.

        Args:
            kind: the kind of the events.
            job: the name of the job whose runs are returned; None: all jobs.
            most: how many are returned at most.
        """
        query = (
            "SELECT events.run, events.data FROM events JOIN runs ON runs.run = events.run"
            " WHERE events.kind = ?1 AND (?2 IS NULL OR runs.job = ?2) ORDER BY events.seq DESC LIMIT ?3"
        )
        with self._watch.bounded():
            rows = self._db.execute(query, (kind, job, most)).fetchall()
        return [(run, decode(kind, data)) for run, data in rows]

    def last_proofs(self) -> Sequence[tuple[str, str, Event]]:
        """Return each job's last finished step that names a backup, newest first, as (job, run, event)."""
        with self._watch.bounded():
            rows = self._db.execute(tables.LAST_PROOFS).fetchall()
        return [(job, run, decode(kind, data)) for job, _, run, kind, data in rows]

    def prune(self, before: datetime, most: int) -> int:
        """Delete runs opened before that time, and the oldest beyond ``most``; return how many.

        A run in flight is never forgotten, and so many at once that it takes long neither: the next call goes on.
        """
        with self._watch.bounded():
            gone = self._db.execute(
                tables.FORGETTABLE, (before.timestamp(), max(most - 1, 0), PRUNED_AT_ONCE)
            ).fetchall()
            if gone:
                known = self.notes(FORGOTTEN)
                with self._transaction():
                    self._forget([row[0] for row in gone])
                    self._keep(remembered(known, [row[1:] for row in gone]))
        return len(gone)

    def tallies(self) -> Sequence[Tally]:
        """Return the number of runs by job and outcome, including runs that were deleted from the history."""
        with self._watch.bounded():
            rows = self._db.execute(tables.TALLIES).fetchall()
        return summed([(*row[:3], int(row[3]), row[4]) for row in rows], self.notes(FORGOTTEN), moment_of)

    def _forget(self, runs: Sequence[str]) -> None:
        for table in ("events", "activities", "runs"):
            self._db.executemany(f"DELETE FROM {table} WHERE run = ?", [(run,) for run in runs])  # noqa: S608  three of ours  # nosec B608

    def claimed(self) -> dict[str, str]:
        """Return the run of each activity that belongs to a run, by activity id."""
        with self._watch.bounded():
            return dict(self._db.execute("SELECT activity, run FROM activities").fetchall())

    # --- what stands beside the events -----------------------------------------------------------------------

    def cursor(self, job: str) -> Cursor | None:
        """Return the time up to which the job's slots have been decided."""
        with self._watch.bounded():
            row = self._db.execute("SELECT schedule, until FROM cursors WHERE job = ?", (job,)).fetchone()
        return None if row is None else Cursor(job, row[0], moment_of(row[1]))

    def set_cursor(self, cursor: Cursor) -> None:
        """Store the time up to which the job's slots have been decided."""
        with self._watch.bounded(), self._transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO cursors (job, schedule, until) VALUES (?, ?, ?)",
                (cursor.job, cursor.schedule, cursor.until.timestamp()),
            )

    def forget_cursors(self, but: Iterable[str]) -> None:
        """Delete the cursors of all jobs except these."""
        with self._watch.bounded():
            known = {str(row[0]) for row in self._db.execute("SELECT job FROM cursors").fetchall()}
            gone = known - set(but)
            if gone:
                with self._transaction():
                    self._db.executemany("DELETE FROM cursors WHERE job = ?", [(job,) for job in sorted(gone)])

    def note(self, key: str, value: str | None) -> None:
        """Store a note; the value None deletes it."""
        with self._watch.bounded(), self._transaction():
            self._keep({key: value})
        self._keep_beside({key: value})

    def noted(self, key: str) -> str | None:
        """Return the note with the key."""
        with self._watch.bounded():
            row = self._db.execute("SELECT value FROM notes WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def notes(self, prefix: str) -> dict[str, str]:
        """Return all notes whose keys begin with the prefix."""
        with self._watch.bounded():
            rows = self._db.execute(
                "SELECT key, value FROM notes WHERE substr(key, 1, ?) = ?", (len(prefix), prefix)
            ).fetchall()
        return {str(key): str(value) for key, value in rows}

    def set_idle_hint(self, hint: IdleHint) -> None:
        """Store the hint that the next idle tick will read; write nothing if it is unchanged."""
        row = (*hint.identity, hint.text, hint.next_due)
        with self._watch.bounded():
            if self._db.execute("SELECT project, environment, app, text, next_due FROM idle_hint").fetchone() == row:
                return
            with self._transaction():
                self._write_idle_hint(hint)

    def _write_idle_hint(self, hint: IdleHint) -> None:
        columns = "one, project, environment, app, text, next_due"
        row = (*hint.identity, hint.text, hint.next_due)
        self._db.execute(f"INSERT OR REPLACE INTO idle_hint ({columns}) VALUES (1, ?, ?, ?, ?, ?)", row)  # noqa: S608  names of ours  # nosec B608

    def last_tick(self) -> int | None:
        """Return when the last tick was, in seconds since 1970, or None if no tick is known."""
        return tick_trace(self._directory)[0]

    def ticks(self) -> int:
        """Return how many ticks there were."""
        return tick_trace(self._directory)[1]

    def mark_tick(self, now: float, count: int | None = None) -> None:
        """Store the time of the last tick and the number of ticks: one more than before, or ``count`` if given."""
        mark_tick(self._directory, now, count)

    # --- as a whole -------------------------------------------------------------------------------------------

    def copied(self, runs: Sequence[RunRow]) -> list[Copied]:
        """Return these runs in the same order, each as it is stored."""
        return [Copied(run, tuple(self.written(run.run)), tuple(sorted(self._owned(run.run)))) for run in runs]

    def _owned(self, run: str) -> list[tuple[str, int]]:
        with self._watch.bounded():
            return self._db.execute("SELECT activity, step FROM activities WHERE run = ?", (run,)).fetchall()

    def take_in(self, copies: Iterable[Copied]) -> None:
        """Copy runs of another journal into this one; skip what is already here."""
        with self._watch.bounded(), self._transaction():
            for each in copies:
                found = tuple(self.written(each.row.run))
                if found != each.events[: len(found)]:
                    self._forget([each.row.run])  # an earlier copy of a run that was another by then
                    found = ()
                sqlite_copy.add(self._db, each, known=len(found))

    def drop(self, runs: Sequence[str]) -> None:
        """Delete these runs, with everything that belongs to them."""
        if runs:
            with self._watch.bounded(), self._transaction():
                self._forget(runs)

    def cursors(self) -> list[Cursor]:
        """Return the time up to which slots have been decided, for every job."""
        with self._watch.bounded():
            rows = self._db.execute("SELECT job, schedule, until FROM cursors").fetchall()
        return sorted(
            (Cursor(job, schedule, moment_of(until)) for job, schedule, until in rows), key=lambda each: each.job
        )

    # --- the lease --------------------------------------------------------------------------------------------

    def take_lease(self, holder: str, now: datetime, until: datetime) -> str | None:
        """Write the lease row for ``holder``; if another's is still valid, leave it and return its holder.

        Args:
            holder: who works.
            now: the present, in UTC.
            until: until when the lease holds.
        """
        with self._watch.bounded(), self._transaction():
            row = self._db.execute("SELECT value FROM notes WHERE key = ?", (LEASE,)).fetchone()
            if row is not None:
                other = str(row[0]).partition(" ")[2]
                seen = self._db.execute("SELECT value FROM notes WHERE key = ?", (LEASE_SEEN,)).fetchone()
                end, noted = lease_end(str(row[0]), str(seen[0]) if seen else "", now, until)
                if other != holder and noted is not None:
                    self._keep({LEASE_SEEN: noted})
                if other != holder and now.timestamp() < end:
                    return other
            self._keep({LEASE: f"{until.timestamp()} {holder}", LEASE_SEEN: None})
        return None

    def drop_lease(self, holder: str) -> None:
        """Delete the lease row if it is the holder's."""
        own = "DELETE FROM notes WHERE key = ? AND substr(value, instr(value, ' ') + 1) = ?"
        with self._watch.bounded(), self._transaction():
            self._db.execute(own, (LEASE, holder))

    def close(self) -> None:
        """Close the file."""
        self._db.close()
