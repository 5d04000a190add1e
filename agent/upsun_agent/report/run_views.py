"""Runs, their steps and their events as objects of ``--json``."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal, cast

from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import asdict

from upsun_agent.engine.run import Phase, Run, Step
from upsun_agent.journal import RunRow
from upsun_agent.model.durations import seconds
from upsun_agent.model.events import EVENTS, NEVER_RAN, Event, RunOpened, RunOutcome, StepOutcome, Trigger
from upsun_agent.model.failures import FailureKind
from upsun_agent.model.packages import ChangeKind, Ecosystem, LockFileChange
from upsun_agent.report.batches import slots_in
from upsun_agent.report.document import Count, Moment, Seconds, SlotName, View, fields_of
from upsun_agent.text.durations import StepSpan, between, step_spans, took
from upsun_agent.text.humanize import iso
from upsun_agent.text.package_text import changes_of, page_of

_EVENT_KEYS = {
    "properties": {"kind": {"enum": list(EVENTS)}, "at": {"type": "string", "format": "date-time"}},
    "required": ["kind", "at"],
}
#: An event of a run; its keys by kind are in events.md.
EventJson = Annotated[dict[str, Any], Meta(extra_json_schema=_EVENT_KEYS)]


class StepView(View, frozen=True, kw_only=True):
    """A step of a run."""

    #: The number of the step, from 1.
    step: Count
    #: The kind of step.
    kind: str
    #: The environment that it works on.
    environment: str
    #: Whether it is an on-failure step.
    on_failure: bool
    #: How far it is.
    phase: Phase
    #: How it ended; null if it has not, or failed.
    outcome: StepOutcome | None
    #: The stable kind of the failure; null if it has not failed.
    failure: str | None
    #: What happened, in words.
    message: str
    #: The id of the platform's activity; null if there is none.
    activity: str | None
    #: How many times it was tried.
    attempts: Count
    #: The evidence, by kind of step: a proved backup, a commit.
    detail: dict[str, Any]
    #: When it began. Only where the events of the run were read.
    began_at: Moment | UnsetType = UNSET
    #: When it ended; null if it has not. Only where the events of the run were read.
    ended_at: Moment | UnsetType | None = UNSET
    #: How long it took, in seconds; null if it has not ended. Only where the events of the run were read.
    duration_s: Seconds | UnsetType | None = UNSET


class PackageView(View, frozen=True, kw_only=True):
    """A package that changed."""

    #: The kind of package, as package URLs have it.
    ecosystem: Ecosystem
    #: The name.
    name: str
    #: The version before, with the commit behind `#` where one is locked; null if the package was added.
    before: str | None
    #: The version after, in the same form; null if the package was removed.
    after: str | None
    #: How much it changed.
    kind: ChangeKind
    #: Whether the version after is lower.
    downgrade: bool
    #: Whether the project itself requires it; null if that is not known.
    direct: bool | None
    #: The page of the package; null if its name is none that its index can have.
    url: str | None


class LockFileView(View, frozen=True, kw_only=True):
    """A lock file that changed."""

    #: The path in the repository.
    path: str
    #: The format, such as `composer` or `npm`.
    format: str
    #: The packages that changed, major changes first.
    changes: list[PackageView]
    #: How many more changed that were too many to keep.
    more: Count
    #: Why the file could not be compared, or what of it; null if all of it was.
    warning: str | None


class CommitView(View, frozen=True, kw_only=True):
    """What the commit of a step changed."""

    #: The number of the step, from 1.
    step: Count
    #: The head commit before the step.
    base: str
    #: The commit that the step made.
    commit: str
    #: What changed, in one sentence.
    summary: str
    #: Whether all lock files were read, or given up; false while a later tick reads on.
    whole: bool
    #: The lock files that changed.
    files: list[LockFileView]
    #: What could not be read.
    warnings: list[str]


class RowView(View, frozen=True, kw_only=True):
    """A run in a few words."""

    #: The id of the run.
    run: str
    #: The name of the job.
    job: str
    #: The slot by its local time, in the job's zone; null for a run by hand. One whose time the job also had in
    #: another zone has its offset from UTC behind it.
    slot: SlotName | None
    #: When the slot was due, or when the run was opened by hand.
    due_at: Moment
    #: When the run was opened.
    opened_at: Moment
    #: When it was closed; null if it is in flight.
    closed_at: Moment | None
    #: From opening to closing, in seconds; null in flight, and for a run that never ran.
    duration_s: Seconds | None
    #: How it ended; null if it is in flight.
    outcome: RunOutcome | None
    #: How many slots the run stands for: those missed or left out together are one run.
    slots: Count


class RunView(RowView, frozen=True, kw_only=True):
    """A run as it stands."""

    #: The environment of the run.
    environment: str
    #: What opened the run.
    trigger: Trigger
    #: Whether the run is over.
    state: Literal["open", "closed"]
    #: The stable kind of what went wrong; null if nothing did.
    failure: str | None
    #: How it ended, or what it waits for.
    message: str
    #: What to do about it; empty if there is nothing to do.
    remedy: str
    #: What kind of thing it waits for; null if it waits for nothing.
    waits_on: str | None
    #: Warnings that the run met.
    warnings: list[str]
    #: Whether a step failed after a change, so that on-failure steps run, or ran.
    rollback: bool
    #: What commits of the run changed in lock files. A commit that brings on what an earlier one did is left out.
    changes: list[CommitView]
    #: The steps, the on-failure steps last.
    steps: list[StepView]


class PastView(RowView, frozen=True, kw_only=True):
    """A run, why it ended so, and its steps."""

    #: The stable kind of what went wrong; null if nothing did.
    failure: str | None
    #: How it ended, or what it waits for.
    message: str
    #: What to do about it; empty if there is nothing to do.
    remedy: str
    #: What commits of the run changed in lock files. A commit that brings on what an earlier one did is left out.
    changes: list[CommitView]
    #: The steps, the on-failure steps last.
    steps: list[StepView]


class StoryView(RunView, frozen=True, kw_only=True):
    """A run and its events."""

    #: The events, the first one first; the keys of each kind are in events.md.
    events: list[EventJson]


def run_view(run: Run, events: Iterable[Event] = ()) -> RunView:
    """Return a run. With its events, the steps include when they began and how long they took."""
    closed, spans = run.closed, step_spans(events)
    ran = closed is not None and closed.outcome not in NEVER_RAN
    return RunView(
        run=run.id,
        job=run.job.name,
        environment=run.environment,
        slot=run.slot,
        trigger=run.trigger,
        due_at=run.due_at,
        opened_at=run.opened_at,
        closed_at=closed.at if closed else None,
        duration_s=seconds(between(run.opened_at, closed.at)) if closed and ran else None,
        state="closed" if closed else "open",
        outcome=closed.outcome if closed else None,
        slots=slots_in(closed),
        failure=closed.failure if closed else None,
        message=closed.message if closed else run.wait_message,
        remedy=closed.remedy if closed else "",
        waits_on=run.waits_on,
        warnings=list(run.warnings),
        rollback=run.rollback is not None,
        changes=commit_views(run),
        steps=[_step_view(step, run, spans.get(step.index)) for step in run.steps],
    )


def commit_views(run: Run) -> list[CommitView]:
    """Return what the commits of a run changed."""
    return [
        CommitView(
            step=each.step + 1,
            base=each.base,
            commit=each.commit,
            summary=each.summary,
            whole=each.whole,
            files=[lock_file_view(file) for file in each.files],
            warnings=list(each.warnings),
        )
        for each in changes_of(run)
    ]


def lock_file_view(file: LockFileChange) -> LockFileView:
    """Return what changed in a lock file, each package with its page."""
    changes = [PackageView(**asdict(change), url=page_of(change)) for change in file.changes]
    return LockFileView(path=file.path, format=file.format, changes=changes, more=file.more, warning=file.warning)


def _step_view(step: Step, run: Run, lasted: StepSpan | None) -> StepView:
    """Return a step.

    Args:
        step: the step.
        run: its run.
        lasted: when it began and ended; None if that is not known.
    """
    length = lasted.length if lasted is not None else None
    return StepView(
        step=step.index + 1,
        kind=step.plan.kind,
        environment=step.plan.environment(run.environment),
        on_failure=step.index >= len(run.job.steps),
        phase=step.phase,
        outcome=step.outcome,
        failure=step.failure,
        message=step.message,
        activity=step.activity,
        attempts=step.attempts,
        detail=dict(step.detail),
        began_at=UNSET if lasted is None else lasted.began_at,
        ended_at=UNSET if lasted is None else lasted.ended_at,
        duration_s=UNSET if lasted is None else None if length is None else seconds(length),
    )


def row_view(row: RunRow, slots: int = 1) -> RowView:
    """Return a row of the table of runs, with its number of slots."""
    length = took(row)
    return RowView(
        run=row.run,
        job=row.job,
        slot=row.slot,
        due_at=row.due_at,
        opened_at=row.opened_at,
        closed_at=row.closed_at,
        duration_s=None if length is None else seconds(length),
        outcome=cast("RunOutcome | None", row.outcome),  # the agent writes no other word
        slots=slots,
    )


def past_view(row: RunRow, run: Run | None, events: Iterable[Event], wrong: str) -> PastView:
    """Return a past run.

    Args:
        row: its row in the table of runs.
        run: the run; None if its events are inconsistent.
        events: its events.
        wrong: the problem with its events, or "".
    """
    if run is None:
        return PastView(
            **fields_of(row_view(row)), failure=FailureKind.JOURNAL, message=wrong, remedy="", changes=[], steps=[]
        )
    told = run_view(run, events)
    row_keys = fields_of(row_view(row, told.slots))
    return PastView(
        **row_keys,
        failure=told.failure,
        message=told.message,
        remedy=told.remedy,
        changes=told.changes,
        steps=told.steps,
    )


def story_view(run: Run, events: Iterable[Event]) -> StoryView:
    """Return a run and its events."""
    known = list(events)
    return StoryView(**fields_of(run_view(run, known)), events=[event_view(event) for event in known])


def event_view(event: Event) -> EventJson:
    """Return an event with its kind; the job's snapshot is left out."""
    values = asdict(event)
    if isinstance(event, RunOpened):
        values.pop("job")
    shown = {key: iso(value) if isinstance(value, datetime) else value for key, value in values.items()}
    return {"kind": event.kind, **shown}
