"""Marks on a journal that moved or is being moved: neither is used, so two are never in use at once."""

from __future__ import annotations

from shlex import quote

from upsun_agent.errors import ConfigInvalid
from upsun_agent.journal import JournalReader
from upsun_agent.journal.notes import MOVE_MARKS, MOVED_TO, MOVING_FROM


class StateMoved(ConfigInvalid):
    """The state was moved to another place, and the job file still names the old one."""


class MoveUnfinished(ConfigInvalid):
    """The state is being moved here, and the move is not finished."""


def refuse_moved(journal: JournalReader, place: str) -> None:
    """Raise StateMoved or MoveUnfinished if the journal has such a mark."""
    error = marked(journal, place)
    if error is not None:
        raise error


def marked(journal: JournalReader, place: str) -> ConfigInvalid | None:
    """Return the error for the mark on the journal, or None if it has no mark."""
    marks = journal.notes(MOVE_MARKS)
    if MOVED_TO in marks:
        where = marks[MOVED_TO]
        remedy = f'set state = "{where}" under [agent] in the job file, or move it back: upsun-agent state move'
        return StateMoved(f"the state in {place} was moved to {where}: nothing uses it any more", remedy=remedy)
    if MOVING_FROM in marks:
        source = marks[MOVING_FROM]
        remedy = f"finish it: upsun-agent state move --from {quote(source)} --to {quote(place)}"
        return MoveUnfinished(f"the state in {place} was only partly moved from {source}", remedy=remedy)
    return None
