"""Runs and jobs as plain JSON values: the documented shapes of ``--json``."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from agent.engine.events import Event, RunOpened
from agent.engine.run import Run
from agent.journal import RunRow
from agent.records import fields


def iso(moment: datetime | None) -> str | None:
    """The moment as text, or None."""
    return None if moment is None else moment.isoformat(timespec="seconds")


def remarks_view(found: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    """What should be put right, each with what helps."""
    return [{"message": text, "remedy": remedy} for text, remedy in found]


def run_view(run: Run) -> dict[str, Any]:
    """A run as it stands."""
    closed = run.closed
    return {
        "run": run.id,
        "job": run.job.name,
        "environment": run.environment,
        "slot": run.slot,
        "trigger": run.trigger,
        "due_at": iso(run.due_at),
        "opened_at": iso(run.opened_at),
        "closed_at": iso(closed.at) if closed else None,
        "state": "closed" if closed else "open",
        "outcome": closed.outcome if closed else None,
        "failure": closed.failure if closed else None,
        "message": closed.message if closed else run.wait_message,
        "remedy": closed.remedy if closed else "",
        "waits_on": run.waits_on,
        "warnings": list(run.warnings),
        "taking_back": run.taking_back is not None,
        "steps": [
            {
                "step": step.index + 1,
                "kind": step.plan.kind,
                "environment": step.plan.environment(run.environment),
                "on_failure": step.index >= len(run.job.steps),
                "phase": step.phase,
                "outcome": step.outcome,
                "failure": step.failure,
                "message": step.message,
                "activity": step.activity,
                "attempts": step.attempts,
                "detail": dict(step.detail),
            }
            for step in run.steps
        ],
    }


def row_view(row: RunRow) -> dict[str, Any]:
    """A run as the look-up table knows it."""
    return {
        "run": row.run,
        "job": row.job,
        "slot": row.slot,
        "opened_at": iso(row.opened_at),
        "closed_at": iso(row.closed_at),
        "outcome": row.outcome,
    }


def event_view(event: Event) -> dict[str, Any]:
    """An event with its kind; the job's snapshot is left out."""
    values = {each.name: getattr(event, each.name) for each in fields(event)}
    if isinstance(event, RunOpened):
        values.pop("job")
    shown = {key: iso(value) if isinstance(value, datetime) else value for key, value in values.items()}
    return {"kind": event.kind, **shown}


def runs_view(runs: Iterable[Run]) -> list[dict[str, Any]]:
    """Several runs."""
    return [run_view(run) for run in runs]
