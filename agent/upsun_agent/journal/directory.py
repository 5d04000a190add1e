"""Find and create the state directory, open its journal, and set aside journals of other environments.

Mounts of kind ``storage`` are cloned into child environments and rewound by a restore, so a journal may be somebody
else's or from another time. Such a journal is set aside under another name and never acted on:
https://developer.upsun.com/docs/learn/overview/build-deploy
https://developer.upsun.com/docs/environments/restore

A journal that is lost although ticks left their traces beside it is
damage too, and no fresh start.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta

from upsun_agent.errors import NotFound, StateNotWritable
from upsun_agent.journal import Identity, JournalReader, Notes, empty
from upsun_agent.journal.connect import OF_SQLITE, connect, looked_at, open_directory
from upsun_agent.journal.damage import JournalDamaged
from upsun_agent.journal.replacement import LOSSES, notes_of
from upsun_agent.journal.server import opening
from upsun_agent.journal.sidecar import ASIDE, Beside, is_there, kept_beside, traces
from upsun_agent.journal.sqlite import SqliteJournal
from upsun_agent.journal.state import DatabaseState, State
from upsun_agent.journal.tables import tables_missing
from upsun_agent.limits import ASIDE_AGE, ASIDE_KEPT
from upsun_agent.platform.paths import JOURNAL, KEPT, LAST_TICK, LOCK, SIDECAR, close_read


def prepare(directory: str) -> None:
    """Create the directory if it is missing, for this user only, and check the files in it.

    Raises:
        StateNotWritable: it cannot be created or written, belongs to another user, or what bears the name of one of the
            state's files is a link, a FIFO, a device, a directory, or another user's.
    """
    remedy = "declare a mount there in .upsun/config.yaml, or point 'state' in the job file at one"
    _check_kind(directory)
    try:
        _make(directory)
    except OSError as error:
        raise StateNotWritable(f"{directory} cannot be created: {error.strerror}", remedy=remedy) from error
    if not os.access(directory, os.W_OK | os.X_OK):
        raise StateNotWritable(f"{directory} is not writable", remedy=remedy)
    with open_directory(directory) as folder:
        try:
            owner = os.fstat(folder).st_uid
        except OSError as error:
            raise StateNotWritable(f"{directory} cannot be examined: {error.strerror}", remedy=remedy) from error
        if not is_own(directory, owner):
            remedy = "run the agent as that user, or point 'state' in the job file at a directory of this user's"
            raise StateNotWritable(f"{directory} belongs to another user (uid {owner})", remedy=remedy)
        refuse_strange_files(directory, folder)


def _check_kind(directory: str) -> None:
    """Raise StateNotWritable if the state directory's path exists but is not a directory."""
    if os.path.lexists(directory) and not os.path.isdir(directory):
        remedy = "move it away, or point 'state' in the job file at a directory on a mount"
        raise StateNotWritable(f"{directory} is not a directory", remedy=remedy)


def _make(directory: str) -> None:
    """Create the directory and its missing parents with mode 0700, whatever the umask is."""
    if os.path.isdir(directory):
        return
    above = os.path.dirname(os.path.abspath(directory))
    if not os.path.lexists(above):
        _make(above)
    try:
        os.mkdir(directory, 0o700)
    except FileExistsError:
        if os.path.isdir(directory):  # another process was faster
            return
        raise
    with contextlib.suppress(OSError):
        os.chmod(directory, 0o700)  # what a parent's default rights or set-group bit would add


def is_own(directory: str, owner: int) -> bool:
    """Return whether a directory of that owner may hold the state: this user, root, or an owner shown for all files.

    A network file system may show whatever this user makes there as another user's.
    """
    if owner in {0, os.geteuid()}:
        return True
    try:
        file = nameless(directory)
    except OSError:
        return False
    try:
        return os.fstat(file).st_uid == owner
    finally:
        close_read(file)


def nameless(directory: str) -> int:
    """Return the descriptor of a new unnamed file in the directory, so that a killed process leaves no file."""
    flags = os.O_WRONLY | os.O_CLOEXEC
    with contextlib.suppress(OSError):  # network file systems have no such files
        return os.open(directory, flags | os.O_TMPFILE, 0o600)
    path = f"{directory}/.check-{os.getpid()}"
    file = os.open(path, flags | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    os.unlink(path)
    return file


def refuse_strange_files(directory: str, folder: int) -> None:
    """Raise StateNotWritable if a file of the state is not a regular file of this user; check each name once."""
    for name in (LOCK, LAST_TICK, SIDECAR, KEPT, *OF_SQLITE):
        looked_at(directory, folder, name)


def open_journal(directory: str, identity: Identity, now: datetime) -> tuple[SqliteJournal, str, str]:
    """Return the directory's journal and, if an older one was set aside, the kind (damaged, foreign) and why.

    A journal of another project, environment or app, and a damaged one, are renamed and a new one is begun. So is one
    where an older one is lost: its file is missing or empty, but not the traces that work on it left.

    Args:
        directory: the state directory.
        identity: project, environment and app.
        now: the present, in UTC.
    """
    path, left = f"{directory}/{JOURNAL}", traces(directory)
    if left and not is_there(path):
        return _anew(directory, identity, now, "damaged", f"{path} is missing, but there is {', '.join(left)}")
    try:
        journal = SqliteJournal(directory, identity, begins=not left)
        found = journal.identity
    except JournalDamaged as error:
        confirm_damage(directory, error)
        return _anew(directory, identity, now, "damaged", str(error))
    if found == identity:
        return journal, "", ""
    journal.close()
    whose = "/".join(part or "?" for part in found)
    return _anew(directory, identity, now, "foreign", f"the journal belonged to {whose}")


def set_aside(
    directory: str, identity: Identity, now: datetime, word: str, why: str, notes: Notes | None
) -> tuple[SqliteJournal, str]:
    """Rename a journal (``word``: rewound, damaged) and begin a new one; the second value says where the old one is.

    ``notes`` are those about paused and suspended jobs; None: what is kept beside the journal says so.

    Args:
        directory: the state directory.
        identity: project, environment and app.
        now: the present, in UTC.
        word: why, in one word for the name of the file, such as ``damaged``.
        why: why, in words for people.
        notes: those of paused and suspended jobs; None: what is kept beside the journal says so.
    """
    kept = None if notes is None else Beside({key: text for key, text in notes.items() if text is not None})
    journal, _, reason = _anew(directory, identity, now, word, why, kept)
    return journal, reason


def _anew(
    directory: str, identity: Identity, now: datetime, word: str, why: str, kept: Beside | None = None
) -> tuple[SqliteJournal, str, str]:
    """Set the journal aside and begin a new one with notes on why, and on what was kept if this is a loss."""
    path = f"{directory}/{JOURNAL}"
    aside = _free(f"{path}.{word}-{now:%Y%m%dT%H%M%SZ}")
    if kept is None:
        kept = kept_beside(directory, identity) if word in LOSSES else Beside()
    if kept.is_unreadable:
        why = f"{why}; {SIDECAR} cannot be read: jobs that were paused are not paused any more"
    try:
        # The rollback file of a crash belongs to the old journal: next to a new one it would destroy it.
        rollback = f"{path}-journal"
        if is_there(rollback):
            if os.path.getsize(rollback):
                os.rename(rollback, f"{aside}-journal")
            else:
                os.unlink(rollback)
        if is_there(path):
            os.rename(path, aside)
            why = f"{why}; kept as {os.path.basename(aside)}"
        if word not in LOSSES:  # whose ticks were counted, or when: not ours, not now
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{directory}/{LAST_TICK}")
    except OSError as error:
        raise StateNotWritable(f"{path} cannot be set aside: {error.strerror}") from error
    prune_aside(directory, now)
    return SqliteJournal(directory, identity, notes=notes_of(now, word, why, kept)), word, why


def _free(path: str) -> str:
    """Return the path, with a number added if it exists already."""
    names = (f"{path}-{number}" if number else path for number in itertools.count())
    return next(name for name in names if not os.path.lexists(name))


def set_aside_there(directory: str) -> dict[str, list[str]]:
    """Return the names of the journals that were set aside, by kind, the newest first."""
    found: dict[str, list[str]] = {}
    with contextlib.suppress(OSError):
        for name in sorted(os.listdir(directory), key=_stamp_of, reverse=True):
            match = ASIDE.match(name)
            if match:
                found.setdefault(match[1], []).append(name)
    return found


def _stamp_of(name: str) -> str:
    match = ASIDE.match(name)
    return match[2] if match else ""


def prune_aside(directory: str, now: datetime) -> list[str]:
    """Delete old journals that were set aside; keep the newest few of each kind and all recent ones.

    Returns:
        the names of those that were deleted.
    """
    before, gone = f"{now - timedelta(seconds=ASIDE_AGE):%Y%m%dT%H%M%SZ}", []
    for names in set_aside_there(directory).values():
        for name in names[ASIDE_KEPT:]:
            if _stamp_of(name) >= before:
                continue
            for path in (f"{directory}/{name}", f"{directory}/{name}-journal"):
                with contextlib.suppress(OSError):  # it takes space, no more
                    os.unlink(path)
            gone.append(name)
    return gone


def lost(directory: str) -> str | None:
    """Return why the journal counts as lost, in words; None if there is a journal, or there never was one.

    Only looked at. Whether a file that is there and not empty is sound is for others to say.
    """
    path, left = f"{directory}/{JOURNAL}", []
    try:
        left = traces(directory)
        if not left or os.path.getsize(path):
            return None
    except FileNotFoundError:
        return f"{path} is missing, but there is {', '.join(left)}"
    except (OSError, StateNotWritable):
        return None  # nobody can say: the tick says so
    return f"{path} is empty"


def _looked_at(directory: str) -> bool:
    """Refuse links, FIFOs and other users' files, then return the result of ``nothing_yet``."""
    _check_kind(directory)
    if os.path.isdir(directory):
        with open_directory(directory) as folder:
            refuse_strange_files(directory, folder)
    return nothing_yet(directory)


def nothing_yet(directory: str) -> bool:
    """Return whether no journal was ever begun in the directory; raise JournalDamaged if one is lost."""
    path, why = f"{directory}/{JOURNAL}", lost(directory)
    if why is not None:
        raise JournalDamaged(why, remedy="the next tick creates a new one; look at the environment's activities")
    try:
        return not os.path.getsize(path)
    except OSError:
        return not os.path.lexists(path)


def confirm_damage(directory: str, error: JournalDamaged) -> None:
    """Check for damage a second time: a single failed read looks like damage, and a good journal must be kept.

    Raises:
        StateNotWritable: the journal is sound after all.
    """
    path = f"{directory}/{JOURNAL}"
    if not error.certain and not is_damaged(directory):
        remedy = "the next tick tries again; if it stays, look at the mount"
        raise StateNotWritable(f"{path} could not be read, although it is intact ({error})", remedy=remedy) from error


def is_damaged(directory: str) -> bool:
    """Return whether the directory's journal is certainly damaged: read it again, page by page.

    Raises:
        StateNotWritable: nobody can say; it takes too long, or what bears its name is not a file of ours.
    """
    try:
        db, watch = connect(directory)
        with closing(db), watch.bounded():
            verdict = db.execute("PRAGMA integrity_check(1)").fetchone()
            if tables_missing(db):
                return True
            whose = db.execute("SELECT count(*) FROM idle_hint").fetchone()
    except JournalDamaged:
        return True
    return bool(verdict != ("ok",) or whose != (1,))


def open_to_read(directory: str, identity: Identity) -> SqliteJournal:
    """Open the directory's journal read-only.

    A process that was killed while it wrote leaves a transaction that only a connection with the right to write can
    roll back. Then the journal is first opened as a tick opens it, which lets SQLite do so.
    """
    try:
        return SqliteJournal(directory, identity, begins=False, reads_only=True)
    except StateNotWritable as error:
        code = getattr(error.__cause__, "sqlite_errorcode", None)
        if code != sqlite3.SQLITE_READONLY_ROLLBACK:
            raise
    SqliteJournal(directory, identity, begins=False).close()
    return SqliteJournal(directory, identity, begins=False, reads_only=True)


@contextmanager
def reading_if_any(state: State, identity: Identity) -> Iterator[JournalReader]:
    """Open the journal read-only, as ``reading`` does; yield an empty one if nothing has run yet."""
    if isinstance(state, DatabaseState):
        with opening.looking(state, identity) as found:
            if found is not None:
                yield found
                return
    elif not _looked_at(state.directory):
        with reading(state, identity) as journal:
            yield journal
        return
    yield empty.EmptyJournal()


@contextmanager
def reading(state: State, identity: Identity) -> Iterator[JournalReader]:
    """Open the journal of a directory or a database read-only: nothing is written, set aside or locked.

    Raises:
        NotFound: there is no journal yet, or it is another environment's.
        JournalDamaged: there was one, and it is lost.
    """
    nothing = NotFound(f"there is no journal in {state}: nothing has run yet", remedy="run: upsun-agent tick")
    if isinstance(state, DatabaseState):
        with opening.looking(state, identity) as found:
            if found is None:
                raise nothing
            yield found
        return
    if _looked_at(state.directory):
        raise nothing
    journal = open_to_read(state.directory, identity)
    try:
        if journal.identity != identity:
            whose = "/".join(part or "?" for part in journal.identity)
            raise NotFound(f"the journal in {state} belongs to {whose}; the next tick sets it aside")
        yield journal
    finally:
        journal.close()
