"""Making the tables, and taking them forward, one version at a time and by one process at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agent import __version__
from agent.database.place import PREFIX, SCHEMA
from agent.database.troubles import DatabaseRefused
from agent.errors import Busy, StateNotWritable
from agent.journal.server.lock import advisory_lock
from agent.journal.server.migrations import MIGRATIONS, VERSIONS, Migration
from agent.journal.server.schema import Tables
from agent.journal.server.session import Session
from agent.records import dataclass

LOCK = "migrate"


class TablesTooNew(StateNotWritable):
    """A newer version of the agent made tables that this one cannot work with."""

    turn = "you: install that version"


@dataclass(frozen=True, slots=True)
class Standing:
    """Which migrations were made; ``version`` 0: none. ``least``: the schema that a version must know to be let in."""

    version: int
    least: int


def find(session: Session) -> Standing:
    """How far the tables are, and (in ``session.tables``) where; nothing is made."""
    known = _versions(session)
    if known is not None:
        return known
    if session.scheme == "pgsql":  # a schema of their own may have been refused when they were made
        other = Tables(own_schema=not session.tables.own_schema)
        before, session.tables = session.tables, other
        known = _versions(session)
        if known is not None:
            return known
        session.tables = before
    return Standing(0, 0)


def _versions(session: Session) -> Standing | None:
    from sqlalchemy import func, select  # noqa: PLC0415  late: see Session

    if not _is_there(session):
        return None
    columns = session.tables.versions.c
    row = session.run(select(func.max(columns.version), func.max(columns.least))).one()
    return Standing(int(row[0] or 0), int(row[1] or 0))


def _is_there(session: Session) -> bool:
    """Whether there is a table of versions; asked of the catalogue, which answers whatever the user may do."""
    if session.scheme == "mysql":
        query = "SELECT count(*) FROM information_schema.tables WHERE table_schema = database() AND table_name = %s"
        return bool(session.say(query, (f"{PREFIX}schema_version",)).scalar())
    where = (
        f"n.nspname = '{SCHEMA}' AND c.relname = 'schema_version'"
        if session.tables.own_schema
        else f"c.relname = '{PREFIX}schema_version' AND pg_table_is_visible(c.oid)"
    )
    query = "SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE "
    return bool(session.say(query + where).scalar())


def admit(session: Session, migrations: Sequence[Migration] = MIGRATIONS) -> Standing:
    """How far the tables are; raises TablesTooNew where this version cannot work with them."""
    standing, known = find(session), migrations[-1].version
    if standing.least > known:
        raise TablesTooNew(
            f"the tables in the database of {session.place} want a version that knows schema {standing.least}, "
            f"this one knows {known}",
            remedy="install the version that made them, wherever this database is used",
        )
    return standing


def migrate(session: Session, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Let the tables be there, at least as this version knows them. Newer ones that it can work with stay.

    Raises:
        TablesTooNew: it cannot work with them.
        Busy: another process is making them.
        DatabaseRefused: they have to be made and the user may not.
    """
    if admit(session, migrations).version >= migrations[-1].version:
        return
    with advisory_lock(session, LOCK) as held:
        if not held:
            text = f"another process is making the tables in the database of {session.place}"
            raise Busy(text, remedy="try again in a minute")
        standing = admit(session, migrations)  # another may have been faster
        if standing.version == 0:
            _place(session)
        for each in migrations:
            if each.version > standing.version:
                _step(session, each)


def _place(session: Session) -> None:
    """Make the place for the tables: a schema of their own where that is allowed, else names with a prefix."""
    if session.scheme == "pgsql":
        made = bool(session.say("SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname = %s", (SCHEMA,)).scalar())
        allowed = "SELECT has_schema_privilege(%s, 'CREATE')" if made else None
        try:
            if allowed is None:
                session.say(f"CREATE SCHEMA {SCHEMA}")
            elif not session.say(allowed, (SCHEMA,)).scalar():
                session.tables = Tables(own_schema=False)
        except DatabaseRefused:  # no right to make one
            session.tables = Tables(own_schema=False)
    session.say(session.tables.ddl(VERSIONS[session.scheme]))


def _step(session: Session, migration: Migration) -> None:
    """One migration: in one transaction where the server can, else in statements that can be repeated."""
    from sqlalchemy import insert  # noqa: PLC0415  late: see Session

    row: dict[str, Any] = {"version": migration.version, "least": migration.least, "agent": __version__}
    with session.transaction():
        for statement in migration.statements(session.scheme):
            session.say(session.tables.ddl(statement))
        session.run(insert(session.tables.versions).values(**row, at=session.time()))
