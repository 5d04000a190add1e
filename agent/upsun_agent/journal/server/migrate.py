"""Create and migrate the tables, one version at a time and by one process at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from msgspec import Struct

from upsun_agent import __version__
from upsun_agent.database.errors import DatabaseRefused
from upsun_agent.database.location import PREFIX, SCHEMA
from upsun_agent.errors import AgentError, Busy, StateNotWritable
from upsun_agent.journal.damage import JournalDamaged
from upsun_agent.journal.server import losses
from upsun_agent.journal.server.lock import secret_lock
from upsun_agent.journal.server.migrations import MIGRATIONS, VERSIONS, Migration
from upsun_agent.journal.server.schema import Tables
from upsun_agent.journal.server.session import Session

LOCK = "migrate"
#: PostgreSQL's errors if another process creates the tables: it holds the lock, or has just created the same object.
TAKEN = ("55P03", "23505", "42P06", "42P07")


class TablesTooNew(StateNotWritable):
    """A newer version of the agent made tables that this one cannot work with."""

    turn = "you: install that version"


class Standing(Struct, frozen=True):
    """Which migrations were made; ``version`` 0: none. ``least``: the schema that a version must know to be let in.

    ``missing``: tables that were made and are not there any more.
    """

    #: The number of the last migration; 0 if there was none.
    version: int
    #: The schema version that an agent must know to be let in.
    least: int
    #: The tables that were made and are gone.
    missing: tuple[str, ...] = ()


def find(session: Session) -> Standing:
    """Return the version of the tables, and set ``session.tables`` to where they are; create nothing."""
    found = losses.there(session)
    for tables in _elsewhere(session) if not found else ():
        before, session.tables = session.tables, tables
        found = losses.there(session)
        if found:
            _refuse_strangers(session)
            break
        session.tables = before
    version, least = _versions(session) if "schema_version" in found else (0, 0)
    return Standing(version, least, losses.missing(session, found, version))


def _elsewhere(session: Session) -> list[Tables]:
    """Return other places where the tables may be: creating their own schema may have been refused."""
    endpoint = session.state.endpoint
    if session.scheme != "pgsql" or endpoint.schema != SCHEMA:
        return []
    places = [Tables(SCHEMA, own_schema=True), *(Tables(name, own_schema=False) for name in _defaults(session))]
    return [each for each in places if each.prefix != session.tables.prefix]


def _defaults(session: Session) -> list[str]:
    """Return the existing schemas of PostgreSQL's default search path."""
    query = "SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname IN (current_user, 'public')"
    return [str(row[0]) for row in session.say(f"{query} ORDER BY nspname = 'public'").all()]


#: Tables of ours in a schema where others may make some: those that neither we, the database's owner nor an
#: administrator made.
STRANGERS = """
SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 JOIN pg_catalog.pg_roles r ON r.oid = c.relowner
 WHERE n.nspname = %s AND starts_with(c.relname, %s) AND NOT r.rolsuper
 AND NOT pg_has_role(c.relowner, 'USAGE')
 AND c.relowner <> n.nspowner
 AND c.relowner NOT IN (SELECT datdba FROM pg_catalog.pg_database WHERE datname = current_database()) LIMIT 1
"""


def _refuse_strangers(session: Session) -> None:
    """Raise DatabaseRefused if a table with the name of one of ours was created by somebody else.

    Its triggers would run as our user, and its rows say whatever that somebody likes.
    """
    if session.tables.own_schema:
        return
    found = session.say(STRANGERS, (session.tables.schema, PREFIX)).scalar()
    if found is not None:
        raise DatabaseRefused(
            f"the table {found} in the schema {session.tables.schema} of {session.state} belongs to another user",
            remedy="drop it, or give the agent a schema of its own: docs/how-to/shared-database.md",
        )


def _versions(session: Session) -> tuple[int, int]:
    columns = session.tables.versions.c
    row = session.run(sa.select(sa.func.max(columns.version), sa.func.max(columns.least))).one()
    return int(row[0] or 0), int(row[1] or 0)


def admit(session: Session, migrations: Sequence[Migration] = MIGRATIONS) -> Standing:
    """Return the version of the tables; raise TablesTooNew if this agent cannot work with them."""
    standing, known = find(session), migrations[-1].version
    if standing.least > known:
        raise TablesTooNew(
            f"the tables in the database of {session.state} need a version that knows schema {standing.least}, "
            f"this one knows {known}",
            remedy="install the version that made them, wherever this database is used",
        )
    return standing


def refuse_lost(session: Session) -> Standing:
    """Return the version of the tables; raise JournalDamaged if some were dropped (the next tick repairs that)."""
    standing = admit(session)
    if standing.missing:
        text = f"the database of {session.state} has lost the tables {', '.join(standing.missing)}"
        raise JournalDamaged(text, remedy="the next tick makes them again; look at the environment's activities")
    return standing


def migrate(session: Session, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Create or migrate the tables up to this version. Newer ones that it can work with stay.

    Raises:
        TablesTooNew: it cannot work with them.
        Busy: another process is making them.
        DatabaseRefused: they have to be made and the user may not.
    """
    standing = admit(session, migrations)
    if standing.version >= migrations[-1].version and not standing.missing:
        return
    with making(session, migrations) as locked:
        if locked is None:
            text = f"another process is making the tables in the database of {session.state}"
            raise Busy(text, remedy="try again in a minute")
        if locked.missing:
            _make_again(session, locked, migrations)
            return
        session.say(session.tables.ddl(VERSIONS[session.scheme]))
        for each in migrations:
            if each.version > locked.version:
                _carry_out(session, each)
                losses.mark(session)


@contextmanager
def making(session: Session, migrations: Sequence[Migration] = MIGRATIONS) -> Iterator[Standing | None]:
    """Begin a transaction that locks the tables' creation; yield their version, None if another process has the lock.

    Nobody without rights to our tables can keep it from us: PostgreSQL locks one of them, and MariaDB,
    which cannot lock a table across such statements, a name that others do not know.
    """
    if session.scheme == "mysql":
        with secret_lock(session, LOCK) as held, session.transaction():
            yield admit(session, migrations) if held else None
        return
    with session.transaction():
        standing: Standing | None
        try:
            standing = _locked(session, migrations)
        except AgentError as error:
            if not any(f"({code})" in str(error) for code in TAKEN):
                raise
            standing = None
            session.say("ROLLBACK")
            session.say("BEGIN")
        yield standing


def _locked(session: Session, migrations: Sequence[Migration]) -> Standing:
    """Lock the table of versions (create it if it is missing) and return the version of the tables."""
    found = losses.there(session)
    if found:
        session.say(f"LOCK TABLE {session.tables.prefix}{min(found)} IN SHARE UPDATE EXCLUSIVE MODE NOWAIT")
        return admit(session, migrations)
    standing = admit(session, migrations)
    there, may_have_tables = session.say(OUR_SCHEMA, (session.tables.schema,)).one()
    if not may_have_tables:
        _make_schema(session, is_there=bool(there))
    session.say(session.tables.ddl(VERSIONS["pgsql"]).replace("IF NOT EXISTS ", ""))
    return standing


def _make_again(session: Session, standing: Standing, migrations: Sequence[Migration]) -> None:
    """Create the dropped tables again, after setting aside all journals that lost rows with them."""
    if "journals" not in standing.missing:
        losses.set_aside(session, standing.missing)
    session.say(session.tables.ddl(VERSIONS[session.scheme]))
    for each in migrations:
        _carry_out(session, each, known=each.version <= standing.version)
    if "journals" in standing.missing:
        losses.number_on(session)
    losses.remember(session)
    losses.mark(session)


#: Whether the schema is there, and whether tables can be made in it. One statement: between two of them another process
#: may make the schema, and its absence and its presence together would send the tables elsewhere.
OUR_SCHEMA = (
    "SELECT count(*), bool_or(has_schema_privilege(oid, 'CREATE')) FROM pg_catalog.pg_namespace WHERE nspname = %s"
)


def _make_schema(session: Session, *, is_there: bool) -> None:
    """Create the schema; if that is not allowed, use PostgreSQL's default schema.

    Not so those of a tenant: its URL names the schema, and it is nowhere else. ``is_there``: the schema is there, and
    its owner lets us make no tables in it.
    """
    tables, state = session.tables, session.state
    if not is_there and session.say("SELECT has_database_privilege(current_database(), 'CREATE')").scalar():
        session.say(f"CREATE SCHEMA {tables.prefix.removesuffix('.')}")
        return
    if state.endpoint.schema != SCHEMA:
        raise DatabaseRefused(
            f"the user may not make tables in the schema {tables.schema} of {state}"
            if is_there
            else f"there is no schema {tables.schema} in the database of {state}",
            remedy="see docs/how-to/shared-database.md for the statements that give a tenant its schema",
        )
    session.tables = Tables(_defaults(session)[0], own_schema=False)
    _refuse_strangers(session)


def _carry_out(session: Session, migration: Migration, *, known: bool = False) -> None:
    """Execute a migration's statements and record the migration, unless it is recorded already."""
    row: dict[str, Any] = {"version": migration.version, "least": migration.least, "agent": __version__}
    for statement in migration.statements(session.scheme):
        session.say(session.tables.ddl(statement))
    if not known:
        session.run(sa.insert(session.tables.versions).values(**row, at=session.time()))
