"""Which slots of a job are due, missed or skipped. Slots in, verdicts out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from agent.engine.bounds import ON_TIME
from agent.engine.job import Job
from agent.records import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    """One due moment of a job: its instant (UTC) and its local wall-clock name, such as ``2026-10-25T02:30``."""

    due_at: datetime
    name: str


@dataclass(frozen=True, slots=True)
class OpenSlot:
    """A run for this slot is to be opened."""

    slot: Slot


@dataclass(frozen=True, slots=True)
class MissSlots:
    """These slots passed without a run: the last of them, the first, how many, and why."""

    slot: Slot
    first: Slot
    count: int
    reason: str


@dataclass(frozen=True, slots=True)
class SkipSlot:
    """The slot came while the job's previous run was in flight."""

    slot: Slot
    reason: str


SlotVerdict = OpenSlot | MissSlots | SkipSlot


@dataclass(frozen=True, slots=True)
class Due:
    """What to do about the slots up to ``cursor``; slots after it are looked at again."""

    verdicts: tuple[SlotVerdict, ...]
    cursor: datetime


def grace(job: Job) -> timedelta:
    """How late a run of the job may begin: ``misfire-grace``, or what the platform itself causes."""
    return timedelta(seconds=job.misfire_grace) if job.catch_up == "latest" else ON_TIME


def due(job: Job, slots: Sequence[Slot], cursor: datetime, now: datetime, *, in_flight: bool) -> Due:
    """Judge the slots of ``job`` after ``cursor`` and up to ``now``, oldest first.

    Only the newest can open a run, and only within the grace; older ones are missed. While the previous run is in
    flight the newest is skipped, or with ``overlap = "wait"`` left for a later tick.

    Args:
        job: the definition.
        slots: the slots in (cursor, now], ascending.
        cursor: everything up to it has been judged.
        now: the present, UTC.
        in_flight: whether an earlier run of the job is not closed.
    """
    if not slots:
        return Due((), max(cursor, now))
    newest, older = slots[-1], slots[:-1]
    late = now - newest.due_at > grace(job)
    held = in_flight and job.overlap == "wait"
    waiting = held and not late
    missed = tuple(slots) if late else tuple(older)
    verdicts: list[SlotVerdict] = []
    if missed:
        verdicts.append(MissSlots(missed[-1], missed[0], len(missed), _why_missed(job, late=late, held=held)))
    if waiting:
        before = newest.due_at - timedelta(seconds=1)
        return Due(tuple(verdicts), before)
    if not late:
        verdicts.append(
            SkipSlot(newest, "the previous run of the job was still in flight") if in_flight else OpenSlot(newest)
        )
    return Due(tuple(verdicts), now)


def _why_missed(job: Job, *, late: bool, held: bool) -> str:
    if not late:
        reason = "the previous run of the job was still in flight" if held else "no tick ran in time"
        return f"{reason}, and only the latest slot is caught up"
    minutes = int(grace(job).total_seconds() // 60)
    if held:
        return f"the previous run of the job was still in flight {minutes} min after it"
    return f"no tick ran within {minutes} min of it"
