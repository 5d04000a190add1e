"""The journal as rows in the tables of a database server, its own rows only.

Every change is one transaction that begins with the journal's row, locked: it has to be the present one and carry the
fencing number of this process's lease. A process whose lease was taken over therefore writes nothing more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from upsun_agent.database.errors import DatabaseRefused, LeaseLost
from upsun_agent.database.idle import digest_of
from upsun_agent.errors import Bug
from upsun_agent.journal import Copied, Cursor, Identity, IdleHint, Notes, RunRow, Tally
from upsun_agent.journal.codec import decode, encode
from upsun_agent.journal.counters import MILLISECONDS, remembered, summed
from upsun_agent.journal.notes import FORGOTTEN, SUSPENDED
from upsun_agent.journal.server.schema import Tables
from upsun_agent.journal.server.session import Session
from upsun_agent.limits import LEASE, PRUNED_AT_ONCE
from upsun_agent.model.events import ActivityAdopted, Event, RequestAccepted, RunClosed, RunOpened, StepDone
from upsun_agent.model.job import Job
from upsun_agent.platform.paths import LAST_MOMENT


class ServerJournal:
    """One journal on a server; ``fence`` is the number of the lease, None if it is open read-only."""

    def __init__(
        self,
        session: Session,
        number: int,
        identity: Identity,
        fence: int | None = None,
        tables: Tables | None = None,
    ) -> None:
        self.identity = identity
        self.number = number
        self.fence = fence
        self._session = session
        self._tables = tables or session.tables

    # --- reading and writing ------------------------------------------------------------------------------------

    def _select(self, table: Any, *columns: str) -> Any:
        return sa.select(*(table.c[name] for name in columns)).where(table.c.journal == self.number)

    def _delete(self, table: Any) -> Any:
        return sa.delete(table).where(table.c.journal == self.number)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Begin a transaction and check that the lease is ours; nobody can take it over before the end."""
        if self.fence is None:
            raise Bug("a journal that was opened read-only cannot be written")
        mine, run = self._tables.journals, self._session.run
        ours = (mine.c.id == self.number, mine.c.present == 1, mine.c.fence == self.fence)
        until: Any = sa.literal_column(self._session.now)
        with self._session.transaction():
            if not run(sa.update(mine).where(*ours).values(lease_until=until + LEASE)).rowcount:
                raise LeaseLost(f"another process took over the journal in {self._session.state}")
            yield

    def _put(self, table: Any, keys: dict[str, Any], values: dict[str, Any]) -> None:
        """Update the row with the same keys, or insert one. The journal's lock makes this safe."""
        keys = {"journal": self.number, **keys}
        where = sa.and_(*(table.c[name] == value for name, value in keys.items()))
        if not self._session.run(sa.update(table).where(where).values(**values)).rowcount:
            self._session.run(sa.insert(table).values(**keys, **values))

    # --- runs and events ----------------------------------------------------------------------------------------

    def open_run(self, event: RunOpened, later: Iterable[Event] = (), *, notes: Notes | None = None) -> bool:
        """Open a run and add its first events; return False if the job already has a run for the slot.

        Args:
            event: the event that opens the run.
            later: the events that follow at once, in order.
            notes: notes to write in the same transaction; None: none.
        """
        job, runs = Job.from_json(event.job).name, self._tables.runs
        same_slot = (runs.c.job == job) & (runs.c.slot.is_not(None)) & (runs.c.slot == event.slot)
        with self._writing():
            if self._session.run(self._select(runs, "run").where(sa.or_(runs.c.run == event.run, same_slot))).first():
                return False
            row = {"job": job, "slot": event.slot, "due_at": event.due_at.timestamp()}
            row |= {"journal": self.number, "run": event.run, "opened_at": event.at.timestamp()}
            self._session.run(sa.insert(runs).values(**row))
            self._write(event.run, [event, *later])
            self._keep(notes)
        return True

    def append(self, run: str, *events: Event, notes: Notes | None = None) -> None:
        """Add events to an open run and change notes, in one transaction."""
        with self._writing():
            self._write(run, events)
            self._keep(notes)

    def _write(self, run: str, events: Sequence[Event]) -> None:
        tables, own = self._tables, {"journal": self.number, "run": run, "fence": self.fence}
        rows = [{**own, "kind": event.kind, "data": encode(event)} for event in events]
        if rows:
            self._session.run(sa.insert(tables.events), rows)
        for event in events:
            if isinstance(event, RequestAccepted | ActivityAdopted):
                self._put(tables.activities, {"activity": event.activity}, {"run": run, "step": event.step})
            elif isinstance(event, RunClosed):
                closed = {"outcome": event.outcome, "closed_at": event.at.timestamp()}
                row = (tables.runs.c.journal == self.number) & (tables.runs.c.run == run)
                self._session.run(sa.update(tables.runs).where(row).values(**closed))
            elif isinstance(event, StepDone) and event.detail.get("backup"):
                proved = {"proved_backup": str(event.detail["backup"])[:200], "proved_at": event.at.timestamp()}
                self._session.run(
                    sa.update(tables.journals).where(tables.journals.c.id == self.number).values(**proved)
                )

    def _keep(self, notes: Notes | None) -> None:
        for key, value in (notes or {}).items():
            if value is None:
                self._session.run(self._delete(self._tables.notes).where(self._tables.notes.c.name == key))
            else:
                self._put(self._tables.notes, {"name": key}, {"value": value})
        if any(key.startswith(SUSPENDED) for key in notes or {}):
            self._keep_beside()

    def _keep_beside(self) -> None:
        """Copy the notes on paused and suspended jobs to the journal's own row: see journal/server/losses.py."""
        mine, suspended = self._tables.journals, self.notes(SUSPENDED)
        why = json.dumps(suspended) if suspended else None
        self._session.run(sa.update(mine).where(mine.c.id == self.number).values(why=why))

    def events(self, run: str) -> list[Event]:
        """Return all events of the run, oldest first; empty if there is no such run."""
        return [decode(kind, data) for kind, data in self.written(run)]

    def written(self, run: str) -> list[tuple[str, str]]:
        """Return all events of the run as they are written, (kind, JSON), oldest first."""
        events = self._tables.events
        query = self._select(events, "kind", "data").where(events.c.run == run).order_by(events.c.seq)
        return [(str(kind), str(data)) for kind, data in self._session.run(query).all()]

    def rows(self, *, open_only: bool = False, job: str | None = None, most: int = 50) -> Sequence[RunRow]:
        """Return runs, newest first (open ones oldest first).

        Args:
            open_only: whether only runs that are not closed are returned.
            job: the name of the job whose runs are returned; None: all jobs.
            most: how many are returned at most.
        """
        runs = self._tables.runs
        query = self._select(runs, "run", "job", "slot", "due_at", "opened_at", "closed_at", "outcome")
        if open_only:
            query = query.where(runs.c.outcome.is_(None)).order_by(runs.c.opened_at, runs.c.number)
        else:
            query = query.order_by(runs.c.opened_at.desc(), runs.c.number.desc())
        if job is not None:
            query = query.where(runs.c.job == job)
        return [
            RunRow(r[0], r[1], r[2], _utc(r[3]), _utc(r[4]), None if r[5] is None else _utc(r[5]), r[6])
            for r in self._session.run(query.limit(most)).all()
        ]

    def latest(self, kind: str, *, job: str | None = None, most: int = 50) -> Sequence[tuple[str, Event]]:
        """Return the events of that kind recorded last, newest first, each with its run.

        Args:
            kind: the kind of the events.
            job: the name of the job whose runs are returned; None: all jobs.
            most: how many are returned at most.
        """
        events, runs = self._tables.events, self._tables.runs
        query = self._select(events, "run", "data").where(events.c.kind == kind)
        if job is not None:
            query = query.where(events.c.run.in_(self._select(runs, "run").where(runs.c.job == job)))
        rows = self._session.run(query.order_by(events.c.seq.desc()).limit(most)).all()
        return [(str(run), decode(kind, str(data))) for run, data in rows]

    def last_proofs(self) -> Sequence[tuple[str, str, Event]]:
        """Return each job's last finished step that names a backup, newest first, as (job, run, event)."""
        events, runs = self._tables.events, self._tables.runs
        both = events.join(runs, (runs.c.journal == events.c.journal) & (runs.c.run == events.c.run))
        names = (events.c.journal == self.number, events.c.kind == StepDone.kind, events.c.data.contains('"backup":"'))
        last = sa.select(runs.c.job, sa.func.max(events.c.seq).label("seq")).select_from(both).where(*names)
        newest = last.group_by(runs.c.job).subquery()
        query = sa.select(newest.c.job, events.c.run, events.c.kind, events.c.data)
        query = query.select_from(newest.join(events, events.c.seq == newest.c.seq)).order_by(events.c.seq.desc())
        return [(str(job), str(run), decode(str(kind), str(data))) for job, run, kind, data in self._session.run(query)]

    def prune(self, before: datetime, most: int) -> int:
        """Delete closed runs opened before that time, and the oldest beyond ``most``; return how many."""
        runs, run = self._tables.runs, self._session.run
        newest = self._select(runs, "opened_at").order_by(runs.c.opened_at.desc()).offset(max(most - 1, 0)).limit(1)
        oldest = run(newest).scalar()
        old = [runs.c.opened_at < before.timestamp()] + ([runs.c.opened_at < oldest] if oldest is not None else [])
        query = self._select(runs, "run", "job", "outcome").add_columns(self._took(), runs.c.opened_at)
        query = query.where(runs.c.outcome.is_not(None), sa.or_(*old)).order_by(runs.c.opened_at).limit(PRUNED_AT_ONCE)
        gone = run(query).all()
        if gone:
            known = self.notes(FORGOTTEN)
            ended = [(str(job), str(outcome), int(took), float(at)) for _, job, outcome, took, at in gone]
            with self._writing():
                self._forget([row[0] for row in gone])
                self._keep(remembered(known, ended))
        return len(gone)

    @staticmethod
    def _took() -> Any:
        """Return the duration of a run in whole milliseconds."""
        return sa.literal_column(MILLISECONDS["server"])

    def tallies(self) -> Sequence[Tally]:
        """Return the number of runs by job and outcome, including runs that were deleted from the history."""
        runs = self._tables.runs
        columns = (sa.func.count(), sa.func.coalesce(sa.func.sum(self._took()), 0), sa.func.min(runs.c.opened_at))
        query = self._select(runs, "job", "outcome").add_columns(*columns).where(runs.c.outcome.is_not(None))
        rows = self._session.run(query.group_by(runs.c.job, runs.c.outcome)).all()
        found = [(str(job), str(outcome), int(n), int(took), float(at)) for job, outcome, n, took, at in rows]
        return summed(found, self.notes(FORGOTTEN), _utc)

    def _forget(self, doomed: Sequence[str]) -> None:
        for table in (self._tables.events, self._tables.activities, self._tables.runs):
            self._session.run(self._delete(table).where(table.c.run.in_(doomed)))

    def claimed(self) -> dict[str, str]:
        """Return the run of each activity that belongs to a run, by activity id."""
        return {str(a): str(r) for a, r in self._session.run(self._select(self._tables.activities, "activity", "run"))}

    # --- what stands beside the events ----------------------------------------------------------------------------

    def cursor(self, job: str) -> Cursor | None:
        """Return the time up to which the job's slots have been decided."""
        return next(iter(self._cursors(job)), None)

    def _cursors(self, job: str | None = None) -> list[Cursor]:
        cursors = self._tables.cursors
        query = self._select(cursors, "job", "schedule", "until")
        rows = self._session.run(query if job is None else query.where(cursors.c.job == job)).all()
        return sorted((Cursor(str(row[0]), str(row[1]), _utc(row[2])) for row in rows), key=lambda each: each.job)

    def set_cursor(self, cursor: Cursor) -> None:
        """Store the time up to which the job's slots have been decided."""
        with self._writing():
            values = {"schedule": cursor.schedule, "until": cursor.until.timestamp()}
            self._put(self._tables.cursors, {"job": cursor.job}, values)

    def forget_cursors(self, but: Iterable[str]) -> None:
        """Delete the cursors of all jobs except these."""
        gone = {cursor.job for cursor in self._cursors()} - set(but)
        if gone:
            with self._writing():
                jobs = self._tables.cursors.c.job.in_(sorted(gone))
                self._session.run(self._delete(self._tables.cursors).where(jobs))

    def note(self, key: str, value: str | None) -> None:
        """Store a note; the value None deletes it."""
        with self._writing():
            self._keep({key: value})

    def noted(self, key: str) -> str | None:
        """Return the note with the key."""
        notes = self._tables.notes
        value = self._session.run(self._select(notes, "value").where(notes.c.name == key)).scalar()
        return None if value is None else str(value)

    def notes(self, prefix: str) -> dict[str, str]:
        """Return all notes whose keys begin with the prefix."""
        notes = self._tables.notes
        query = self._select(notes, "name", "value").where(sa.func.left(notes.c.name, len(prefix)) == prefix)
        return {str(key): str(value) for key, value in self._session.run(query).all()}

    def set_idle_hint(self, hint: IdleHint) -> None:
        """Store the hint that the next idle tick will read; write nothing if it is unchanged."""
        values = {"digest": digest_of(hint.text), "next_due": hint.next_due}
        row = self._session.run(self._select(self._tables.idle_hints, *values)).first()
        if row is None or tuple(row) != tuple(values.values()):
            with self._writing():
                self._put(self._tables.idle_hints, {}, values)

    def last_tick(self) -> int | None:
        """Return when the last tick was, in seconds since 1970, or None if no tick is known."""
        seconds = self._session.run(self._select(self._tables.idle_hints, "last_tick")).scalar()
        return int(seconds) if seconds is not None and 0 <= seconds < LAST_MOMENT else None

    def ticks(self) -> int:
        """Return how many ticks there were."""
        return int(self._session.run(self._select(self._tables.idle_hints, "ticks")).scalar() or 0)

    def mark_tick(self, now: float, count: int | None = None) -> None:
        """Store the time of the last tick and the number of ticks: one more than before, or ``count`` if given."""
        ticks = self.ticks() + 1 if count is None else count
        with self._writing():
            self._put(self._tables.idle_hints, {}, {"last_tick": int(now), "ticks": ticks})

    # --- as a whole -----------------------------------------------------------------------------------------------

    def copied(self, runs: Sequence[RunRow]) -> list[Copied]:
        """Return these runs in the same order, each as it is stored."""
        names = [each.run for each in runs]
        events, activities = self._grouped(self._tables.events, names), self._grouped(self._tables.activities, names)
        return [Copied(each, tuple(events[each.run]), tuple(sorted(activities[each.run]))) for each in runs]

    def _grouped(self, table: Any, runs: Sequence[str]) -> dict[str, list[tuple[Any, Any]]]:
        """Return the rows grouped by run: (kind, JSON) of its events in order, or (id, step) of its activities."""
        found: dict[str, list[tuple[Any, Any]]] = {run: [] for run in runs}
        columns = ("kind", "data") if table is self._tables.events else ("activity", "step")
        query = self._select(table, "run", *columns).where(table.c.run.in_(runs))
        ordered = query.order_by(table.c.seq) if table is self._tables.events else query
        for run, first, second in self._session.run(ordered).all() if runs else []:
            found[run].append((first, second))
        return found

    def take_in(self, copies: Iterable[Copied]) -> None:
        """Copy runs of another journal into this one; skip what is already here."""
        wanted = {each.row.run: each for each in copies}
        with self._writing():
            there = self._grouped(self._tables.events, list(wanted))
            changed = [run for run, each in wanted.items() if tuple(there[run]) != each.events[: len(there[run])]]
            self._forget(changed)  # earlier copies of runs that were others by then
            for run in changed:
                there[run] = []
            self._add_events(wanted.values(), there)
            self._add_activities(wanted.values())
            self._add_rows(wanted)

    def _add_events(self, copies: Iterable[Copied], there: dict[str, list[tuple[Any, Any]]]) -> None:
        own = {"journal": self.number, "fence": self.fence}
        rows = [
            {**own, "run": each.row.run, "kind": kind, "data": data}
            for each in copies
            for kind, data in each.events[len(there[each.row.run]) :]
        ]
        if rows:
            self._session.run(sa.insert(self._tables.events), rows)

    def _add_activities(self, copies: Iterable[Copied]) -> None:
        table = self._tables.activities
        rows = [
            {"journal": self.number, "activity": activity, "run": each.row.run, "step": step}
            for each in copies
            for activity, step in each.activities
        ]
        if rows:
            self._session.run(self._delete(table).where(table.c.activity.in_([row["activity"] for row in rows])))
            self._session.run(sa.insert(table), rows)

    def _add_rows(self, wanted: dict[str, Copied]) -> None:
        runs = self._tables.runs
        known = set(self._session.run(self._select(runs, "run").where(runs.c.run.in_(list(wanted)))).scalars())
        new = [
            {"journal": self.number, "run": run, **_columns(each.row)}
            for run, each in wanted.items()
            if run not in known
        ]
        if new:
            self._session.run(sa.insert(runs), new)
        for run in known:
            self._put(runs, {"run": run}, _columns(wanted[run].row))

    def drop(self, runs: Sequence[str]) -> None:
        """Delete these runs, with everything that belongs to them."""
        if runs:
            with self._writing():
                self._forget(runs)

    def cursors(self) -> list[Cursor]:
        """Return the time up to which slots have been decided, for every job."""
        return self._cursors()

    def close(self) -> None:
        """Close the connection."""
        self._session.close()


def _columns(row: RunRow) -> dict[str, Any]:
    return {
        "job": row.job,
        "slot": row.slot,
        "due_at": row.due_at.timestamp(),
        "opened_at": row.opened_at.timestamp(),
        "closed_at": None if row.closed_at is None else row.closed_at.timestamp(),
        "outcome": row.outcome,
    }


def _utc(seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        text = f"the journal's tables hold an invalid time: {str(seconds)[:40]!r}"
        raise DatabaseRefused(text, remedy="find out what else writes there") from None
