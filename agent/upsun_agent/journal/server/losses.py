"""Detect tables that were dropped from a database with journals, create them again and record the loss.

The catalogue says which tables are there. Some without the others, or the comment on our schema without any, mean that
tables were dropped: a first tick that is killed leaves neither (the table of versions comes first, the comment with the
last). Journals that lost a part are set aside before anything is made, so that a process that is killed meanwhile does
not leave them looking sound.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from upsun_agent.database.errors import DatabaseRefused
from upsun_agent.database.location import PREFIX
from upsun_agent.journal.notes import SUSPENDED
from upsun_agent.journal.server.schema import PARTS
from upsun_agent.journal.server.session import Session
from upsun_agent.journal.sidecar import Beside
from upsun_agent.limits import LOOK_BACK

#: Every table but that of the versions.
ALL = ("journals", *PARTS)
#: The start of the reason for setting a journal aside that lost a part.
LOST = "lost: "
#: The drivers' error codes for a missing table.
NO_TABLE = ("(42P01)", "(1146)")
#: The comment on a schema of our own, once all tables were made.
MARK = "upsun-agent keeps its state here"
RESTART = {
    "pgsql": "ALTER TABLE {p}journals ALTER COLUMN id RESTART WITH {n}",
    "mysql": "ALTER TABLE {p}journals AUTO_INCREMENT = {n}",
}


def there(session: Session) -> set[str]:
    """Return the unprefixed names of our tables in the catalogue, which can be read with any grants.

    Raises:
        DatabaseRefused: they keep text in a way that cannot hold every character.
    """
    if session.scheme == "mysql":
        return _there_in_mariadb(session)
    query = (
        "SELECT c.relname, c.relkind IN ('r', 'p') FROM pg_catalog.pg_class c"
        " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND starts_with(c.relname, %s) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"
    )
    affix = "" if session.tables.own_schema else PREFIX
    kinds = {
        str(name).removeprefix(affix): bool(table)
        for name, table in session.say(query, (session.tables.schema, affix)).all()
    }
    views = [name for name in ("schema_version", *ALL) if not kinds.get(name, True)]
    if views:
        raise DatabaseRefused(
            f"{session.tables.prefix}{views[0]} in the database of {session.state} is not a table",
            remedy="drop it: the agent only creates tables, so somebody else created this under the name of one",
        )
    return {name for name, table in kinds.items() if table}


def _there_in_mariadb(session: Session) -> set[str]:
    query = (
        "SELECT table_name, sum(character_set_name IS NOT NULL AND character_set_name <> 'utf8mb4')"
        " FROM information_schema.columns WHERE table_schema = database() AND left(table_name, %s) = %s GROUP BY 1"
    )
    rows = session.say(query, (len(PREFIX), PREFIX)).all()
    narrow = sorted(str(name) for name, count in rows if count)
    if narrow:
        raise DatabaseRefused(
            f"the database of {session.state} keeps text in {narrow[0]} in a way that cannot hold every character",
            remedy=f"convert it: ALTER TABLE {narrow[0]} CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin",
        )
    return {str(name).removeprefix(PREFIX) for name, _ in rows}


def missing(session: Session, found: set[str], version: int) -> tuple[str, ...]:
    """Return the tables that were dropped; empty if there were never any, or they are being created.

    Args:
        session: the connection, with its tables.
        found: the names of the tables that are there.
        version: the version that the tables say they have.
    """
    gone = tuple(name for name in ALL if name not in found)
    if version >= 1 or (found and "schema_version" not in found):
        return tuple(name for name in gone if _is_gone(session, name))
    return gone if not found and _is_marked(session) else ()


def _is_gone(session: Session, name: str) -> bool:
    """Return whether the table does not exist: MariaDB's catalogue hides tables that the user has no right to."""
    if session.scheme == "pgsql":
        return True
    try:
        session.say(f"SELECT 1 FROM {session.tables.prefix}{name} LIMIT 0")  # noqa: S608  a name of ours  # nosec B608
    except DatabaseRefused as error:
        return any(code in str(error) for code in NO_TABLE)
    return False


def _is_marked(session: Session) -> bool:
    """Return whether there is a schema of our own with the comment."""
    if session.scheme != "pgsql" or not session.tables.own_schema:
        return False
    query = "SELECT obj_description(oid, 'pg_namespace') FROM pg_catalog.pg_namespace WHERE nspname = %s"
    return bool(session.say(query, (session.tables.schema,)).scalar() == MARK)


def mark(session: Session) -> None:
    """Write the mark as a comment on our schema, if the user owns it."""
    if session.scheme != "pgsql" or not session.tables.own_schema:
        return
    query = "SELECT pg_catalog.pg_has_role(nspowner, 'USAGE') FROM pg_catalog.pg_namespace WHERE nspname = %s"
    if session.say(query, (session.tables.schema,)).scalar():
        session.say(f"COMMENT ON SCHEMA {session.tables.prefix.removesuffix('.')} IS '{MARK}'")


def set_aside(session: Session, gone: Iterable[str]) -> None:
    """Set all journals aside, with their notes about paused and suspended jobs: none of them is complete now."""
    mine, why = session.tables.journals, f"{LOST}the tables {', '.join(gone)} vanished"
    for number, suspended in session.run(sa.select(mine.c.id, mine.c.why).where(mine.c.present == 1)).all():
        ended = {"present": sa.null(), "ended_at": session.time(), "why": f"{why}\n{suspended or '{}'}"}
        session.run(sa.update(mine).where(mine.c.id == number).values(**ended))


def remember(session: Session) -> None:
    """Insert a row without an owner that records that there were journals, if no journal is known now."""
    mine, now = session.tables.journals, session.time()
    if not session.run(sa.select(sa.func.count()).select_from(mine)).scalar():
        nobody = {"project": "", "environment": "", "app": "", "present": None}
        session.run(sa.insert(mine).values(**nobody, begun_at=now, ended_at=now, why=f"{LOST}all journals vanished"))


def number_on(session: Session) -> None:
    """Advance the numbers of new journals past those in rows of lost journals."""
    tables = [session.tables.named(name) for name in PARTS]
    highest = max(
        int(session.run(sa.select(sa.func.coalesce(sa.func.max(each.c.journal), 0))).scalar()) for each in tables
    )
    session.say(RESTART[session.scheme].format(p=session.tables.prefix, n=highest + 1))


def lost_before(session: Session, own: Any, now: datetime) -> tuple[str, Beside] | None:
    """Return why the journal of an identity was lost, and what was kept; None if there was no journal.

    ``own`` finds the identity's rows in the table of journals; ``now`` is by the clock that ticks are marked by.

    Args:
        session: the connection, with its tables.
        own: the condition that finds the identity's rows among the journals.
        now: the present, by the clock that ticks are marked by.
    """
    mine = session.tables.journals
    last = session.run(sa.select(mine.c.id, mine.c.why).where(own).order_by(mine.c.id.desc()).limit(1)).first()
    if last is not None:
        why, _, text = str(last[1] or "").partition("\n")
        if not why.startswith(LOST):
            return None
        return why.removeprefix(LOST), Beside(read_suspended_notes(text), _flights(session, int(last[0])))
    orphans = _orphans(session, now)
    lately = (mine.c.project == "") & (mine.c.ended_at > session.time() - LOOK_BACK)
    if not orphans and not session.run(sa.select(sa.func.count()).select_from(mine).where(lately)).scalar():
        return None
    suspended = _suspended_notes_of(session, orphans[0]) if len(orphans) == 1 else {}
    return "the table of journals vanished", Beside(suspended)


def _orphans(session: Session, now: datetime) -> list[int]:
    """Return the numbers of recently used journals that appear only in other tables."""
    mine, idle_hints = session.tables.journals, session.tables.idle_hints
    lately = idle_hints.c.last_tick > now.timestamp() - LOOK_BACK
    query = sa.select(idle_hints.c.journal).where(idle_hints.c.journal.not_in(sa.select(mine.c.id)), lately)
    return [int(row[0]) for row in session.run(query).all()]


def _suspended_notes_of(session: Session, number: int) -> dict[str, str]:
    notes = session.tables.notes
    suspended = sa.func.left(notes.c.name, len(SUSPENDED)) == SUSPENDED
    rows = session.run(sa.select(notes.c.name, notes.c.value).where(notes.c.journal == number, suspended)).all()
    return {str(name): str(value) for name, value in rows}


def _flights(session: Session, number: int) -> dict[str, str]:
    """Return the opening events of the runs that were in flight, if their events are still there."""
    events, runs = session.tables.events, session.tables.runs
    in_flight = sa.select(runs.c.run).where(runs.c.journal == number, runs.c.outcome.is_(None))
    opened = (events.c.journal == number) & (events.c.kind == "run-opened") & events.c.run.in_(in_flight)
    return {
        str(run): str(data) for run, data in session.run(sa.select(events.c.run, events.c.data).where(opened)).all()
    }


def read_suspended_notes(text: str) -> dict[str, str]:
    """Return the notes about paused and suspended jobs, as the journal's row keeps them; empty if unreadable."""
    try:
        data = json.loads(text)
        return {key: value for key, value in data.items() if key.startswith(SUSPENDED) and isinstance(value, str)}
    except (ValueError, AttributeError, RecursionError):
        return {}
