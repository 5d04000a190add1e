"""The forms of the journal behind one face: opened to work on, opened to look, opened again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from upsun_agent.database.idle import is_idle as idle_on_server
from upsun_agent.idle import basis
from upsun_agent.journal import Identity, Journal, JournalReader
from upsun_agent.journal.directory import reading_if_any
from upsun_agent.journal.server.opening import hold
from upsun_agent.journal.server.schema import PARTS
from upsun_agent.journal.sqlite import SqliteJournal
from upsun_agent.journal.state import DatabaseState, MountState

from tools.databases import Server

VARIABLE = "STATE_URL"
NAME = f"url-variable:{VARIABLE}"


class Form(ABC):
    """A place for journals."""

    def __init__(self, place: str | DatabaseState, identity: Identity) -> None:
        self.place = place
        self.identity = identity

    @abstractmethod
    def work(self, identity: Identity | None = None) -> AbstractContextManager[Journal]:
        """The journal to write to."""

    def look(self, identity: Identity | None = None) -> AbstractContextManager[JournalReader]:
        """The journal to read."""
        state = MountState(self.place) if isinstance(self.place, str) else self.place
        return reading_if_any(state, identity or self.identity)


class FileForm(Form):
    """Journals in files."""

    place: str

    @contextmanager
    def work(self, identity: Identity | None = None) -> Iterator[Journal]:
        journal = SqliteJournal(self.place, identity or self.identity)
        try:
            yield journal
        finally:
            journal.close()


class DatabaseForm(Form):
    """Journals on a server."""

    def __init__(self, server: Server, identity: Identity, *, query: str = "sslmode=disable", **where: str) -> None:
        self.server = server
        self.url = server.url(query=query, **where)  # type: ignore[arg-type]
        self.place: DatabaseState
        super().__init__(place_of(self.url), identity)

    @contextmanager
    def work(self, identity: Identity | None = None) -> Iterator[Journal]:
        held = hold(self.place, identity or self.identity)
        try:
            yield held.journal
        finally:
            held.release()

    def say(self, *statements: str) -> str:
        """Do something to the tables behind the agent's back; ``{mine}`` stands for the project's journals."""
        tables = "upsun_agent." if self.server.scheme == "postgresql" else "upsun_agent_"
        mine = f"project = '{self.identity[0]}'"
        said = [each.format(p=tables, mine=mine) for each in statements]
        return self.server.execute(*said, database=self.place.endpoint.database)

    def contents(self) -> str:
        """All rows of the project's journals but those that name the lease."""
        query = "SELECT '{0}', {{p}}{0}.* FROM {{p}}{0} WHERE journal IN (SELECT id FROM {{p}}journals WHERE {{mine}})"
        return self.say(*(query.format(part) + " ORDER BY 2, 3" for part in PARTS))

    def idle(self, text: str, now: float, *, kind: str | None = None) -> bool:
        """Whether an idle tick is told to be one."""
        names = ("PLATFORM_PROJECT", "PLATFORM_BRANCH", "PLATFORM_APPLICATION_NAME")
        environ = {VARIABLE: self.url, **dict(zip(names, self.identity, strict=True))}
        return idle_on_server(NAME, environ, basis(text, kind), now)


def place_of(url: str) -> DatabaseState:
    """The place that a variable with this URL names."""
    return DatabaseState.of(NAME, {VARIABLE: url})
