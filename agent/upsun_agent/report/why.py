"""Explain in one paragraph, from the journal, why a slot ran, waits, was skipped or missed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from upsun_agent.engine.due import Slot, grace
from upsun_agent.engine.run import Phase, Run
from upsun_agent.limits import LOOK_BACK
from upsun_agent.model import events as ev
from upsun_agent.model.durations import span
from upsun_agent.model.events import NEVER_RAN
from upsun_agent.model.job import Job
from upsun_agent.report.batches import slots_in
from upsun_agent.text.event_text import step_words


class Evidence(Struct, frozen=True):
    """What is known about one slot of a job.

    ``run`` and ``events`` are those of the slot (or of the batch of slots that holds it); ``cursor`` is how far slots
    have been judged; ``last_tick`` the last; ``excluded`` why the slot was not to run, if it was not; ``ahead`` what a
    clock that was ahead left in the journal.
    """

    #: The job.
    job: Job
    #: The slot.
    slot: Slot
    #: When this was read.
    now: datetime
    #: Whether the job runs on this type of environment.
    here: bool
    #: The type of the environment; None if it is not known.
    environment_type: str | None
    #: The run of the slot; None if there is none.
    run: Run | None = None
    #: The events of that run.
    events: Sequence[ev.Event] = ()
    #: How far slots have been judged; None if they were not.
    cursor: datetime | None = None
    #: When the last tick was; None if there was none.
    last_tick: datetime | None = None
    #: The run of the job that is open; None if there is none.
    in_flight: str | None = None
    #: Why the slot was not to run; empty if it was.
    excluded: str = ""
    #: What a clock that was ahead left in the journal.
    ahead: tuple[str, ...] = ()


def explain(known: Evidence) -> str:
    """Return why the slot ran, waits, was skipped or missed, in one paragraph."""
    named = f"Slot {known.slot.name} of {known.job.name} ({known.slot.due_at:%Y-%m-%d %H:%M} UTC)"
    if known.run is not None:
        return f"{named} {_of_run(known, known.run)}"
    if not known.here:
        kinds = ", ".join(known.job.environment_types)
        return f"{named} does not run here: the job only runs on {kinds}, this environment is {known.environment_type}."
    if known.slot.due_at > known.now:
        return f"{named} is not due yet."
    return f"{named} {_unjudged(known)}"


def _unjudged(known: Evidence) -> str:
    """Return why the journal has no run of a past slot."""
    due_at = known.slot.due_at
    if known.ahead:
        return (
            f"has no run: the journal holds later times, written while a clock was ahead ({', '.join(known.ahead)}). "
            "The next tick corrects them."
        )
    if known.last_tick is None:
        return "has no run: no tick has ever run on this state. Check the cron in .upsun/config.yaml."
    if known.last_tick < due_at:
        told = f"has no run yet: the last tick was at {known.last_tick:%Y-%m-%d %H:%M} UTC, before it was due."
        late = known.now - due_at > grace(known.job)
        then = "It will be recorded as missed" if late else "The next tick opens it"
        if known.excluded:
            then = f"It will be recorded as skipped: {known.excluded}"
        return f"{told} {then}. The cron may be paused, or wait for another activity."
    if known.in_flight is not None and known.job.overlap == "wait":
        return f"waits until {known.in_flight} is over (overlap = wait)."
    if known.cursor is None:
        return (
            "has no run: no tick has handled slots of this job yet. The next tick starts with the slots that are due "
            "after it; earlier slots never run."
        )
    if known.cursor < due_at:
        return "has no run yet: the next tick that can will handle it."
    old = ""
    if known.now - due_at > timedelta(seconds=LOOK_BACK):
        old = f" It is also older than {int(LOOK_BACK // 86400)} days; older slots never run."
    return (
        f"has no run: it was due before this journal, or this schedule of the job, existed. Such slots never run.{old}"
    )


def _of_run(known: Evidence, run: Run) -> str:
    closed = run.closed
    if closed is not None and closed.outcome in NEVER_RAN:
        others = slots_in(closed) - 1
        batch = f" with {others} others" if others else ""
        reason = closed.message.split(": ", 1)[-1] if batch else closed.message
        if closed.outcome == ev.RunOutcome.MISSED:
            return f"was missed{batch}: {reason}. A tick recorded that at {closed.at:%Y-%m-%d %H:%M} UTC."
        own = known.excluded if others and known.slot.name != run.slot else ""
        return f"was skipped{batch}: {own or reason}."
    late = run.opened_at - run.due_at
    how = "on time" if late < timedelta(minutes=1) else f"{span(late)} late"
    parts = [f"was opened at {run.opened_at:%H:%M:%S} UTC, {how}."]
    parts += _obstacles(known)
    parts += [
        f"Step {step.index + 1}: {step.message}." for step in run.steps if step.phase == Phase.DONE and step.message
    ]
    if closed is None:
        parts.append(_waiting(run))
    elif closed.outcome == ev.RunOutcome.SUCCEEDED:
        parts.append(f"It succeeded at {closed.at:%H:%M:%S} UTC.")
    else:
        remedy = f" Remedy: {closed.remedy}." if closed.remedy else ""
        parts.append(f"It {closed.outcome} at {closed.at:%H:%M:%S} UTC: {closed.message}.{remedy}")
    return " ".join(part.replace("..", ".") for part in parts)


def _waiting(run: Run) -> str:
    step = run.current
    if step is None:
        return "All steps are done; the next tick closes it."
    what = step_words(run.job, step.index)
    return f"It is in flight at step {step.index + 1} ({what}): {run.wait_message or 'the next tick continues it'}."


def _obstacles(known: Evidence) -> list[str]:
    """Return what delayed the run, once each: waits for others, lost answers, refusals."""
    told: list[str] = []
    for event in known.events:
        text = ""
        if isinstance(event, ev.WaitBegun) and event.on not in {"activity", "deployment", "settling"}:
            text = f"It waited ({event.message})."
        elif isinstance(event, ev.RequestUnanswered):
            text = f"A request had no usable answer ({event.message})."
        elif isinstance(event, ev.RequestRefused):
            text = f"A request was refused ({event.message})."
        elif isinstance(event, ev.IntentVoid):
            text = "That request had no effect, so it was sent again."
        elif isinstance(event, ev.ActivityAdopted):
            text = f"Activity {event.activity} was found and adopted: {event.how}."
        if text and text not in told:
            told.append(text)
    return told
