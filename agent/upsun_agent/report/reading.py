"""Read a run for display, also one whose events are damaged or foreign."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from upsun_agent.engine.fold import InconsistentEvents, fold
from upsun_agent.engine.run import Run
from upsun_agent.journal import JournalReader, RunRow
from upsun_agent.journal.codec import EventUnreadable, decode
from upsun_agent.model import events as ev
from upsun_agent.model.failures import FailureKind

#: Failures with which a tick closes a run whose events may be anything.
CLOSED_UNREAD = frozenset({FailureKind.FOREIGN, FailureKind.JOURNAL})
RUNS_AT_ONCE = 500  # runs whose events one statement asks for

#: The events of a run as a journal holds them: (kind, JSON), oldest first.
Written = Sequence[tuple[str, str]]
#: A run, its events, and what is wrong with them. Where something is, there is no run and no event.
Told = tuple[Run | None, tuple[ev.Event, ...], str]


def run_of(journal: JournalReader, run: str) -> tuple[Run, list[ev.Event]]:
    """Return the run with its events.

    If a tick closed the run because its events are foreign or inconsistent, only its opening and its end are returned.

    Raises:
        InconsistentEvents: the events are inconsistent, and no tick has closed the run yet.
        EventUnreadable: this version cannot read an event.
    """
    return _run_of(run, journal.written(run))


def written_of(journal: JournalReader, rows: Sequence[RunRow]) -> Iterator[tuple[RunRow, Written]]:
    """Yield each of these runs with its events, read a few hundred runs at a time."""
    for start in range(0, len(rows), RUNS_AT_ONCE):
        for copy in journal.copied(rows[start : start + RUNS_AT_ONCE]):
            yield copy.row, copy.events


def runs_of(journal: JournalReader, rows: Sequence[RunRow]) -> Iterator[tuple[RunRow, Told]]:
    """Yield each of these rows with its run and events, read a few hundred runs at a time."""
    for row, written in written_of(journal, rows):
        try:
            run, events = _run_of(row.run, written)
        except (InconsistentEvents, EventUnreadable) as error:
            yield row, (None, (), f"the journal of this run is inconsistent: {error}")
        else:
            yield row, (run, tuple(events), "")


def _run_of(run: str, written: Written) -> tuple[Run, list[ev.Event]]:
    try:
        events = [decode(kind, data) for kind, data in written]
        return fold(events), events
    except (InconsistentEvents, EventUnreadable):
        closed = decode(*written[-1]) if written else None
        if not isinstance(closed, ev.RunClosed) or closed.failure not in CLOSED_UNREAD:
            raise
    events = [_opening(run, written[0], closed), closed]
    return fold(events), events


def _opening(run: str, written: tuple[str, str], closed: ev.RunClosed) -> ev.RunOpened:
    """Return the run's first event, or a substitute without steps if that does not open a run."""
    try:
        opened = decode(*written)
        fold([opened])
    except (InconsistentEvents, EventUnreadable):
        opened = None
    if isinstance(opened, ev.RunOpened):
        return opened
    job = {"name": run.partition("@")[0], "steps": []}
    at = closed.at
    return ev.RunOpened(at=at, run=run, environment="", slot=None, due_at=at, trigger=ev.Trigger.MANUAL, job=job)
