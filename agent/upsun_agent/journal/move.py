"""Move a journal to another place: copy it, verify the copy, and only then retire the old one.

At every moment one journal at most may be acted on. The new one bears a mark until all of it is there and verified, the
old one from then on; a move that was killed is taken up by the same command again. Runs are append-only, so what was
copied before is completed, never written twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from shlex import quote

from msgspec import Struct

from upsun_agent.errors import StateNotWritable
from upsun_agent.journal import Copied, Identity, IdleHint, Journal, JournalReader, RunRow
from upsun_agent.journal.notes import LEASE, MOVE_MARKS, MOVED_TO, MOVING_FROM
from upsun_agent.limits import HISTORY_RUNS, MOVED_AT_ONCE

#: Notes about the place of the journal, not about its runs.
OF_THE_PLACE = (LEASE, MOVE_MARKS)


class PlaceTaken(StateNotWritable):
    """The place that the state is to be moved to has a journal of its own."""

    turn = "you: choose another place, or move that journal away first"


class CopyDiffers(StateNotWritable):
    """The copy differs from the original."""

    turn = "you: give the command again; report it if it stays"


class Contents(Struct, frozen=True):
    """How much a journal holds, and a digest of every run's events, by run."""

    #: How many runs it holds.
    runs: int
    #: How many events it holds.
    events: int
    #: How many jobs have a cursor.
    cursors: int
    #: How many notes it holds.
    notes: int
    #: A digest of each run's events, by run.
    digests: dict[str, str]


def contents(journal: JournalReader) -> Contents:
    """Count and digest the journal."""
    digests, events = {}, 0
    for copies in _batches(journal, _rows(journal)):
        for each in copies:
            digests[each.row.run] = _digest(each)
            events += len(each.events)
    return Contents(len(digests), events, len(journal.cursors()), len(_notes(journal)), digests)


def _digest(copy: Copied) -> str:
    known = hashlib.sha256(repr((copy.row, copy.activities)).encode("utf-8", "backslashreplace"))
    for kind, data in copy.events:
        known.update(f"{kind}\0{data}\n".encode("utf-8", "backslashreplace"))
    return known.hexdigest()


def _rows(journal: JournalReader) -> list[RunRow]:
    """Return all runs, the oldest first."""
    return list(journal.rows(most=HISTORY_RUNS * 10))[::-1]


def _notes(journal: JournalReader) -> dict[str, str]:
    return {key: value for key, value in journal.notes("").items() if not key.startswith(OF_THE_PLACE)}


def _batches(journal: JournalReader, rows: Sequence[RunRow]) -> Iterator[list[Copied]]:
    for start in range(0, len(rows), MOVED_AT_ONCE):
        yield journal.copied(rows[start : start + MOVED_AT_ONCE])


def refuse_taken(target: Journal, source_name: str, place: str) -> None:
    """Raise PlaceTaken if the target is in use.

    It may be filled where it is empty, where this very move began to, or where it had been moved to where the source is
    now: on the way back it is out of date.

    Args:
        target: the journal to fill.
        source_name: where the source is, in the words of the job file.
        place: where the target is, in the words of the job file.
    """
    marks = target.notes(MOVE_MARKS)
    if marks.get(MOVING_FROM, marks.get(MOVED_TO)) == source_name:
        return
    if MOVING_FROM in marks:
        remedy = f"finish that: upsun-agent state move --from {quote(marks[MOVING_FROM])} --to {quote(place)}"
        raise PlaceTaken(f"another state is being moved to {place}", remedy=remedy)
    if list(target.rows(most=1)) or target.cursors():
        remedy = "move it elsewhere first, or choose another place"
        raise PlaceTaken(f"{place} has a journal of its own, with runs of this environment", remedy=remedy)


def copy(source: Journal, target: Journal, source_name: str, progress: Callable[[int, int], None]) -> None:
    """Copy the source into the target, without the marks; call ``progress`` with the runs done and the total.

    Args:
        source: the journal to read.
        target: the journal to fill.
        source_name: where the source is, in the words of the job file.
        progress: called with the runs that are done, and all.
    """
    target.note(MOVING_FROM, source_name)
    rows = _rows(source)
    known = {row.run for row in rows}
    target.drop([row.run for row in target.rows(most=HISTORY_RUNS * 10) if row.run not in known])
    done = 0
    for copies in _batches(source, rows):
        target.take_in(copies)
        done += len(copies)
        progress(done, len(rows))
    cursors = source.cursors()
    target.forget_cursors(cursor.job for cursor in cursors)
    for cursor in cursors:
        target.set_cursor(cursor)
    wanted, there = _notes(source), _notes(target)
    for key in there.keys() | wanted.keys():
        if there.get(key) != wanted.get(key):
            target.note(key, wanted.get(key))
    seconds = source.last_tick()
    if seconds is not None:
        target.mark_tick(seconds, source.ticks())


def verify(source: JournalReader, target: JournalReader) -> Contents:
    """Return the contents of both journals; raise CopyDiffers if they are not the same."""
    old, new = contents(source), contents(target)
    if old != new:
        differing = sum(old.digests.get(run) != new.digests.get(run) for run in old.digests.keys() | new.digests.keys())
        counts = f"{new.runs} of {old.runs} runs, {new.events} of {old.events} events, {differing} runs differ"
        raise CopyDiffers(f"the copy differs from the original: {counts}", remedy="nothing was given up; try again")
    return old


def hand_over(source: Journal, target: Journal, place: str, identity: Identity) -> None:
    """Retire the old journal, then release the new one for use. In this order, two are never in use at once.

    Args:
        source: the journal that was read.
        target: the journal that was filled.
        place: where the target is, in the words of the job file.
        identity: project, environment and app.
    """
    source.set_idle_hint(IdleHint(identity, "", 0))  # or an idle tick would go on believing it
    source.note(MOVED_TO, place)
    target.note(MOVED_TO, None)
    target.note(MOVING_FROM, None)
