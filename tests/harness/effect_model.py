"""A platform and a journal of a few lines each, for runs that are killed at any effect: the real tick, no I/O.

The books are the platform's own. It shares no code with the simulator, and nothing with the agent but the values that
questions and answers are made of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from upsun_agent.config import parse
from upsun_agent.engine.decide import Send
from upsun_agent.engine.due import Slot
from upsun_agent.journal import Cursor, IdleHint, Notes, RunRow
from upsun_agent.journal.state import MountState
from upsun_agent.model import events as ev
from upsun_agent.model.answers import (
    Absent,
    Activity,
    ActivityList,
    Answer,
    Backup,
    BackupList,
    Deployment,
    Environment,
    LookAtActivities,
    LookAtActivity,
    LookAtBackup,
    LookAtBackups,
    LookAtEnvironment,
    LookAtOwner,
    Owner,
    Question,
    Retention,
)
from upsun_agent.platform.container import Container
from upsun_agent.runtime.context import TickContext
from upsun_agent.runtime.tick import Tick
from upsun_agent.runtime.tick_report import TickReport

SLOT = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
JOBS = """
[jobs.nightly]
schedule = "0 3 * * *"
steps = [ { backup = {} }, { source-operation = { name = "update" } } ]
"""
LISTED_AFTER = timedelta(seconds=30)
ME = "me"


class Killed(BaseException):
    """The process is no more."""


@dataclass
class Knife:
    """Counts effects and kills at one of them. Each effect can be cut off before it and after it."""

    at: int | None = None
    count: int = 0
    log: list[str] = field(default_factory=list)

    def point(self, name: str) -> None:
        """Maybe the end."""
        self.count += 1
        self.log.append(name)
        if self.count == self.at:
            raise Killed(name)


class Journal:
    """Runs and events in memory. What was written before a kill stays, what was not is gone."""

    def __init__(self) -> None:
        self.knife = Knife()
        self._events: dict[str, list[ev.Event]] = {}
        self._cursors: dict[str, Cursor] = {}
        self._notes: dict[str, str] = {}

    def open_run(self, event: ev.RunOpened, later: Iterable[ev.Event] = (), *, notes: Notes | None = None) -> bool:
        self.knife.point("before open-run")
        if event.run in self._events:
            return False
        self._events[event.run] = [event, *later]
        self._keep(notes)
        self.knife.point("after open-run")
        return True

    def append(self, run: str, *events: ev.Event, notes: Notes | None = None) -> None:
        names = " and ".join(event.kind for event in events)
        self.knife.point(f"before {names}")
        self._events[run] += events
        self._keep(notes)
        self.knife.point(f"after {names}")

    def prune(self, before: datetime, most: int) -> int:
        assert most > 1000, before
        return 0

    def events(self, run: str) -> list[ev.Event]:
        return list(self._events[run])

    def rows(self, *, open_only: bool = False, job: str | None = None, most: int = 50) -> Sequence[RunRow]:
        rows = []
        for run, events in self._events.items():
            first, last = events[0], events[-1]
            assert isinstance(first, ev.RunOpened)
            closed = last if isinstance(last, ev.RunClosed) else None
            if not (open_only and closed) and job in {None, first.job["name"]}:
                ended = (closed.at, closed.outcome) if closed else (None, None)
                rows.append(RunRow(run, first.job["name"], first.slot, first.due_at, first.at, *ended))
        return rows[:most] if open_only else rows[::-1][:most]

    def claimed(self) -> dict[str, str]:
        kinds = ev.RequestAccepted | ev.ActivityAdopted
        return {each.activity: run for run, all_ in self._events.items() for each in all_ if isinstance(each, kinds)}

    def cursor(self, job: str) -> Cursor | None:
        return self._cursors.get(job)

    def set_cursor(self, cursor: Cursor) -> None:
        self.knife.point("before cursor")
        self._cursors[cursor.job] = cursor
        self.knife.point("after cursor")

    def forget_cursors(self, kept: Iterable[str]) -> None:
        kept = set(kept)
        self._cursors = {job: cursor for job, cursor in self._cursors.items() if job in kept}

    def _keep(self, notes: Notes | None) -> None:
        for key, value in (notes or {}).items():
            self.note(key, value)

    def note(self, key: str, value: str | None) -> None:
        if value is None:
            self._notes.pop(key, None)
        else:
            self._notes[key] = value

    def noted(self, key: str) -> str | None:
        return self._notes.get(key)

    def notes(self, prefix: str) -> dict[str, str]:
        return {key: text for key, text in self._notes.items() if key.startswith(prefix)}

    def cursors(self) -> list[Cursor]:
        return list(self._cursors.values())

    def last_tick(self) -> int | None:
        return None

    def set_idle_hint(self, _: IdleHint) -> None:
        self.knife.point("before idle hint")


@dataclass
class Operation:
    """One line of the platform's books."""

    id: str
    type: str
    began: datetime
    ends: datetime
    result: str
    mark: str | None


class Platform:
    """An environment that takes 20 s for a backup and 40 s for an update, and whose list lags by half a minute.

    ``results`` are the results of the backups, in turn; ``lost`` requests get no answer though they are acted on;
    ``commits`` says whether the update finds anything to do.
    """

    def __init__(self, *, results: Sequence[str] = (), lost: Sequence[str] = (), commits: bool = True) -> None:
        self.now = SLOT - timedelta(minutes=5)
        self.knife = Knife()
        self.books: list[Operation] = []
        self._results, self._lost, self._commits = list(results), set(lost), commits

    # --- what the agent's performer does ------------------------------------------------------------------------

    @property
    def platform_now(self) -> datetime:
        return self.now

    def expect(self, question: Question) -> Answer:
        return self.look(question)

    def look(self, question: Question) -> Answer:
        self.knife.point(f"look {type(question).__name__}")
        self.now += timedelta(seconds=1)
        done = [each for each in self.books if each.ends <= self.now]
        match question:
            case LookAtEnvironment():
                pushes = [each for each in done if each.type == "environment.push"]
                head = f"commit{len([each for each in self.books if each.type == 'environment.push'])}"
                links = {"#backup": "/backup", "#source-operation": "/source-operation"}
                dirty, deployed = len(done) < len(self.books), Deployment(True, pushes[-1].ends if pushes else None)
                return Environment("main", "production", "active", dirty, head, links, self.now, deployed)
            case LookAtActivity():
                return next((self._shown(each) for each in self.books if each.id == question.id), Absent())
            case LookAtActivities():
                listed = [each for each in self.books if each.began + LISTED_AFTER <= self.now]
                if question.types:
                    listed = [each for each in listed if each.type in question.types]
                if question.incomplete:
                    listed = [each for each in listed if each.ends > self.now]
                return ActivityList(tuple(self._shown(each) for each in reversed(listed)), self.now)
            case LookAtBackup():
                return next((each for each in self._backups() if each.id == question.id), Absent())
            case LookAtBackups():
                return BackupList(tuple(self._backups()))
            case LookAtOwner():
                return Owner(ME)
            case _:
                return Retention({"production": 4})

    def send(self, decision: Send) -> tuple[ev.Event, Activity | None]:
        self.knife.point(f"before {decision.path}")
        self.now += timedelta(seconds=1)
        one = self._act(decision)
        self.knife.point(f"after {decision.path}")
        step = decision.intent.step
        if decision.path in self._lost:
            return ev.RequestUnanswered(at=self.now, step=step, message="the connection broke"), None
        shown = self._shown(one)
        name = shown.payload.get("backup_name")
        return ev.RequestAccepted(at=self.now, step=step, activity=one.id, backup=name), shown

    def _act(self, decision: Send) -> Operation:
        kind = decision.activity_type
        result, mark, seconds = "success", None, 20
        if kind == "environment.backup":
            result = self._results.pop(0) if self._results else "success"
        else:
            mark, seconds = decision.body["variables"]["env"]["UPSUN_AGENT_RUN"], 40
        one = Operation(f"act{len(self.books)}", kind, self.now, self.now + timedelta(seconds=seconds), result, mark)
        self.books.append(one)
        if mark is not None and self._commits:
            push = Operation(f"act{len(self.books)}", "environment.push", one.ends, one.ends, "success", None)
            self.books.append(push)
        return one

    def _shown(self, one: Operation) -> Activity:
        over = one.ends <= self.now
        payload: dict[str, Any] = {"user": {"id": ME}}
        parameters: dict[str, Any] = {"safe": True}
        if one.type == "environment.backup":
            payload["backup_name"] = f"bak-{one.id}"
        elif one.mark is not None:
            parameters = {"operation": "update", "variables": {"env": {"UPSUN_AGENT_RUN": one.mark}}}
        state, result, ended = ("complete", one.result, one.ends) if over else ("in_progress", None, None)
        return Activity(one.id, one.type, state, result, one.began, ended, ME, parameters, payload)

    def _backups(self) -> list[Backup]:
        good = [each for each in self.of("backup") if each.ends <= self.now and each.result == "success"]
        return [Backup(f"bak-{each.id}", "CREATED", True, "main", each.ends) for each in good]

    # --- what tests ask of the books ----------------------------------------------------------------------------

    def of(self, kind: str) -> list[Operation]:
        return [each for each in self.books if each.type == f"environment.{kind}"]

    def broken(self) -> str | None:
        """Which of the promises P1 and P2 the books show to be broken."""
        backups, updates = self.of("backup"), self.of("source-operation")
        for earlier, later in pairwise(backups):
            if earlier.result == "success" or earlier.ends > later.began:
                return f"P1: backup {later.id} though {earlier.id} was no known failure"
        if len(updates) > 1:
            return "P1: two updates"
        proofs = [each for each in backups if each.result == "success"]
        if any(not [each for each in proofs if each.ends <= update.began] for update in updates):
            return "P2: an update without a backup that had succeeded"
        return None


class Daily:
    """A schedule for one slot a day: what the cron expression says, without the time that croniter takes."""

    def between(self, after: datetime, until: datetime) -> list[Slot]:
        slots = (SLOT + timedelta(days=day) for day in range(-10, 10))
        return [Slot(each, f"{each:%Y-%m-%dT%H:%M}") for each in slots if after < each <= until]

    def next(self, after: datetime) -> Slot | None:
        return self.between(after, after + timedelta(days=2))[0]


class Agent:
    """The real tick on that journal and platform; each tick is another process."""

    def __init__(self, platform: Platform) -> None:
        self.platform, self.journal = platform, Journal()
        self.outcomes: Counter[str] = Counter()
        log = SimpleNamespace(info=_silent, warning=_silent, error=_silent)
        clock = SimpleNamespace(now=lambda: platform.now)
        client = SimpleNamespace(begin=lambda _: None)
        container = Container("runtime", "p", "main", None, "production", "app")
        self._context = TickContext(container, JOB_FILE, MountState("/nonexistent"), clock, client, log)  # type: ignore[arg-type]

    def tick(self, knife: Knife | None = None) -> TickReport:
        self.journal.knife = self.platform.knife = knife or Knife()
        desk = SimpleNamespace(journal=self.journal, fresh=False, since=None, waited=0.0)
        tick = Tick(self._context, desk, self.platform)  # type: ignore[arg-type]
        with patch("upsun_agent.runtime.tick.schedule_of", lambda *_: Daily()):
            tick.open_due()
            tick.advance_all()
            tick.finish()
        return tick.report

    def copy(self) -> Agent:
        """The same journal and platform once more, so that a moment can be left in several ways."""
        platform = copy(self.platform)
        platform.books, platform._results = list(platform.books), list(platform._results)
        twin = Agent(platform)
        twin.journal._events = {run: list(events) for run, events in self.journal._events.items()}
        twin.journal._cursors = dict(self.journal._cursors)
        twin.journal._notes = dict(self.journal._notes)
        return twin


def _silent(*_: object, **__: object) -> None:
    """Logs are not looked at here."""


JOB_FILE = parse(JOBS)
