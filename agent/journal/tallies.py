"""How many runs ended how, kept beside the events so that the numbers never go down when history is forgotten. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from math import isfinite

from agent.journal import Tally

#: Notes with the numbers of runs that were forgotten, by job and outcome: runs, seconds, when the first was opened.
FORGOTTEN = "forgotten:"


def remembered(known: Mapping[str, str], gone: Iterable[tuple[str, str, float, float]]) -> dict[str, str]:
    """The notes that change when runs are forgotten, each with (job, outcome, seconds it took, when it was opened)."""
    changed: dict[str, str] = {}
    for job, outcome, seconds, opened_at in gone:
        key = f"{FORGOTTEN}{job}:{outcome}"
        runs, before, since = _numbers(changed.get(key, known.get(key, "")))
        first = min(since, opened_at) if runs else opened_at
        changed[key] = f"{runs + 1:.0f} {before + seconds} {first}"
    return changed


def counted(known: Mapping[str, str], job: str, outcome: str, slots: int, at: datetime) -> dict[str, str]:
    """The notes that change when so many slots more ended so than there are runs: those booked together as one."""
    key = f"{FORGOTTEN}{job}:{outcome}"
    runs, seconds, since = _numbers(known.get(key, ""))
    first = min(since, at.timestamp()) if runs else at.timestamp()
    return {key: f"{runs + slots:.0f} {seconds} {first}"}


def summed(
    rows: Iterable[tuple[str, str, int, float, float]],
    forgotten: Mapping[str, str],
    moment: Callable[[float], datetime],
) -> Sequence[Tally]:
    """What is there, as (job, outcome, runs, seconds, when the first was opened), and what was forgotten, as one.

    ``moment`` makes one of seconds since 1970, and raises what the journal raises where they are none.
    """
    found = {(job, outcome): (runs, seconds, since) for job, outcome, runs, seconds, since in rows}
    for key, text in forgotten.items():
        job, _, outcome = key.removeprefix(FORGOTTEN).rpartition(":")
        runs, seconds, since = _numbers(text)
        kept = found.get((job, outcome), (0, 0.0, since))
        found[job, outcome] = (kept[0] + int(runs), kept[1] + seconds, min(kept[2], since))
    return [Tally(*key, runs, seconds, moment(since)) for key, (runs, seconds, since) in sorted(found.items()) if runs]


def _numbers(text: str) -> tuple[float, float, float]:
    """The three numbers that the text says; nothing where it says none, so that damage costs a count and no more."""
    try:
        runs, seconds, since = (float(word) for word in text.split())
    except ValueError:
        return (0.0, 0.0, 0.0)
    return (runs, seconds, since) if all(map(isfinite, (runs, seconds, since))) else (0.0, 0.0, 0.0)
