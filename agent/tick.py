"""The one loop: lock, fold, decide, perform, record. A tick opens what is due and takes every open run one pass on.

It never waits for the platform. What it cannot finish now, the next tick goes on with, from the journal.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from agent.chronicle import Chronicle
from agent.engine import events as ev
from agent.engine.bounds import TICK_GAP
from agent.engine.due import MissSlots, OpenSlot, Slot, SlotVerdict, due
from agent.engine.facts import (
    Activity,
    ActivityList,
    Answer,
    LookAtActivities,
    Trouble,
)
from agent.engine.job import Job
from agent.engine.run import InconsistentEvents, Run, fold
from agent.errors import AgentError, Bug
from agent.glance import basis
from agent.journal import Cursor, Glance, Journal
from agent.journal.lock import container_identity
from agent.limits import HISTORY_AGE, HISTORY_RUNS, LOOK_BACK, RECHECK, TICK_BUDGET
from agent.performer import Performer
from agent.places import LAST_MOMENT
from agent.runner import Runner, zone_of
from agent.site import Desk, Site, at_work
from agent.suspension import suspension
from agent.tick_report import TickReport

#: The note in the journal of the container of the last tick.
CONTAINER = "container"
#: The note that says when a `run` by hand last worked on a journal without a tick, in seconds since 1970.
BY_HAND = "last-by-hand"
ONE_TICK = timedelta(seconds=400)  # the shortest cron interval of the platform, and some delay
ROWS_OF_A_DAY = 300  # runs looked through for one that succeeded today: a run every five minutes makes 288


@contextmanager
def ticking(site: Site) -> Iterator[Tick]:
    """A tick at work: locked, journal open. Raises Busy or StateNotWritable."""
    with at_work(site) as desk:
        yield Tick(site, desk)


def run_tick(site: Site) -> TickReport:
    """One whole tick; raises Busy where another is at work, StateNotWritable where the state cannot be used."""
    try:
        with ticking(site) as tick:
            if tick.state_is_current():
                tick.open_due()
                tick.advance_all()
                tick.finish()
            return tick.report
    except AgentError as error:
        if error.alarming and site.herald is not None:
            site.herald.alarm(str(error))
        raise


class Tick:
    """One tick on an open journal."""

    def __init__(self, site: Site, desk: Desk, performer: Performer | None = None) -> None:
        """Begin; ``performer`` sends the requests, the site's usual one where it is None."""
        self.report = TickReport()
        self._site = site
        self._desk = desk
        self._performer = performer or Performer(site.client, site.project, site.environment, site.clock, site.commands)
        self._chronicle = Chronicle(site, desk)
        self._runner = Runner(site, self._chronicle, self._performer, self.report)
        self._is_current = False
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
        self.report.runs |= {run.id: run for run in self._chronicle.tell_losses()}
        now = self._site.clock.now()
        since = self._last_look() or now
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

    def _last_look(self) -> datetime | None:
        """When a process last made sure that this state is current: a tick, or a `run` by hand."""
        by_hand = self.journal.noted(BY_HAND) or ""
        moments = [self.journal.last_tick(), int(by_hand) if by_hand.isascii() and by_hand.isdigit() else None]
        known = [each for each in moments if each is not None and each < LAST_MOMENT]
        return datetime.fromtimestamp(max(known), UTC) if known else None

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
            if self._chronicle.open_run(opened, [closed], told=True):
                self.report.runs[run.id] = fold([opened, closed])

    def _has_moved(self, gap: timedelta) -> bool:
        """Whether this is another container than the last tick's, as after a restore, and something may be lost.

        Lost may be what a run in flight did, or a whole run since: then at least one tick is missing between.
        """
        known = self.journal.noted(CONTAINER)
        if known is None or known == container_identity():
            return False
        return gap > ONE_TICK or bool(self.journal.rows(open_only=True, most=1))

    def _something_to_do(self, now: datetime) -> bool:
        if self.journal.rows(open_only=True, most=1):
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

        In a journal that replaces another even this minute's slot may have been run already: it begins with the moment
        at which it did, which later ticks of the same minute know too.
        """
        key = f"{job.schedule}|{job.timezone}"
        found = self.journal.cursor(job.name)
        if found is not None and found.schedule == key:
            return found
        minute = now.replace(second=0, microsecond=0) - timedelta(seconds=1)
        since = self._desk.since
        if self._desk.fresh:
            return Cursor(job.name, key, now)
        return Cursor(job.name, key, max(minute, since) if since is not None and since <= now else minute)

    def open_due(self) -> None:
        """Open runs for the slots that are due, and book those that were missed or are skipped."""
        now, journal = self._site.clock.now(), self.journal
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
        slot = verdict.slot
        opened = self._opened(job, f"{job.name}@{slot.name}", slot, "schedule")
        now = opened.at  # one moment for all that is booked: a run that never ran took no time
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
        if self._chronicle.open_run(opened, later):
            self.report.runs[opened.run] = fold([opened, *later])

    def _hindrance(self, job: Job, now: datetime) -> str | None:
        """Why the job's conditions leave this slot out, or None."""
        if not any(job.when.values()):
            return None
        from agent.engine.conditions import hindrance  # noqa: PLC0415  late: most jobs have none

        zone, last = zone_of(job), None
        if job.when.get("once-a-day"):
            rows = self.journal.rows(job=job.name, most=ROWS_OF_A_DAY)
            ended = [row.opened_at for row in rows if row.outcome == "succeeded"]
            last = max(ended).astimezone(zone).date() if ended else None
        return hindrance(job.when, now.astimezone(zone), self._site.environment, last)

    def open_by_hand(self, job: Job) -> str:
        """Open a run of the job now, whatever its schedule; returns the run's id."""
        import secrets  # noqa: PLC0415  late: a cron's tick opens none by hand

        now = self._site.clock.now()
        run = f"{job.name}@manual-{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
        opened = self._opened(job, run, Slot(now, ""), "manual")
        if not self._chronicle.open_run(opened):
            raise Bug(f"run {run} exists already")
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
        for row in self.journal.rows(open_only=True, most=1000):
            self.advance(row.run)

    def advance(self, run_id: str) -> Run | None:
        """Take one run as far as it goes now; returns it as it then stands, None where its events do not fold."""
        return self._runner.advance(run_id)

    # --- what the next tick will see -----------------------------------------------------------------------

    def finish(self, *, by_hand: bool = False) -> None:
        """Leave the answer for idle ticks; remember that this tick was, if it made sure that the state is current.

        ``by_hand``: it was no tick of a cron but a person's `run`. Then it is no sign that the cron works: it neither
        counts as a tick nor pings the dead-man's switch.
        """
        site, herald = self._site, self._site.herald
        if herald is not None:
            herald.tell(self.journal, site.client.left, beats=not by_hand)
        now = site.clock.now()
        if self.journal.rows(open_only=True, most=1):
            moment = now
        else:
            again = [herald.next_at(self.journal)] if herald is not None else []
            moment = max(now, min([now + timedelta(seconds=RECHECK), *self._coming(now), *again]))
        text = basis(site.job_file.text, site.container.environment_type)
        self.report.next_due = moment if moment > now else None
        self.journal.prune(now - timedelta(seconds=HISTORY_AGE), HISTORY_RUNS)
        self.journal.set_glance(Glance(site.container.identity, text, int(moment.timestamp())))
        if self._is_current:  # or the next tick would not ask for restores any more
            if self.journal.noted(CONTAINER) != container_identity():
                self.journal.note(CONTAINER, container_identity())
            self._mark(now, by_hand=by_hand)
        if site.job_file.report["publish"] is not None and self.report.runs:
            from agent.report.publish import publish  # noqa: PLC0415  late: most ticks publish nothing

            publish(site, self.journal, self.report.runs)

    def _mark(self, now: datetime, *, by_hand: bool) -> None:
        """Remember that a process made sure that the state is current: as a tick, or in a note as long as none was."""
        if not by_hand:
            self.journal.mark_tick(now.timestamp())
            if self.journal.noted(BY_HAND) is not None:
                self.journal.note(BY_HAND, None)
        elif self.journal.last_tick() is None:
            self.journal.note(BY_HAND, str(int(now.timestamp())))

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


def _items(answer: Answer) -> tuple[Activity, ...]:
    return answer.items if isinstance(answer, ActivityList) else ()
