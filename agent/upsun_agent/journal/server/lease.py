"""The lease on a journal of a server: a row that names its holder, with a fencing number.

It says who has the journal and, by the database's clock, until when; each write makes that later. It is broken only on
proof of death (the server knows no such session any more) or on expiry. Each lease has a greater fencing number than
the one before; every write checks it. No advisory lock is taken: whoever may connect to the database could hold it, and
keep the journal's own process out for ever. The row is locked only by those who may write to it.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from upsun_agent.database.errors import LeaseLost
from upsun_agent.errors import Busy
from upsun_agent.journal import Identity
from upsun_agent.journal.lock import holder_here
from upsun_agent.journal.notes import SUSPENDED
from upsun_agent.journal.replacement import notes_of
from upsun_agent.journal.server.journal import ServerJournal
from upsun_agent.journal.server.losses import lost_before
from upsun_agent.journal.server.session import Session
from upsun_agent.journal.sidecar import Beside
from upsun_agent.limits import LEASE

#: The user of this connection in MariaDB, in short: a user there sees only sessions of its own.
WHO = "left(sha2(current_user(), 256), 16)"
#: This connection as the server knows it.
ME = {
    "pgsql": "SELECT pid || '@' || extract(epoch from backend_start) FROM pg_stat_activity"
    " WHERE pid = pg_backend_pid()",
    "mysql": f"SELECT concat(connection_id(), '@', {WHO})",
}
#: Whether the server still knows a session. MariaDB may give a number again: then the lease's expiry decides.
LIVES = {
    "pgsql": "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
    " AND coalesce(pid || '@' || extract(epoch from backend_start) = %s, true)",
    "mysql": f"SELECT (SELECT count(*) FROM information_schema.processlist WHERE id = %s) OR %s NOT IN ('', {WHO})",  # noqa: S608  names of ours  # nosec B608
}
SET_ASIDE_MOST = 500  # characters of why a journal was set aside


class Held:
    """The journal of an identity, with its lock and lease held; ``journal`` reads and writes it.

    ``is_new`` where it was begun just now; ``is_copy`` where the database holds others of the same app besides, as a
    clone's does: what such a journal would know may be lost. ``lost``: why the one before it was, if it was.

    Raises:
        Busy: another process is at work on it.
    """

    def __init__(
        self, session: Session, identity: Identity, holder: str | None = None, now: datetime | None = None
    ) -> None:
        self._session = session
        self._now = now or datetime.now(UTC)  # by the clock that slots are judged by
        self.lost = ""
        self._identity = identity
        self._holder = (holder or holder_here())[:SET_ASIDE_MOST]
        self.is_new = self.is_copy = False
        self.journal = self._leased()

    def _own(self) -> Any:
        mine = self._session.tables.journals
        project, environment, app = self._identity
        return (mine.c.project == project) & (mine.c.environment == environment) & (mine.c.app == app)

    def _leased(self) -> ServerJournal:
        """Take the lease, with a new fence."""
        run, mine = self._session.run, self._session.tables.journals
        now: Any = sa.literal_column(self._session.now)
        query = sa.select(mine.c.id, mine.c.fence, mine.c.holder, mine.c.session, _runs(mine.c.lease_until, now))
        query = query.where(self._own(), mine.c.present == 1).with_for_update()
        me = str(self._session.say(ME[self._session.scheme]).scalar())
        with self._session.transaction():
            row = run(query).first()
            if row is None:
                lost = lost_before(self._session, self._own(), self._now)
                if lost is not None:
                    self.lost, kept = lost
                    self._begin(0, notes_of(self._now, "damaged", self.lost, kept))
                else:
                    self._begin(0, {})
                self.is_new, self.is_copy = True, self._has_siblings()
                row = run(query).one()
            number, fence, other, session, runs = row
            if runs and other and session != me and self._lives(session):
                text = f"another tick is using the journal in {self._session.state}; it holds the lease"
                remedy = f"try again in a minute: the lease expires within {int(LEASE)} s"
                raise Busy(f"{text} ({str(other)[:80]})", remedy=remedy)
            lease = {"fence": fence + 1, "holder": self._holder, "session": me, "lease_until": now + LEASE}
            run(sa.update(mine).where(mine.c.id == number).values(**lease))
        return ServerJournal(self._session, number, self._identity, fence + 1)

    def _lives(self, session: str | None) -> bool:
        number, _, rest = (session or "").partition("@")
        if not number.isdigit():
            return True  # not known: until it expires
        values = (int(number), session if self._session.scheme == "pgsql" else rest)
        return bool(self._session.say(LIVES[self._session.scheme], values).scalar())

    def _begin(self, fence: int, notes: Mapping[str, str]) -> None:
        run, tables = self._session.run, self._session.tables
        project, environment, app = self._identity
        row = {"project": project, "environment": environment, "app": app, "present": 1, "fence": fence}
        suspended = {key: text for key, text in notes.items() if key.startswith(SUSPENDED)}
        why = json.dumps(suspended) if suspended else None
        run(sa.insert(tables.journals).values(**row, begun_at=self._session.time(), why=why))
        number = run(sa.select(tables.journals.c.id).where(self._own(), tables.journals.c.present == 1)).scalar()
        run(sa.insert(tables.idle_hints).values(journal=number, digest="", next_due=0))
        if notes:
            rows = [{"journal": number, "name": name, "value": value} for name, value in notes.items()]
            run(sa.insert(tables.notes), rows)

    def _has_siblings(self) -> bool:
        mine, (project, environment, app) = self._session.tables.journals, self._identity
        others = (mine.c.project == project) & (mine.c.app == app) & (mine.c.environment != environment)
        return bool(self._session.run(sa.select(sa.func.count()).select_from(mine).where(others)).scalar())

    def begin_anew(self, why: str, suspended: Mapping[str, str] | None = None) -> str:
        """Set the journal aside (only reading is possible then) and begin a new one; return the old one's new name.

        ``why`` begins with the kind, such as rewound; ``suspended`` are the notes about paused and suspended jobs.
        """
        old, mine = self.journal, self._session.tables.journals
        with self._session.transaction():
            ended = {"present": sa.null(), "ended_at": self._session.time(), "why": why[:SET_ASIDE_MOST]}
            still = (mine.c.id == old.number) & (mine.c.present == 1) & (mine.c.fence == old.fence)
            if not self._session.run(sa.update(mine).where(still).values(**ended)).rowcount:
                raise LeaseLost(f"another process took over the journal in {self._session.state}")
            word, _, reason = why.partition(": ")
            self._begin(old.fence or 0, notes_of(self._now, word, reason, Beside(suspended or {})))
        self.journal = self._leased()
        return f"{why}; kept as journal {old.number}"

    def release(self) -> None:
        """Release the lease and the lock, and close the connection, without waiting for an unreachable server."""
        mine, journal = self._session.tables.journals, self.journal
        mark = (mine.c.id == journal.number) & (mine.c.fence == journal.fence)
        with contextlib.suppress(Exception):  # it expires, and the server knows that this session ended
            self._session.run(
                sa.update(mine).where(mark).values(holder=sa.null(), session=sa.null(), lease_until=sa.null())
            )
        self._session.close()

    def abandon(self) -> None:
        """Close the connection at once without sending anything; the server notices that it ended."""
        self._session.cut()
        self._session.close()


def _runs(until: Any, now: Any) -> Any:
    """Return whether a lease is still valid; one that ends too late was taken while the server's clock was ahead."""
    return (until > now) & (until <= now + 2 * LEASE)
