"""The shortest way through a tick: nothing is due, so one row says so and nothing else is imported.

The row holds what it was worked out for (version, environment type, the whole job file) and when something is due
next. Anything unexpected, and the answer is: look closer.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Mapping

from upsun_agent import __version__
from upsun_agent.limits import CLOCK_BACK, JOB_FILE_MOST_BYTES, RECHECK
from upsun_agent.platform.paths import (
    BESIDE,
    JOURNAL,
    job_files,
    last_tick,
    mark_tick,
    on_server,
    state_directory,
    without_waiting,
)

#: Instructions of SQLite's for the one row: it takes about a hundred of them.
STEPS_MOST = 10_000


def basis(text: str, environment_type: str | None) -> str:
    """Return what an idle answer holds for: this version, this type of environment, this job file."""
    return f"{__version__} {environment_type or '-'}\n{text}"


def is_idle(environ: Mapping[str, str], now: float | None = None) -> bool:
    """Return whether a tick at ``now`` (epoch seconds; None: the present) certainly has nothing to do."""
    try:
        text = _job_file(environ)
        directory = state_directory(environ, state_setting(text), "")
        if on_server(directory):
            return _is_idle_on_server(directory, environ, text, now)
        row = read_hint(f"{directory}/{JOURNAL}")
    except (OSError, ValueError):
        return False
    if row is None:
        return False
    now = time.time() if now is None else now
    last = last_tick(directory)
    names = ("PLATFORM_PROJECT", "PLATFORM_BRANCH", "PLATFORM_APPLICATION_NAME")
    same = row[:3] == tuple(environ.get(name) or "" for name in names)
    if not same or row[3] != basis(text, environ.get("PLATFORM_ENVIRONMENT_TYPE")):
        return False
    if not isinstance(row[4], int) or not now < row[4] <= now + RECHECK + CLOCK_BACK:  # later: a clock was ahead
        return False
    if last is None or now < last - CLOCK_BACK:
        return False
    mark_tick(directory, now)
    return True


def read_hint(path: str) -> tuple[object, ...] | None:
    """Return what the journal in the file says of idle ticks; None where that cannot be told from looking."""
    # SQLite would wait for a FIFO for ever; a file beside the journal that is not empty is work for a whole tick.
    if not _is_plain(path) or not all(_is_plain(f"{path}{end}", empty=True) for end in BESIDE):
        return None
    import sqlite3  # noqa: PLC0415  late: a state in a database needs none

    plain = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    try:
        db = sqlite3.connect(f"file:{plain}?mode=ro", uri=True, timeout=2.0)
        try:
            db.set_progress_handler(lambda: 1, STEPS_MOST)  # a view or function without end is broken off
            db.execute("PRAGMA trusted_schema = OFF")
            row: tuple[object, ...] | None = db.execute(
                "SELECT project, environment, app, text, next_due FROM idle_hint"
            ).fetchone()
        finally:
            db.close()
    except sqlite3.Error:
        return None
    return row


def _is_plain(path: str, *, empty: bool = False) -> bool:
    """Return whether a regular file of this user's is there; with ``empty``: nothing at all, or one without content."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return empty
    return stat.S_ISREG(found.st_mode) and found.st_uid in {0, os.geteuid()} and not (empty and found.st_size)


def _is_idle_on_server(place: str, environ: Mapping[str, str], text: str, now: float | None) -> bool:
    from upsun_agent.lazy_imports import defer_imports  # noqa: PLC0415  late: most states are on a mount

    defer_imports()
    from upsun_agent.database.idle import is_idle as found  # noqa: PLC0415  same

    now = time.time() if now is None else now
    return found(place, environ, basis(text, environ.get("PLATFORM_ENVIRONMENT_TYPE")), now)


def _job_file(environ: Mapping[str, str]) -> str:
    """Return the text of the job file; an OSError or ValueError where there is none that reads."""
    places = [place for place in job_files(environ) if os.path.isfile(place)]
    with open(places[0] if places else os.devnull, "rb", opener=without_waiting) as file:
        data = file.read(JOB_FILE_MOST_BYTES + 1)
    return data.decode().removeprefix("\ufeff")


def state_setting(text: str) -> str | None:
    """Return the ``state`` of a job file without parsing TOML; raise ValueError if its line is not a simple one."""
    inside = False
    for line in text.split("\n"):
        stripped = line.strip()
        if stripped.startswith("["):
            if inside:
                return None
            inside = stripped == "[agent]"
        elif inside and stripped.startswith("state"):
            key, _, rest = stripped.partition("=")
            quote = rest.strip()[:1]
            value, end, tail = rest.strip()[1:].partition(quote or " ")
            plain = key.strip() == "state" and quote in {'"', "'"} and end and "\\" not in value
            if not plain or (tail.strip() and not tail.strip().startswith("#")):
                raise ValueError("state is not written the plain way")
            return value
    return None
