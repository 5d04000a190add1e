"""Where things are: job file, state directory, the files in it. Light: every tick comes through here."""

from __future__ import annotations

import os
from collections.abc import Mapping

JOURNAL = "journal.sqlite"
LOCK = "tick.lock"
LAST_TICK = "last-tick"
HOLDS = "holds.json"
KEPT = "job-file.json"
#: How the job file names a state that is kept in a database: see agent/database/place.py.
RELATIONSHIP = "relationship:"
URL_VARIABLE = "url-variable:"
LOG_FILE = "agent.log"
LAST_MOMENT = 32_503_680_000  # the year 3000: anything later is garbage
TICKS_COUNTED = 10**12  # more than that many ticks is garbage
TRACE_MOST = 64  # bytes of the trace of the last tick


def job_files(environ: Mapping[str, str], option: str | None = None) -> list[str]:
    """Where a job file is looked for, in order; an option or variable that names one ends the search."""
    named = option or environ.get("UPSUN_AGENT_CONFIG")
    if named:
        return [named]
    base = environ.get("PLATFORM_APP_DIR") or os.curdir
    return [f"{base}/.upsun/agent.toml", f"{base}/upsun-agent.toml"]


def state_directory(environ: Mapping[str, str], setting: str | None, owner: str) -> str:
    """Where the state is.

    ``UPSUN_AGENT_STATE``, else the job file's ``state``, else ``var/agent`` in the app's directory, else the user's
    state directory with ``owner`` (project and environment) below it. Either may name a database instead.
    """
    named = environ.get("UPSUN_AGENT_STATE") or setting
    if named:
        return named
    if environ.get("PLATFORM_APP_DIR"):
        return f"{environ['PLATFORM_APP_DIR']}/var/agent"
    base = environ.get("XDG_STATE_HOME") or f"{environ.get('HOME') or '/tmp'}/.local/state"  # noqa: S108  last resort  # nosec B108
    return f"{base}/upsun-agent/{owner}"


def on_server(place: str) -> bool:
    """Whether the state is kept in a database and not in a directory."""
    return place.startswith((RELATIONSHIP, URL_VARIABLE))


def is_state_file(path: str) -> bool:
    """Whether a file of that name is, or may become, one of the state's own: with what SQLite puts beside them."""
    name = os.path.basename(os.path.normpath(path))
    return name in {LOCK, LAST_TICK, KEPT} or name.startswith((JOURNAL, HOLDS))


def mark_tick(directory: str, now: float, count: int | None = None) -> None:
    """Remember when the last tick was, and count it: in a file's content, so that a restore rewinds it with the rest.

    ``count`` says how many there were, where that is known from elsewhere. Two ticks at once may count as one.
    """
    try:
        file = os.open(f"{directory}/{LAST_TICK}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            ticks = _trace(os.read(file, TRACE_MOST))[1] + 1 if count is None else count
            os.ftruncate(file, os.pwrite(file, b"%-12d\n%d\n" % (int(now), ticks), 0))
        finally:
            os.close(file)
    except OSError:
        return  # a hint only: a tick does not fail over it


def last_tick(directory: str) -> int | None:
    """When the last tick was, in seconds since 1970, or None where none is known."""
    return tick_trace(directory)[0]


def tick_trace(directory: str) -> tuple[int | None, int]:
    """When the last tick was (None where none is known), and how many there were in this directory."""
    try:
        with open(f"{directory}/{LAST_TICK}", "rb") as file:
            return _trace(file.read(TRACE_MOST))
    except OSError:
        return (None, 0)


def _trace(data: bytes) -> tuple[int | None, int]:
    """What the file says; the count is missing where a version wrote it that did not count."""
    try:
        seconds, *more = (int(word) for word in data.split())
    except ValueError:
        return (None, 0)
    count = more[0] if more and 0 <= more[0] < TICKS_COUNTED else 0
    return (seconds if 0 <= seconds < LAST_MOMENT else None, count)
