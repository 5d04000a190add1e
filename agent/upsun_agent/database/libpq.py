"""Call PostgreSQL's client library without psycopg, for the one statement of an idle tick.

Importing psycopg takes as long as a dozen interpreter starts, loading the library less than one. The library comes
with psycopg's wheel or with the system. The calls do not block, so that one deadline covers every wait.
"""

from __future__ import annotations

import ctypes
import os
import select
import sys
import time
from collections.abc import Iterable, Sequence

from upsun_agent.database.location import SEARCH_PATH, Endpoint
from upsun_agent.database.meter import Meter, growth_limited

POLLING_FAILED, POLLING_READING, POLLING_OK = 0, 1, 3
COMMAND_OK = 1
NO_SUCH_TABLE = (b"42P01", b"3F000")
POINTERS = ("PQconnectStartParams", "PQgetResult", "PQcmdTuples", "PQresultErrorField")
SQLSTATE = ord("C")


#: Ways to log in that prove to know the password and do not show it.
PROOFS = "scram-sha-256,md5"
REQUIRE_AUTH_SINCE = 160000


class LibpqUnavailable(Exception):
    """The server cannot be reached, did not answer in time, or there is no libpq here."""


def change_one(endpoint: Endpoint, statements: Iterable[str], values: Sequence[str], seconds: float) -> bool:
    """Return whether the first statement whose tables exist changed one row; ``$1`` is the first value.

    What it changed may be lost with the server's power.

    Args:
        endpoint: the database, with its credentials.
        statements: the statements, in the order in which they are tried.
        values: the values of every statement.
        seconds: the time limit for all of it.

    Raises:
        LibpqUnavailable: nothing can be said, within that many seconds.
    """
    client = _Client(endpoint, time.monotonic() + seconds)
    try:
        with growth_limited:
            client.connect()
            for statement in statements:
                changed = client.change(statement, values)
                if changed is not None:
                    return changed == 1
    finally:
        client.close()
    return False


class _Client:
    """One libpq connection."""

    def __init__(self, endpoint: Endpoint, deadline: float) -> None:
        self._pq = _library()
        for name in POINTERS:
            getattr(self._pq, name).restype = ctypes.c_void_p
        self._deadline = deadline
        self._meter = Meter()
        settings = {
            "host": endpoint.host,
            "port": str(endpoint.port),
            "dbname": endpoint.database,
            "user": endpoint.user,
            "password": endpoint.password,
            "sslmode": endpoint.tls,
            "sslrootcert": endpoint.authorities or "",
            "gssencmode": "disable",
            "application_name": "upsun-agent",
            "options": f"-c client_min_messages=error -c synchronous_commit=off -c search_path={SEARCH_PATH}"
            f" -c statement_timeout={int(deadline - time.monotonic()) + 1}s",
        }
        proofs = required(endpoint, self._pq.PQlibVersion())
        settings |= {"require_auth": proofs} if proofs else {}
        names, given = _texts(settings), _texts(settings.values())
        self._connection = ctypes.c_void_p(self._pq.PQconnectStartParams(names, given, 0))
        # What the server remarks, libpq would print to stderr: a warning of its collations comes with each connection.
        self._pq.PQsetNoticeProcessor(self._connection, _UNHEARD, None)

    def close(self) -> None:
        """Close the connection."""
        self._pq.PQfinish(self._connection)

    def _wait(self, *, reading: bool, writing: bool = False) -> None:
        left = self._deadline - time.monotonic()
        waiting = select.poll()
        waiting.register(self._pq.PQsocket(self._connection), (select.POLLIN * reading) | (select.POLLOUT * writing))
        if left <= 0 or not waiting.poll(left * 1000):
            raise LibpqUnavailable
        self._meter.look(self._pq.PQsocket(self._connection))  # what comes next reads a piece, and keeps it

    def connect(self) -> None:
        """Connect; raises LibpqUnavailable."""
        reading = False
        while self._pq.PQstatus(self._connection) != 1:  # CONNECTION_BAD
            self._wait(reading=reading, writing=not reading)
            polled = self._pq.PQconnectPoll(self._connection)
            if polled == POLLING_OK:
                return
            if polled == POLLING_FAILED:
                break
            reading = polled == POLLING_READING
        raise LibpqUnavailable

    def change(self, statement: str, values: Sequence[str]) -> int | None:
        """Return how many rows the statement changed; None if the tables do not exist."""
        pq, connection = self._pq, self._connection
        text = statement.encode()
        self._meter.begin(pq.PQsocket(connection))
        if not pq.PQsendQueryParams(connection, text, len(values), None, _texts(values), None, None, 0):
            raise LibpqUnavailable
        while (left := pq.PQflush(connection)) > 0:
            self._wait(reading=True, writing=True)
            pq.PQconsumeInput(connection)
        if left < 0:
            raise LibpqUnavailable
        found: int | None = None
        while result := self._result():
            try:
                if pq.PQresultStatus(result) != COMMAND_OK:
                    state = ctypes.string_at(pq.PQresultErrorField(result, SQLSTATE) or ctypes.addressof(_EMPTY))
                    if state not in NO_SUCH_TABLE:
                        raise LibpqUnavailable
                else:
                    found = int(ctypes.string_at(pq.PQcmdTuples(result)) or b"0")
            finally:
                pq.PQclear(result)
        return found

    def _result(self) -> ctypes.c_void_p | None:
        while self._pq.PQisBusy(self._connection):
            self._wait(reading=True)
            if not self._pq.PQconsumeInput(self._connection):
                raise LibpqUnavailable
        found = self._pq.PQgetResult(self._connection)
        return ctypes.c_void_p(found) if found else None


def required(endpoint: Endpoint, version: int) -> str:
    """Return libpq's ``require_auth``, the allowed authentication methods; empty if all are allowed.

    Raises:
        LibpqUnavailable: this libpq knows no such setting.
    """
    if endpoint.clear:
        return ""
    if version < REQUIRE_AUTH_SINCE:
        raise LibpqUnavailable
    return PROOFS if endpoint.password else f"{PROOFS},none"


_EMPTY = ctypes.create_string_buffer(1)
#: Takes a notice and does nothing about it; libpq keeps its address.
_UNHEARD = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p)(lambda _, __: None)


def _texts(texts: Iterable[str]) -> ctypes.Array[ctypes.c_char_p]:
    """Return a C array of these texts with a terminating null."""
    encoded = [text.encode() for text in texts]
    return (ctypes.c_char_p * (len(encoded) + 1))(*encoded, None)


def _library() -> ctypes.CDLL:
    found = "libpq.so.5"
    for folder in [f"{path}/psycopg_binary.libs" for path in sys.path]:
        if os.path.isdir(folder):
            found = next((f"{folder}/{name}" for name in os.listdir(folder) if name.startswith("libpq-")), found)
            break
    try:
        return ctypes.CDLL(found)
    except OSError:
        raise LibpqUnavailable from None
