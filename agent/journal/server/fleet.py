"""All journals of a database, at a glance by one statement, or one by one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from agent.database.place import placed
from agent.journal import Identity
from agent.journal.fleet import Member, moment
from agent.journal.server.journal import ServerJournal
from agent.journal.server.migrate import refuse_lost
from agent.journal.server.session import Session
from agent.limits import DATABASE_BUDGET


class DatabaseFleet:
    """The journals that are present in a database."""

    def __init__(self, session: Session, *, empty: bool) -> None:
        self._session = session
        self._numbers: dict[Identity, int] = {}
        self._empty = empty

    def members(self) -> list[Member]:
        """All of them, in the order of project, environment and app."""
        if self._empty:
            return []
        found = [self._member(row) for row in self._session.run(self._query()).all()]
        return sorted(found, key=lambda member: member.identity)

    def _query(self) -> Any:
        from sqlalchemy import func, select  # noqa: PLC0415  late: see Session

        tables = self._session.tables
        mine, glances, runs = tables.journals, tables.glances, tables.runs
        own = runs.c.journal == mine.c.id
        flying = select(func.count()).select_from(runs).where(own, runs.c.outcome.is_(None)).scalar_subquery()
        order = (runs.c.opened_at.desc(), runs.c.number.desc())
        last = [select(runs.c[name]).where(own).order_by(*order).limit(1).scalar_subquery() for name in LAST]
        columns = [mine.c.id, mine.c.project, mine.c.environment, mine.c.app, glances.c.last_tick, glances.c.next_due]
        columns += [flying, *last, mine.c.proved_backup, mine.c.proved_at]
        joined = mine.outerjoin(glances, glances.c.journal == mine.c.id)
        return select(*columns).select_from(joined).where(mine.c.present == 1)

    def _member(self, row: Any) -> Member:
        number, project, environment, app, ticked, due, flying, job, opened, outcome, backup, proved = row
        identity = (str(project), str(environment), str(app))
        self._numbers[identity] = int(number)
        return Member(
            identity, moment(ticked), moment(due), int(flying), job, moment(opened), outcome, backup, moment(proved)
        )

    def journal(self, identity: Identity) -> ServerJournal:
        """The journal of one of them, for looking only."""
        if identity not in self._numbers:
            self.members()
        return ServerJournal(self._session, self._numbers[identity], identity)


#: What is shown of the newest run of each journal.
LAST = ("job", "opened_at", "outcome")


@contextmanager
def database_fleet(place: str) -> Iterator[DatabaseFleet]:
    """The journals of a database; nothing is made or locked."""
    session = Session(placed(place), DATABASE_BUDGET)
    try:
        yield DatabaseFleet(session, empty=refuse_lost(session).version == 0)
    finally:
        session.close()
