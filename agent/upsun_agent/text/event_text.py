"""Events as sentences, for ``run --wait``, ``show``, ``rehearse``, reports and messages."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, tzinfo
from typing import Literal, assert_never

from msgspec import Struct

from upsun_agent.engine.run import Run
from upsun_agent.model import events as ev
from upsun_agent.model.durations import span
from upsun_agent.model.failures import FailureKind
from upsun_agent.model.job import Job
from upsun_agent.steps import KINDS
from upsun_agent.text.durations import between, step_spans
from upsun_agent.text.humanize import second

Tone = Literal["plain", "good", "bad", "odd", "dim"]


class Line(Struct, frozen=True):
    """One sentence, and how to display it."""

    #: The line.
    text: str
    #: How it is coloured.
    tone: Tone = "plain"
    #: What helps; empty if there is nothing to do.
    remedy: str = ""


def tell(event: ev.Event, job: Job, zone: tzinfo = UTC) -> Line | None:  # noqa: C901, PLR0912  one case for each event
    """Return the event as a sentence with times in the zone; None for an event that people need not know of.

    Args:
        event: the event.
        job: the job of the run.
        zone: the time zone.
    """
    match event:
        case ev.RunOpened():
            what = f"slot {event.slot}" if event.slot else "started manually"
            return Line(f"run {event.run} opened ({what})")
        case ev.IntentRecorded():
            again = f", attempt {event.attempt}" if event.attempt > 1 else ""
            return Line(f"{step_words(job, event.step)}: about to request it{again}", "dim")
        case ev.RequestAccepted():
            named = f", backup {event.backup}" if event.backup else ""
            return Line(f"{step_words(job, event.step)} requested: activity {event.activity}{named}")
        case ev.RequestRefused():
            later = f"; next attempt after {second(event.again_at, zone)}" if event.again_at else ""
            return Line(f"{step_words(job, event.step)} refused: {event.message}{later}", "odd")
        case ev.RequestUnanswered():
            return Line(
                f"{step_words(job, event.step)}: no usable answer ({event.message}); checking what became of it", "odd"
            )
        case ev.ActivityAdopted():
            return Line(f"{step_words(job, event.step)}: activity {event.activity} is this run's ({event.how})")
        case ev.IntentVoid():
            return Line(f"{step_words(job, event.step)}: {event.message}", "odd")
        case ev.ActivityEnded():
            good = event.result == "success" and event.state != "cancelled"
            text = f"activity {event.activity} ended: {event.state}, {event.result or 'no result'}"
            return Line(text, "plain" if good else "bad")
        case ev.CommandEnded():
            how = "killed at its time limit" if event.exit_code is None else f"exit code {event.exit_code}"
            good = event.exit_code == 0
            return Line(f"{step_words(job, event.step)}: {how} after {span(event.seconds)}", "plain" if good else "bad")
        case ev.ApprovalGiven():
            granted = event.granted == "yes"
            return Line(f"{'approved' if granted else 'denied'} by {event.by}", "good" if granted else "bad")
        case ev.RollbackBegun():
            return Line(f"rolling back, because step {event.failed + 1} failed", "odd")
        case ev.WaitBegun():
            return Line(f"waiting: {event.message}", "dim")
        case ev.StepDone() if step_kind(job, event.step) == "approval":
            return None  # the approval has its own sentence
        case ev.StepDone():
            return Line(event.message, "dim" if event.outcome is ev.StepOutcome.SKIPPED else "good")
        case ev.RetryPlanned():
            again = second(event.again_at, zone)
            return Line(f"{step_words(job, event.step)}: {event.message}; next attempt after {again}", "odd")
        case ev.RecheckPlanned():
            text = f"{event.message}; checking again until {event.again_at:%H:%M:%S} UTC"
            return Line(f"{step_words(job, event.step)}: {text}", "odd")
        case ev.StepFailed():
            return Line(f"{step_words(job, event.step)} failed: {event.message}", "bad", event.remedy)
        case ev.ChangesRead():
            odd = [*event.warnings, *(file.warning for file in event.files if file.warning)]
            return Line("; ".join([f"changed: {event.message}", *odd]), "odd" if odd else "plain")
        case ev.Warned():
            return Line(f"warning: {event.message}", "odd")
        case ev.RunClosed():
            return _closing(event)
        case _:
            return None


def _closing(event: ev.RunClosed) -> Line:
    match event.outcome:
        case ev.RunOutcome.SUCCEEDED:
            return Line("run succeeded", "good")
        case ev.RunOutcome.FAILED:
            return _failure(event)
        case ev.RunOutcome.MISSED | ev.RunOutcome.SKIPPED | ev.RunOutcome.CANCELLED:
            return Line(f"run {event.outcome}: {event.message}", "odd")
        case _:
            assert_never(event.outcome)


def _failure(event: ev.RunClosed) -> Line:
    if "rolled-back" in event.detail:
        how = "and was rolled back" if event.detail["rolled-back"] else "and could not be rolled back"
        return Line(f"run failed ({event.detail.get('failure')}) {how}", "bad", event.remedy)
    if event.failure in OF_THE_JOURNAL:
        return Line(event.message, "bad", event.remedy)
    return Line(f"run failed ({event.failure})", "bad")  # the sentence about the failed step says why


#: Failures of the journal, not of a step.
OF_THE_JOURNAL = frozenset({FailureKind.FOREIGN, FailureKind.JOURNAL, FailureKind.LOST, FailureKind.REWOUND})


def step_kind(job: Job, index: int) -> str:
    """Return the kind of the step, or "" if there is no step with this index."""
    steps = (*job.steps, *job.on_failure)
    return steps[index].kind if 0 <= index < len(steps) else ""


def step_words(job: Job, index: int) -> str:
    """Return a step in a few words, such as ``source operation update``."""
    plan = (*job.steps, *job.on_failure)[index]
    kind = KINDS.get(plan.kind)
    return kind.describe(plan) if kind is not None else plan.kind


def lengths_told(run: Run, events: Iterable[ev.Event]) -> str:
    """Return the durations of the steps and the run as a line, or "" if no step is over."""
    spans = step_spans(events)
    told = [
        f"{step_words(run.job, index)} {span(each.length)}"
        for index, each in sorted(spans.items())
        if each.length is not None and index < len(run.steps)
    ]
    if run.closed is not None and told:
        told.append(f"the run {span(between(run.opened_at, run.closed.at))}")
    return f"took: {', '.join(told)}" if told else ""
