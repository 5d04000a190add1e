"""In which order crons, backups and deployments ran, from the moments of their activities. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from upsun_agent.model.answers import Fate
from upsun_agent.prove.place import Timed
from upsun_agent.prove.rows import Row, not_tried, row


def beside_cron(name: str, cron: Timed, other: Timed) -> Row:
    """Return whether an activity that was requested while a cron ran waited for the end of that cron.

    Args:
        name: the name of the assumption.
        cron: the cron's activity, read again after its end.
        other: the other activity, read again after its end.
    """
    asked, begun, over = other.activity.created_at, other.started_at, cron.ended_at
    if asked is None or begun is None:
        return not_tried(name, "the platform does not say when the activity was created and when it began")
    if over is None:
        seconds = (begun - asked).total_seconds()
        return row(name, f"it began after {seconds:.0f} s, while the cron ran", same=False, waits=False)
    if asked > over:
        return not_tried(name, "the cron ended just before the request")
    waited = begun >= over
    after = (begun - over).total_seconds()
    text = f"it began {after:.0f} s after the end of the cron" if waited else f"it began {-after:.0f} s before its end"
    good = cron.activity.fate == Fate.SUCCEEDED
    text = f"{text}; the cron {'succeeded' if good else 'failed'}"
    return row(name, text, same=waited and good, waits=waited, cron_succeeded=good)


def in_history(name: str, crons: Sequence[Timed], others: Sequence[Timed]) -> Row | None:
    """Return the row of the newest activity that was requested while a cron ran; None if there is none.

    Args:
        name: the name of the assumption.
        crons: the activities of crons that are listed.
        others: the activities that are compared with them, newest first.
    """
    for other in others:
        asked = other.activity.created_at
        for cron in crons:
            begun, over = cron.started_at, cron.ended_at
            if asked is None or begun is None or over is None or other.started_at is None:
                continue
            if begun <= asked <= over:
                found = beside_cron(name, cron, other)
                return Row(name, found.outcome, f"in an earlier case {found.seen}", found.facts)
    return None


def overlap(crons: Sequence[Timed]) -> Row:
    """Return whether two runs of one cron overlapped, among the activities that are listed."""
    by_cron: dict[tuple[str, str], list[Timed]] = {}
    for each in crons:
        if each.started_at is not None:
            by_cron.setdefault(each.cron, []).append(each)
    pairs = crossed = 0
    for runs in by_cron.values():
        ordered = sorted(runs, key=lambda each: each.started_at.timestamp() if each.started_at else 0.0)
        for before, after in pairwise(ordered):
            pairs += 1
            crossed += before.ended_at is None or (after.started_at is not None and after.started_at < before.ended_at)
    if not pairs:
        return not_tried("cron-overlap", "the environment has not run a cron twice yet")
    text = f"{crossed} of {pairs} runs of a cron began before the run before them had ended"
    return row("cron-overlap", text, same=crossed == 0, pairs=pairs, overlaps=crossed)
