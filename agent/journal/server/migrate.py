"""Making the tables, and taking them forward, one version at a time and by one process at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agent import __version__
from agent.database.place import SCHEMA
from agent.database.troubles import DatabaseRefused
from agent.errors import Busy, StateNotWritable
from agent.journal.damage import JournalDamaged
from agent.journal.server import losses
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
    """Which migrations were made; ``version`` 0: none. ``least``: the schema that a version must know to be let in.

    ``missing``: tables that were made and are not there any more.
    """

    version: int
    least: int
    missing: tuple[str, ...] = ()


def find(session: Session) -> Standing:
    """How far the tables are, and (in ``session.tables``) where; nothing is made."""
    found = losses.there(session)
    if not found and session.scheme == "pgsql":  # a schema of their own may have been refused when they were made
        before, session.tables = session.tables, Tables(own_schema=not session.tables.own_schema)
        found = losses.there(session)
        if not found:
            session.tables = before
    version, least = _versions(session) if "schema_version" in found else (0, 0)
    return Standing(version, least, losses.missing(session, found, version))


def _versions(session: Session) -> tuple[int, int]:
    from sqlalchemy import func, select  # noqa: PLC0415  late: see Session

    columns = session.tables.versions.c
    row = session.run(select(func.max(columns.version), func.max(columns.least))).one()
    return int(row[0] or 0), int(row[1] or 0)


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


def refuse_lost(session: Session) -> Standing:
    """How far the tables are; raises JournalDamaged where some vanished, which the next tick sees to."""
    standing = admit(session)
    if standing.missing:
        text = f"the database of {session.place} has lost the tables {', '.join(standing.missing)}"
        raise JournalDamaged(text, remedy="the next tick makes them again; look at the environment's activities")
    return standing


def migrate(session: Session, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Let the tables be there, at least as this version knows them. Newer ones that it can work with stay.

    Raises:
        TablesTooNew: it cannot work with them.
        Busy: another process is making them.
        DatabaseRefused: they have to be made and the user may not.
    """
    standing = admit(session, migrations)
    if standing.version >= migrations[-1].version and not standing.missing:
        return
    with advisory_lock(session, LOCK) as held:
        if not held:
            text = f"another process is making the tables in the database of {session.place}"
            raise Busy(text, remedy="try again in a minute")
        standing = admit(session, migrations)  # another may have been faster
        if standing.missing:
            _make_again(session, standing, migrations)
            return
        if standing.version == 0:
            _place(session)
        for each in migrations:
            if each.version > standing.version:
                _step(session, each)


def _make_again(session: Session, standing: Standing, migrations: Sequence[Migration]) -> None:
    """Make the tables that vanished, after all journals were set aside that lost rows with them."""
    with session.transaction():
        if "journals" not in standing.missing:
            losses.set_aside(session, standing.missing)
        session.say(session.tables.ddl(VERSIONS[session.scheme]))
        for each in migrations:
            _carry_out(session, each, known=each.version <= standing.version)
        if "journals" in standing.missing:
            losses.number_on(session)
        losses.remember(session)
        losses.mark(session)


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
    with session.transaction():
        _carry_out(session, migration)
        losses.mark(session)


def _carry_out(session: Session, migration: Migration, *, known: bool = False) -> None:
    """Carry out a migration's statements, and note that it was made, unless that is known."""
    from sqlalchemy import insert  # noqa: PLC0415  late: see Session

    row: dict[str, Any] = {"version": migration.version, "least": migration.least, "agent": __version__}
    for statement in migration.statements(session.scheme):
        session.say(session.tables.ddl(statement))
    if not known:
        session.run(insert(session.tables.versions).values(**row, at=session.time()))
