"""The one loop: lock, fold, decide, perform, record. A tick opens what is due and takes every open run one pass on.

It never waits for the platform. What it cannot finish now, the next tick goes on with, from the journal.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from typing import assert_never

from agent.engine import events as ev
from agent.engine.bounds import TICK_GAP
from agent.engine.decide import Background, Execute, Look, Record, Rest, Send, Wait, decide
from agent.engine.due import MissSlots, OpenSlot, Slot, SlotVerdict, due
from agent.engine.facts import (
    Activity,
    ActivityList,
    Answer,
    LookAtActivities,
    LookAtActivity,
    LookAtRetention,
    Observation,
    Question,
    Trouble,
)
from agent.engine.job import Job
from agent.engine.policy import manual_limit
from agent.engine.run import InconsistentEvents, Run, apply, fold
from agent.errors import CODE_OF_WORD, EXIT_OK, Bug, RunFailed
from agent.glance import basis
from agent.journal import Cursor, Glance, Journal, Notes
from agent.journal.lock import container_identity
from agent.limits import HISTORY_AGE, HISTORY_RUNS, LOOK_BACK, PASS_MOST, RECHECK, TICK_BUDGET
from agent.logs import LogLine, line_of, lines_of
from agent.performer import Performer
from agent.records import dataclass, field
from agent.site import Desk, Site, at_work
from agent.steps import KINDS
from agent.suspension import suspending, suspension

#: Notes in the journal: the container of the last tick, and the backup quota as it was last seen.
CONTAINER = "container"
ONE_TICK = timedelta(seconds=400)  # the shortest cron interval of the platform, and some delay
QUOTA = "manual-backup-limit"
ROWS_OF_A_DAY = 300  # runs looked through for one that succeeded today: a run every five minutes makes 288


@dataclass(slots=True)
class TickReport:
    """What a tick did: the runs it touched as they now stand, what they wait for, and what stood in the way.

    ``senseless`` are runs that it had to close because their events do not add up.
    """

    runs: dict[str, Run] = field(default_factory=dict)
    waits: dict[str, Wait] = field(default_factory=dict)
    elsewhere: list[str] = field(default_factory=list)
    senseless: list[str] = field(default_factory=list)
    trouble: Trouble | None = None
    next_due: datetime | None = None

    def exit_code(self) -> int:
        """A failed run before trouble, trouble before success."""
        failed = [run.closed for run in self.runs.values() if run.closed and run.closed.outcome == "failed"]
        codes = [CODE_OF_WORD.get(closed.failure or "", RunFailed.exit_code) for closed in failed]
        if codes or self.senseless:
            return max(codes, default=RunFailed.exit_code)
        return max((CODE_OF_WORD[trouble.kind] for trouble in self.troubles()), default=EXIT_OK)

    def troubles(self) -> list[Trouble]:
        """Everything that stood in the way."""
        found = [wait.trouble for wait in self.waits.values() if wait.trouble is not None]
        return [*([self.trouble] if self.trouble else []), *found]


@contextmanager
def ticking(site: Site) -> Iterator[Tick]:
    """A tick at work: locked, journal open. Raises Busy or StateNotWritable."""
    with at_work(site) as desk:
        yield Tick(site, desk)


def run_tick(site: Site) -> TickReport:
    """One whole tick; raises Busy where another is at work, StateNotWritable where the state cannot be used."""
    with ticking(site) as tick:
        if tick.state_is_current():
            tick.open_due()
            tick.advance_all()
            tick.finish()
        return tick.report


class Tick:
    """One tick on an open journal."""

    def __init__(self, site: Site, desk: Desk) -> None:
        self.report = TickReport()
        self._site = site
        self._desk = desk
        self._performer = Performer(site.client, site.project, site.environment, site.clock, site.commands)
        self._is_current = False
        self._unwritten: list[tuple[Run, ev.Event]] = []
        site.client.begin(TICK_BUDGET - desk.waited)

    @property
    def journal(self) -> Journal:
        """The journal in use."""
        return self._desk.journal

    # --- is this state of the present? ------------------------------------------------------------------------

    def state_is_current(self) -> bool:
        """Whether the journal may be acted on: not when a restore may have rewound it and that cannot be ruled out.

        A restore puts back the mount as it was, journal and last tick with it, and replaces the container. So after
        an unusual gap between ticks, or in a new container while a run is in flight, the environment's restores since
        the last tick are asked for; one of them means a new journal.
        """
        seconds = self.journal.last_tick()
        now = self._site.clock.now()
        since = now if seconds is None else datetime.fromtimestamp(seconds, UTC)
        usual = now - since <= TICK_GAP and not self._has_moved(now - since)
        if self._desk.fresh or usual or not self._something_to_do(now):
            self._is_current = True
            return True
        answer = self._performer.look(LookAtActivities(types=("environment.restore",), since=since))
        if isinstance(answer, Trouble):
            if answer.kind in {"unreachable", "bad-reply", "budget"}:
                self.report.trouble = answer
                return False
            return True  # nothing can be asked for with this token; the run itself will say so
        claimed = self.journal.claimed()  # one that this journal knows of has not rewound it
        restored = [
            each for each in _items(answer) if each.created_at and each.created_at >= since and each.id not in claimed
        ]
        if restored:
            self._begin_rewound(f"restore {restored[0].id} put the state back to {since:%Y-%m-%d %H:%M} UTC")
        self._is_current = True
        return True

    def _begin_rewound(self, why: str) -> None:
        """Begin a new journal, and close in it what the old one shows in flight: nobody else will tell how it ended."""
        flying = []
        for row in self.journal.rows(open_only=True, most=1000):
            with contextlib.suppress(InconsistentEvents):
                past = self.journal.events(row.run)
                flying.append((fold(past), past[0]))
        self._desk.begin_anew("rewound", why)
        for run, opened in flying:
            text = f"{why} while this run was in flight: what it had done since is not known"
            remedy = "look at the environment's activities; the backup steps of the run are in the journal set aside"
            closed = ev.RunClosed(
                at=self._site.clock.now(), outcome="failed", failure="rewound", message=text, remedy=remedy
            )
            if not isinstance(opened, ev.RunOpened):
                continue
            events: tuple[ev.Event, ...] = (opened, closed)
            if self.journal.open_run(opened, [closed], notes=self._news(run.id, run.job.name, events)):
                self._tell(line_of(closed, run.id, run.job.name, run.slot), closed)
                self.report.runs[run.id] = fold(events)

    def _has_moved(self, gap: timedelta) -> bool:
        """Whether this is another container than the last tick's, as after a restore, and something may be lost.

        Lost may be what a run in flight did, or a whole run since: then at least one tick is missing between.
        """
        known = self.journal.noted(CONTAINER)
        if known is None or known == container_identity():
            return False
        return gap > ONE_TICK or bool(self.journal.rows(open_only=True, most=1))

    def _something_to_do(self, now: datetime) -> bool:
        if self._desk.journal.rows(open_only=True, most=1):
            return True
        return any(self._slots(job, now) for job in self._jobs_here())

    # --- due slots --------------------------------------------------------------------------------------------

    def _jobs_here(self) -> list[Job]:
        return [job for job in self._site.job_file.jobs.values() if self._site.runs_here(job)]

    def _slots(self, job: Job, now: datetime) -> list[Slot]:
        schedule = self._site.schedule(job)
        if schedule is None:
            return []
        start = max(self._cursor(job, now).until, now - timedelta(seconds=LOOK_BACK))
        return schedule.between(start, now)

    def _cursor(self, job: Job, now: datetime) -> Cursor:
        """How far the job's slots are judged. A job that is new, or has a new schedule, begins with this minute.

        In a journal that replaces another even this minute's slot may have been run already: it begins with now.
        """
        key = f"{job.schedule}|{job.timezone}"
        found = self._desk.journal.cursor(job.name)
        if found is not None and found.schedule == key:
            return found
        minute = now.replace(second=0, microsecond=0) - timedelta(seconds=1)
        return Cursor(job.name, key, now if self._desk.fresh else minute)

    def open_due(self) -> None:
        """Open runs for the slots that are due, and book those that were missed or are skipped."""
        now, journal = self._site.clock.now(), self._desk.journal
        self.report.elsewhere = [job.name for job in self._site.job_file.jobs.values() if not self._site.runs_here(job)]
        for name in self.report.elsewhere:
            self._site.log.info("job-not-here", job=name, environment_type=self._site.container.environment_type)
        flying = {row.job for row in journal.rows(open_only=True, most=1000)}
        journal.forget_cursors(job.name for job in self._jobs_here())
        for job in self._jobs_here():
            if job.schedule is None:
                continue
            before = self._cursor(job, now)
            held = suspension(journal, job.name)
            judged = due(job, self._slots(job, now), before.until, now, in_flight=job.name in flying)
            for verdict in judged.verdicts:
                self._book(job, verdict, held)
            after = Cursor(job.name, before.schedule, judged.cursor)
            # An idle cursor need not be written at every tick: slots since the old one give the same verdicts.
            if judged.verdicts or journal.cursor(job.name) != before:
                journal.set_cursor(after)

    def _book(self, job: Job, verdict: SlotVerdict, held: str | None) -> None:
        now, slot = self._site.clock.now(), verdict.slot
        opened = self._opened(job, f"{job.name}@{slot.name}", slot, "schedule")
        later: list[ev.Event] = []
        if isinstance(verdict, MissSlots):
            text = verdict.reason
            if verdict.count > 1:
                text = f"{verdict.count} slots from {verdict.first.name} to {slot.name}: {text}"
            detail = {"first": verdict.first.name, "count": verdict.count}
            later = [ev.RunClosed(at=now, outcome="missed", message=text, failure="missed", detail=detail)]
        elif held is not None:
            later = [ev.RunClosed(at=now, outcome="skipped", message=held, failure="suspended")]
        elif not isinstance(verdict, OpenSlot):
            later = [ev.RunClosed(at=now, outcome="skipped", message=verdict.reason, failure="overlap")]
        elif (against := self._hindrance(job, now)) is not None:
            later = [ev.RunClosed(at=now, outcome="skipped", message=against, failure="condition")]
        if self._desk.journal.open_run(opened, later, notes=self._news(opened.run, job.name, (opened, *later))):
            events = (opened, *later)
            for line, event in zip(lines_of(events), events, strict=True):
                self._tell(line, event)
            self.report.runs[opened.run] = fold([opened, *later])

    def _hindrance(self, job: Job, now: datetime) -> str | None:
        """Why the job's conditions leave this slot out, or None."""
        if not any(job.when.values()):
            return None
        from agent.engine.conditions import hindrance  # noqa: PLC0415  late: most jobs have none

        zone, last = _zone(job), None
        if job.when.get("once-a-day"):
            rows = self._desk.journal.rows(job=job.name, most=ROWS_OF_A_DAY)
            ended = [row.opened_at for row in rows if row.outcome == "succeeded"]
            last = max(ended).astimezone(zone).date() if ended else None
        return hindrance(job.when, now.astimezone(zone), self._site.environment, last)

    def open_by_hand(self, job: Job) -> str:
        """Open a run of the job now, whatever its schedule; returns the run's id."""
        import secrets  # noqa: PLC0415  late: a cron's tick opens none by hand

        now = self._site.clock.now()
        run = f"{job.name}@manual-{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
        opened = self._opened(job, run, Slot(now, ""), "manual")
        if not self._desk.journal.open_run(opened, notes=self._news(run, job.name, (opened,))):
            raise Bug(f"run {run} exists already")
        self._tell(line_of(opened, run, job.name), opened)
        return run

    def _opened(self, job: Job, run: str, slot: Slot, trigger: ev.Trigger) -> ev.RunOpened:
        return ev.RunOpened(
            at=self._site.clock.now(),
            run=run,
            environment=self._site.environment,
            slot=slot.name or None,
            due_at=slot.due_at,
            trigger=trigger,
            job=job.to_json(),
        )

    # --- open runs --------------------------------------------------------------------------------------------

    def advance_all(self) -> None:
        """Take every open run one pass on, oldest first."""
        for row in self._desk.journal.rows(open_only=True, most=1000):
            self.advance(row.run)

    def advance(self, run_id: str) -> Run | None:
        """Take one run as far as it goes now; returns it as it then stands, None where its events do not fold."""
        try:
            run = fold(self._desk.journal.events(run_id))
        except InconsistentEvents as error:
            self._close_senseless(run_id, str(error))
            return None
        seen = Observation()
        claimed = set(self._desk.journal.claimed())
        for _ in range(PASS_MOST):
            try:
                decision = decide(run, self._site.clock.now(), seen, KINDS, self._background(run, claimed))
            except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
                # The snapshot holds settings that no job file can. Raised on, it would stop this tick and every later.
                self._close_senseless(run_id, f"nothing can be decided on it ({type(error).__name__})")
                return None
            if isinstance(decision, Execute) and not self._performer.has_time_for(decision):
                decision = Wait("budget", "this tick has no time left for the command")
            if isinstance(decision, Wait | Rest):
                run = self._waiting(run, decision) if isinstance(decision, Wait) else run
                self._flush()
                self.report.runs[run.id] = run
                return run
            run, seen = self._carry_out(run, decision, seen)
        self._flush()
        raise Bug(f"run {run.id} did not settle within {PASS_MOST} decisions")

    def _carry_out(
        self, run: Run, decision: Look | Record | Send | Execute, seen: Observation
    ) -> tuple[Run, Observation]:
        """The run and what was seen, after one decision."""
        match decision:
            case Look():
                self._flush()
                return run, seen.plus(decision.question, self._look(run, decision.question))
            case Record():
                return self._record(run, decision.event), seen
            case Send():
                run = self._record(run, decision.intent)
                self._flush()
                event, activity = self._performer.send(decision)
                seen = seen.environments()  # what was listed before a request says nothing about it
                if activity is not None:
                    seen = seen.plus(LookAtActivity(activity.id), activity)
                return self._record(run, event), seen
            case Execute():
                run = self._record(run, decision.intent)
                self._flush()
                return self._record(run, self._performer.execute(decision)), Observation()  # all may be different now
            case _:
                assert_never(decision)

    def _close_senseless(self, run_id: str, why: str) -> None:
        """Close a run whose events or snapshot nobody can have written, so that it blocks no other."""
        self._flush()
        text = f"the journal of this run makes no sense: {why}"
        closed = ev.RunClosed(at=self._site.clock.now(), outcome="failed", failure="journal", message=text)
        job = run_id.partition("@")[0]
        self._desk.journal.append(run_id, closed, notes=self._news(run_id, job, (closed,)))
        self._tell(line_of(closed, run_id, job), closed)
        self.report.senseless.append(run_id)

    def _look(self, run: Run, question: Question) -> Answer:
        answer = self._performer.look(question)
        if isinstance(question, LookAtRetention):
            limit = manual_limit(run.job, answer)
            if limit is not None:
                self._desk.journal.note(QUOTA, str(limit))
        return answer

    def _waiting(self, run: Run, wait: Wait) -> Run:
        if (run.waits_on, run.wait_message) != (wait.on, wait.message):
            event = ev.WaitBegun(at=self._site.clock.now(), on=wait.on, message=wait.message)
            run = self._record(run, event)
        if wait.trouble is not None:
            self._site.log.warning("trouble", job=run.job.name, run=run.id, trouble=wait.on, message=wait.message)
        self.report.waits[run.id] = wait
        return run

    def _record(self, run: Run, event: ev.Event) -> Run:
        """The run after the event, which is on the disk before the next request leaves (see ``_flush``)."""
        after = apply(run, event)
        self._unwritten.append((after, event))
        return after

    def _flush(self) -> None:
        """Write the events recorded since the last request, in one synced transaction, and tell of them.

        What is lost with a process in between is only what was concluded from answers, and is concluded again.
        """
        if not self._unwritten:
            return
        written, self._unwritten = self._unwritten, []
        run, events = written[-1][0], [event for _, event in written]
        held = self._broken_circuit(run)
        notes = self._news(run.id, run.job.name, events, held)
        if held is not None:
            notes = {**notes, **suspending(run.job.name, held, self._site.clock.now())}
        self._desk.journal.append(run.id, *events, notes=notes)
        for after, event in written:
            self._tell(line_of(event, run.id, run.job.name, run.slot, after), event)
        if held is not None:
            self._site.log.error("job-suspended", job=run.job.name, run=run.id, reason=held)

    def _news(self, run: str, job: str, events: Iterable[ev.Event], held: str | None = None) -> Notes:
        """What is to be told of these events, kept with them until it is delivered; nothing where nobody is told."""
        herald = self._site.herald
        return {} if herald is None else herald.news(self.journal, run, job, events, held)

    def _broken_circuit(self, run: Run) -> str | None:
        """Why the job is to be suspended now: too many runs in a row failed, and it says so."""
        after = run.job.suspend_after
        if not after or run.closed is None or run.closed.outcome != "failed":
            return None
        rows = self._desk.journal.rows(job=run.job.name, most=after * 10)
        ended = [row.outcome for row in rows if row.outcome in {"succeeded", "failed"}][: after - 1]
        if ended != ["failed"] * (after - 1) or suspension(self._desk.journal, run.job.name) is not None:
            return None
        return f"the last {after} runs failed (suspend-after)"

    def _background(self, run: Run, claimed: set[str]) -> Background:
        """``claimed`` grows with the run; what a step is waiting for now is its own, all else is somebody's already."""
        claimed.update(step.activity for step in run.steps if step.activity)
        current = {step.activity for step in run.steps if step.activity and not step.over}
        known = self._desk.journal.noted(QUOTA)
        limit = int(known) if known and known.isdigit() else None
        return Background(frozenset(claimed - current), limit, _zone(run.job))

    def _tell(self, line: LogLine, event: ev.Event) -> None:
        """Every recorded event is a log line of the same name."""
        line.write(self._site.log)
        if self._site.on_event is not None:
            self._site.on_event(line.keys["run"], event)

    # --- what the next tick will see -----------------------------------------------------------------------

    def finish(self) -> None:
        """Leave the answer for idle ticks; remember that this tick was, if it made sure that the state is current."""
        site, herald = self._site, self._site.herald
        if herald is not None:
            herald.tell(self.journal, site.client.left)
        now = site.clock.now()
        if self._desk.journal.rows(open_only=True, most=1):
            moment = now
        else:
            again = [herald.next_at(self.journal)] if herald is not None else []
            moment = max(now, min([now + timedelta(seconds=RECHECK), *self._coming(now), *again]))
        text = basis(site.job_file.text, site.container.environment_type)
        self.report.next_due = moment if moment > now else None
        self.journal.prune(now - timedelta(seconds=HISTORY_AGE), HISTORY_RUNS)
        self._desk.journal.set_glance(Glance(site.container.identity, text, int(moment.timestamp())))
        if self._is_current:  # or the next tick would not ask for restores any more
            if self.journal.noted(CONTAINER) != container_identity():
                self.journal.note(CONTAINER, container_identity())
            self.journal.mark_tick(now.timestamp())
        if site.job_file.report["publish"] is not None and self.report.runs:
            from agent.report.publish import publish  # noqa: PLC0415  late: most ticks publish nothing

            publish(site, self.journal, self.report.runs)

    def _coming(self, now: datetime) -> Iterator[datetime]:
        """When each job is due next, from where its slots are judged: one that was left waiting is due now."""
        for job in self._jobs_here():
            schedule = self._site.schedule(job)
            if schedule is None:
                continue
            judged = max(self._cursor(job, now).until, now - timedelta(seconds=LOOK_BACK))
            slot = schedule.next(min(judged, now))
            if slot is not None:
                yield slot.due_at


def _zone(job: Job) -> tzinfo:
    """The job's zone; UTC where this machine does not know it, which the job file's check has said."""
    if job.timezone == "UTC":
        return UTC
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415  late: it costs a fifth of an idle tick

    try:
        return ZoneInfo(job.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def _items(answer: Answer) -> tuple[Activity, ...]:
    return answer.items if isinstance(answer, ActivityList) else ()
