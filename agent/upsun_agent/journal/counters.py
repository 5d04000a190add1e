"""Counts of runs by outcome, kept in notes so that they never go down when history is deleted. Pure.

Lengths are whole milliseconds and never below 0, as ``MILLISECONDS`` takes them from a row: sums of fractions depend on
their order, so that a sum would fall by its last digit when runs are forgotten, which a counter must not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from math import isfinite

from upsun_agent.journal import Tally
from upsun_agent.journal.notes import FORGOTTEN

#: The length of a run's row in whole milliseconds, in the words of each kind of database. One expression serves what is
#: there and what is forgotten: rounded in two ways, a run would change its length when it is forgotten.
MILLISECONDS = {
    "sqlite": "CAST(max(coalesce(closed_at, opened_at) - opened_at, 0) * 1000 + 0.5 AS INTEGER)",
    "server": "floor(greatest(coalesce(closed_at, opened_at) - opened_at, 0) * 1000 + 0.5)",
}


def remembered(known: Mapping[str, str], gone: Iterable[tuple[str, str, int, float]]) -> dict[str, str]:
    """Return the notes that change when runs, given as (job, outcome, milliseconds, opening), are pruned."""
    changed: dict[str, str] = {}
    for job, outcome, took, opened_at in gone:
        key = f"{FORGOTTEN}{job}:{outcome}"
        runs, before, since = _numbers(changed.get(key, known.get(key, "")))
        first = min(since, opened_at) if runs else opened_at
        changed[key] = f"{runs + 1} {(before + took) / 1000} {first}"
    return changed


def counted(known: Mapping[str, str], job: str, outcome: str, slots: int, at: datetime) -> dict[str, str]:
    """Return the notes that change when one run stands for several slots with the same outcome.

    Args:
        known: the notes of the counters.
        job: the name of the job.
        outcome: how they ended.
        slots: how many slots.
        at: when they were counted.
    """
    key = f"{FORGOTTEN}{job}:{outcome}"
    runs, took, since = _numbers(known.get(key, ""))
    first = min(since, at.timestamp()) if runs else at.timestamp()
    return {key: f"{runs + slots} {took / 1000} {first}"}


def summed(
    rows: Iterable[tuple[str, str, int, int, float]],
    forgotten: Mapping[str, str],
    moment: Callable[[float], datetime],
) -> Sequence[Tally]:
    """Return the counts of stored and pruned runs together, by job and outcome.

    ``moment`` makes one of seconds since 1970, and raises what the journal raises where they are none.

    Args:
        rows: job, outcome, runs, milliseconds, and when the first run was opened, in seconds since 1970.
        forgotten: the notes of the counters of runs that were pruned.
        moment: makes a datetime of seconds since 1970, and raises the journal's own error where they are not valid.
    """
    found = {(job, outcome): (runs, took, since) for job, outcome, runs, took, since in rows}
    for key, text in forgotten.items():
        job, _, outcome = key.removeprefix(FORGOTTEN).rpartition(":")
        runs, took, since = _numbers(text)
        kept = found.get((job, outcome), (0, 0, since))
        found[job, outcome] = (kept[0] + runs, kept[1] + took, min(kept[2], since))
    return [Tally(*key, runs, took / 1000, moment(since)) for key, (runs, took, since) in sorted(found.items()) if runs]


def _numbers(text: str) -> tuple[int, int, float]:
    """Return the number of runs, milliseconds and time in a note's text; nothing if it is not readable.

    Damage costs a count and no more; and versions that took a run of no length for one that went back left less than 0.
    """
    try:
        runs, seconds, since = (float(word) for word in text.split())
    except ValueError:
        return (0, 0, 0.0)
    if not all(map(isfinite, (runs, seconds, since))):
        return (0, 0, 0.0)
    return (max(int(runs), 0), max(round(seconds * 1000), 0), since)
