"""Decide the slots of one job from its cursor to now: which run, and why others do not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from upsun_agent.cron_expression import ExpressionError
from upsun_agent.engine import conditions
from upsun_agent.engine.due import Due, ExcludeSlots, Exclusion, MissSlots, OpenSlot, Slot, SlotVerdict, due
from upsun_agent.journal import Cursor
from upsun_agent.limits import COMING_DAYS, COMING_MOST, LOOK_BACK, SLOTS_OLD
from upsun_agent.model.events import RunOutcome
from upsun_agent.model.failures import FailureKind
from upsun_agent.model.job import Job
from upsun_agent.runtime.clock_repair import is_ahead, judged_anew
from upsun_agent.runtime.suspension import NoteReader, Suspension, suspension, suspension_failure, suspension_times
from upsun_agent.schedule import Schedule, zone_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from upsun_agent.journal import RunRow
    from upsun_agent.model.events import Event

ROWS_OF_DAYS = 3000  # runs looked through for one that succeeded on a day: a run every minute makes 1,440
ROWS_AHEAD = 200  # newest runs of a job that are looked through for slots that ran before their time
OLD = f"older than the look-back of {int(LOOK_BACK // 86400)} days"


def key_of(job: Job) -> str:
    """Return the schedule and zone as the cursor's key: another schedule or zone has other slots."""
    return f"{job.schedule}|{job.timezone}"


class SlotFacts(NoteReader, Protocol):
    """The part of a journal that is needed to decide slots."""

    def cursor(self, job: str) -> Cursor | None:
        """Return the time up to which the job's slots have been decided."""

    def rows(self, *, job: str | None = None, most: int = 50) -> Sequence[RunRow]:
        """Return runs, newest first."""

    def events(self, run: str) -> list[Event]:
        """Return all events of the run, oldest first."""


class Judge(Struct, frozen=True):
    """Decide the slots of a job that runs on ``environment``, from its journal."""

    #: The job.
    job: Job
    #: The schedule of the job.
    schedule: Schedule
    #: The journal.
    journal: SlotFacts
    #: The id of the environment.
    environment: str

    def cursor(self, now: datetime, *, fresh: bool = False, since: datetime | None = None) -> Cursor:
        """Return the time up to which the job's slots are decided; this minute for a new schedule.

        A slot of this minute that an earlier schedule or zone had at the same instant is judged already. In a journal
        that replaces another (``fresh``) even this minute's slot may have been run: it begins with now, and later ticks
        of the same minute begin with the moment (``since``) at which it took the other's place.

        Args:
            now: the present, in UTC.
            fresh: whether the journal takes another's place.
            since: when it took that place; None if it never did.
        """
        key, found = key_of(self.job), self.journal.cursor(self.job.name)
        if found is not None and found.schedule == key:
            return found
        minute = now.replace(second=0, microsecond=0) - timedelta(seconds=1)
        if found is not None and minute < found.until <= now:
            minute = found.until
        if since is not None and minute < since <= now:
            minute = since
        return Cursor(self.job.name, key, now if fresh else minute)

    def given_up(self, found: Cursor | None, until: datetime) -> tuple[int, str]:
        """Return in words how many slots of the earlier schedule were not decided, and that schedule."""
        if found is None or found.schedule == key_of(self.job) or found.until >= until:
            return 0, ""
        expression, _, zone = found.schedule.rpartition("|")
        try:
            count = Schedule(expression, zone).count(found.until, until)
        except ExpressionError:
            return 0, ""
        return count, f"'{expression}' ({zone}), since {found.until:%Y-%m-%d %H:%M} UTC"

    def due(self, cursor: Cursor, now: datetime) -> bool:
        """Return whether there are slots to decide."""
        slot = self.schedule.next(cursor.until) if cursor.until < now else None
        return slot is not None and slot.due_at <= now

    def judge(self, cursor: Cursor, now: datetime, *, in_flight: bool, blocked_by: str = "") -> Due:
        """Return the verdicts on the slots after the cursor; see ``upsun_agent.engine.due``.

        Args:
            cursor: how far the slots are judged.
            now: the present, in UTC.
            in_flight: whether the job has an open run.
            blocked_by: why no run can be opened; empty if one can.
        """
        if not self.due(cursor, now):
            return Due((), max(cursor.until, now))
        excluded, lasting = self.excluded(cursor.until), suspension(self.journal, self.job.name)
        horizon = now - timedelta(seconds=LOOK_BACK)
        old = self._old(cursor.until, horizon, excluded) if cursor.until < horizon else ()
        slots = self.schedule.between(max(cursor.until, horizon), now)
        judged = due(self.job, slots, cursor.until, now, in_flight=in_flight, excluded=excluded, blocked_by=blocked_by)
        verdicts = [*old, *(_left_out(verdict, lasting) for verdict in judged.verdicts)]
        return Due(tuple(each for each in verdicts if not _is_known(each)), judged.cursor)

    def _old(self, after: datetime, until: datetime, excluded: Callable[[Slot], Exclusion]) -> tuple[SlotVerdict, ...]:
        """Return the verdicts on slots that are too old to run; above a limit they are only counted."""
        count = self.schedule.count(after, until)
        if not count:
            return ()
        if count <= SLOTS_OLD:
            slots = self.schedule.between(after, until)
            judged = due(self.job, slots, after, until + timedelta(days=400), in_flight=False, excluded=excluded)
            return tuple(
                MissSlots(each.slot, each.first, each.count, OLD) if isinstance(each, MissSlots) else each
                for each in judged.verdicts
            )
        first = self.schedule.next(after) or Slot(until, "")
        last = (self.schedule.between(until - timedelta(days=3), until) or [first])[-1]
        out, same = excluded(last), excluded(first)
        if out is not None and same is not None and out == same:
            return (ExcludeSlots(last, first, count, *out),)
        text = f"{OLD}, and too many to check one by one: conditions and pauses may have excluded some"
        return (MissSlots(last, first, count, text),)

    def excluded(self, after: datetime) -> Callable[[Slot], Exclusion]:
        """Return why a slot does not run (a pause, or a condition of the job), judged at the time it was due.

        One that has a run already, which a clock that was ahead may have opened before its time, has no kind of
        reason.
        """
        times, skip_reason = suspension_times(self.journal, self.job.name), self.skip_reason()
        known = judged_anew(self.journal.rows(job=self.job.name, most=ROWS_AHEAD), after)

        def reason(slot: Slot) -> Exclusion:
            if slot.due_at in known:
                return (None, "")
            past = next((each for each in times if each.covers(slot.due_at)), None)
            if past is not None:
                return (suspension_failure(past.why), _suspension_words(past, self.journal, self.job.name))
            text = skip_reason(slot)
            return None if text is None else (FailureKind.CONDITION, text)

        return reason

    def skip_reason(self) -> Callable[[Slot], str | None]:
        """Return why the job's conditions exclude a slot, judged by the slot's local time."""
        when = {key: value for key, value in self.job.when.items() if key != "branches" or self.environment}
        if not any(when.values()):
            return _nothing
        successes = self._successes() if when.get("once-a-day") else frozenset()

        def reason(slot: Slot) -> str | None:
            wall = wall_of(slot)
            succeeded = wall.date() if wall.date() in successes else None
            return conditions.skip_reason(when, wall, self.environment, succeeded)

        return reason

    def _successes(self) -> frozenset[date]:
        """Return the local dates on which the job succeeded; a manual run counts for the day it was opened on."""
        rows, zone = self.journal.rows(job=self.job.name, most=ROWS_OF_DAYS), zone_of(self.job)
        ended = [row for row in rows if row.outcome == RunOutcome.SUCCEEDED]
        return frozenset(
            date.fromisoformat(row.slot[:10]) if row.slot else row.opened_at.astimezone(zone).date() for row in ended
        )

    def coming(self, now: datetime) -> Iterator[Slot]:
        """Return the slots after the cursor that ticks will run, without those that are known to be excluded.

        A pause is not looked at: it ends when somebody says so.
        """
        found = self.journal.cursor(self.job.name)
        start = now
        if found is not None and found.schedule == key_of(self.job) and not is_ahead(found.until, now):
            start = max(now, found.until)
        newest = self.journal.rows(job=self.job.name, most=ROWS_AHEAD)
        sound = [
            row
            for row in newest
            if row.outcome not in {RunOutcome.MISSED, RunOutcome.SKIPPED} or not is_ahead(row.opened_at, now)
        ]
        known, skip_reason = judged_anew(sound, now), self.skip_reason()
        slots = self.schedule.after(start) if skip_reason is _nothing else self._near(start)
        return (slot for slot in slots if slot.due_at not in known and skip_reason(slot) is None)

    def _near(self, start: datetime) -> Iterator[Slot]:
        """Yield the slots of the next months, at most a thousand: conditions may exclude all of them."""
        if self.schedule.count(start, start + timedelta(days=COMING_DAYS)) <= COMING_MOST:
            yield from islice(self.schedule.after(start), COMING_MOST)
            return
        for days in range(0, COMING_DAYS, 5):
            begin = start + timedelta(days=days)
            yield from self.schedule.between(begin, begin + timedelta(days=5))


def matters(judged: Due) -> bool:
    """Return whether the verdict opens a run, or gives up a slot that should have run."""
    return any(isinstance(each, OpenSlot | MissSlots) for each in judged.verdicts)


def _is_known(verdict: SlotVerdict) -> bool:
    return isinstance(verdict, ExcludeSlots) and verdict.failure is None


def wall_of(slot: Slot) -> datetime:
    """Return the local wall-clock time of the slot in the job's zone."""
    return datetime.fromisoformat(slot.name[:16])


def _nothing(_: Slot) -> None:
    """Return None: there is no condition."""


def _left_out(verdict: SlotVerdict, reason: str | None) -> SlotVerdict:
    """Return the verdict while the job is paused or suspended: earlier slots are not run either."""
    if reason is None or not isinstance(verdict, OpenSlot):
        return verdict
    return ExcludeSlots(verdict.slot, verdict.slot, 1, suspension_failure(reason), reason)


def _suspension_words(past: Suspension, journal: NoteReader, job: str) -> str:
    """Return why the job was paused or suspended: the note's words while it lasts, else from when until when."""
    if past.until is None:
        return suspension(journal, job) or past.why
    return f"{past.why}; until {past.until:%Y-%m-%d %H:%M} UTC"
