"""The definitions of the tables on a server, in any schema.

PostgreSQL has them in a schema of their own, ``upsun_agent`` or that of a tenant; where that may not be made, and in
MariaDB, which knows no such thing, their names begin with ``upsun_agent_``. Every row carries the number of its
journal, every journal the identity it belongs to. That keeps environments of one user apart; users are kept apart by
the rights to the schema, and in MariaDB to the database.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import sqlalchemy as sa

from upsun_agent.database.location import PREFIX, qualified

#: Names are what they are: neither case nor accents nor spaces at their ends are passed over. Each kind of server reads
#: its own comment.
TABLE = "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 /*M! COLLATE=utf8mb4_nopad_bin */ /*!80017 COLLATE=utf8mb4_0900_bin */"
_COLUMNS = {
    "schema_version": "version least agent at",
    "journals": "id project environment app present begun_at ended_at why fence holder session lease_until"
    " proved_backup proved_at",
    "idle_hints": "journal digest next_due last_tick ticks",
    "events": "seq journal run kind data fence",
    "runs": "number journal run job slot due_at opened_at closed_at outcome",
    "activities": "journal activity run step",
    "cursors": "journal job schedule until",
    "notes": "journal name value",
}
#: Our own user as MariaDB's lists of rights spell it: who may read the server's own tables sees others' rights too.
ME_AS_GRANTEE = (
    "concat(char(39), left(current_user(), char_length(current_user()) - locate('@', reverse(current_user()))),"
    " char(39), '@', char(39), substring_index(current_user(), '@', -1), char(39))"
)
#: The tables with rows of one journal, without the table of journals.
PARTS = ("idle_hints", "events", "runs", "activities", "cursors", "notes")


class Tables:
    """The tables for SQLAlchemy's statements, wherever they are: in a schema of their own, or under a prefix.

    ``schema``: the schema that they are in; in MariaDB the database, None for that of the connection. PostgreSQL's are
    always named with it: what lies in another schema is never taken for them.
    """

    def __init__(self, schema: str | None, *, own_schema: bool) -> None:
        self.schema = schema
        self.own_schema = own_schema
        self._affix = "" if own_schema else PREFIX
        self.prefix = self._affix if schema is None else qualified(schema, self._affix)

    def ddl(self, statement: str) -> str:
        """Return a migration's statement for these tables; an index is always in its table's schema."""
        return statement.format(p=self.prefix, i="" if self.own_schema else PREFIX, t=TABLE)

    def named(self, name: str) -> Any:
        """Return the table with that unprefixed name."""
        columns: list[Any] = [sa.column(each) for each in _COLUMNS[name].split()]
        return sa.table(self._affix + name, *columns, schema=self.schema)

    @cached_property
    def journals(self) -> Any:
        """The journals with their owners, and the lease of each."""
        return self.named("journals")

    @cached_property
    def idle_hints(self) -> Any:
        """What idle ticks read and write."""
        return self.named("idle_hints")

    @cached_property
    def events(self) -> Any:
        """The events of all runs, append-only."""
        return self.named("events")

    @cached_property
    def runs(self) -> Any:
        """Runs, for look-ups."""
        return self.named("runs")

    @cached_property
    def activities(self) -> Any:
        """Which activity belongs to which run."""
        return self.named("activities")

    @cached_property
    def cursors(self) -> Any:
        """The time up to which slots have been decided, by job."""
        return self.named("cursors")

    @cached_property
    def notes(self) -> Any:
        """Facts beside the events."""
        return self.named("notes")

    @cached_property
    def versions(self) -> Any:
        """The migrations that were made."""
        return self.named("schema_version")
