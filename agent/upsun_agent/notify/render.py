"""Render a message as text and as a document. Foreign text becomes single lines, redacted and limited in length."""

from __future__ import annotations

from typing import Any, assert_never

from msgspec import Struct, to_builtins

from upsun_agent.engine.run import Run
from upsun_agent.limits import NOTICE_BODY_MOST, TAIL_LINES, TEXT_MOST
from upsun_agent.log.foreign_text import one_line
from upsun_agent.model.durations import seconds
from upsun_agent.model.events import Event, EventType
from upsun_agent.notify.messages import Message
from upsun_agent.text.durations import between
from upsun_agent.text.event_text import step_words, tell
from upsun_agent.text.humanize import iso
from upsun_agent.text.package_text import CommitChanges, changes_of
from upsun_agent.text.package_text import told as packages_told

SUBJECT_MOST = 180  # characters: more than a phone shows of a subject
VERSION = 1  # of the document; incremented when a field changes its meaning

BAD = frozenset({EventType.FAILED, EventType.MISSED, EventType.SUSPENDED, EventType.STATE_LOST})


class Notification(Struct, frozen=True):
    """A message with the events of its run."""

    #: The message.
    message: Message
    #: The id of the project.
    project: str
    #: The id of the environment.
    environment: str
    #: The environment type; None if it is not known.
    environment_type: str | None
    #: The name of the app.
    app: str
    #: The run; None if it is about no run, or the run is gone.
    run: Run | None = None
    #: The events of the run.
    events: tuple[Event, ...] = ()
    #: How many earlier messages of the channel were given up.
    lost: int = 0

    @property
    def place(self) -> str:
        """Where it happened, in words."""
        return one_line(f"{self.environment} ({self.project})")


def _phrase(event_type: EventType) -> str:  # noqa: C901  one case for each
    match event_type:
        case EventType.STARTED:
            return "{job} started on {place}"
        case EventType.SUCCEEDED:
            return "{job} succeeded on {place}"
        case EventType.RECOVERED:
            return "{job} works again on {place}"
        case EventType.FAILED:
            return "{job} FAILED on {place}"
        case EventType.MISSED:
            return "{job} did NOT run on {place}"
        case EventType.SUSPENDED:
            return "{job} is SUSPENDED on {place}"
        case EventType.SKIPPED:
            return "{job} was skipped on {place}"
        case EventType.CANCELLED:
            return "{job} was cancelled on {place}"
        case EventType.STATE_LOST:
            return "the journal was LOST on {place}"
        case EventType.TEST:
            return "test message of upsun-agent on {place}"
        case _:
            assert_never(event_type)


def subject(notification: Notification) -> str:
    """Return the message in one line."""
    message = notification.message
    said = one_line(message.text)
    tail = f": {said}" if said and message.event_type in BAD else ""
    phrase = _phrase(message.event_type).format(job=one_line(message.job), place=notification.place)
    return _cut(f"{phrase}{tail}", SUBJECT_MOST)


def story(notification: Notification) -> list[str]:
    """Return the run's events as lines, only the last ones of a long run; empty if the events are not known."""
    if notification.run is None:
        return []
    lines = []
    for event in notification.events:
        line = tell(event, notification.run.job)
        if line is not None:
            lines.append(f"{event.at:%H:%M:%S}  {_cut(one_line(line.text), TEXT_MOST)}")
            lines += [f"          {one_line(line.remedy)}"] if line.remedy else []
    return lines if len(lines) <= TAIL_LINES else ["…", *lines[-TAIL_LINES:]]


def changed(notification: Notification) -> list[str]:
    """Return which packages the run's commits changed, the first ten of each, as lines; empty for other messages."""
    run = notification.run
    return packages_told(run) if run is not None and run.closed is not None else []


def text(notification: Notification) -> str:
    """Return the message as text of a few lines."""
    message, closed = notification.message, notification.run.closed if notification.run else None
    lines = [subject(notification), ""]
    if message.run:
        lines.append(f"run {one_line(message.run)} at {message.at:%Y-%m-%d %H:%M:%S} UTC")
    if message.text and message.event_type not in BAD:
        lines.append(one_line(message.text))
    if closed is not None and closed.remedy:
        lines.append(f"remedy: {one_line(closed.remedy)}")
    if notification.lost:
        lines.append(f"{notification.lost} earlier messages on this channel were given up: see upsun-agent notify list")
    changes = changed(notification)
    lines += ["", *changes] if changes else []
    told = story(notification)
    lines += ["", *told] if told else []
    if message.run:
        lines += ["", f"more: upsun-agent show {one_line(message.run)}"]
    return _cut("\n".join(lines), NOTICE_BODY_MOST)


def document(notification: Notification) -> dict[str, Any]:
    """Return the message as a JSON document."""
    message, run = notification.message, notification.run
    closed = run.closed if run is not None else None
    return {
        "version": VERSION,
        "id": message.id,
        "event": message.event_type,
        "at": iso(message.at),
        "project": notification.project,
        "environment": notification.environment,
        "environment_type": notification.environment_type,
        "app": notification.app or None,
        "job": message.job,
        "run": message.run or None,
        "slot": run.slot if run else None,
        "trigger": run.trigger if run else None,
        "outcome": closed.outcome if closed else None,
        "failure": closed.failure if closed else None,
        "message": one_line(message.text),
        "remedy": one_line(closed.remedy) if closed else "",
        "duration_s": seconds(between(run.opened_at, closed.at)) if closed and run else None,
        "changes": [_changes(each) for each in changes_of(run)] if run else [],
        "steps": [_step(run, index) for index in range(len(run.steps))] if run else [],
        "subject": subject(notification),
        "lost": notification.lost,
    }


def _changes(found: CommitChanges) -> dict[str, Any]:
    """Return what a commit changed; the journal keeps 500 packages of it at most."""
    known: dict[str, Any] = to_builtins(found)
    return {**known, "step": found.step + 1, "summary": one_line(found.summary)}


def _step(run: Run, index: int) -> dict[str, Any]:
    step = run.steps[index]
    return {
        "step": index + 1,
        "what": one_line(step_words(run.job, index)),
        "phase": step.phase,
        "outcome": step.outcome,
        "failure": step.failure,
        "message": one_line(step.message),
        "activity": step.activity,
    }


def _cut(said: str, most: int) -> str:
    return said if len(said) <= most else f"{said[: most - 1]}…"
