"""Where things are: job file, state directory, the files in it. Light: every tick comes through here."""

from __future__ import annotations

import os
from collections.abc import Mapping

JOURNAL = "journal.sqlite"
LOCK = "tick.lock"
LAST_TICK = "last-tick"
LOG_FILE = "agent.log"
LAST_MOMENT = 32_503_680_000  # the year 3000: anything later is garbage


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
    state directory with ``owner`` (project and environment) below it.
    """
    named = environ.get("UPSUN_AGENT_STATE") or setting
    if named:
        return named
    if environ.get("PLATFORM_APP_DIR"):
        return f"{environ['PLATFORM_APP_DIR']}/var/agent"
    base = environ.get("XDG_STATE_HOME") or f"{environ.get('HOME') or '/tmp'}/.local/state"  # noqa: S108  last resort
    return f"{base}/upsun-agent/{owner}"


def mark_tick(directory: str, now: float) -> None:
    """Remember when the last tick was: in a file's content, so that a restore rewinds it with the rest."""
    try:
        file = os.open(f"{directory}/{LAST_TICK}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(file, os.write(file, b"%-12d\n" % int(now)))
        finally:
            os.close(file)
    except OSError:
        return  # a hint only: a tick does not fail over it


def last_tick(directory: str) -> int | None:
    """When the last tick was, in seconds since 1970, or None where none is known."""
    try:
        with open(f"{directory}/{LAST_TICK}", "rb") as file:
            seconds = int(file.read(32))
    except (OSError, ValueError):
        return None
    return seconds if 0 <= seconds < LAST_MOMENT else None
