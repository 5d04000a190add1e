"""Jobs that are held back: by a person (``pause``) or by the circuit breaker (``suspend-after``), until ``resume``.

Kept as a note in the journal, so a clone or another environment does not inherit it.
"""

from __future__ import annotations

from datetime import datetime

from agent.journal import Journal

_KEY = "suspended:"


def suspension(journal: Journal, job: str) -> str | None:
    """Why and since when the job is held back, in words; None where it is not."""
    return journal.noted(_KEY + job) or None


def suspend(journal: Journal, job: str, reason: str, now: datetime) -> None:
    """Hold the job back from now on: its slots are skipped."""
    for key, text in suspending(job, reason, now).items():
        journal.note(key, text)


def suspending(job: str, reason: str, now: datetime) -> dict[str, str]:
    """The fact that holds the job back, to be written with the event that is the reason."""
    text = f"the job is suspended since {now:%Y-%m-%d %H:%M} UTC: {reason}; upsun-agent resume {job} ends it"
    return {_KEY + job: text}


def held_back(journal: Journal) -> dict[str, str]:
    """The notes of all jobs that are held back, for the journal that takes this one's place."""
    return journal.notes(_KEY)


def resume(journal: Journal, job: str) -> bool:
    """Let the job run again; False where nothing held it back. Slots that passed meanwhile stay skipped."""
    if suspension(journal, job) is None:
        return False
    journal.note(_KEY + job, None)
    return True
