"""Jobs that do not run until ``resume``: paused by a person (``pause``), or suspended by failures (``suspend-after``).

Kept as notes in the journal, so a clone or another environment does not inherit them: one says why the job is paused
or suspended now and since when, and one for each time before, so that a slot is judged by how it was when it was due.
"""

from __future__ import annotations

from datetime import UTC, datetime
from re import search
from typing import Literal, Protocol

from msgspec import Struct

from upsun_agent.journal import Journal, JournalReader
from upsun_agent.journal.notes import SUSPENDED, SUSPENDED_BEFORE, moment_of
from upsun_agent.limits import SUSPENSIONS_KEPT
from upsun_agent.log.foreign_text import one_line
from upsun_agent.model.failures import FailureKind

Word = Literal["paused", "suspended"]


class NoteReader(Protocol):
    """The part of a journal that holds when jobs were paused or suspended."""

    def noted(self, key: str) -> str | None:
        """Return the note with the key."""

    def notes(self, prefix: str) -> dict[str, str]:
        """Return all notes whose keys begin with the prefix."""


class Suspension(Struct, frozen=True):
    """A time in which a job is paused or suspended; ``until`` is None while it lasts, ``why`` says it in words."""

    #: When it began.
    since: datetime
    #: When it ended; None while it lasts.
    until: datetime | None
    #: Why, in words.
    why: str

    def covers(self, moment: datetime) -> bool:
        """Return whether the job was paused or suspended at that moment."""
        return self.since <= moment and (self.until is None or moment < self.until)


def suspension(journal: NoteReader, job: str) -> str | None:
    """Return in words why and since when the job is paused or suspended; None if it is neither."""
    return journal.noted(SUSPENDED + job) or None


def suspensions(journal: JournalReader) -> dict[str, str]:
    """Return in words why and since when jobs are paused or suspended, by job; only those that are."""
    return {key.removeprefix(SUSPENDED): text for key, text in journal.notes(SUSPENDED).items() if text}


def state_word(text: str) -> Word:
    """Return "paused" or "suspended" from the text of a note, of now or of an earlier time."""
    return "paused" if text.startswith(("the job is paused ", "the job was paused ")) else "suspended"


def suspension_failure(text: str) -> FailureKind:
    """Return the failure kind of slots that are skipped while the note holds."""
    return FailureKind.PAUSED if state_word(text) == "paused" else FailureKind.SUSPENDED


def suspension_times(journal: NoteReader, job: str) -> list[Suspension]:
    """Return the past and current times in which the job was paused or suspended, oldest first."""
    found = []
    for key, text in journal.notes(f"{SUSPENDED_BEFORE}{job}:").items():
        ended, _, why = text.partition(" ")
        since, until = moment_of(key.removeprefix(f"{SUSPENDED_BEFORE}{job}:")), moment_of(ended)
        if since is not None and until is not None:
            found.append(Suspension(since, until, why))
    lasting = suspension(journal, job)
    if lasting is not None:
        found.append(Suspension(_since(lasting), None, lasting))
    return sorted(found, key=lambda past: past.since)


def pause_job(journal: Journal, job: str, reason: str, now: datetime) -> None:
    """Pause the job from now on: its slots are skipped.

    Args:
        journal: the journal.
        job: the name of the job.
        reason: why, in words.
        now: the present, in UTC.
    """
    for key, text in suspending(job, reason, now, "paused").items():
        journal.note(key, text)


def suspending(job: str, reason: str, now: datetime, word: Word = "suspended") -> dict[str, str]:
    """Return the note that suspends the job, to be written together with the event that causes it.

    Args:
        job: the name of the job.
        reason: why, in words.
        now: the present, in UTC.
        word: `paused` or `suspended`.
    """
    text = f"the job is {word} since {now:%Y-%m-%d %H:%M} UTC: {one_line(reason)}; upsun-agent resume {job} ends it"
    return {SUSPENDED + job: text}


def notes_to_keep(journal: JournalReader) -> dict[str, str]:
    """Return all notes about paused and suspended jobs, for the journal that replaces this one."""
    return {**journal.notes(SUSPENDED_BEFORE), **journal.notes(SUSPENDED)}


def resume(journal: Journal, job: str, now: datetime | None = None) -> bool:
    """Let the job run again from now on; return False if it was neither paused nor suspended.

    Slots that passed meanwhile stay skipped: those that no tick has judged yet too, where ``now`` is given.

    Args:
        journal: the journal.
        job: the name of the job.
        now: the present; None: slots that no tick has judged yet are judged as they are.
    """
    why = suspension(journal, job)
    if why is None:
        return False
    if now is not None:
        past = (
            why.rpartition("; upsun-agent resume ")[0]
            .replace(" since ", " when the slot was due, since ", 1)
            .replace(" is ", " was ", 1)
        )
        since, until = (each.isoformat(timespec="seconds") for each in (_since(why), now))
        journal.note(f"{SUSPENDED_BEFORE}{job}:{since}", f"{until} {past}")
        kept = sorted(journal.notes(f"{SUSPENDED_BEFORE}{job}:"))
        for key in kept[: max(len(kept) - SUSPENSIONS_KEPT, 0)]:
            journal.note(key, None)
    journal.note(SUSPENDED + job, None)
    return True


def _since(text: str) -> datetime:
    """Return since when a job is paused or suspended, from the note's text; 1970 if it is unreadable."""
    found = search(r"since (\d{4}-\d\d-\d\d \d\d:\d\d) UTC", text)
    moment = moment_of(f"{found[1]}+00:00") if found else None
    return moment or datetime(1970, 1, 2, tzinfo=UTC)
