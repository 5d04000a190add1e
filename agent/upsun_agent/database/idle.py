"""The idle check for a journal in a database: one connection, one statement, no SQLAlchemy.

The statement marks the tick. The number of changed rows tells whether the hint is still valid: for this journal,
version, type of environment and job file, before the next slot, with a clock that did not go back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from upsun_agent.database import connect, errors, libpq
from upsun_agent.database.location import PREFIX, Endpoint, endpoint_of, qualified
from upsun_agent.limits import CLOCK_BACK, IDLE_DATABASE, RECHECK

_MARK = (
    "UPDATE {p}idle_hints SET ticks = ticks + 1, last_tick = %s WHERE journal = (SELECT id FROM {p}journals"
    " WHERE project = %s AND environment = %s AND app = %s AND present = 1)"
    " AND digest = %s AND next_due > %s AND next_due <= %s AND last_tick <= %s"
)


def digest_of(text: str) -> str:
    """Return a digest of the basis of an idle answer; the text would be sent at every idle tick."""
    for name in ("_sha2", "_sha256", "hashlib"):  # what hashlib is made of: itself, it loads OpenSSL for one hash
        try:
            sha256 = __import__(name).sha256
        except ImportError:
            continue
        return str(sha256(text.encode("utf-8", "surrogatepass")).hexdigest())
    raise AssertionError("Python without hashlib")


def is_idle(place: str, environ: Mapping[str, str], basis: str, now: float) -> bool:
    """Return whether a tick at ``now`` (epoch seconds) certainly has nothing to do, and mark the tick if so.

    Args:
        place: where the state is, in the words of the job file.
        environ: the environment variables of this process.
        basis: what an idle answer holds for (see ``upsun_agent.idle.basis``).
        now: the present, in seconds since 1970.
    """
    names = ("PLATFORM_PROJECT", "PLATFORM_BRANCH", "PLATFORM_APPLICATION_NAME")
    own = [environ.get(name) or "" for name in names]
    latest = str(int(now + RECHECK + CLOCK_BACK))  # an answer for later than that is of a clock that was ahead
    values = [str(int(now)), *own, digest_of(basis), str(int(now)), latest, str(int(now + CLOCK_BACK))]
    try:
        endpoint = endpoint_of(place, environ)
        return _on_postgres(endpoint, values) if endpoint.scheme == "pgsql" else _on_mysql(place, endpoint, values)
    except Exception:  # noqa: BLE001  whatever it is: the whole tick meets it too, and says what it is
        return False


def _on_postgres(endpoint: Endpoint, values: Sequence[str]) -> bool:
    text = _MARK
    for number in range(1, len(values) + 1):
        text = text.replace("%s", f"${number}", 1)
    # Only in a schema of ours: whose tables in a schema that others may write to are, one statement cannot find out.
    try:
        return libpq.change_one(endpoint, [text.replace("{p}", qualified(endpoint.schema))], values, IDLE_DATABASE)
    except libpq.LibpqUnavailable:
        return False


def _on_mysql(place: str, endpoint: Endpoint, values: Sequence[str]) -> bool:
    with connect.without_cryptography():
        link = connect.DatabaseConnection(place, endpoint, IDLE_DATABASE)
    try:
        with errors.translated_errors(place), link.raw.cursor() as cursor:
            cursor.execute(_MARK.format(p=PREFIX), values)
            return bool(cursor.rowcount == 1)
    finally:
        link.close()
