"""What somebody puts into a state who can write it, has read our code, and knows no secret of the container."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from upsun_agent.journal.codec import encode
from upsun_agent.journal.notes import SEAL
from upsun_agent.model import events as ev
from upsun_agent.model.job import Job, StepPlan


def shell(text: str, job: str = "nightly") -> Job:
    """A job that runs a shell command and nothing else."""
    return Job(job, (StepPlan("command", {"shell": text}),), environment_types=("production",))


def opening(job: Job, at: datetime, run: str, environment: str = "main") -> ev.RunOpened:
    """The event that opens a run of the job."""
    return ev.RunOpened(
        at=at, run=run, environment=environment, slot=None, due_at=at, trigger=ev.Trigger.MANUAL, job=job.to_json()
    )


def statements(events: Sequence[ev.Event], seal: str | None = None) -> list[tuple[str, tuple[Any, ...]]]:
    """The SQL that makes an open run of these events, in a journal in a file."""
    opened = events[0]
    assert isinstance(opened, ev.RunOpened)
    moment = opened.at.timestamp()
    row = (opened.run, str(opened.job["name"]), None, moment, moment)
    found: list[tuple[str, tuple[Any, ...]]] = [
        ("INSERT INTO runs (run, job, slot, due_at, opened_at) VALUES (?, ?, ?, ?, ?)", row)
    ]
    found += [
        ("INSERT INTO events (run, kind, data) VALUES (?, ?, ?)", (opened.run, each.kind, encode(each)))
        for each in events
    ]
    if seal is not None:
        found.append(("INSERT OR REPLACE INTO notes (key, value) VALUES (?, ?)", (SEAL + opened.run, seal)))
    return found


def execute(directory: Path, *wanted: tuple[str, tuple[Any, ...]]) -> None:
    """Do this to the journal's file, as any program can."""
    with closing(sqlite3.connect(directory / "journal.sqlite")) as db, db:
        for statement, values in wanted:
            db.execute(statement, values)


def add(directory: Path, run: str, *events: ev.Event) -> None:
    """Add events to a run that is there."""
    execute(
        directory,
        *(
            ("INSERT INTO events (run, kind, data) VALUES (?, ?, ?)", (run, event.kind, encode(event)))
            for event in events
        ),
    )


def note(directory: Path, key: str) -> str | None:
    """A note of the journal."""
    with closing(sqlite3.connect(directory / "journal.sqlite")) as db:
        row = db.execute("SELECT value FROM notes WHERE key = ?", (key,)).fetchone()
    return None if row is None else str(row[0])


def forget_seals(directory: Path) -> None:
    """Make it a journal of the release before, which knew no seals; whoever can write it can do that too."""
    execute(directory, ("DELETE FROM notes WHERE key LIKE 'seal%'", ()))


def now() -> datetime:
    """The present moment."""
    return datetime.now(UTC)
