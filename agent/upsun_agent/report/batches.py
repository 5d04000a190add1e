"""The number of slots of a run: consecutive slots that were missed or skipped are recorded as one run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from upsun_agent.journal import JournalReader, RunRow
from upsun_agent.journal.codec import decode
from upsun_agent.model import events as ev
from upsun_agent.model.events import NEVER_RAN
from upsun_agent.report.reading import written_of


def slots_in(closed: ev.RunClosed | None) -> int:
    """Return the number of slots of a run with this end: more than one for a batch."""
    count: Any = closed.detail.get("count", 1) if closed is not None else 1
    return count if isinstance(count, int) and count > 1 else 1


def slots_of(journal: JournalReader, rows: Iterable[RunRow]) -> dict[str, int]:
    """Return the number of slots of each batch, by run; runs of a single slot are not included."""
    found = {}
    for row, written in written_of(journal, [row for row in rows if row.outcome in NEVER_RAN]):
        last = decode(*written[-1]) if written else None
        count = slots_in(last if isinstance(last, ev.RunClosed) else None)
        if count > 1:
            found[row.run] = count
    return found


def outcome_words(row: RunRow, slots: int) -> str:
    """Return the outcome of the run, with the number of slots of a batch."""
    word = row.outcome or "in flight"
    return word if slots == 1 else f"{slots} {word}"
