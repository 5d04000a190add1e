"""Translate errors of databases into the agent's, without the drivers' texts, which quote addresses and values."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from upsun_agent.database.meter import TooMuch
from upsun_agent.errors import AgentError, Busy, ConfigInvalid, StateNotWritable


class DatabaseUnreachable(Busy):
    """The database that holds the journal cannot be reached, is starting or is overloaded."""

    alarming = True
    turn = "no one yet: the next tick tries again"


class LeaseLost(Busy):
    """Another process took over the journal: nothing was written."""

    turn = "no one: the other process continues"


class DatabaseRefused(StateNotWritable):
    """The database does not let the agent keep its journal: credentials, grants or space."""

    turn = "you: fix what the message names"


class ClearText(Exception):
    """The server asks for the password in clear text, which the settings do not allow."""


class UnexpectedAnswer(Exception):
    """The server's answer has another form than requested."""


class DriverMissing(ConfigInvalid):
    """The extra 'shared' is not installed."""


#: What may pass by itself: SQLSTATE classes and codes of PostgreSQL, error numbers of MariaDB.
PASSING: dict[str | int, str] = {
    "08": "the connection failed or was lost",
    "40": "it cancelled a transaction in favour of another one",
    "57014": "a statement took too long",
    "57P": "it is going down or coming up",
    "55P03": "a lock was held for too long",
    "53300": "it has no free connection",
    "25P": "a transaction stood idle for too long",
    1040: "it has no free connection",
    1203: "it has no free connection",
    1226: "it has no free connection",
    1205: "a lock was held for too long",
    1213: "it cancelled a transaction in favour of another one",
    1053: "it is going down",
    1317: "a statement was ended",
    1969: "a statement took too long",
    1927: "the connection was ended",
    2002: "it cannot be reached",
    2003: "it cannot be reached",
    2006: "the connection was lost",
    2013: "the connection was lost",
    2055: "the connection was lost",
    0: "the connection was lost",
}
_GRANTS = "see docs/how-to/shared-database.md for the grants that the user needs"
#: What stays until somebody acts: the message's words and the remedy.
LASTING: dict[str | int, tuple[str, str]] = {
    "28": ("it does not accept the user or password", "check the relationship, or the URL in the variable"),
    "3D000": ("there is no such database", "check the relationship, or the URL in the variable"),
    "42501": ("the user lacks a right", _GRANTS),
    "25006": ("it is read-only: a replica, or being failed over", "relate the app to the primary"),
    "53100": ("its disk is full", "give the service more disk"),
    1044: ("the user has no right to the database", _GRANTS),
    1045: ("it does not accept the user or password", "check the relationship, or the URL in the variable"),
    1049: ("there is no such database", "check the relationship, or the URL in the variable"),
    1142: ("the user lacks a right", _GRANTS),
    1227: ("the user lacks a right", _GRANTS),
    1290: ("it is read-only: a replica, or being failed over", "relate the app to the primary"),
    1792: ("it is read-only: a replica, or being failed over", "relate the app to the primary"),
    1021: ("its disk is full", "give the service more disk"),
    1114: ("its disk is full", "give the service more disk"),
    2026: ("TLS could not be set up", "check sslmode and sslrootcert in the URL"),
}


#: libpq's words where a server asks for what ``require_auth`` does not name.
ASKS_IN_CLEAR = "server requested a cleartext password"
ASKS_OTHERWISE = "authentication method requirement"
#: What libpq says of a connection that failed comes without a code: its words, and the code that fits.
WORDS = {
    "authentication failed": "28P01",
    "no pg_hba.conf entry": "28000",
    "no password supplied": "28000",
    "does not exist": "3D000",
    "permission denied for database": "42501",
    "too many clients": "53300",
    "remaining connection slots": "53300",
    "too many connections": "53300",
    "starting up": "57P03",
    "shutting down": "57P03",
    "recovery mode": "57P03",
}


TLS_WORDS = (
    "[ssl",
    "ssl error",
    "certificate",
    "does not support ssl",
    "ssl is required",
    "sslv3 alert",
    "tlsv1 alert",
)


STATE = 5  # characters of an SQLSTATE at most; a server can send any text in its place


def code_of(error: BaseException) -> str | int | None:
    """Return PostgreSQL's SQLSTATE or MariaDB's error number; None if the connection failed without one."""
    inner = getattr(error, "orig", None) or error
    if isinstance(inner, OSError):
        return None
    first = inner.args[0] if inner.args else None
    if isinstance(first, int):
        return first
    state = getattr(inner, "sqlstate", None)
    return state if isinstance(state, str) and 0 < len(state) <= STATE and state.isascii() and state.isalnum() else None


def translated(place: str, error: BaseException, *, connecting: bool = False) -> Busy | StateNotWritable:
    """Return the agent's error for a driver's error.

    Args:
        place: where the state is, in the words of the job file.
        error: the driver's error.
        connecting: whether it came while the connection was made.
    """
    inner = _reason(error)
    if isinstance(inner, ClearText) or (connecting and ASKS_OTHERWISE in str(error)):
        return _unproved(place, in_clear=isinstance(inner, ClearText) or ASKS_IN_CLEAR in str(error))
    if isinstance(inner, TooMuch):
        text = f"the database of {place} is not available now: {inner}"
        return DatabaseUnreachable(text, remedy="see what answers at that address; the next tick tries again")
    if not _is_drivers_word(inner):
        return _senseless(place, inner)
    code = code_of(error)
    if connecting and code in {None, 2003}:
        text = str(error).lower()
        code = next((fits for words, fits in WORDS.items() if words in text), code)
        code = 2026 if any(words in text for words in TLS_WORDS) else code
    for key in _keys(code):
        if key in PASSING:
            text = f"the database of {place} is not available now: {PASSING[key]}{_shown(code)}"
            return DatabaseUnreachable(text, remedy="the next tick tries again; see whether the service runs")
        if key in LASTING:
            words, remedy = LASTING[key]
            return DatabaseRefused(f"the database of {place} cannot be used: {words}{_shown(code)}", remedy=remedy)
    if code is None and (connecting or _is_connection(error)):
        words = "it cannot be reached" if connecting else "the connection was lost"
        remedy = "the next tick tries again; see whether the service runs"
        return DatabaseUnreachable(f"the database of {place} is not available now: {words}", remedy=remedy)
    if code is None and type(inner).__name__ != "DataError":  # the driver's own, of a value that it cannot send
        return _senseless(place, inner)
    kind = type(inner).__name__
    text = f"the database of {place} refused a statement ({kind}{_shown(code)})"
    return DatabaseRefused(text, remedy="see: upsun-agent check; report it if the tables are as the agent made them")


def _unproved(place: str, *, in_clear: bool) -> DatabaseRefused:
    words = "it asks for the password in clear text" if in_clear else "it does not ask for a proof of the password"
    remedy = "let its user log in with scram-sha-256 or md5 (MariaDB: mysql_native_password or ed25519)"
    remedy += "" if in_clear else ", or remove the password if the server does not ask for one"
    return DatabaseRefused(f"the database of {place} cannot be used: {words}", remedy=remedy)


def _reason(error: BaseException) -> BaseException:
    """Return the first error of the chain, the driver's or ours: a library may cause others afterwards."""
    before: BaseException | None = error
    for _ in range(10):
        if before is None or isinstance(before, TooMuch | ClearText):
            break
        before = before.__context__
    return before if isinstance(before, TooMuch | ClearText) else getattr(error, "orig", None) or error


def _senseless(place: str, error: BaseException) -> DatabaseUnreachable:
    kind = type(error)
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    text = f"the database of {place} is not available now: its answer cannot be read ({name})"
    return DatabaseUnreachable(text, remedy="see what answers at that address; the next tick tries again")


def _keys(code: str | int | None) -> list[str | int]:
    return [code, code[:3], code[:2]] if isinstance(code, str) else [] if code is None else [code]


def _shown(code: str | int | None) -> str:
    return f" ({code})" if code else ""


#: The driver's and SQLAlchemy's words for a connection that is no more, where there is no code.
LOST = ("OperationalError", "InterfaceError", "PendingRollbackError", "ResourceClosedError")


def _is_connection(error: BaseException) -> bool:
    inner = getattr(error, "orig", None) or error
    return isinstance(inner, OSError) or type(inner).__name__ in LOST


@contextmanager
def translated_errors(place: str, *, connecting: bool = False) -> Iterator[None]:
    """Translate errors of a driver, SQLAlchemy or a socket, without their texts.

    The block holds calls of a driver and nothing else: an error of any kind in it comes from what the server sent.
    """
    try:
        yield
    except (AgentError, ImportError):
        raise
    except Exception as error:  # noqa: BLE001  drivers raise anything over an answer that makes no sense
        raise translated(place, error, connecting=connecting) from None


def _is_drivers_word(error: BaseException) -> bool:
    """Return whether the error comes from a driver, SQLAlchemy or a socket; they may not be installed."""
    kind = type(error)
    known = kind.__module__.partition(".")[0] in {"psycopg", "pymysql", "sqlalchemy"}
    return known or kind.__name__ in LOST or isinstance(error, OSError | EOFError)


def narrow(place: str, encoding: str) -> DatabaseRefused:
    """Return the error for a database whose encoding cannot store a character of a message.

    It is met before anything is done: later, the end of what was done could not be written.
    """
    shown = "".join(each for each in encoding[:40] if each.isascii() and (each.isalnum() or each in "_-"))
    return DatabaseRefused(
        f"the database of {place} has the encoding {shown or 'of no name'}, which cannot hold every character",
        remedy="keep the state in a database that was made with ENCODING 'UTF8' TEMPLATE template0, or on a mount",
    )


def missing(place: str, error: ImportError) -> Exception:
    """Return the error for a missing or broken extra ``shared``; return another import's error unchanged."""
    if (error.name or "psycopg").partition(".")[0] not in {"psycopg", "pymysql", "sqlalchemy", "psycopg_binary"}:
        return error
    remedy = "UPSUN_AGENT_EXTRA=shared in the build hook; in a checkout of the agent: pip install '.[shared]'"
    text = f"the state is in {place}, which needs the extra 'shared'; it is not installed for this Python"
    return DriverMissing(text, remedy=remedy)
