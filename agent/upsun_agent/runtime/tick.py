"""Run one tick: lock the state, open a run for each slot that is due, and continue every open run.

It never waits for the platform. What it cannot finish now, the next tick goes on with, from the journal.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from upsun_agent.clock import SetClock
from upsun_agent.engine.bounds import TICK_GAP
from upsun_agent.engine.due import Due, Slot
from upsun_agent.engine.fold import InconsistentEvents, fold
from upsun_agent.engine.run import Run
from upsun_agent.errors import AgentError, Bug
from upsun_agent.idle import basis
from upsun_agent.journal import Cursor, IdleHint, Journal
from upsun_agent.journal.lock import container_identity
from upsun_agent.journal.notes import CONTAINER, UNSURE_SINCE, moment_of
from upsun_agent.limits import CLOCK_LEAP, HISTORY_AGE, HISTORY_RUNS, LOOK_BACK, RECHECK, TICK_BUDGET
from upsun_agent.model import events as ev
from upsun_agent.model.answers import ActivityList, LookAtActivities, LookAtEnvironment, Trouble
from upsun_agent.model.failures import FailureKind
from upsun_agent.model.job import Job
from upsun_agent.runtime.advance import Runner
from upsun_agent.runtime.booking import Booking, mark_looked, opened_by
from upsun_agent.runtime.clock_repair import is_ahead, is_odd, last_look, mend, set_by_platform
from upsun_agent.runtime.context import TickContext
from upsun_agent.runtime.executor import Executor
from upsun_agent.runtime.recorder import Recorder
from upsun_agent.runtime.session import JournalSession, open_session
from upsun_agent.runtime.slots import Judge, matters
from upsun_agent.runtime.tick_report import TickReport
from upsun_agent.schedule import schedule_of

ONE_TICK = timedelta(seconds=400)  # the shortest cron interval of the platform, and some delay


@contextmanager
def ticking(context: TickContext) -> Iterator[Tick]:
    """Lock the state, open the journal and yield the tick; raise Busy or StateNotWritable."""
    with open_session(context) as session:
        yield Tick(context, session)


def run_tick(context: TickContext) -> TickReport:
    """Run one tick; raise Busy if another tick runs, StateNotWritable if the state cannot be used."""
    try:
        with ticking(context) as tick:
            if tick.verify_state():
                tick.close_foreign()
                tick.open_due()
                tick.advance_all()
                tick.finish()
            elif tick.close_overdue():
                tick.finish()
            return tick.report
    except AgentError as error:
        if error.alarming and context.notifier is not None:
            context.notifier.alarm(context.reword(str(error)))
        raise


class Tick:
    """One tick on an open journal."""

    def __init__(self, context: TickContext, session: JournalSession, executor: Executor | None = None) -> None:
        """Begin the tick; without an ``executor``, create one from the context's client."""
        self.report = TickReport()
        self._clock = SetClock(context.clock)
        context = replace(context, clock=self._clock)
        if context.notifier is not None:
            context.notifier.keep_time(self._clock)
        self._context = context
        self._session = session
        self._executor = executor or Executor(
            context.client, context.project, context.environment, context.clock, context.commands
        )
        self._recorder = Recorder(context, session)
        self._runner = Runner(context, self._recorder, self._executor, self.report)
        self._is_current = False
        self._knows_time, self._has_looked, self._is_tick = True, False, False
        self._ticked = last_look(session.journal)
        context.client.begin(TICK_BUDGET - session.waited)

    @property
    def journal(self) -> Journal:
        """The journal in use."""
        return self._session.journal

    # --- is this state of the present? ------------------------------------------------------------------------

    def verify_state(self) -> bool:
        """Find out whether the journal is current, and set it aside if a restore rewound it.

        This asks the platform where it has to, and closes the runs that were in flight in a journal that was set aside
        or lost. Return whether the journal may now be acted on: not where a restore cannot be ruled out.

        A restore puts back the mount as it was, journal and last tick with it, and replaces the container. So after
        an unusual gap between ticks, or in a new container while a run is in flight, the environment's restores since
        the last tick are asked for; one of them means a new journal. The answer also tells the platform's time, by
        which the tick works where this machine's clock is wrong.
        """
        self.report.runs |= {run.id: run for run in self._recorder.tell_losses()}
        self._has_looked = True
        if self._is_odd() and not self._is_put_right():
            return False
        now, since, unsure = self._clock.now(), self._since(), self._unsure() is not None
        usual = now - since <= TICK_GAP and not unsure and not self._has_moved(now - since)
        if self._session.fresh or usual or not self._something_to_do(now):
            self._is_current = not unsure or self._session.fresh
            return True
        answer = self._executor.look(LookAtActivities(types=("environment.restore",), since=since))
        if isinstance(answer, Trouble):
            return not self._is_outage(answer)  # with this token nothing can be asked for; the run itself will say so
        if self._learn_time():
            self._mend_if_odd()
        claimed = self.journal.claimed()  # one that this journal knows of has not rewound it
        items = answer.items if isinstance(answer, ActivityList) else ()
        restored = [each for each in items if each.created_at and each.created_at >= since and each.id not in claimed]
        if not restored and isinstance(answer, ActivityList) and not answer.complete:
            self.report.trouble = Trouble(
                FailureKind.BAD_REPLY, "the list of restores since the last tick cannot be read whole"
            )
            return False
        if restored:
            self._begin_rewound(f"restore {restored[0].id} put the state back to {since:%Y-%m-%d %H:%M} UTC")
        self._is_current = True
        return True

    def _is_outage(self, trouble: Trouble) -> bool:
        """Return whether the platform cannot be asked now; if so, note it in the report."""
        if trouble.kind not in {
            FailureKind.UNREACHABLE,
            FailureKind.BAD_REPLY,
            FailureKind.SETTINGS,
            FailureKind.BUDGET,
        }:
            return False
        self.report.trouble = trouble
        return True

    def _unsure(self) -> datetime | None:
        """Return since when it is unknown whether a restore rewound the journal; None if it is known."""
        return moment_of(self.journal.noted(UNSURE_SINCE))

    def _since(self) -> datetime:
        """Return the last time at which the journal was known to be current; now if none is known.

        That is the last tick, or (where its clock was behind) how far a tick judged slots.
        """
        now = self._clock.now()
        if self._ticked is None:
            return now
        judged = [each.until for each in self.journal.cursors() if each.until <= now]
        ticked = max([*([] if is_ahead(self._ticked, now) else [self._ticked]), *judged], default=now)
        unsure = self._unsure()
        return ticked if unsure is None or is_ahead(unsure, now) else min(unsure, ticked)

    # --- what time is it? ---------------------------------------------------------------------------------------

    def _is_odd(self) -> bool:
        """Return whether the journal is dated later than now: a clock was ahead, or this one is behind."""
        return is_odd(self.journal, self._ticked, self._clock.now())

    def _is_put_right(self) -> bool:
        """Ask the platform for the time, and repair the journal by it; return False if it cannot be asked now.

        Where nothing can be asked for at all, the journal stays as it is: it may be this clock that is behind.
        """
        answer = self._executor.expect(LookAtEnvironment())
        if isinstance(answer, Trouble) and self._is_outage(answer):
            self._knows_time = False
            return False
        self._learn_time()
        self._mend_if_odd()
        return True

    def _mend_if_odd(self) -> None:
        """Repair what a clock that was ahead left in the journal, by the platform's time, and log it."""
        if self._executor.platform_now is None or not self._is_odd():
            return
        mended = mend(self.journal, self._clock.now())
        if mended is not None:
            self._ticked = mended.since
            mended.log(self._context.log)

    def _learn_time(self) -> bool:
        """Use the platform's time if this machine's clock is wrong; return whether it is."""
        return set_by_platform(self._clock, self._executor.platform_now, self._context.log)

    # --- a journal that may be of the past ------------------------------------------------------------------------

    def close_overdue(self) -> bool:
        """Close runs that are past their limits and record slots that are past their grace, though the state is unsure.

        Nothing is asked for and no run is opened: what this writes is set aside with the journal if that turns out to
        be rewound. False where nothing was done, since it is not known what time it is: the last tick is so long ago
        that the clock may have leapt.
        """
        trouble, now = self.report.trouble, self._clock.now()
        leapt = self._ticked is not None and now - self._ticked > timedelta(seconds=CLOCK_LEAP)
        if trouble is None or leapt or not self._knows_time:
            return False
        for row in self.journal.rows(open_only=True, most=1000):
            self._runner.expire(row.run, trouble)
        self._is_tick = True
        self.open_due(blocked_by="the agent could not check whether a restore had reset the state")
        return True

    def _begin_rewound(self, why: str) -> None:
        """Begin a new journal, and close in it the runs that are in flight in the old one."""
        in_flight = []
        for row in self.journal.rows(open_only=True, most=1000):
            with contextlib.suppress(InconsistentEvents):
                past = self.journal.events(row.run)
                in_flight.append((fold(past), past[0]))
        self._session.begin_anew("rewound", why)
        for run, opened in in_flight:
            text = f"{why} while this run was in flight: what it had done since is not known"
            closed = ev.RunClosed(
                at=self._context.clock.now(),
                outcome=ev.RunOutcome.FAILED,
                failure=FailureKind.REWOUND,
                message=text,
                remedy=FailureKind.REWOUND.remedy,
            )
            if not isinstance(opened, ev.RunOpened):
                continue
            if self._recorder.open_run(opened, [closed], told=True):
                self.report.runs[run.id] = fold([opened, closed])

    def _has_moved(self, gap: timedelta) -> bool:
        """Return whether this is another container than at the last tick, as after a restore, with open runs to check.

        Lost may be what a run in flight did, or a whole run since: then at least one tick is missing between.
        """
        known = self.journal.noted(CONTAINER)
        if known is None or known == container_identity():
            return False
        return gap > ONE_TICK or bool(self.journal.rows(open_only=True, most=1))

    def _something_to_do(self, now: datetime) -> bool:
        if self.journal.rows(open_only=True, most=1):
            return True
        return any(judge.due(self._cursor(judge, now), now) for judge in self._judges())

    # --- due slots --------------------------------------------------------------------------------------------

    def _runs_here(self, job: Job) -> bool:
        return job.runs_on(self._context.container.environment_type)

    def _jobs_here(self) -> list[Job]:
        return [job for job in self._context.job_file.jobs.values() if self._runs_here(job)]

    def _judges(self) -> Iterator[Judge]:
        """Return a judge for each job that runs here by a schedule."""
        for job in self._jobs_here():
            schedule = schedule_of(self._context.container, job)
            if schedule is not None:
                yield Judge(job, schedule, self.journal, self._context.environment)

    def _cursor(self, judge: Judge, now: datetime) -> Cursor:
        return judge.cursor(now, fresh=self._session.fresh, since=self._session.since)

    def open_due(self, blocked_by: str = "") -> None:
        """Open runs for the slots that are due, and record those that were missed, are skipped or were not to run.

        ``blocked_by`` says why no run may be opened now. Before one is, or a slot is given up, the platform's time is
        asked for: a slot that has not come by that is not judged.
        """
        journal = self.journal
        self.report.elsewhere = [job.name for job in self._context.job_file.jobs.values() if not self._runs_here(job)]
        for name in self.report.elsewhere:
            self._context.log.info("job-not-here", job=name, environment_type=self._context.container.environment_type)
        journal.forget_cursors(job.name for job in self._jobs_here())
        judged = self._judged(blocked_by)
        wants_time = self._executor.platform_now is None and not blocked_by
        if wants_time and any(matters(each) for _, _, each in judged):
            self._executor.expect(LookAtEnvironment())  # a run that is opened asks for it first of all
            if self._learn_time():
                self._mend_if_odd()
                judged = self._judged(blocked_by)
        for judge, before, found in judged:
            Booking(self._context, self._recorder, judge).book(found.verdicts, self.report)
            self._say_new_schedule(judge, before)
            # An idle cursor need not be written at every tick: slots since the old one give the same verdicts.
            if found.verdicts or journal.cursor(judge.job.name) != before:
                journal.set_cursor(Cursor(judge.job.name, before.schedule, found.cursor))

    def _say_new_schedule(self, judge: Judge, cursor: Cursor) -> None:
        """Log which slots of the earlier schedule are not run: slots of the new one begin now."""
        count, before = judge.given_up(self.journal.cursor(judge.job.name), cursor.until)
        if count:
            text = f"{count} slots of the schedule before, {before}, are neither run nor recorded: the schedule changed"
            self._context.log.warning("schedule-changed", job=judge.job.name, message=text)

    def _judged(self, blocked_by: str) -> list[tuple[Judge, Cursor, Due]]:
        """Return every job with how far its slots were judged, and what to do about those since."""
        now = self._clock.now()
        in_flight = {row.job for row in self.journal.rows(open_only=True, most=1000)}
        found = []
        for judge in self._judges():
            cursor = self._cursor(judge, now)
            judged = judge.judge(cursor, now, in_flight=judge.job.name in in_flight, blocked_by=blocked_by)
            found.append((judge, cursor, judged))
        return found

    def open_by_hand(self, job: Job) -> str:
        """Open a run of the job now, whatever its schedule; return the run's id."""
        now = self._context.clock.now()
        run = f"{job.name}@manual-{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
        opened = opened_by(self._context, job, run, Slot(now, ""), ev.Trigger.MANUAL)
        if not self._recorder.open_run(opened):
            raise Bug(f"run {run} exists already")
        return run

    # --- open runs --------------------------------------------------------------------------------------------

    def close_foreign(self) -> None:
        """Close the open runs that the agent did not write itself, before a slot is skipped because of one."""
        self._runner.close_foreign()

    def advance_all(self) -> None:
        """Continue every open run, the oldest first."""
        for row in self.journal.rows(open_only=True, most=1000):
            self.advance(row.run)

    def advance(self, run_id: str) -> Run | None:
        """Continue one run as far as it goes now; return it as it then stands, None if it is foreign or no run."""
        return self._runner.advance(run_id)

    # --- what the next tick will see -----------------------------------------------------------------------

    def finish(self, *, by_hand: bool = False) -> None:
        """Write the hint for idle ticks, the time of this tick, and whether the state was known to be current.

        Nothing is forgotten for its age by this machine's word alone: a clock that is ahead would forget everything.
        ``by_hand``: it was no tick of a cron but a person's `run`. Then it is no sign that the cron works: it neither
        counts as a tick nor pings the dead-man's switch.
        """
        context, notifier = self._context, self._context.notifier
        now, seen = self._clock.now(), self._executor.platform_now is not None
        if notifier is not None:
            leapt = self._ticked is not None and now - self._ticked > timedelta(seconds=CLOCK_LEAP)
            notifier.tell(self.journal, context.client.left, sure=seen or not leapt, beats=not by_hand)
        moment = self._next_look(now)
        text = basis(context.job_file.text, context.container.environment_type)
        self.report.next_due = moment if moment > now else None
        self.journal.prune(self._forgotten_before(now) if seen else datetime.fromtimestamp(0, UTC), HISTORY_RUNS)
        self.journal.set_idle_hint(IdleHint(context.container.identity, text, int(moment.timestamp())))
        self._remember(now, by_hand=by_hand)
        if context.publish is not None and context.job_file.report["publish"] is not None and self.report.runs:
            context.publish(context, self.journal, self.report.runs)

    def _forgotten_before(self, now: datetime) -> datetime:
        """Return from when on history is kept; after a leap of time nothing is deleted before the next tick."""
        near = now if self._ticked is None else min(now, self._ticked + timedelta(seconds=CLOCK_LEAP))
        return near - timedelta(seconds=HISTORY_AGE)

    def _next_look(self, now: datetime) -> datetime:
        """Return when a tick must look closer: at once if a run is open, something is unsure or the clock is wrong."""
        notifier = self._context.notifier
        if self._clock.error:
            return min(now, now + self._clock.error)
        if self.report.trouble is not None or self.journal.rows(open_only=True, most=1):
            return now
        again = [notifier.next_at(self.journal)] if notifier is not None else []
        return max(now, min([now + timedelta(seconds=RECHECK), *self._coming(now), *again]))

    def _remember(self, now: datetime, *, by_hand: bool) -> None:
        """Record the tick, and from when on the next must ask for restores if this one could not.

        A run by hand while the platform is away, or by who did not look, is no tick: it leaves that to the next one.
        """
        if not self._has_looked or (self.report.trouble is not None and not self._is_tick):
            return
        if self._is_current:
            if self.journal.noted(CONTAINER) != container_identity():
                self.journal.note(CONTAINER, container_identity())
            if self.journal.noted(UNSURE_SINCE) is not None:
                self.journal.note(UNSURE_SINCE, None)
        elif self._unsure() is None and self._ticked is not None:
            self.journal.note(UNSURE_SINCE, self._since().isoformat())
        mark_looked(self.journal, now, by_hand=by_hand)

    def _coming(self, now: datetime) -> Iterator[datetime]:
        """Yield when each job is due next, from where its slots are judged; one that was left waiting is due now."""
        for judge in self._judges():
            judged = max(self._cursor(judge, now).until, now - timedelta(seconds=LOOK_BACK))
            slot = judge.schedule.next(min(judged, now))
            if slot is not None:
                yield slot.due_at
