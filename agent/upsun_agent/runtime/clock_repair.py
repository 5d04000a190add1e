"""Find and correct times in the journal that were written while a clock was ahead.

A moment is later than now by more than two clocks can differ: it is of no use for comparing, whatever it says. What it
kept back is evaluated again from the present, and what was booked about slots that have not come is taken away.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from upsun_agent.clock import SetClock
from upsun_agent.engine.bounds import CLOCK_AHEAD, CLOCK_WRONG
from upsun_agent.journal import Cursor, Journal, JournalReader, RunRow
from upsun_agent.journal.counters import remembered
from upsun_agent.journal.notes import FORGOTTEN, LAST_BY_HAND, OUTBOX, moment_at
from upsun_agent.limits import HISTORY_RUNS
from upsun_agent.model.durations import span
from upsun_agent.model.events import NEVER_RAN, RunClosed
from upsun_agent.notify import outbox

RUNS_LOOKED_AT = 200  # newest runs, by their own dates: those of a clock that was ahead come first


class Mended(Struct, frozen=True):
    """What was corrected: in words, how many runs were deleted or dated again, and the last correct time."""

    #: What was found, in words.
    found: tuple[str, ...]
    #: The runs that were removed.
    dropped: tuple[str, ...]
    #: The runs that got another date.
    dated: tuple[str, ...]
    #: The last correct time.
    since: datetime

    def log(self, log: Any) -> None:
        """Log what was corrected."""
        text = f"a clock was ahead: {', '.join(self.found)}; evaluated again from {self.since:%Y-%m-%d %H:%M} UTC"
        log.warning("clock-was-ahead", message=text, dropped=self.dropped, dated=self.dated)


def set_by_platform(clock: SetClock, there: datetime | None, log: Any) -> bool:
    """Set a tick's clock to the platform's time if it differs by too much; return whether it does.

    Args:
        clock: the clock of the tick.
        there: the platform's time; None if no answer has told it.
        log: where it is logged.
    """
    if there is None or abs(clock.now() - there) <= CLOCK_WRONG:
        return False
    clock.set(there)
    error = clock.error
    text = f"this clock is {span(abs(error))} {'ahead of' if error > timedelta() else 'behind'} the platform's"
    log.warning("clock-wrong", message=f"{text}: the tick uses the platform's")
    return True


def is_ahead(moment: datetime | None, now: datetime) -> bool:
    """Return whether the time is later than now by more than two clocks normally differ."""
    return moment is not None and moment - now > CLOCK_AHEAD


def is_odd(journal: JournalReader, ticked: datetime | None, now: datetime) -> bool:
    """Return whether the last tick, or the cursor of a job, is dated later than now.

    Args:
        journal: the journal.
        ticked: when the last tick was; None if there was none.
        now: the present.
    """
    return is_ahead(ticked, now) or any(is_ahead(each.until, now) for each in journal.cursors())


def last_tick(journal: JournalReader) -> datetime | None:
    """Return when the last tick was, by its own clock."""
    return moment_at(journal.last_tick())


def last_look(journal: JournalReader) -> datetime | None:
    """Return when a process last verified that this state is current: a tick, or a manual `run`."""
    by_hand = journal.noted(LAST_BY_HAND) or ""
    looked = moment_at(int(by_hand)) if by_hand.isascii() and by_hand.isdigit() else None
    return max((each for each in (last_tick(journal), looked) if each is not None), default=None)


def ahead(journal: JournalReader, now: datetime) -> list[str]:
    """Return in words what in the journal is dated later than now; empty if nothing is."""
    found = []
    ticked = last_tick(journal)
    if ticked is not None and is_ahead(ticked, now):
        found.append(f"the last tick ({_words(ticked)})")
    late = [cursor for cursor in journal.cursors() if is_ahead(cursor.until, now)]
    found += [f"how far the slots of {cursor.job} are judged ({_words(cursor.until)})" for cursor in late]
    runs = [row for row in journal.rows(most=RUNS_LOOKED_AT) if is_ahead(row.opened_at, now)]
    if runs:
        found.append(f"{len(runs)} run{'s' if len(runs) > 1 else ''} ({_words(max(row.opened_at for row in runs))})")
    return found


def mend(journal: Journal, now: datetime) -> Mended | None:
    """Correct what is dated later than ``now``, the best known time; return None if nothing is."""
    if not is_odd(journal, last_tick(journal), now):
        return None
    found, rows = ahead(journal, now), list(journal.rows(most=HISTORY_RUNS * 2))
    since = _last_sound(journal, rows, now)
    false = [row for row in rows if row.outcome in NEVER_RAN and is_ahead(row.opened_at, now)]
    begun = _first_judged(journal, rows, now)
    _forget(journal, false)
    dropped = {row.run for row in false}
    kept = [row for row in rows if row.run not in dropped]
    late = [row for row in kept if is_ahead(row.opened_at, now)]
    for row in late:
        lasted = max(row.closed_at - row.opened_at, timedelta()) if row.closed_at is not None else timedelta()
        opened_at = max(now - lasted, since)
        dated = replace(row, opened_at=opened_at, closed_at=None if row.closed_at is None else now)
        journal.take_in([replace(each, row=dated) for each in journal.copied([row])])
    for cursor in journal.cursors():
        if is_ahead(cursor.until, now):
            until = begun.get(cursor.job) or _judged_until(cursor.job, kept, now)
            journal.set_cursor(Cursor(cursor.job, cursor.schedule, until))
    return Mended(tuple(found), tuple(sorted(dropped)), tuple(row.run for row in late), since)


def judged_anew(rows: Iterable[RunRow], after: datetime) -> frozenset[datetime]:
    """Return the slots after that time that have their own run: they are not decided a second time."""
    return frozenset(row.due_at for row in rows if row.slot is not None and row.due_at > after)


def _first_judged(journal: JournalReader, rows: Iterable[RunRow], now: datetime) -> dict[str, datetime]:
    """Return each job's cursor from before the clock was ahead, derived from the first slot decided after."""
    found: dict[str, datetime] = {}
    for row in rows:
        if row.slot is not None and is_ahead(row.opened_at, now):
            before = min(_first(journal, row) - timedelta(seconds=1), now)
            found[row.job] = min(found.get(row.job, before), before)
    return found


def _first(journal: JournalReader, row: RunRow) -> datetime:
    """Return when the first slot of the run was due."""
    last = journal.events(row.run)[-1:]
    text = last[0].detail.get("first_at") if last and isinstance(last[0], RunClosed) else None
    return datetime.fromisoformat(text) if isinstance(text, str) else row.due_at


def _judged_until(job: str, rows: Iterable[RunRow], now: datetime) -> datetime:
    """Return a safe cursor for the job: its latest slot up to now that has a run, or this minute."""
    known = [row.due_at for row in rows if row.job == job and row.slot is not None and row.due_at <= now]
    return max(known, default=now.replace(second=0, microsecond=0) - timedelta(seconds=1))


def _last_sound(journal: JournalReader, rows: Iterable[RunRow], now: datetime) -> datetime:
    """Return the latest time in the journal that is not later than now; now if there is none."""
    moments = [moment for row in rows for moment in (row.opened_at, row.closed_at) if moment is not None]
    moments += [cursor.until for cursor in journal.cursors()]
    return max((moment for moment in moments if moment <= now), default=now)


def _forget(journal: Journal, rows: list[RunRow]) -> None:
    """Delete the runs and their queued notifications; keep them in the counts."""
    if not rows:
        return
    gone = [(row.job, row.outcome or "", 0, row.opened_at.timestamp()) for row in rows]
    for key, text in remembered(journal.notes(FORGOTTEN), gone).items():
        journal.note(key, text)
    dropped = {row.run for row in rows}
    for message in outbox.waiting(journal.notes(OUTBOX)):
        if message.run in dropped:
            journal.note(f"{OUTBOX}{message.id}", None)
    journal.drop(sorted(dropped))


def _words(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
