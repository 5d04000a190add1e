"""Forward-only migrations of the tables, with which older versions of the agent keep working.

A migration only adds (tables, columns that may be empty, indexes), so that a version of the agent which does not know
it works on beside one that does. ``least`` is the oldest schema number a version must know to be let in; it is raised
only by a migration that old versions cannot live with, and then two versions do not run side by side.

A migration that was released is never changed. In its text ``{p}`` stands before names of tables, ``{i}`` before those
of indexes, ``{t}`` for how MariaDB keeps a table; statements end with a semicolon, and can be repeated: MariaDB takes
none of them back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from upsun_agent.database.location import Scheme


class Migration(Struct, frozen=True):
    """One migration: its statements for each kind of server."""

    #: The number of the migration, from 1.
    version: int
    #: The schema version that an agent must know afterwards.
    least: int
    #: The statements, for each kind of server.
    text: Mapping[Scheme, str]

    def statements(self, scheme: Scheme) -> list[str]:
        """Return the statements to execute, in order."""
        return [each.strip() for each in self.text[scheme].split(";") if each.strip()]


#: The table that says which migrations were made comes before all of them.
VERSIONS: Mapping[Scheme, str] = {
    "pgsql": """
CREATE TABLE IF NOT EXISTS {p}schema_version (
    version integer PRIMARY KEY, least integer NOT NULL, agent text NOT NULL, at double precision NOT NULL)
""",
    "mysql": """
CREATE TABLE IF NOT EXISTS {p}schema_version (
    version integer NOT NULL PRIMARY KEY, least integer NOT NULL, agent varchar(64) NOT NULL, at double NOT NULL
) {t}
""",
}

#: ``present`` is 1, or empty once the journal was set aside; ``why`` then says why, and holds before what is to outlive
#: the journal's other rows: the notes about paused jobs, as JSON. Every idle tick writes to ``idle_hints``: space in
#: each page lets that happen in place.
_POSTGRES_1 = """
CREATE TABLE IF NOT EXISTS {p}journals (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project text NOT NULL, environment text NOT NULL, app text NOT NULL, present smallint DEFAULT 1,
    begun_at double precision NOT NULL, ended_at double precision, why text,
    fence bigint NOT NULL DEFAULT 0, holder text, session text, lease_until double precision,
    proved_backup text, proved_at double precision,
    UNIQUE (project, environment, app, present));
CREATE TABLE IF NOT EXISTS {p}idle_hints (
    journal bigint PRIMARY KEY, digest text NOT NULL DEFAULT '', next_due bigint NOT NULL DEFAULT 0,
    last_tick bigint, ticks bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
CREATE TABLE IF NOT EXISTS {p}events (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    journal bigint NOT NULL, run text NOT NULL, kind text NOT NULL, data text NOT NULL, fence bigint NOT NULL);
CREATE INDEX IF NOT EXISTS {i}events_of_run ON {p}events (journal, run, seq);
CREATE TABLE IF NOT EXISTS {p}runs (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    journal bigint NOT NULL, run text NOT NULL, job text NOT NULL, slot text, due_at double precision NOT NULL,
    opened_at double precision NOT NULL, closed_at double precision, outcome text,
    UNIQUE (journal, run), UNIQUE (journal, job, slot));
CREATE INDEX IF NOT EXISTS {i}runs_by_time ON {p}runs (journal, opened_at);
CREATE INDEX IF NOT EXISTS {i}runs_open ON {p}runs (journal, opened_at) WHERE outcome IS NULL;
CREATE TABLE IF NOT EXISTS {p}activities (
    journal bigint NOT NULL, activity text NOT NULL, run text NOT NULL, step integer NOT NULL,
    PRIMARY KEY (journal, activity));
CREATE INDEX IF NOT EXISTS {i}activities_of_run ON {p}activities (journal, run);
CREATE TABLE IF NOT EXISTS {p}cursors (
    journal bigint NOT NULL, job text NOT NULL, schedule text NOT NULL, until double precision NOT NULL,
    PRIMARY KEY (journal, job));
CREATE TABLE IF NOT EXISTS {p}notes (
    journal bigint NOT NULL, name text NOT NULL, value text NOT NULL, PRIMARY KEY (journal, name))
"""
_MYSQL_1 = """
CREATE TABLE IF NOT EXISTS {p}journals (
    id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
    project varchar(200) NOT NULL, environment varchar(200) NOT NULL, app varchar(200) NOT NULL,
    present smallint DEFAULT 1, begun_at double NOT NULL, ended_at double, why text,
    fence bigint NOT NULL DEFAULT 0, holder text, session varchar(100), lease_until double,
    proved_backup varchar(200), proved_at double,
    UNIQUE KEY whose (project, environment, app, present)
) {t};
CREATE TABLE IF NOT EXISTS {p}idle_hints (
    journal bigint NOT NULL PRIMARY KEY, digest varchar(64) NOT NULL DEFAULT '', next_due bigint NOT NULL DEFAULT 0,
    last_tick bigint, ticks bigint NOT NULL DEFAULT 0
) {t};
CREATE TABLE IF NOT EXISTS {p}events (
    seq bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
    journal bigint NOT NULL, run varchar(255) NOT NULL, kind varchar(64) NOT NULL, data mediumtext NOT NULL,
    fence bigint NOT NULL, KEY events_of_run (journal, run, seq)
) {t};
CREATE TABLE IF NOT EXISTS {p}runs (
    number bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
    journal bigint NOT NULL, run varchar(255) NOT NULL, job varchar(100) NOT NULL, slot varchar(100),
    due_at double NOT NULL, opened_at double NOT NULL, closed_at double, outcome varchar(40),
    UNIQUE KEY run (journal, run), UNIQUE KEY slot (journal, job, slot),
    KEY runs_by_time (journal, opened_at), KEY runs_open (journal, outcome, opened_at)
) {t};
CREATE TABLE IF NOT EXISTS {p}activities (
    journal bigint NOT NULL, activity varchar(255) NOT NULL, run varchar(255) NOT NULL, step integer NOT NULL,
    PRIMARY KEY (journal, activity), KEY activities_of_run (journal, run)
) {t};
CREATE TABLE IF NOT EXISTS {p}cursors (
    journal bigint NOT NULL, job varchar(100) NOT NULL, schedule text NOT NULL, until double NOT NULL,
    PRIMARY KEY (journal, job)
) {t};
CREATE TABLE IF NOT EXISTS {p}notes (
    journal bigint NOT NULL, name varchar(255) NOT NULL, value mediumtext NOT NULL, PRIMARY KEY (journal, name)
) {t}
"""

MIGRATIONS: tuple[Migration, ...] = (Migration(1, 1, {"pgsql": _POSTGRES_1, "mysql": _MYSQL_1}),)
