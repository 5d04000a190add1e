"""Open a journal on a server: with its lock and lease to write, or read-only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import sqlalchemy as sa

from upsun_agent.journal import Identity
from upsun_agent.journal.server.journal import ServerJournal
from upsun_agent.journal.server.lease import Held
from upsun_agent.journal.server.migrate import migrate, refuse_lost
from upsun_agent.journal.server.session import Session
from upsun_agent.journal.state import DatabaseState
from upsun_agent.limits import DATABASE_BUDGET


def hold(
    state: DatabaseState,
    identity: Identity,
    *,
    holder: str | None = None,
    seconds: float | None = None,
    now: datetime | None = None,
) -> Held:
    """Lock and return the journal of that identity; create it if there is none.

    ``now``: the moment with which a journal begins that takes the place of a lost one.

    Args:
        state: the database, with its credentials.
        identity: project, environment and app.
        holder: what the lease says who works; None: this process.
        seconds: how long the work may take; None: ``DATABASE_BUDGET``.
        now: the moment with which a journal begins that takes the place of a lost one; None: it begins with its first
            tick.

    Raises:
        Busy: another process uses it, or the database is not available now.
        StateNotWritable: the database does not let us, or a newer version made its tables.
    """
    session = Session(state, seconds or DATABASE_BUDGET)
    try:
        migrate(session)
        return Held(session, identity, holder, now)
    except Exception:
        session.close()
        raise
    except BaseException:
        session.cut()
        session.close()
        raise


@contextmanager
def looking(state: DatabaseState, identity: Identity) -> Iterator[ServerJournal | None]:
    """Yield the journal of that identity, read-only; None if there is none. Create and lock nothing.

    Raises:
        JournalDamaged: tables vanished.
    """
    session = Session(state, DATABASE_BUDGET)
    try:
        number = None if refuse_lost(session).version == 0 else _number(session, identity)
        yield None if number is None else ServerJournal(session, number, identity)
    finally:
        session.close()


def _number(session: Session, identity: Identity) -> int | None:
    mine, (project, environment, app) = session.tables.journals, identity
    own = (mine.c.project == project) & (mine.c.environment == environment) & (mine.c.app == app)
    number = session.run(sa.select(mine.c.id).where(own, mine.c.present == 1)).scalar()
    return None if number is None else int(number)
