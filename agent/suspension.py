"""Jobs that are held back: by a person (``pause``) or by the circuit breaker (``suspend-after``), until ``resume``.

Kept as notes in the journal, so a clone or another environment does not inherit them: one that says why a job is held
back now, and one for each time it was, so that a slot is judged by whether the job was held back when it was due.
"""

from __future__ import annotations

from datetime import UTC, datetime
from re import search

from agent.journal import Journal
from agent.limits import HOLDS_KEPT
from agent.records import dataclass

_KEY = "suspended:"
_SPAN = "held:"


@dataclass(frozen=True, slots=True)
class Hold:
    """A time in which a job is held back; ``until`` is None while it lasts, ``why`` says it in words."""

    since: datetime
    until: datetime | None
    why: str

    def covers(self, moment: datetime) -> bool:
        """Whether the job was held back at that moment."""
        return self.since <= moment and (self.until is None or moment < self.until)


def suspension(journal: Journal, job: str) -> str | None:
    """Why and since when the job is held back, in words; None where it is not."""
    return journal.noted(_KEY + job) or None


def holds(journal: Journal, job: str) -> list[Hold]:
    """The times in which the job was held back, and is, oldest first."""
    found = []
    for key, text in journal.notes(f"{_SPAN}{job}:").items():
        ended, _, why = text.partition(" ")
        since, until = _moment(key.removeprefix(f"{_SPAN}{job}:")), _moment(ended)
        if since is not None and (until is not None or ended == "-"):
            found.append(Hold(since, until, why))
    now_held = suspension(journal, job)
    if now_held is not None and all(hold.until is not None for hold in found):
        found.append(Hold(_written(now_held), None, now_held))  # by a version that kept no times
    return sorted(found, key=lambda hold: hold.since)


def suspend(journal: Journal, job: str, reason: str, now: datetime) -> None:
    """Hold the job back from now on: its slots are skipped."""
    for key, text in suspending(job, reason, now).items():
        journal.note(key, text)


def suspending(job: str, reason: str, now: datetime) -> dict[str, str]:
    """The facts that hold the job back, to be written with the event that is the reason."""
    text = f"the job is suspended since {now:%Y-%m-%d %H:%M} UTC: {reason}; upsun-agent resume {job} ends it"
    past = f"the job was suspended when the slot was due, since {now:%Y-%m-%d %H:%M} UTC: {reason}"
    return {f"{_SPAN}{job}:{now.isoformat(timespec='seconds')}": f"- {past}", _KEY + job: text}


def held_back(journal: Journal) -> dict[str, str]:
    """All jobs that are held back, and when they were, as notes for the journal that takes this one's place."""
    return {**journal.notes(_SPAN), **journal.notes(_KEY)}


def resume(journal: Journal, job: str, now: datetime | None = None) -> bool:
    """Let the job run again from now on; False where nothing held it back.

    Slots that passed meanwhile stay skipped: those that no tick has judged yet too, where ``now`` is given.
    """
    why = suspension(journal, job)
    if why is None:
        return False
    spans = sorted(journal.notes(f"{_SPAN}{job}:").items())
    lasting = [(key, text) for key, text in spans if text.startswith("- ")]
    if not lasting:
        lasting = [(f"{_SPAN}{job}:{_written(why).isoformat(timespec='seconds')}", f"- {why.partition(';')[0]}")]
    for key, text in lasting:
        journal.note(key, f"{now.isoformat(timespec='seconds')} {text[2:]}" if now is not None else None)
    for key, _ in spans[: max(len(spans) - HOLDS_KEPT, 0)]:
        journal.note(key, None)
    journal.note(_KEY + job, None)
    return True


def _written(text: str) -> datetime:
    """Since when a job is held back by its text's own word; since ever where it says nothing that reads."""
    found = search(r"since (\d{4}-\d\d-\d\d \d\d:\d\d) UTC", text)
    moment = _moment(f"{found[1]}+00:00") if found else None
    return moment or datetime(1970, 1, 2, tzinfo=UTC)


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
