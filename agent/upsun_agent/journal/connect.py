"""Open a journal's file with SQLite: check the file before and after, and limit how long statements run.

SQLite opens by path, waits for the other end of a FIFO for ever, and runs what a schema holds. So the file, and those
that SQLite puts beside it, must be regular files of this user's, in a directory that is held open meanwhile; the schema
must hold our tables and nothing else; and no statement takes longer than its time.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from urllib.parse import quote

from upsun_agent.errors import StateNotWritable
from upsun_agent.journal.damage import senseless, translated_errors
from upsun_agent.journal.tables import foreign_objects
from upsun_agent.limits import STATEMENT_BUDGET, STATEMENT_TEXT_MOST
from upsun_agent.platform.paths import BESIDE, JOURNAL, NotOurs, close_read, not_ours, open_ours

#: The journal's file and those beside it.
OF_SQLITE = (JOURNAL, *(f"{JOURNAL}{end}" for end in BESIDE))
#: SQLite instructions between two checks of the time: some milliseconds.
STEPS = 10_000
#: The end of a rollback file that names another transaction's file, which SQLite would open too.
SUPER_JOURNAL = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"

_broken_off: list[BaseException] = []


def broken_off(by: BaseException) -> BaseException:
    """Return the exception that a signal's handler is about to raise, and remember it if it interrupts a statement.

    SQLite's module drops what is raised while a statement runs, and says ``interrupted`` only.
    """
    _broken_off[:] = [by]
    return by


class Watch:
    """Limit how long the statements of a connection run, and let signals interrupt them."""

    def __init__(self, db: sqlite3.Connection, path: str) -> None:
        self._path = path
        self._until = monotonic() + STATEMENT_BUDGET
        db.set_progress_handler(self._is_over, STEPS)

    def _is_over(self) -> bool:
        return monotonic() > self._until

    @contextmanager
    def bounded(self) -> Iterator[None]:
        """Limit the time of the block's statements, and translate SQLite's errors.

        Raises:
            StateNotWritable: it took longer than ``STATEMENT_BUDGET``, or the file cannot be used.
            JournalDamaged: the file is no journal of ours.
        """
        self._until = monotonic() + STATEMENT_BUDGET
        _broken_off.clear()
        with translated_errors(self._path):
            try:
                yield
            except sqlite3.OperationalError as error:
                if str(error) != "interrupted":
                    raise
                raise self._reason() from None

    def _reason(self) -> BaseException:
        if _broken_off:
            return _broken_off.pop()
        if not self._is_over():
            return KeyboardInterrupt()  # Python's own handler of SIGINT, the only one that is not ours
        remedy = "look at the mount; if it stays, move the file away: the agent creates a new one"
        return StateNotWritable(f"{self._path} did not answer within {STATEMENT_BUDGET:g} s", remedy=remedy)


def refuse_strange(directory: str, folder: int) -> os.stat_result | None:
    """Refuse a journal, or a file beside it, that is not a regular file of this user's.

    Args:
        directory: the state directory, for messages.
        folder: its descriptor.

    Returns:
        what is known of the journal's file; None where there is none.

    Raises:
        StateNotWritable: a file is a link, a FIFO, a socket, a device, a directory, or belongs to another user.
        JournalDamaged: the rollback file names a file elsewhere.
    """
    journal = None
    for name in OF_SQLITE:
        found = looked_at(directory, folder, name)
        if name == JOURNAL:
            journal = found
        elif name.endswith("-journal") and found is not None and found.st_size:
            _refuse_elsewhere(directory, folder, name)
    return journal


def looked_at(directory: str, folder: int, name: str) -> os.stat_result | None:
    """Return the ``stat`` result of a file of the state; None if it does not exist.

    Args:
        directory: the state directory, for messages.
        folder: its descriptor.
        name: the file in it.

    Raises:
        StateNotWritable: it is not a regular file of this user's, or cannot be looked at.
    """
    try:
        found = os.lstat(name, dir_fd=folder)
        why = not_ours(name, found, folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateNotWritable(f"{directory}/{name} cannot be examined: {error.strerror}") from error
    if why is not None:
        raise strange(f"{directory}/{name}", why)
    return found


def strange(path: str, why: str) -> StateNotWritable:
    """Return the error for a file of the state that must not be used."""
    return StateNotWritable(f"{path} cannot be used: {why}", remedy=f"find out who made it, then move {path} away")


def _refuse_elsewhere(directory: str, folder: int, name: str) -> None:
    try:
        file = open_ours(name, os.O_RDONLY, directory=folder)
        try:
            size = os.fstat(file).st_size
            end = os.pread(file, len(SUPER_JOURNAL), max(size - len(SUPER_JOURNAL), 0))
        finally:
            os.close(file)
    except OSError as error:
        raise StateNotWritable(f"{directory}/{name} cannot be read: {error.strerror}") from error
    if end == SUPER_JOURNAL:
        raise senseless(f"{directory}/{name} names a file elsewhere")


@contextmanager
def open_directory(directory: str) -> Iterator[int]:
    """Yield the descriptor of a directory, open for the block; raise StateNotWritable if it cannot be opened."""
    try:
        folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise StateNotWritable(f"{directory} cannot be opened: {error.strerror}") from error
    try:
        yield folder
    finally:
        close_read(folder)


def connect(directory: str, *, makes: bool = False, reads_only: bool = False) -> tuple[sqlite3.Connection, Watch]:
    """Connect to the directory's journal, which holds either our tables or nothing yet.

    Args:
        directory: the state directory.
        makes: whether an empty file is made where there is none, 0600 from the first moment.
        reads_only: whether nothing at all may be changed, its mode neither.

    Raises:
        StateNotWritable: the file, or one beside it, is not a regular file of this user's, or cannot be used.
        JournalDamaged: it is no journal of ours.
    """
    path = f"{directory}/{JOURNAL}"
    with open_directory(directory) as folder:
        before = refuse_strange(directory, folder)
        try:
            if (before is None and makes) or (before is not None and not reads_only and before.st_mode & 0o077):
                os.close(open_ours(JOURNAL, os.O_RDONLY | (os.O_CREAT if makes else 0), directory=folder))
                before = os.lstat(JOURNAL, dir_fd=folder)
        except NotOurs as error:
            raise strange(path, str(error.strerror)) from error
        except PermissionError as error:
            if before is None:
                raise StateNotWritable(f"{path} cannot be created: {error.strerror}") from error
        except OSError as error:
            raise StateNotWritable(f"{path} cannot be opened: {error.strerror}") from error
        mode = "ro" if reads_only else "rw"
        with translated_errors(path):
            place = f"file:{quote(os.fsencode(os.path.abspath(path)))}?mode={mode}"
            db = sqlite3.connect(place, uri=True, timeout=5.0, isolation_level=None)
        try:
            if before is not None:
                _refuse_exchanged(directory, folder, before)
            watch = Watch(db, path)
            with watch.bounded():
                db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, STATEMENT_TEXT_MOST)
                db.execute("PRAGMA trusted_schema = OFF")
                _refuse_foreign(db, path)
        except BaseException:
            db.close()
            raise
    return db, watch


def _refuse_exchanged(directory: str, folder: int, before: os.stat_result) -> None:
    """Raise an error if the file or its directory was replaced while SQLite opened it."""
    try:
        now, here, there = os.lstat(JOURNAL, dir_fd=folder), os.fstat(folder), os.stat(directory)
    except OSError as error:
        raise StateNotWritable(f"{directory}/{JOURNAL} cannot be examined: {error.strerror}") from error
    if not os.path.samestat(now, before) or not os.path.samestat(here, there):
        raise StateNotWritable(f"{directory}/{JOURNAL} was replaced while it was being opened", remedy="try again")


def _refuse_foreign(db: sqlite3.Connection, path: str) -> None:
    foreign = foreign_objects(db)
    if foreign:
        raise senseless(f"{path} holds objects that the agent did not create: {', '.join(foreign)}")
