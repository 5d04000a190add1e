"""The state directory: found, made, and kept free of journals that are not this environment's.

Mounts of kind ``storage`` are cloned into child environments and rewound by a restore (docs:learn/overview/
build-deploy, docs:environments/restore), so a journal may be somebody else's or from another time. Such a journal is
set aside under another name and never acted on.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from agent.errors import NotFound, StateNotWritable
from agent.journal import Identity, Journal
from agent.journal.damage import JournalDamaged
from agent.journal.sqlite import SqliteJournal
from agent.places import JOURNAL, on_server


def prepare(directory: str) -> None:
    """Make the directory if it is not there; raises StateNotWritable where that fails."""
    remedy = "declare a mount there in .upsun/config.yaml, or point 'state' in the job file at one"
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
    except OSError as error:
        raise StateNotWritable(f"{directory} cannot be made: {error.strerror}", remedy=remedy) from error
    if not os.access(directory, os.W_OK | os.X_OK):
        raise StateNotWritable(f"{directory} is not writable", remedy=remedy)


def open_journal(directory: str, identity: Identity, now: datetime) -> tuple[SqliteJournal, str | None]:
    """The directory's journal, and why an older one was set aside, if it was.

    A journal of another project, environment or app, and a damaged one, are renamed and a new one is begun.
    """
    try:
        journal = SqliteJournal(directory, identity)
        found = journal.identity
    except JournalDamaged as error:
        confirm_damage(directory, error)
        return _afresh(directory, identity, now, "damaged", str(error))
    if found == identity:
        return journal, None
    journal.close()
    whose = "/".join(part or "?" for part in found)
    return _afresh(directory, identity, now, "foreign", f"the journal belonged to {whose}")


def set_aside(directory: str, identity: Identity, now: datetime, word: str, why: str) -> tuple[SqliteJournal, str]:
    """Rename a journal (``word``: rewound, damaged) and begin a new one; the second value says where the old one is."""
    return _afresh(directory, identity, now, word, why)


def _afresh(directory: str, identity: Identity, now: datetime, word: str, why: str) -> tuple[SqliteJournal, str]:
    path = f"{directory}/{JOURNAL}"
    aside = f"{path}.{word}-{now:%Y%m%dT%H%M%SZ}"
    try:
        # The rollback file of a crash belongs to the old journal: next to a new one it would destroy it.
        rollback = f"{path}-journal"
        if os.path.exists(rollback):
            if os.path.getsize(rollback):
                os.rename(rollback, f"{aside}-journal")
            else:
                os.unlink(rollback)
        if os.path.exists(path):
            os.rename(path, aside)
    except OSError as error:
        raise StateNotWritable(f"{path} cannot be set aside: {error.strerror}") from error
    return SqliteJournal(directory, identity), f"{why}; kept as {os.path.basename(aside)}"


def confirm_damage(directory: str, error: JournalDamaged) -> None:
    """Make sure of damage: one read that fails can look like it, and a sound journal must not be given up.

    Raises:
        StateNotWritable: the journal is sound after all.
    """
    path = f"{directory}/{JOURNAL}"
    if not error.certain and not is_damaged(path):
        remedy = "the next tick tries again; if it stays, look at the mount"
        raise StateNotWritable(f"{path} could not be read, though it is sound ({error})", remedy=remedy) from error


def is_damaged(path: str) -> bool:
    """Whether the journal's file is surely no journal of ours: looked at afresh, page by page."""
    try:
        db = sqlite3.connect(path, timeout=5.0)
        try:
            verdict = db.execute("PRAGMA integrity_check(1)").fetchone()
            whose = db.execute("SELECT count(*) FROM glance").fetchone()
        finally:
            db.close()
    except sqlite3.OperationalError as error:
        return "malformed" in str(error) or "no such" in str(error)
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        return True
    return bool(verdict != ("ok",) or whose != (1,))


@contextmanager
def reading_if_any(directory: str, identity: Identity) -> Iterator[Journal]:
    """The journal for looking only, or an empty one where nothing has run yet."""
    if on_server(directory):
        from agent.journal.server.opening import looking  # noqa: PLC0415  late: most states are on a mount

        with looking(directory, identity) as found:
            if found is not None:
                yield found
                return
    elif os.path.exists(f"{directory}/{JOURNAL}"):
        with reading(directory, identity) as journal:
            yield journal
        return
    from tempfile import TemporaryDirectory  # noqa: PLC0415  late: no tick needs it

    with TemporaryDirectory(prefix="upsun-agent-") as empty:
        nothing = SqliteJournal(empty, identity)
        try:
            yield nothing
        finally:
            nothing.close()


@contextmanager
def reading(directory: str, identity: Identity) -> Iterator[Journal]:
    """The journal for looking only, of a directory or of a database: nothing is created, set aside or locked.

    Raises:
        NotFound: there is no journal yet, or it is another environment's.
    """
    nothing = NotFound(f"there is no journal in {directory}: nothing has run yet", remedy="run: upsun-agent tick")
    if on_server(directory):
        from agent.journal.server.opening import looking  # noqa: PLC0415  late: most states are on a mount

        with looking(directory, identity) as found:
            if found is None:
                raise nothing
            yield found
        return
    path = f"{directory}/{JOURNAL}"
    if not os.path.exists(path):
        raise nothing
    journal = SqliteJournal(directory, identity)
    try:
        if journal.identity != identity:
            whose = "/".join(part or "?" for part in journal.identity)
            raise NotFound(f"the journal in {directory} belongs to {whose}; the next tick sets it aside")
        yield journal
    finally:
        journal.close()
