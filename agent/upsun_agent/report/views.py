"""Runs and jobs as JSON values: the documented shapes of ``--json``."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import asdict

from upsun_agent.engine.due import Slot
from upsun_agent.engine.fold import Run, Step
from upsun_agent.journal import RunRow
from upsun_agent.model.durations import seconds
from upsun_agent.model.events import Event, RunOpened
from upsun_agent.report.batches import slots_in
from upsun_agent.report.snapshot import JobStanding, Proof, Snapshot
from upsun_agent.runtime.suspension import state_word
from upsun_agent.text.durations import NEVER_RAN, StepSpan, between, step_spans, took
from upsun_agent.text.humanize import iso


def remarks_view(found: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    """Return problems, each with its remedy."""
    return [{"message": text, "remedy": remedy} for text, remedy in found]


def _length(length: timedelta | None) -> float | None:
    return None if length is None else seconds(length)


def run_view(run: Run, events: Iterable[Event] = ()) -> dict[str, Any]:
    """Return a run. With its events, the steps include when they began and how long they took."""
    closed, spans = run.closed, step_spans(events)
    lasted = between(run.opened_at, closed.at) if closed and closed.outcome not in NEVER_RAN else None
    return {
        "run": run.id,
        "job": run.job.name,
        "environment": run.environment,
        "slot": run.slot,
        "trigger": run.trigger,
        "due_at": iso(run.due_at),
        "opened_at": iso(run.opened_at),
        "closed_at": iso(closed.at) if closed else None,
        "duration_s": _length(lasted),
        "state": "closed" if closed else "open",
        "outcome": closed.outcome if closed else None,
        "slots": slots_in(closed),
        "failure": closed.failure if closed else None,
        "message": closed.message if closed else run.wait_message,
        "remedy": closed.remedy if closed else "",
        "waits_on": run.waits_on,
        "warnings": list(run.warnings),
        "taking_back": run.rollback is not None,
        "steps": [step_view(step, run, spans.get(step.index)) for step in run.steps],
    }


def step_view(step: Step, run: Run, lasted: StepSpan | None) -> dict[str, Any]:
    """Return a step.

    Args:
        step: the step.
        run: its run.
        lasted: when it began and ended; None if that is not known.
    """
    view = {
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
    if lasted is not None:
        view |= {"began_at": iso(lasted.began_at), "ended_at": iso(lasted.ended_at)}
        view["duration_s"] = _length(lasted.length)
    return view


def row_view(row: RunRow, slots: int = 1) -> dict[str, Any]:
    """Return a row of the table of runs, with its number of slots."""
    return {
        "run": row.run,
        "job": row.job,
        "slot": row.slot,
        "due_at": iso(row.due_at),
        "opened_at": iso(row.opened_at),
        "closed_at": iso(row.closed_at),
        "duration_s": _length(took(row)),
        "outcome": row.outcome,
        "slots": slots,
    }


def past_view(row: RunRow, run: Run | None, events: Iterable[Event], wrong: str) -> dict[str, Any]:
    """Return a past run.

    Args:
        row: its row in the table of runs.
        run: the run; None if its events are inconsistent.
        events: its events.
        wrong: the problem with its events, or "".
    """
    if run is None:
        return {**row_view(row), "failure": "journal", "message": wrong, "remedy": "", "steps": []}
    told = run_view(run, events)
    return {**row_view(row), **{key: told[key] for key in ("slots", "failure", "message", "remedy", "steps")}}


def proof_view(proof: Proof | None, now: datetime) -> dict[str, Any] | None:
    """Return a proved backup and its age."""
    if proof is None:
        return None
    return {
        "backup": proof.backup,
        "environment": proof.environment,
        "run": proof.run,
        "created_at": iso(proof.created_at),
        "proved_at": iso(proof.proved_at),
        "age_s": seconds(proof.age(now)),
    }


def snapshot_view(seen: Snapshot) -> dict[str, Any]:
    """Return the document of ``status``."""
    container = seen.container
    return {
        "project": container.project,
        "environment": container.environment,
        "environment_type": container.environment_type,
        "state": seen.state,
        "unused": seen.unused or None,
        "at": iso(seen.now),
        "last_tick": iso(seen.ticked),
        "unsure_since": iso(seen.unsure),
        "ahead": list(seen.ahead),
        "ticks": seen.ticks,
        "jobs": [_standing_view(standing, seen.now) for standing in seen.jobs],
        "in_flight": [run_view(flight.run, flight.events) for flight in seen.flights],
        "proved_backups": [proof_view(proof, seen.now) for proof in seen.proofs.values()],
    }


def paused_view(held: str | None) -> dict[str, str | None]:
    """Return why a job is paused or suspended under the key of that word; both are None where it is neither."""
    word = state_word(held) if held else None
    return {"paused": held if word == "paused" else None, "suspended": held if word == "suspended" else None}


def _standing_view(standing: JobStanding, now: datetime) -> dict[str, Any]:
    job, slot = standing.job, standing.slot
    return {
        "job": job.name,
        **paused_view(standing.held),
        "here": standing.here,
        "schedule": job.schedule,
        "timezone": job.timezone,
        "next": slot_view(slot, now) if slot else None,
        "proved_backup": proof_view(standing.proof, now),
        "runs": [row_view(row, standing.slots.get(row.run, 1)) for row in standing.rows],
    }


def slot_view(slot: Slot, now: datetime) -> dict[str, Any]:
    """Return a slot, and the time until it is due."""
    return {"slot": slot.name, "due_at": iso(slot.due_at), "in_s": seconds(slot.due_at - now)}


def event_view(event: Event) -> dict[str, Any]:
    """Return an event with its kind; the job's snapshot is left out."""
    values = asdict(event)
    if isinstance(event, RunOpened):
        values.pop("job")
    shown = {key: iso(value) if isinstance(value, datetime) else value for key, value in values.items()}
    return {"kind": event.kind, **shown}


def runs_view(runs: Iterable[Run]) -> list[dict[str, Any]]:
    """Several runs."""
    return [run_view(run) for run in runs]
