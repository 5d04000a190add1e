"""Connect to database servers, with a limit on every wait.

A connection has a deadline: when it expires the socket is shut down, and whatever waits for the server fails at once.
Timeouts of the drivers cover single waits only, and not all of them.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import sys
from collections.abc import Iterator
from threading import Lock, Timer, stack_size
from typing import Any

import psycopg
import pymysql

from upsun_agent.database import libpq, mysql
from upsun_agent.database.errors import DriverMissing, missing, narrow, translated_errors
from upsun_agent.database.location import SEARCH_PATH, Endpoint
from upsun_agent.database.meter import Meter, TooMuch
from upsun_agent.lazy_imports import end_stubbing
from upsun_agent.limits import DATABASE_CONNECT, DATABASE_GONE, DATABASE_STATEMENT

APPLICATION = "upsun-agent"
#: Encodings of PostgreSQL that hold every character: as it is, or as the bytes that it is sent as.
WHOLE_ENCODINGS = frozenset({"UTF8", "SQL_ASCII"})
OURS_ON_IT = "upsun_agent.database.mysql"  # what is made of PyMySQL's classes
STACK = 256 * 1024  # bytes for a thread that makes one call: the usual eight megabytes count where memory is short


class Deadline:
    """Shuts the connection's socket after that many seconds, or at once when it is cut."""

    def __init__(self, file: int, seconds: float) -> None:
        # A number of its own: the driver may close its file, and the system give that number to another.
        self._socket: socket.socket | None = socket.socket(fileno=os.dup(file))
        self._lock = Lock()
        self._timer = self._lit(seconds)

    def _lit(self, seconds: float) -> Timer:
        timer = Timer(seconds, self.cut)
        timer.daemon = True
        usual = stack_size(STACK)
        try:
            timer.start()
        finally:
            stack_size(usual)
        return timer

    def restart(self, seconds: float) -> None:
        """Restart the timer with that many seconds."""
        self._timer.cancel()
        self._timer = self._lit(seconds)

    def cut(self) -> None:
        """Shut down the socket: the server sees that the client is gone, and nothing here waits for it."""
        with self._lock:
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)

    def release(self) -> None:
        """Stop the timer; the connection stays open."""
        self._timer.cancel()
        with self._lock:
            if self._socket is not None:
                self._socket.close()
                self._socket = None


class DatabaseConnection:
    """One connection to a server, open for that many seconds at most. ``raw`` is the driver's, which commits by itself.

    ``hint``: what is written may be lost with the server's power, as an idle tick's mark may.

    Raises:
        DatabaseUnreachable: it is not available now.
        DatabaseRefused: it refuses the connection until a person acts.
        DriverMissing: the extra ``shared`` is not installed.
    """

    def __init__(self, place: str, endpoint: Endpoint, seconds: float, *, hint: bool = False) -> None:
        end_stubbing()
        try:
            with translated_errors(place, connecting=True):
                self.raw, self._deadline = (
                    _postgres(place, endpoint, durable=not hint) if endpoint.scheme == "pgsql" else _mysql(endpoint)
                )
        except ImportError as error:
            raise missing(place, error) from None
        self._deadline.restart(seconds)

    def cut(self) -> None:
        """Shut the socket down, so that nothing waits for the server any longer."""
        self._deadline.cut()

    def close(self) -> None:
        """Close the connection in any state; the server releases its locks."""
        self._deadline.release()
        with contextlib.suppress(Exception):  # it is gone either way
            self.raw.close()


def _postgres(place: str, endpoint: Endpoint, *, durable: bool) -> tuple[Any, Deadline]:
    """Return a psycopg connection; raise DatabaseRefused if the database's encoding cannot hold every character."""
    settings = {
        # A commit that returned is on the disk, whatever the database's default: a request follows it.
        "synchronous_commit": "on" if durable else "off",
        "statement_timeout": f"{DATABASE_STATEMENT:.0f}s",
        "lock_timeout": f"{DATABASE_STATEMENT / 2:.0f}s",
        "idle_in_transaction_session_timeout": f"{DATABASE_GONE:.0f}s",
        "tcp_keepalives_idle": f"{DATABASE_GONE / 2:.0f}",
        "tcp_keepalives_interval": f"{DATABASE_GONE / 6:.0f}",
        "tcp_keepalives_count": "3",
        "client_min_messages": "error",
        "search_path": SEARCH_PATH,
    }
    proofs = _proofs(place, endpoint, psycopg.pq.version())
    connection = _bounded_connection(
        {
            "host": endpoint.host,
            "port": endpoint.port,
            "dbname": endpoint.database,
            "user": endpoint.user,
            "password": endpoint.password,
            "sslmode": endpoint.tls,
            "sslrootcert": endpoint.authorities,
            "gssencmode": "disable",
            "application_name": APPLICATION,
            "client_encoding": "UTF8",
            "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
            **({"require_auth": proofs} if proofs else {}),
        }
    )
    try:
        connection.autocommit = True
        connection.prepare_threshold = None
        _refuse_narrow(place, connection.info.parameter_status("server_encoding") or "")
        return connection, Deadline(connection.fileno(), DATABASE_CONNECT)
    except BaseException:
        connection.close()
        raise


def _refuse_narrow(place: str, encoding: str) -> None:
    if encoding not in WHOLE_ENCODINGS:
        raise narrow(place, encoding)


def _proofs(place: str, endpoint: Endpoint, version: int) -> str:
    """Return libpq's ``require_auth``; raise DriverMissing if this libpq cannot refuse to send the password."""
    try:
        return libpq.required(endpoint, version)
    except libpq.LibpqUnavailable:
        text = f"the state is in {place}, and libpq {version // 10000} would send its password to any server"
        raise DriverMissing(text, remedy="install the extra 'shared', which brings a newer one") from None


def _bounded_connection(settings: dict[str, Any]) -> Any:
    """Return a psycopg connection that limits every answer, the server's greeting included."""

    class Connection(psycopg.Connection[Any]):
        """A psycopg connection whose reads are checked against the limits."""

        meter = Meter()

        def wait(self, gen: Any, *arguments: Any, **named: Any) -> Any:
            """Execute the steps of an exchange, and check the limits at each."""
            try:
                return super().wait(self.meter.watched(gen, self.fileno()), *arguments, **named)
            except TooMuch:
                self.close()  # what else it sends is of no answer
                raise

    steps = psycopg.generators.connect(psycopg.conninfo.make_conninfo("", **settings))
    greeted = psycopg.waiting.wait_conn(Meter().watched(steps, -1), interval=0.1, timeout=DATABASE_CONNECT)
    return Connection(greeted)


def _mysql(endpoint: Endpoint) -> tuple[Any, Deadline]:
    """Return a PyMySQL connection. Whether commits are synced is a setting of the whole server, which `check` reads."""
    settings = (
        # Strict: a text that is too long is refused, not cut. What follows the mark M! is MariaDB's alone.
        "sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', "
        f"innodb_lock_wait_timeout = {DATABASE_STATEMENT / 2:.0f}, lock_wait_timeout = {DATABASE_STATEMENT / 2:.0f}, "
        f"wait_timeout = {DATABASE_GONE:.0f}, net_read_timeout = {DATABASE_GONE / 2:.0f}"
        f" /*M! , max_statement_time = {DATABASE_STATEMENT:.0f} */"
    )
    opened = _socket(endpoint)
    fuse = Deadline(opened.fileno(), DATABASE_CONNECT)  # the driver's own timeout is for one read of several
    try:
        connection = mysql.Connection(
            clear=endpoint.clear,
            host=endpoint.host,
            user=endpoint.user,
            password=endpoint.password.encode(),
            database=endpoint.database,
            charset="utf8mb4",
            read_timeout=DATABASE_STATEMENT,
            write_timeout=DATABASE_STATEMENT,
            program_name=APPLICATION,
            init_command=f"SET SESSION {settings}",
            client_flag=pymysql.constants.CLIENT.FOUND_ROWS,
            autocommit=True,
            defer_connect=True,
            **_secured(endpoint),
        )
        connection.connect(opened)
    except BaseException:
        fuse.release()
        opened.close()
        raise
    return connection, fuse


def _socket(endpoint: Endpoint) -> socket.socket:
    if not endpoint.host.startswith("/"):
        opened = socket.create_connection((endpoint.host, endpoint.port), DATABASE_CONNECT)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return opened
    inside = socket.socket(socket.AF_UNIX)
    try:
        inside.settimeout(DATABASE_CONNECT)
        inside.connect(endpoint.host)
    except BaseException:
        inside.close()
        raise
    return inside


def _secured(endpoint: Endpoint) -> dict[str, Any]:
    """Return the TLS options for PyMySQL; without a setting, TLS is used if the server offers it."""
    if endpoint.tls == "prefer":
        return {}
    if endpoint.tls == "disable":
        return {"ssl_disabled": True}
    context = ssl.create_default_context(cafile=endpoint.authorities)
    context.check_hostname = endpoint.tls == "verify-full"
    if endpoint.tls == "require":
        context.verify_mode = ssl.CERT_NONE
    return {"ssl": context}


@contextlib.contextmanager
def without_cryptography() -> Iterator[None]:
    """Import PyMySQL without ``cryptography``, which it needs only for passwords without TLS.

    That package is half of what PyMySQL costs. Where it was needed after all, PyMySQL is forgotten, and whoever tries
    next imports it with everything.
    """
    hidden = "cryptography"
    known = sys.modules.get(hidden)
    sys.modules[hidden] = None  # type: ignore[assignment]  # the way to say: there is no such module
    try:
        yield
    except BaseException:
        theirs = [name for name in sys.modules if name.partition(".")[0] == "pymysql"]
        for name in {*theirs, OURS_ON_IT} & sys.modules.keys():
            del sys.modules[name]
        raise
    finally:
        del sys.modules[hidden]
        if known is not None:
            sys.modules[hidden] = known
