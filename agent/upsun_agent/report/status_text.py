"""The text of ``status``: a table of jobs, paused and suspended jobs, runs in flight, the last proved backup."""

from __future__ import annotations

from datetime import timedelta

from upsun_agent.model.durations import span
from upsun_agent.model.events import RunOutcome
from upsun_agent.report.batches import outcome_words
from upsun_agent.report.snapshot import Flight, JobStanding, Snapshot
from upsun_agent.runtime.suspension import state_word
from upsun_agent.text.columns import folded, table
from upsun_agent.text.durations import took
from upsun_agent.text.event_text import Line, Tone
from upsun_agent.text.humanize import ago, coming

ANEW = "the next tick corrects them"
HEADS = ("JOB", "LAST RUN", "TOOK", "BACKUP", "NEXT SLOT")


def overview(seen: Snapshot, room: int | None = None) -> list[Line]:
    """Return the lines of ``status``, none wider than ``room`` cells."""
    lines = jobs_table(seen, room)
    for line in [*notes(seen), Line(place(seen), "dim")]:
        lines += [Line(part, line.tone) for part in folded(line.text, room, "  ")]
    return lines


def frame(seen: Snapshot, room: int, height: int) -> list[Line]:
    """Return the lines for a screen: what needs attention first; lines that do not fit are counted.

    Args:
        seen: the snapshot.
        room: the width in cells.
        height: the number of lines.
    """
    head = [Line(part, "dim") for part in folded(place(seen), room, "  ")]
    for line in notes(seen):
        head += [Line(part, line.tone) for part in folded(line.text, room, "  ")]
    lines = [*head, Line(""), *jobs_table(seen, room)]
    if len(lines) <= height:
        return lines
    hidden = len(lines) - height + 1
    return [*lines[: height - 1], Line(f"… and {hidden} more lines: the terminal is too short", "dim")][:height]


def jobs_table(seen: Snapshot, room: int | None = None) -> list[Line]:
    """Return the table of jobs, the headings first."""
    rows = [_row(seen, standing) for standing in seen.jobs]
    first, *rest = table(HEADS, rows, room=room, flexible=(0, 4))
    return [Line(first, "dim"), *(Line(text, _tone(each)) for text, each in zip(rest, seen.jobs, strict=True))]


def _row(seen: Snapshot, standing: JobStanding) -> tuple[str, str, str, str, str]:
    last = standing.last
    length = None if last is None else took(last)
    if last is not None and last.closed_at is None:
        length = max(seen.now - last.opened_at, timedelta())
    return (
        standing.job.name,
        "never" if last is None else f"{outcome_words(last, standing.slots.get(last.run, 1))} {_since(seen, standing)}",
        span(length) if length is not None else "-",
        span(standing.proof.age(seen.now)) if standing.proof else "-",
        next_words(seen, standing),
    )


def _since(seen: Snapshot, standing: JobStanding) -> str:
    last = standing.last
    if last is None or last.closed_at is None:
        return ""
    return f"{span(seen.now - last.closed_at)} ago"


def next_words(seen: Snapshot, standing: JobStanding) -> str:
    """Return when the job runs next, or why it does not run."""
    if standing.job.schedule is None:
        return "manual only"
    if not standing.here:
        return f"not here ({', '.join(standing.job.environment_types)} only)"
    if standing.suspension is not None:
        return state_word(standing.suspension)
    if standing.slot is None:
        return "no slot soon" if standing.job.when else "never"
    return coming(standing.slot.name, standing.slot.due_at, seen.now, standing.job.timezone)


def _tone(standing: JobStanding) -> Tone:
    last = standing.last
    if last is not None and last.outcome == RunOutcome.FAILED:
        return "bad"
    return "odd" if standing.suspension or (last is not None and last.outcome == RunOutcome.MISSED) else "plain"


def notes(seen: Snapshot) -> list[Line]:
    """Return the lines below the table.

    Problems, paused and suspended jobs, runs in flight, the last proved backups.
    """
    lines = [Line(seen.unused, "bad")] if seen.unused else []
    if seen.ahead:
        lines.append(Line(f"later than now, written while a clock was ahead: {', '.join(seen.ahead)}; {ANEW}", "odd"))
    if seen.unsure is not None:
        since = f"since {seen.unsure:%Y-%m-%d %H:%M} UTC no tick could check whether a restore reset the state"
        lines.append(Line(f"{since}: until one can, no run is opened or continued", "odd"))
    lines += [Line(f"{each.job.name}: {each.suspension}", "odd") for each in seen.jobs if each.suspension]
    lines += [Line(f"in flight: {each.run.id}: {flight_words(each, seen)}", "odd") for each in seen.flights]
    for each in seen.jobs:
        if each.changed is not None:
            when = ago(each.changed.at, seen.now)
            lines.append(Line(f"{each.job.name} changed {when}: {each.changed.text} ({each.changed.run})"))
    for environment, proof in seen.proofs.items():
        age = ago(proof.created_at, seen.now)
        lines.append(Line(f"last proved backup of {environment}: {proof.backup}, {age} ({proof.run})"))
    wanted = any(step.kind == "backup" for each in seen.jobs if each.here for step in each.job.steps)
    if wanted and seen.container.environment and seen.environment not in seen.proofs:
        lines.append(Line(f"no backup of {seen.environment} was ever proved", "odd"))
    return lines


def flight_words(flight: Flight, seen: Snapshot) -> str:
    """Return what a run in flight waits for, and how long it has been open."""
    run = flight.run
    return f"{run.wait_message or 'continues at the next tick'} (open for {span(seen.now - run.opened_at)})"


def place(seen: Snapshot) -> str:
    """Return the line with the environment, the last tick and the place of the state."""
    container = seen.container
    kind = f" ({container.environment_type})" if container.environment_type else ""
    where = f"{container.project or 'no project'}, {seen.environment}{kind}"
    return f"{where}; last tick {ago(seen.ticked, seen.now)}; state in {seen.state}"
