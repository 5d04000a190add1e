"""Which slots of a job are due, missed or skipped. Slots in, verdicts out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from upsun_agent.engine.bounds import ON_TIME
from upsun_agent.model.durations import span
from upsun_agent.model.failures import FailureKind
from upsun_agent.model.job import Job


class Slot(Struct, frozen=True, order=True):
    """One due moment of a job: its instant (UTC) and its local wall-clock name, such as ``2026-10-25T02:30``."""

    #: When the slot falls due.
    due_at: datetime
    #: The local wall-clock time that names the slot.
    name: str


class OpenSlot(Struct, frozen=True):
    """A run for this slot is to be opened."""

    #: The slot to open a run for.
    slot: Slot


class MissSlots(Struct, frozen=True):
    """These slots passed without a run: the last of them, the first, how many, and why."""

    #: The last of the missed slots.
    slot: Slot
    #: The first of them.
    first: Slot
    #: How many there are.
    count: int
    #: Why they were missed, in words.
    reason: str


class SkipSlot(Struct, frozen=True):
    """The slot came while the job's previous run was in flight."""

    #: The slot that is skipped.
    slot: Slot
    #: Why, in words.
    reason: str


class ExcludeSlots(Struct, frozen=True):
    """These slots are excluded: the last of them, the first, how many, the kind of reason, and why."""

    #: The last of the excluded slots.
    slot: Slot
    #: The first of them.
    first: Slot
    #: How many there are.
    count: int
    #: The kind of reason: ``SUSPENDED`` or ``CONDITION``; None for a slot that has a run already.
    failure: FailureKind | None
    #: Why, in words.
    reason: str


SlotVerdict = OpenSlot | MissSlots | SkipSlot | ExcludeSlots

#: Why a slot is not to run: the kind of reason (None where the slot has a run already) and a text; None where it is to
#: run.
Exclusion = tuple[FailureKind | None, str] | None


class Due(Struct, frozen=True):
    """What to do about the slots up to ``cursor``; slots after it are looked at again."""

    #: What to do about each slot.
    verdicts: tuple[SlotVerdict, ...]
    #: Slots up to here are decided.
    cursor: datetime


def grace(job: Job) -> timedelta:
    """Return how late a run of the job may begin: ``misfire-grace``, or the delay that the platform may cause."""
    return timedelta(seconds=job.misfire_grace) if job.catch_up == "latest" else ON_TIME


def every_slot_runs(_: Slot) -> Exclusion:
    """Exclude no slot."""
    return None


def due(
    job: Job,
    slots: Sequence[Slot],
    cursor: datetime,
    now: datetime,
    *,
    in_flight: bool,
    excluded: Callable[[Slot], Exclusion] = every_slot_runs,
    blocked_by: str = "",
) -> Due:
    """Return the verdicts on the slots of ``job`` after ``cursor`` and up to ``now``, oldest first.

    Whether a slot is to run at all is asked first, of each slot: one that is not is never missed. Of the others only
    the newest can open a run, and only within the grace; older ones are missed. While the previous run is in flight
    the newest is skipped, or with ``overlap = "wait"`` left for a later tick. Each batch of a verdict is contiguous.

    Args:
        job: the definition.
        slots: the slots in (cursor, now], ascending.
        cursor: everything up to it has been judged.
        now: the present, UTC.
        in_flight: whether an earlier run of the job is not closed.
        excluded: why a slot is not to run, or None.
        blocked_by: why no run may be opened now, if none may; the newest slot is then left for a later tick.
    """
    if not slots:
        return Due((), max(cursor, now))
    reasons = [excluded(slot) for slot in slots]
    newest = next((index for index in reversed(range(len(slots))) if reasons[index] is None), None)
    late = newest is None or now - slots[newest].due_at > grace(job)
    held = in_flight and job.overlap == "wait"
    waits = newest is not None and not late and (held or bool(blocked_by))
    end = len(slots) if newest is None or not waits else newest
    verdicts: list[SlotVerdict] = []
    why = _why_missed(job, late=late, held=held, blocked_by=blocked_by)
    for first, last, out in _batches(reasons[:end], None if late else newest):
        if out is not None:
            verdicts.append(ExcludeSlots(slots[last], slots[first], last - first + 1, *out))
        elif last == newest and not late:
            skipped = SkipSlot(slots[last], "the previous run of the job was still in flight")
            verdicts.append(skipped if in_flight else OpenSlot(slots[last]))
        else:
            verdicts.append(MissSlots(slots[last], slots[first], last - first + 1, why))
    return Due(tuple(verdicts), slots[end].due_at - timedelta(seconds=1) if end < len(slots) else now)


def _batches(reasons: Sequence[Exclusion], alone: int | None) -> Iterator[tuple[int, int, Exclusion]]:
    """Group consecutive slots with the same verdict: first, last, and why the last does not run.

    The slot of the index ``alone`` is a batch of its own.
    """
    first = 0
    for index, reason in enumerate(reasons):
        following = reasons[index + 1] if index + 1 < len(reasons) else None
        same = (reason and reason[0]) == (following and following[0])
        if index + 1 == len(reasons) or not same or alone in {index, index + 1}:
            yield first, index, reason
            first = index + 1


def _why_missed(job: Job, *, late: bool, held: bool, blocked_by: str) -> str:
    if not late:
        reason = "the previous run of the job was still in flight" if held else "no tick ran in time"
        return f"{reason}, and only the latest slot is caught up"
    late_by = span(grace(job))
    if blocked_by:
        return f"no run could begin within {late_by} of it: {blocked_by}"
    if held:
        return f"the previous run of the job was still in flight {late_by} after it"
    return f"no tick ran within {late_by} of it"
