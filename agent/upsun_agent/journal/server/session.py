"""One database connection with SQLAlchemy Core, whose statements work on both kinds of server.

It never connects a second time: with the connection go its locks, and what held them writes nothing more.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from upsun_agent.database.connect import DatabaseConnection
from upsun_agent.database.errors import DatabaseUnreachable, missing, translated_errors
from upsun_agent.journal.server.answer import Answer
from upsun_agent.journal.server.schema import Tables
from upsun_agent.journal.state import DatabaseState

#: What the database's own clock says, in seconds since 1970: instances' clocks may differ, this one does not.
NOW = {"pgsql": "extract(epoch from clock_timestamp())::float8", "mysql": "unix_timestamp(sysdate(6)) + 0e0"}


class Session:
    """A connection with its tables; commits by itself outside ``transaction``.

    Raises:
        DatabaseUnreachable: it is not available now.
        DatabaseRefused: it refuses the connection until a person acts.
    """

    def __init__(self, state: DatabaseState, seconds: float) -> None:
        self.state = state
        self.scheme = state.endpoint.scheme
        own = state.endpoint.schema if self.scheme == "pgsql" else None
        self.tables = Tables(own, own_schema=own is not None)
        self.now = NOW[self.scheme]
        self._link: DatabaseConnection | None = DatabaseConnection(state.name, state.endpoint, seconds)
        try:
            with translated_errors(state.name):
                self._connection = self._wrapped(self._link)
        except ImportError as error:
            self.close()
            raise missing(state.name, error) from None
        except BaseException:
            self.close()
            raise

    def _wrapped(self, link: DatabaseConnection) -> Any:
        given = iter([link.raw])

        def once() -> Any:
            raw = next(given, None)
            if raw is None:
                raise DatabaseUnreachable(f"the connection to the database of {self.state} was lost")
            return raw

        dialect = {"pgsql": "postgresql+psycopg", "mysql": "mysql+pymysql"}[self.scheme]
        engine = sa.create_engine(
            f"{dialect}://",
            creator=once,
            poolclass=sa.NullPool,
            pool_reset_on_return=None,
            isolation_level="AUTOCOMMIT",
            hide_parameters=True,
            **({"use_native_hstore": False} if self.scheme == "pgsql" else {}),
        )
        return engine.connect()

    # --- statements -------------------------------------------------------------------------------------------

    def run(self, statement: Any, values: Any = None) -> Any:
        """Execute an SQLAlchemy statement, once for each item of a list of values; return the result."""
        with translated_errors(self.state.name):
            done = (
                self._connection.execute(statement) if values is None else self._connection.execute(statement, values)
            )
            return Answer(self.state.name, done, statement)

    def say(self, text: str, values: tuple[Any, ...] = ()) -> Any:
        """Execute a statement given as SQL text; return the result."""
        with translated_errors(self.state.name):
            return Answer(self.state.name, self._connection.exec_driver_sql(text, values))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the block's statements in one transaction. When the process is ending, do not wait for the server."""
        self.say("BEGIN")
        try:
            yield
        except Exception:
            with contextlib.suppress(Exception):  # the error that led here is the one to tell of
                self.say("ROLLBACK")
            raise
        except BaseException:
            self.cut()
            raise
        self.say("COMMIT")

    def time(self) -> float:
        """Return the database's clock, in seconds since 1970."""
        said = self.say(f"SELECT {self.now}").scalar()
        with translated_errors(self.state.name):
            return float(said)

    # --- its end ----------------------------------------------------------------------------------------------

    def cut(self) -> None:
        """Shut down the socket, so that nothing waits for the server any longer."""
        if self._link is not None:
            self._link.cut()

    def close(self) -> None:
        """Close the connection; the server releases its locks."""
        link, self._link = self._link, None
        if link is None:
            return
        with contextlib.suppress(Exception):  # it is gone either way
            if hasattr(self, "_connection"):
                self._connection.close()
        link.close()
