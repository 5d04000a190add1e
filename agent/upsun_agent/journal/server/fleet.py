"""All journals of a database: their figures in one statement, and each one to read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from upsun_agent.database.location import PREFIX
from upsun_agent.journal import Identity
from upsun_agent.journal.member import Member
from upsun_agent.journal.notes import moment_at
from upsun_agent.journal.server.journal import ServerJournal
from upsun_agent.journal.server.losses import MARK
from upsun_agent.journal.server.migrate import refuse_lost
from upsun_agent.journal.server.schema import ME_AS_GRANTEE, Tables
from upsun_agent.journal.server.session import Session
from upsun_agent.journal.state import DatabaseState
from upsun_agent.limits import DATABASE_BUDGET


class DatabaseFleet:
    """The journals that are present in a database, of each tenant whose tables the user may read."""

    def __init__(self, session: Session, places: Sequence[Tables]) -> None:
        self._session = session
        self._places = places
        self._found: dict[Identity, tuple[Tables, int]] = {}

    def members(self) -> list[Member]:
        """Return all journals, ordered by project, environment and app."""
        run = self._session.run
        found = [self._member(tables, row) for tables in self._places for row in run(self._query(tables)).all()]
        return sorted(found, key=lambda member: member.identity)

    def _query(self, tables: Tables) -> Any:
        mine, idle_hints, runs = tables.journals, tables.idle_hints, tables.runs
        own = runs.c.journal == mine.c.id
        in_flight = sa.select(sa.func.count()).select_from(runs).where(own, runs.c.outcome.is_(None)).scalar_subquery()
        order = (runs.c.opened_at.desc(), runs.c.number.desc())
        last = [sa.select(runs.c[name]).where(own).order_by(*order).limit(1).scalar_subquery() for name in LAST]
        columns = [
            mine.c.id,
            mine.c.project,
            mine.c.environment,
            mine.c.app,
            idle_hints.c.last_tick,
            idle_hints.c.next_due,
        ]
        columns += [in_flight, *last, mine.c.proved_backup, mine.c.proved_at]
        joined = mine.outerjoin(idle_hints, idle_hints.c.journal == mine.c.id)
        return sa.select(*columns).select_from(joined).where(mine.c.present == 1)

    def _member(self, tables: Tables, row: Any) -> Member:
        number, project, environment, app, ticked, due, in_flight, job, opened, outcome, backup, proved = row
        identity = (str(project), str(environment), str(app))
        self._found.setdefault(identity, (tables, int(number)))
        return Member(
            identity,
            moment_at(ticked),
            moment_at(due),
            int(in_flight),
            job,
            moment_at(opened),
            outcome,
            backup,
            moment_at(proved),
        )

    def journal(self, identity: Identity) -> ServerJournal:
        """Return one member's journal, read-only."""
        if identity not in self._found:
            self.members()
        tables, number = self._found[identity]
        return ServerJournal(self._session, number, identity, tables=tables)


#: The columns that are shown of the newest run of each journal.
LAST = ("job", "opened_at", "outcome")
#: The schemas, or in MariaDB the databases, where other tenants' tables are that the user may read: those that bear our
#: mark, or the names of our tables. In MariaDB a user that may also write sees only what is in its own.
READABLE = {
    "pgsql": f"""
SELECT n.nspname FROM pg_catalog.pg_namespace n
 WHERE obj_description(n.oid, 'pg_namespace') = '{MARK}' AND has_schema_privilege(n.oid, 'USAGE')
 AND 4 = (SELECT count(*) FROM pg_catalog.pg_class c WHERE c.relnamespace = n.oid AND c.relkind = 'r'
  AND c.relname IN ('schema_version', 'journals', 'idle_hints', 'runs') AND has_table_privilege(c.oid, 'SELECT'))
 ORDER BY 1""",  # noqa: S608  names of ours  # nosec B608
    "mysql": f"""
SELECT table_schema FROM information_schema.tables WHERE table_type = 'BASE TABLE'
 AND table_name IN ('{PREFIX}schema_version', '{PREFIX}journals', '{PREFIX}idle_hints', '{PREFIX}runs')
 AND NOT EXISTS (SELECT 1 FROM information_schema.schema_privileges
  WHERE grantee = {ME_AS_GRANTEE} AND privilege_type <> 'SELECT')
 AND NOT EXISTS (SELECT 1 FROM information_schema.user_privileges
  WHERE grantee = {ME_AS_GRANTEE} AND privilege_type <> 'USAGE')
 GROUP BY table_schema HAVING count(*) = 4 ORDER BY 1""",  # noqa: S608  names of ours  # nosec B608
}


@contextmanager
def database_fleet(state: DatabaseState) -> Iterator[DatabaseFleet]:
    """Yield the journals of a database; create and lock nothing."""
    session = Session(state, DATABASE_BUDGET)
    try:
        yield DatabaseFleet(session, _readable(session))
    finally:
        session.close()


def _readable(session: Session) -> list[Tables]:
    """Return the tables of the connection's own place, and those of other tenants."""
    own = session.tables.schema or session.state.endpoint.database
    names = [str(row[0]) for row in session.say(READABLE[session.scheme]).all()]
    in_schema = session.scheme == "pgsql"
    others = [Tables(name, own_schema=in_schema) for name in names if name != own]
    if others and own not in names:  # a user who only reads has none of its own
        return others
    return [*([session.tables] if refuse_lost(session).version else []), *others]
