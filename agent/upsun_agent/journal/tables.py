"""The tables of a journal in a file, and whether a file has them."""

from __future__ import annotations

import sqlite3

from upsun_agent.journal.counters import MILLISECONDS

#: Raised by one when a version of the agent writes what the previous one cannot read.
SCHEMA_VERSION = 1

#: The events of steps that proved a backup: its id stands in their details. The index below is used for these words.
PROVED = """events.kind = 'step-done' AND instr(events.data, '"backup":"') > 0"""

#: The oldest runs that may be forgotten: opened before the first parameter, or older than the second allows to keep.
FORGETTABLE = (
    f"SELECT run, job, outcome, {MILLISECONDS['sqlite']}, CAST(opened_at AS REAL) FROM runs"  # noqa: S608  ours  # nosec B608
    " WHERE outcome IS NOT NULL AND (opened_at < ?1 OR opened_at <"
    " (SELECT opened_at FROM runs ORDER BY opened_at DESC LIMIT 1 OFFSET ?2)) ORDER BY opened_at LIMIT ?3"
)
#: Of each job the last finished step that names a backup, newest first.
LAST_PROOFS = (
    "SELECT runs.job, max(events.seq), events.run, events.kind, events.data"  # noqa: S608  ours  # nosec B608
    f" FROM events JOIN runs ON runs.run = events.run WHERE {PROVED} GROUP BY runs.job ORDER BY 2 DESC"
)
#: The opening of each run in flight.
IN_FLIGHT = (
    "SELECT runs.run, events.data FROM runs JOIN events ON events.run = runs.run"
    " WHERE runs.outcome IS NULL AND events.kind = 'run-opened'"
)
#: How many closed runs of each job ended how, how long they took, and when the first of them was opened.
TALLIES = (
    f"SELECT job, CAST(outcome AS TEXT), count(*), total({MILLISECONDS['sqlite']}),"  # noqa: S608  ours  # nosec B608
    " CAST(min(opened_at) AS REAL) FROM runs WHERE outcome IS NOT NULL GROUP BY 1, 2"
)

_SCHEMA = f"""
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL, kind TEXT NOT NULL, data TEXT NOT NULL);
CREATE INDEX events_of_run ON events (run, seq);
CREATE INDEX events_proved ON events (run, seq) WHERE {PROVED.replace("events.", "")};
CREATE TABLE runs (
    run TEXT PRIMARY KEY, job TEXT NOT NULL, slot TEXT, due_at REAL NOT NULL, opened_at REAL NOT NULL,
    closed_at REAL, outcome TEXT, UNIQUE (job, slot));
CREATE INDEX runs_open ON runs (opened_at) WHERE outcome IS NULL;
CREATE INDEX runs_by_time ON runs (opened_at);
CREATE TABLE activities (activity TEXT PRIMARY KEY, run TEXT NOT NULL, step INTEGER NOT NULL);
CREATE INDEX activities_of_run ON activities (run);
CREATE TABLE cursors (job TEXT PRIMARY KEY, schedule TEXT NOT NULL, until REAL NOT NULL);
CREATE TABLE notes (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE idle_hint (
    one INTEGER PRIMARY KEY CHECK (one = 1), project TEXT NOT NULL, environment TEXT NOT NULL, app TEXT NOT NULL,
    text TEXT NOT NULL, next_due INTEGER NOT NULL);
"""
STATEMENTS = tuple(each.strip() for each in _SCHEMA.split(";") if each.strip())
TABLES = frozenset({"events", "runs", "activities", "cursors", "notes", "idle_hint"})


OBJECTS = {statement.split("(")[0].split()[2]: " ".join(statement.split()) for statement in STATEMENTS}
#: Objects that SQLite creates itself: indexes of keys, the counter of ``events``, statistics of ANALYZE.
_OWN_OF_SQLITE = ("sqlite_autoindex_", "sqlite_sequence", "sqlite_stat")
FOREIGN_SHOWN = 5


def foreign_objects(db: sqlite3.Connection) -> list[str]:
    """Return objects of the schema that are not ours: views, triggers, tables or indexes with another definition."""
    found = []
    for kind, name, sql in db.execute("SELECT type, name, sql FROM sqlite_master"):
        ours = kind in {"table", "index"} and (
            " ".join(str(sql).split()) == OBJECTS.get(name) or str(name).startswith(_OWN_OF_SQLITE)
        )
        if not ours:
            found.append(f"{str(kind)[:20]} {str(name)[:60]!r}")
        if len(found) == FOREIGN_SHOWN:
            break
    return found


def tables_missing(db: sqlite3.Connection) -> list[str]:
    """Return the tables that the file lacks, by name."""
    return sorted(TABLES - {str(row[0]) for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")})


def pages(db: sqlite3.Connection) -> int:
    """Return the size of the file in pages; 0 if nothing was ever committed to it, or it was emptied."""
    return int(db.execute("PRAGMA page_count").fetchone()[0])
