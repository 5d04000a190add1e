"""Copy a run of another journal into a journal in an SQLite file, unchanged."""

from __future__ import annotations

import sqlite3

from upsun_agent.journal import Copied, RunRow


def add(db: sqlite3.Connection, copy: Copied, *, known: int) -> None:
    """Add what is missing of a run, inside a transaction.

    Args:
        db: the connection to the file.
        copy: the run as it is in the other journal.
        known: how many of its events the file has already.
    """
    run = copy.row.run
    events = [(run, kind, data) for kind, data in copy.events[known:]]
    db.executemany("INSERT INTO events (run, kind, data) VALUES (?, ?, ?)", events)
    db.executemany(
        "INSERT OR REPLACE INTO activities (activity, run, step) VALUES (?, ?, ?)",
        [(activity, run, step) for activity, step in copy.activities],
    )
    _put_row(db, copy.row)


def _put_row(db: sqlite3.Connection, row: RunRow) -> None:
    closed = None if row.closed_at is None else row.closed_at.timestamp()
    if db.execute("SELECT 1 FROM runs WHERE run = ?", (row.run,)).fetchone():
        db.execute(  # in place: a row that is replaced would be the newest of all
            "UPDATE runs SET opened_at = ?, closed_at = ?, outcome = ? WHERE run = ?",
            (row.opened_at.timestamp(), closed, row.outcome, row.run),
        )
        return
    moments = (row.due_at.timestamp(), row.opened_at.timestamp(), closed)
    db.execute(
        "INSERT INTO runs (run, job, slot, due_at, opened_at, closed_at, outcome) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (row.run, row.job, row.slot, *moments, row.outcome),
    )
