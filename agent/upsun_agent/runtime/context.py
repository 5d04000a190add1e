"""Where a tick works and what it may use: composed once, passed in everywhere."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct, field

from upsun_agent.api.client import Client
from upsun_agent.clock import Clock
from upsun_agent.config import JobFile
from upsun_agent.engine.fold import Run
from upsun_agent.errors import ConfigInvalid
from upsun_agent.journal import Journal
from upsun_agent.journal.connect import broken_off
from upsun_agent.journal.damage import JournalDamaged
from upsun_agent.journal.directory import confirm_damage, open_journal, prepare, set_aside
from upsun_agent.journal.lock import FileLock, Lease
from upsun_agent.journal.move_marks import refuse_moved
from upsun_agent.journal.replacement import LOSSES, begun_anew
from upsun_agent.journal.seals import Seals
from upsun_agent.journal.sqlite import SqliteJournal
from upsun_agent.limits import MOVE_BUDGET
from upsun_agent.model.events import Event
from upsun_agent.model.job import Job
from upsun_agent.platform.container import Container
from upsun_agent.platform.paths import on_server
from upsun_agent.runtime.commands import Commands
from upsun_agent.runtime.suspension import held_back
from upsun_agent.schedule import Schedule

if TYPE_CHECKING:
    from upsun_agent.database.location import ServerPlace
    from upsun_agent.notify.notifier import Notifier


class Terminated(BaseException):
    """SIGTERM arrived: let go of everything and end. The journal is consistent at every moment."""


class Site(Struct, frozen=True):
    """Everything a tick works with: where it is, what it may use, whom it tells.

    ``directory`` is where the state is: a directory, or (a ``ServerPlace``) a database.
    ``on_event`` hears of every event as it is recorded, with the run's id, for progress on a terminal. ``herald``
    tells people of events that the job file names; None where it names none. ``commands`` says how commands of jobs
    are run, ``seals`` how open runs are known to be the agent's own. ``publish`` writes the page and the metrics at a
    tick's end where the job file names a directory for them; None where nothing is to be published.
    """

    #: Where the agent runs.
    container: Container
    #: The job file.
    job_file: JobFile
    #: Where the state is: a directory or a database.
    directory: str
    #: The clock.
    clock: Clock
    #: The client of the API.
    client: Client
    #: The log.
    log: Any
    #: Is called with the run's id and each event as it is recorded; None if nobody listens.
    on_event: Callable[[str, Event], None] | None = None
    #: Notifies people of events; None if the job file names nobody.
    notifier: Notifier | None = None
    #: How commands of jobs are run.
    commands: Commands = field(default_factory=Commands)
    #: How open runs are known to be the agent's own.
    seals: Seals = field(default_factory=Seals)
    #: Writes the page and the metrics at the end of a tick; None if nothing is published.
    publish: Callable[[Site, Journal, Mapping[str, Run]], None] | None = None

    @property
    def project(self) -> str:
        """The project's id; raises ConfigInvalid where none is known."""
        if self.container.project is None:
            raise ConfigInvalid("no project is known", remedy="set PLATFORM_PROJECT or give --project")
        return self.container.project

    @property
    def environment(self) -> str:
        """The environment's id; raises ConfigInvalid where none is known."""
        if self.container.environment is None:
            raise ConfigInvalid("no environment is known", remedy="set PLATFORM_BRANCH or give --environment")
        return self.container.environment

    def runs_here(self, job: Job) -> bool:
        """Whether the job runs on this type of environment, as far as the container knows its type."""
        kind = self.container.environment_type
        return kind is None or kind in job.environment_types

    def schedule(self, job: Job) -> Schedule | None:
        """The job's schedule with an ``H`` of its own; None for a job that runs by hand only."""
        if job.schedule is None:
            return None
        salt = f"{self.container.project}|{self.container.environment}|{job.name}"
        return Schedule(job.schedule, job.timezone, salt)


class JournalSession(Protocol):
    """The journal in use, its lease held; it may be exchanged for a new one when it turns out not to be ours.

    ``fresh`` where it replaces another just now, which may have known more; ``since``: when it did so, however long ago
    that is: no slot up to then is due. ``waited``: seconds that it took to get.
    """

    fresh: bool
    waited: float

    @property
    def since(self) -> datetime | None:
        """When this journal took the place of another; None where it is the first."""

    @property
    def journal(self) -> Journal:
        """The journal in use."""

    def begin_anew(self, word: str, why: str) -> None:
        """Set the journal aside and begin a new one, in which no past slot is due; paused jobs stay paused."""


class MountSession:
    """The journal of a state directory, in use."""

    waited = 0.0

    def __init__(self, site: Site, *, moving: bool = False) -> None:
        self._site = site
        self.journal, word, why = open_journal(site.directory, site.container.identity, site.clock.now())
        self.fresh = bool(word)
        if word:
            self._say(word, why)
        try:
            self._lease = self._leased(self.journal)
            if not moving:
                self._refuse_moved()
            self.journal.keep_beside(durable=True)
        except JournalDamaged as error:
            confirm_damage(site.directory, error)
            self.begin_anew("damaged", str(error))

    def _say(self, word: str, why: str) -> None:
        log = self._site.log
        (log.error if word in LOSSES else log.warning)("journal-set-aside", reason=why)

    @property
    def since(self) -> datetime | None:
        """When this journal took the place of another; None where it is the first."""
        anew = begun_anew(self.journal)
        return anew.at if anew is not None else None

    def _refuse_moved(self) -> None:
        try:
            refuse_moved(self.journal, self._site.directory)
        except BaseException:
            self.close()
            raise

    def _leased(self, journal: SqliteJournal) -> Lease:
        lease = Lease(journal)
        try:
            lease.acquire(self._site.clock.now())
        except BaseException:
            journal.close()
            raise
        return lease

    def begin_anew(self, word: str, why: str) -> None:
        """Set the journal aside and begin a new one, in which no past slot is due; paused jobs stay paused."""
        held = held_back(self.journal) if word == "rewound" else None
        self.journal.close()
        site = self._site
        self.journal, kept = set_aside(site.directory, site.container.identity, site.clock.now(), word, why, held)
        self.fresh = True
        self._say(word, kept)
        self._lease = self._leased(self.journal)

    def close(self) -> None:
        """Give back the lease and let go of the journal."""
        try:
            self._lease.release()
        finally:
            self.journal.close()


class ServerSession:
    """The journal of a database, in use."""

    def __init__(self, site: Site, place: ServerPlace, *, moving: bool = False) -> None:
        from upsun_agent.journal.server.opening import hold  # noqa: PLC0415  late: most states are on a mount

        self._site = site
        began = monotonic()
        budget, now = MOVE_BUDGET if moving else None, site.clock.now()
        self._held = hold(place, site.container.identity, seconds=budget, now=now)
        self.waited = monotonic() - began
        self.fresh = self._held.is_copy
        if self._held.lost:
            self.fresh = True
            site.log.error("journal-set-aside", reason=self._held.lost)
        try:
            if not moving:
                refuse_moved(self.journal, place)
        except BaseException:
            self.close()
            raise

    @property
    def journal(self) -> Journal:
        """The journal in use."""
        return self._held.journal

    @property
    def since(self) -> datetime | None:
        """When this journal took the place of another; None where it is the first."""
        anew = begun_anew(self.journal)
        return anew.at if anew is not None else None

    def begin_anew(self, word: str, why: str) -> None:
        """Set the journal aside and begin a new one, in which no past slot is due; paused jobs stay paused."""
        held = held_back(self.journal) if word == "rewound" else {}
        kept = self._held.begin_anew(f"{word}: {why}", held)
        self.fresh = True
        self._site.log.warning("journal-set-aside", reason=kept)

    def close(self) -> None:
        """Give back the lease and let go of the connection."""
        self._held.release()

    def abandon(self) -> None:
        """Let go at once; the server sees the connection end."""
        self._held.abandon()


@contextmanager
def at_work(site: Site, *, moving: bool = False) -> Iterator[JournalSession]:
    """The state locked and its journal open, for as long as the block lasts. ``moving``: though it bears a mark.

    Raises:
        Busy: another process is at work there, or the database is not to be had now.
        StateNotWritable: the state cannot be used.
        StateMoved, MoveUnfinished: nothing may act on it.
    """
    working = _in_database if on_server(site.directory) else _on_mount
    with working(site, moving=moving) as session:
        yield session


@contextmanager
def _on_mount(site: Site, *, moving: bool) -> Iterator[JournalSession]:
    prepare(site.directory)
    lock = FileLock(site.directory)
    lock.acquire()
    try:
        session = MountSession(site, moving=moving)
        lock.mark()
        try:
            yield session
        except JournalDamaged as error:
            confirm_damage(site.directory, error)
            session.begin_anew("damaged", str(error))  # the next tick can work again; this one says why it could not
            raise
        finally:
            session.close()
    finally:
        lock.release()


@contextmanager
def _in_database(site: Site, *, moving: bool) -> Iterator[JournalSession]:
    from upsun_agent.database.location import placed  # noqa: PLC0415  late: most states are on a mount

    session = ServerSession(site, placed(site.directory), moving=moving)
    try:
        yield session
    except Exception:
        session.close()
        raise
    except BaseException:  # the process is to end now: a slow server is not waited for
        session.abandon()
        raise
    session.close()


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Turn SIGTERM into an exception, so that locks are let go of on the way out."""

    def end(*_: object) -> None:
        raise broken_off(Terminated())

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
