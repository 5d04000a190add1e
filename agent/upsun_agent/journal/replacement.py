"""The notes with which a journal that replaces another begins: when and why it replaced it.

It is written with the tables, in one transaction: a process that is killed meanwhile leaves either no new journal or
one that knows all of it.
"""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from upsun_agent.journal import JournalReader
from upsun_agent.journal.notes import BEGUN_ANEW, LOSS_UNTOLD, LOST_RUN, moment_of
from upsun_agent.journal.sidecar import Beside
from upsun_agent.log.foreign_text import one_line

#: The reasons for replacing a journal that mean that data of this environment was lost.
LOSSES = frozenset({"damaged"})
WHY_MOST = 500  # characters


class Anew(Struct, frozen=True):
    """When and why the journal replaced another: the kind (damaged, foreign, rewound) and words."""

    #: When the journal replaced another.
    at: datetime
    #: Why, as a stable word: ``damaged``, ``foreign`` or ``rewound``.
    word: str
    #: Why, in words.
    why: str

    @property
    def is_loss(self) -> bool:
        """Return whether the replaced journal held data of this environment."""
        return self.word in LOSSES


def notes_of(now: datetime, word: str, why: str, kept: Beside) -> dict[str, str]:
    """Return the notes that the new journal begins with: why, which jobs stay paused or suspended, what was lost.

    Args:
        now: the present, in UTC.
        word: why the old journal was set aside, in one word.
        why: why, in words for people.
        kept: what is kept beside the journal.
    """
    why = one_line(why, WHY_MOST)
    notes = {BEGUN_ANEW: f"{now.isoformat()} {word} {why}", **kept.suspended}
    if word not in LOSSES:
        return notes
    return {**notes, **{f"{LOST_RUN}{run}": data for run, data in kept.flights.items()}, LOSS_UNTOLD: why}


def begun_anew(journal: JournalReader) -> Anew | None:
    """Return when and why the journal replaced another; None if it is the first, or the note is unreadable."""
    return read_anew(journal.noted(BEGUN_ANEW) or "")


def read_anew(text: str) -> Anew | None:
    """Return when and why the journal replaced another, from the note's text; None if it is unreadable."""
    moment, _, rest = text.partition(" ")
    word, _, why = rest.partition(" ")
    at = moment_of(moment)
    return Anew(at, word, why) if at is not None else None
