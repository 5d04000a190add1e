"""Findings about the database that holds the state: reachable, writable, tables, locks. Nothing is changed."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import sqlalchemy as sa

from upsun_agent.doctor import Finding, Level
from upsun_agent.doctor.grants import grants
from upsun_agent.doctor.local import LOST
from upsun_agent.errors import AgentError, ConfigInvalid, StateNotWritable
from upsun_agent.journal import Identity
from upsun_agent.journal.server.migrate import admit
from upsun_agent.journal.server.migrations import MIGRATIONS
from upsun_agent.journal.server.schema import PARTS
from upsun_agent.journal.server.session import Session
from upsun_agent.journal.state import DatabaseState
from upsun_agent.limits import DATABASE_BUDGET

DRIVERS = ("sqlalchemy", "psycopg", "pymysql")
ENCRYPTED = {
    "pgsql": "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
    "mysql": "SELECT variable_value <> '' FROM information_schema.session_status WHERE variable_name = 'Ssl_cipher'",
}
#: Whether a commit is on the disk when it returns: a setting of each PostgreSQL connection, of the MariaDB server.
DURABLE = {"pgsql": "SELECT true", "mysql": "SELECT @@global.innodb_flush_log_at_trx_commit = 1"}


def drivers(place: str) -> Iterator[Finding]:
    """Yield the finding about the extra that a state in a database needs."""
    for name in DRIVERS:
        try:
            importlib.import_module(name)
        except ImportError:
            remedy = "set UPSUN_AGENT_EXTRA=shared in the build hook"
            text = f"the state is in {place}, which needs the extra 'shared': {name} is not installed"
            yield Finding("state", Level.FAIL, text, remedy, ConfigInvalid.exit_code)
            return
    yield Finding("state", Level.OK, f"in {place}; the extra 'shared' is installed")


def state(where: DatabaseState, identity: Identity) -> Iterator[Finding]:
    """Yield findings about the connection, the tables and their durability."""
    with ExitStack() as stack:
        try:
            session = stack.enter_context(closing(Session(where, DATABASE_BUDGET)))
            standing = admit(session)
            secured = "over TLS" if session.say(ENCRYPTED[session.scheme]).scalar() else "without TLS"
            yield Finding("state", Level.OK, f"the database of {where} answers, {secured}")
            if standing.missing:
                text = f"the journal was lost: the tables {', '.join(standing.missing)} are gone from the database"
                yield Finding("journal", Level.WARN, text, LOST)
                return
            yield from _tables(session, standing.version)
            yield from grants(session, standing.version)
            yield from _durable(session)
            if standing.version:
                yield from _journals(session, identity)
        except AgentError as error:
            yield Finding("state", Level.FAIL, str(error), error.remedy, error.exit_code)


def _tables(session: Session, version: int) -> Iterator[Finding]:
    if not version:
        yield Finding(
            "tables",
            Level.OK,
            "not there yet: the first tick creates them, if its user may (see docs/how-to/shared-database.md)",
        )
        return
    known = MIGRATIONS[-1].version
    schema = session.tables.schema
    where = f"in the schema {schema}" if session.tables.own_schema else "with the prefix upsun_agent_"
    beside = f", this version knows {known}" if version != known else ""
    try:
        _try_rights(session)
    except AgentError as error:
        remedy = "grant SELECT, INSERT, UPDATE and DELETE on them: docs/how-to/shared-database.md"
        yield Finding("tables", Level.FAIL, f"{where}, not writable: {error}", remedy, StateNotWritable.exit_code)
        return
    yield Finding("tables", Level.OK, f"{where}, schema {version}{beside}, writable")


def _try_rights(session: Session) -> None:
    """Update zero rows of every table, which needs the same rights as updating one."""
    for name in ("journals", *PARTS):
        table = session.tables.named(name)
        columns = [
            each for each in table.c if each.name not in {"id", "seq", "number"}
        ]  # columns that only the server fills
        column = columns[-1]
        names = [each.name for each in columns]
        session.run(sa.insert(table).from_select(names, sa.select(*columns).where(sa.false())))
        session.run(sa.update(table).where(sa.false()).values(**{column.name: column}))
        session.run(sa.delete(table).where(sa.false()))


def _durable(session: Session) -> Iterator[Finding]:
    if not session.say(DURABLE[session.scheme]).scalar():
        text = (
            "the server does not sync every commit (innodb_flush_log_at_trx_commit): a power failure may lose an intent"
        )
        yield Finding("durability", Level.WARN, text, "set it to 1, or accept that a request may then be sent twice")


def _journals(session: Session, identity: Identity) -> Iterator[Finding]:
    mine, (project, environment, app) = session.tables.journals, identity
    own: Any = (mine.c.project == project) & (mine.c.environment == environment) & (mine.c.app == app)
    count = sa.select(sa.func.count()).select_from(mine).where(mine.c.present == 1)
    there, all_of_them = session.run(count.where(own)).scalar(), session.run(count).scalar()
    text = "this environment's own" if there else "none of this environment yet: the first tick creates it"
    yield Finding("journal", Level.OK, f"{text}; {all_of_them} in the database")
