"""The context of a command or a tick: cli/context.py creates it once, and all functions receive it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from upsun_agent.api.client import Client
from upsun_agent.clock import Clock
from upsun_agent.config import JobFile
from upsun_agent.engine.run import Run
from upsun_agent.errors import ConfigInvalid
from upsun_agent.journal import Journal
from upsun_agent.journal.connect import broken_off
from upsun_agent.journal.seals import Seals
from upsun_agent.journal.state import State
from upsun_agent.model.events import Event
from upsun_agent.platform.container import Container
from upsun_agent.runtime.commands import Commands

if TYPE_CHECKING:
    from upsun_agent.notify.notifier import Notifier


class Terminated(BaseException):
    """SIGTERM arrived: release all locks and end. The journal is consistent at every moment."""


class ReadContext(Struct, frozen=True):
    """The context of a report, or of a command that only reads the journal."""

    #: Where the agent runs: project, environment, app.
    container: Container
    #: The jobs and settings.
    job_file: JobFile
    #: Where the state is kept.
    state: State
    #: The time.
    clock: Clock


class TickContext(ReadContext, frozen=True):
    """The context of a tick."""

    #: The platform's API.
    client: Client
    #: The log (log/lines.py), which redacts.
    log: Any
    #: Called with a run's id and each event as it is recorded, for progress on a terminal; None: nobody listens.
    on_event: Callable[[str, Event], None] | None = None
    #: Notifies people of the events that the job file names; None where it names none.
    notifier: Notifier | None = None
    #: Runs the commands of jobs.
    commands: Commands = field(default_factory=Commands)
    #: Tell open runs that the agent wrote itself from foreign ones.
    seals: Seals = field(default_factory=Seals)
    #: Writes the page and the metrics at a tick's end; None where nothing is published.
    publish: Callable[[TickContext, Journal, Mapping[str, Run]], None] | None = None
    #: Returns a message or a remedy in the words of the project's product (platform/product.py).
    reword: Callable[[str], str] = str

    @property
    def project(self) -> str:
        """Return the project's id; raise ConfigInvalid if it is not known."""
        if self.container.project is None:
            raise ConfigInvalid("no project is known", remedy="set PLATFORM_PROJECT or give --project")
        return self.container.project

    @property
    def environment(self) -> str:
        """Return the environment's id; raise ConfigInvalid if it is not known."""
        if self.container.environment is None:
            raise ConfigInvalid("no environment is known", remedy="set PLATFORM_BRANCH or give --environment")
        return self.container.environment

    def require_environment(self) -> None:
        """Raise ConfigInvalid if project or environment is not known: a tick can do nothing then."""
        _ = self.project, self.environment


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Turn SIGTERM into an exception, so that locks are released before the process ends."""

    def end(*_: object) -> None:
        raise broken_off(Terminated())

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
