"""One container with its mount and the platform around it, in virtual time: for long and wild stories.

The tick, client, journal and lock are the real ones. What holds is read from the simulator's request log, kept at the
door (``Door``) where every request passes: what was acted on, for which run, and what the platform held at that moment.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from unittest.mock import patch

from upsun_agent.api.client import Client
from upsun_agent.api.endpoints import Endpoints
from upsun_agent.api.http import Transport, in_process
from upsun_agent.clock import VirtualClock
from upsun_agent.config import parse
from upsun_agent.engine.fold import fold
from upsun_agent.engine.run import Run
from upsun_agent.errors import AgentError
from upsun_agent.journal.lock import Lease, container_identity
from upsun_agent.journal.sqlite import SqliteJournal
from upsun_agent.journal.state import MountState
from upsun_agent.log.lines import Redaction, make_log
from upsun_agent.model.events import Event, IntentRecorded, RunOpened
from upsun_agent.platform.container import Container
from upsun_agent.runtime.context import TickContext
from upsun_agent.runtime.executor import Executor
from upsun_agent.runtime.tick import run_tick
from upsun_agent.runtime.tick_report import TickReport
from upsun_simulator import ConnectionCut, ManualClock, Scenario, Simulator

TOKEN = "canary-api-token-1234567890"
PROJECT = "abcdefgh1234z"
HOST = "http://simulator.invalid"
#: Process ids beyond what Linux gives: such a process is surely dead.
NOBODY = 2**22 + 1


class Killed(BaseException):
    """The process is no more."""


@dataclass(frozen=True)
class Deed:
    """A request that the platform acted on: in which run it was, and what was wrong with it, if anything."""

    run: str
    what: str
    at: datetime
    activity: str
    wrong: str | None


class Door:
    """Where requests enter the simulator: whatever it acts on is judged here and now, by its own state."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.deeds: list[Deed] = []
        self.run: RunOpened | None = None  # whose intent was recorded last
        self._wsgi = simulator.wsgi

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        known = len(self.simulator.state.activities)
        cut: ConnectionCut | None = None
        parts: Iterable[bytes] = []
        try:
            parts = self._wsgi(environ, start_response)
        except ConnectionCut as error:
            cut = error
        record = self.simulator.requests[-1]
        what = record.path.rpartition("/")[2]
        if record.method == "POST" and record.acted and what in {"backup", "source-operation"}:
            newest = max(self.simulator.state.activities[known:], key=lambda one: one.number)
            self.judge(what, newest, record.path)
        if cut is not None:
            raise cut
        return parts

    def judge(self, what: str, activity: Any, path: str) -> None:
        assert self.run is not None, "a request without any intent before it"
        wrong = self._wrong(what, activity, path, self.run)
        self.deeds.append(Deed(key_of(self.run), what, activity.created_at, activity.id, wrong))

    def _wrong(self, what: str, activity: Any, path: str, run: RunOpened) -> str | None:
        platform = self.simulator.state
        if f"/environments/{run.environment}/" not in path:
            return f"the run is about {run.environment}, the request about {path}"
        earlier = [deed for deed in self.deeds if (deed.run, deed.what) == (key_of(run), what)]
        if what == "backup":
            for deed in earlier:
                if not self._is_known_failed(platform.by_id[deed.activity]):
                    return f"P1: backup {activity.id} asked for though {deed.activity} was no known failure"
            return None
        if earlier:
            return f"P1: update {activity.id} after update {earlier[0].activity}"
        if activity.parameters["variables"]["env"]["UPSUN_AGENT_RUN"] != run.run:
            return "the update carries another run's mark"
        reuse = max((step["settings"].get("reuse-within", 0) for step in run.job["steps"]), default=0)
        since = run.due_at - timedelta(seconds=reuse)
        kept = [*platform.backups, *platform.evicted]
        good = [
            one for one in kept if one.environment == run.environment and one.restorable and one.created_at >= since
        ]
        return None if good else f"P2: update {activity.id} without a good backup since {since}"

    def _is_known_failed(self, activity: Any) -> bool:
        """Whether the platform would say of this backup that it is none."""
        if activity.unfinished:
            return False
        if activity.state == "cancelled" or activity.result != "success":
            return True
        kept = {one.id: one for one in self.simulator.state.backups}
        backup = kept.get(activity.payload["backup_name"])
        return backup is None or not backup.restorable


def key_of(run: RunOpened) -> str:
    """What names a run over all environments: a clone has slots of its own."""
    return f"{run.environment}/{run.run}"


@dataclass
class Mount:
    """A state directory with the container that it is mounted in."""

    directory: str
    container: Container
    jobs: str


parsed = cache(parse)


def container(environment: str = "main", kind: str = "production") -> Container:
    return Container("runtime", PROJECT, environment, environment, kind, "app")


class Scene:
    """The platform, and ticks on mounts."""

    def __init__(self, start: datetime, jobs: str, directory: str, **scenario: Any) -> None:
        self.manual_clock = ManualClock(start)
        self.simulator = Simulator(Scenario(token=TOKEN, project=PROJECT, **scenario), self.manual_clock)
        self.door = Door(self.simulator)
        self.log = io.StringIO()
        self.mount = Mount(f"{directory}/main", container(), jobs)
        self.processes = 0
        self._opened: dict[tuple[str, str], RunOpened] = {}

    # --- ticks --------------------------------------------------------------------------------------------------

    def site(self, mount: Mount) -> TickContext:
        redaction = Redaction()
        clock = VirtualClock(self.manual_clock)
        client = Client(
            Transport("upsun-agent/soak", in_process(self.door, ConnectionCut)),
            Endpoints(HOST, HOST),
            TOKEN,
            clock=clock,
            hide=redaction.hide,
        )
        log = make_log(redaction, stream=self.log, readable=False)

        def hear(run: str, event: Event) -> None:
            if isinstance(event, IntentRecorded):
                self.door.run = self.opened(mount, run)

        return TickContext(mount.container, parsed(mount.jobs), MountState(mount.directory), clock, client, log, hear)

    def tick(self, mount: Mount | None = None, *, moved: bool = False) -> TickReport | AgentError:
        """One tick in a process of its own; only our own errors may leave it. ``moved``: in another container."""
        self.processes += 1
        where = "elsewhere 0 0" if moved else container_identity()
        holder = f"{where} {NOBODY + self.processes} {self.processes}"
        with patch("upsun_agent.runtime.session.Lease", lambda journal: Lease(journal, holder=holder)):
            try:
                return run_tick(self.site(mount or self.mount))
            except AgentError as error:
                return error

    def killed_tick(self, number: int, *, after: bool, moved: bool = False) -> bool:
        """A tick whose process is killed at its effect of that number; False where it ended before."""
        try:
            with killing(number, after=after):
                self.tick(moved=moved)
        except Killed:
            return True
        return False

    def opened(self, mount: Mount, run: str) -> RunOpened:
        key = (mount.directory, run)
        if key not in self._opened:
            journal = SqliteJournal(mount.directory, mount.container.identity)
            try:
                first = journal.events(run)[0]
            finally:
                journal.close()
            assert isinstance(first, RunOpened)
            self._opened[key] = first
        return self._opened[key]

    # --- the journal, for what no book of the platform says -----------------------------------------------------

    def runs(self, mount: Mount | None = None) -> list[Run]:
        mount = mount or self.mount
        if not os.path.exists(f"{mount.directory}/journal.sqlite"):
            return []
        journal = SqliteJournal(mount.directory, mount.container.identity)
        try:
            return [fold(journal.events(row.run)) for row in journal.rows(most=10_000)]
        finally:
            journal.close()

    def open_runs(self, mount: Mount | None = None) -> list[str]:
        return [run.id for run in self.runs(mount) if run.closed is None]

    def clone(self, mount: Mount, directory: str, environment: str) -> Mount:
        """The mount copied with its data into a child environment, as the platform does when it branches."""
        if os.path.exists(directory):
            shutil.rmtree(directory)
        if os.path.exists(mount.directory):
            shutil.copytree(mount.directory, directory)
        return Mount(directory, container(environment, "development"), mount.jobs)


#: The calls at which a process may be killed: whatever leaves a trace, and every look.
EFFECTS: tuple[tuple[type, str], ...] = (
    *((SqliteJournal, name) for name in ("open_run", "append", "set_cursor", "note", "set_idle_hint", "take_lease")),
    *((Executor, name) for name in ("send", "look")),
    (Transport, "send"),
)


@contextmanager
def killing(number: int, *, after: bool) -> Iterator[None]:
    """Kill at the effect of that number, before it or after it; nothing is tidied up but what the system does.

    The system closes files (so SQLite rolls back and the lock goes) but it writes nothing: the lease row stays.
    """
    count, dead = 0, False

    def deadly(call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **named: Any) -> Any:
            nonlocal count, dead
            if dead:
                raise Killed
            count += 1
            mine = count == number
            if mine and not after:
                dead = True
                raise Killed
            answer = call(*arguments, **named)
            if mine:
                dead = True
                raise Killed
            return answer

        return called

    drop = SqliteJournal.drop_lease

    def left(journal: SqliteJournal, holder: str) -> None:
        if not dead:
            drop(journal, holder)

    patches = [patch.object(kind, name, deadly(getattr(kind, name))) for kind, name in EFFECTS]
    patches.append(patch.object(SqliteJournal, "drop_lease", left))
    for each in patches:
        each.start()
    try:
        yield
    finally:
        for each in patches:
            each.stop()
