"""A container with a past: journals written run by run, as ticks would have written them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from upsun_agent.clock import Clock
from upsun_agent.config import JobFile, parse
from upsun_agent.journal.sqlite import SqliteJournal
from upsun_agent.journal.state import MountState
from upsun_agent.model import events as ev
from upsun_agent.model.job import Job
from upsun_agent.model.packages import Change, ChangeKind, Ecosystem, LockFileChange
from upsun_agent.platform.container import Container
from upsun_agent.platform.paths import mark_tick
from upsun_agent.runtime.context import ReadContext
from upsun_agent.schedule import Schedule, schedule_of

NOW = datetime(2026, 11, 24, 15, 4, 5, tzinfo=UTC)
JOBS = """\
[jobs.nightly-update]
schedule = "12 3 * * *"
timezone = "Europe/Paris"
[[jobs.nightly-update.steps]]
backup = {}
[[jobs.nightly-update.steps]]
source-operation = { name = "update" }

[jobs.hourly-backup]
schedule = "40 */6 * * *"
[[jobs.hourly-backup.steps]]
backup = { live = true }

[jobs.by-hand]
[[jobs.by-hand.steps]]
backup = {}
"""


class Fixed:
    """A clock that stands still."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.moment.timestamp()

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@dataclass
class Ledger:
    """The place, its journal, and how runs get into it."""

    directory: str
    text: str = JOBS
    container: Container = field(
        default_factory=lambda: Container(
            "runtime", project="abcdefgh1234z", environment="main", environment_type="production", app="app"
        )
    )
    clock: Clock = field(default_factory=lambda: Fixed(NOW))

    def __post_init__(self) -> None:
        Path(self.directory).mkdir(parents=True, exist_ok=True)
        self.job_file: JobFile = parse(self.text)
        self.journal = SqliteJournal(self.directory, self.container.identity)
        self.journal._db.execute("PRAGMA synchronous = OFF")  # nothing is at stake here, and a past has many commits
        self.journal._db.execute("PRAGMA journal_mode = MEMORY")
        mark_tick(self.directory, (self.clock.now() - timedelta(minutes=3)).timestamp())

    @property
    def context(self) -> ReadContext:
        """What a reader of the journal works with here."""
        return ReadContext(self.container, self.job_file, MountState(self.directory), self.clock)

    def schedule(self, job: Job) -> Schedule | None:
        return schedule_of(self.container, job)

    def run(
        self,
        job: str,
        opened: datetime,
        outcome: str | None = "succeeded",
        *,
        minutes: float = 6.0,
        text: str = "",
        detail: dict[str, object] | None = None,
        named: Job | None = None,
    ) -> str:
        """A run of that moment and outcome; None leaves it in flight. ``text`` is what the platform said in it."""
        plan = named or self.job_file.jobs[job]
        schedule = self.schedule(plan)
        due = next(iter(reversed(schedule.between(opened - timedelta(days=2), opened))), None) if schedule else None
        slot = due.name if due else None
        run = f"{plan.name}@{slot or f'manual-{opened:%Y%m%dT%H%M%SZ}-0000'}"
        first = ev.RunOpened(
            at=opened,
            run=run,
            environment=self.container.environment or "",
            slot=slot,
            due_at=due.due_at if due else opened,
            trigger=ev.Trigger.SCHEDULE if due else ev.Trigger.MANUAL,
            job=plan.to_json(),
        )
        end = opened + timedelta(minutes=minutes)
        assert self.journal.open_run(first, list(_later(plan, opened, end, outcome, text, detail))), run
        return run


def _later(
    job: Job,
    opened: datetime,
    end: datetime,
    outcome: str | None,
    text: str,
    detail: dict[str, object] | None,
) -> Iterable[ev.Event]:
    if outcome in {"missed", "skipped"}:
        failure = "missed" if outcome == "missed" else "overlap"
        said = text or "no tick ran within 6 h of it"
        yield ev.RunClosed(at=opened, outcome=outcome, message=said, failure=failure, detail=detail or {"count": 1})  # type: ignore[arg-type]
        return
    share = (end - opened) / (len(job.steps) + 1)
    for index, plan in enumerate(job.steps):
        at = opened + share * index
        yield ev.IntentRecorded(at=at, step=index, attempt=1, server_at=at, head=None)
        yield ev.RequestAccepted(at=at, step=index, activity=f"act{index}{opened:%d%H}", backup=None)
        yield ev.WaitBegun(at=at, on="activity", message=text or f"activity act{index}{opened:%d%H} is in progress")
        if outcome is None:
            return
        at += share
        if outcome == "failed" and index == len(job.steps) - 1:
            said = text or "the activity failed: composer ran out of memory"
            yield ev.ActivityEnded(
                at=at, step=index, activity=f"act{index}{opened:%d%H}", state="complete", result="failure"
            )
            yield ev.StepFailed(
                at=at, step=index, failure="activity-failed", message=said, remedy=text or "read its log"
            )
            yield ev.RunClosed(
                at=end,
                outcome=ev.RunOutcome.FAILED,
                message=said,
                failure="activity-failed",
                remedy=text or "read its log",
            )
            return
        yield ev.ActivityEnded(
            at=at, step=index, activity=f"act{index}{opened:%d%H}", state="complete", result="success"
        )
        yield _done(plan.kind, index, at, f"b{opened:%y%m%d%H%M}", text, detail)
        if text:
            yield _changed(index, at, text)
    yield ev.RunClosed(at=end, outcome=outcome or "succeeded", message=text or "all steps are done")  # type: ignore[arg-type]


def _changed(step: int, at: datetime, text: str) -> ev.ChangesRead:
    """What a commit changed, in lock files whose every text is this one."""
    name = f"not a name: {text}"  # no index has it, so it is no link, whatever the text is
    change = Change(ecosystem=Ecosystem.NPM, name=name, before=text, after=text, kind=ChangeKind.MAJOR)
    file = LockFileChange(path=text, format=text, changes=(change,), warning=text)
    return ev.ChangesRead(at=at, step=step, base=text, head=text, files=(file,), message=text, warnings=(text,))


def _done(kind: str, step: int, at: datetime, backup: str, text: str, detail: dict[str, object] | None) -> ev.StepDone:
    if kind == "backup":
        proof = {"backup": backup, "created_at": at.isoformat(), "safe": True, "reused": False}
        return ev.StepDone(
            at=at,
            step=step,
            outcome=ev.StepOutcome.DONE,
            message=text or f"backup {backup} proved restorable",
            detail={**proof, **(detail or {})},
        )
    return ev.StepDone(
        at=at,
        step=step,
        outcome=ev.StepOutcome.DONE,
        message=text or "commit 4f2a9c1e is live",
        detail={"commit": "4f2a9c1e"},
    )


_WRITTEN: dict[tuple[object, ...], bytes] = {}  # journals of pasts that were written already: a second takes a second


def months(ledger: Ledger, days: int = 40) -> Ledger:
    """A past such as real ones: nights that went well, one that failed, a pause, one in flight."""
    key = (days, ledger.text, *ledger.container.identity)
    path = Path(ledger.directory, "journal.sqlite")
    if key in _WRITTEN:
        ledger.journal.close()
        path.write_bytes(_WRITTEN[key])
        ledger.journal = SqliteJournal(ledger.directory, ledger.container.identity)
        return ledger
    for day in range(days, 0, -1):
        night = NOW.replace(hour=2, minute=14, second=7) - timedelta(days=day - 1)
        outcome = {3: "failed", 11: "missed", 12: "missed", 20: "failed", 27: "skipped"}.get(day, "succeeded")
        ledger.run("nightly-update", night, outcome, minutes=7 + day % 9 * 1.7)
        for hour in (0, 6, 12):
            when = night.replace(hour=hour, minute=43)
            if when < NOW:
                ledger.run("hourly-backup", when, minutes=2 + (day + hour) % 5 * 0.4)
    ledger.run("by-hand", NOW - timedelta(minutes=9), None)
    _WRITTEN[key] = path.read_bytes()
    return ledger
