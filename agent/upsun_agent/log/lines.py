"""The log: events with stable names, one JSON object a line, or text on a terminal.

Every line passes through ``log.redaction``. Nothing else in the agent writes to stderr while a tick runs.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator, MutableMapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

from msgspec import Struct

from upsun_agent.engine.fold import InconsistentEvents, apply, fold
from upsun_agent.engine.run import Run
from upsun_agent.lazy_imports import LazyModule, held_back, lazy_function
from upsun_agent.log.redaction import HIDDEN, SECRET_LEAST, Redaction
from upsun_agent.model import events as ev
from upsun_agent.model.durations import seconds
from upsun_agent.model.packages import CHANGES_SHOWN, ordered, step_of

if TYPE_CHECKING:
    from upsun_agent.log.file import LogFile

__all__ = ["HIDDEN", "KEYS", "SECRET_LEAST", "LogLine", "Redaction", "line_of", "lines_of", "make_log"]

#: What structlog needs at its import of the modules that it uses for asynchronous loggers and for pickling. From 3.12
#: on, ``logging`` asks an asyncio that is there for its task whenever it makes a record, as structlog makes one.
_ASYNCIO = LazyModule("asyncio", current_task=lambda: None)
_PICKLE = LazyModule("pickle", PicklingError=lazy_function("pickle", "PicklingError"))


with held_back(_ASYNCIO, _PICKLE):  # asyncio alone is a sixth of a tick's start
    import structlog

LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}

# --- an event as a line ------------------------------------------------------------------------------------------

#: The keys of a line about an event, beside `event`, `level` and `time`: stable, and documented in docs/how-to/logs.md.
KEYS: dict[str, str] = {
    "job": "the job's name",
    "run": "the run's id",
    "slot": "the slot's local wall-clock time; absent for manual runs",
    "step": "the step, counted from 1",
    "activity": "the id of the platform's activity",
    "outcome": "how a step or a run ended",
    "failure": "the stable kind of a failure",
    "message": "what happened, in words",
    "remedy": "how to fix it",
    "attempt": "the number of the step's request, counted from 1",
    "on": "what the run waits for",
    "backup": "the backup's name",
    "how": "why an adopted activity belongs to this run",
    "exit_code": "the exit code of a command; absent if it was killed at its time limit",
    "output": "the end of a command's output",
    "granted": "whether the approval was granted",
    "by": "the person who decided",
    "changes": "the first ten packages that a commit changed, major ones first",
    "warnings": "what could not be read of the lock files",
    "duration_s": "seconds since the step's request, or since the run was opened",
}
_OF_EVENT = (
    "message",
    "failure",
    "remedy",
    "activity",
    "outcome",
    "attempt",
    "on",
    "backup",
    "how",
    "exit_code",
    "output",
    "granted",
    "by",
)
_ENDS = (ev.ActivityEnded, ev.StepDone, ev.StepFailed)


class LogLine(Struct, frozen=True):
    """One line of the log: its level, the event's stable name, when it was, and the keys that it has."""

    #: The level of the line.
    level: str
    #: The name of the event.
    event: str
    #: When it happened.
    at: datetime
    #: The other keys of the line.
    keys: dict[str, Any]

    def write(self, log: Any) -> None:
        """Write the line to the log."""
        getattr(log, self.level)(self.event, time=self.at, **self.keys)


def line_of(event: ev.Event, run: str, job: str, slot: str | None = None, after: Run | None = None) -> LogLine:
    """Return the log line of an event: failures have level error, warnings level warning.

    A tick writes the line after it has stored the event; ``logs RUN`` prints the same line later.

    Args:
        event: the event.
        run: the run's id.
        job: the job's name.
        slot: the slot's local time; None for a manual run.
        after: the run after the event, for durations.
    """
    data = {key: value for key in _OF_EVENT if (value := getattr(event, key, None)) not in {None, ""}}
    step = getattr(event, "step", None)
    if step is not None:
        data["step"] = step + 1
    if after is not None:
        data |= _of_run(event, step, after)
    bad = getattr(event, "outcome", None) is ev.RunOutcome.FAILED or isinstance(event, ev.StepFailed)
    if isinstance(event, ev.ChangesRead):
        data |= _of_changes(event)
    odd = isinstance(event, ev.Warned | ev.RequestUnanswered | ev.RequestRefused | ev.RollbackBegun) or (
        isinstance(event, ev.RunClosed) and event.outcome in {ev.RunOutcome.MISSED, ev.RunOutcome.SKIPPED}
    )
    where = {"job": job, "run": run, **({"slot": slot} if slot else {})}
    return LogLine(
        "error" if bad else "warning" if odd else "info", event.kind, event.at, where | dict(sorted(data.items()))
    )


def _of_changes(event: ev.ChangesRead) -> dict[str, Any]:
    warnings = [*event.warnings, *(file.warning for file in event.files if file.warning)]
    first = [f"{each.name} {step_of(each)}" for each in ordered(event.files)[:CHANGES_SHOWN]]
    return {**({"changes": first} if first else {}), **({"warnings": warnings} if warnings else {})}


def _of_run(event: ev.Event, step: int | None, after: Run) -> dict[str, Any]:
    """Return what the run adds: the activity that a step was about, and how long it took."""
    if isinstance(event, ev.RunClosed):
        return {"duration_s": _seconds(event.at, after.opened_at)}
    if not isinstance(event, _ENDS) or step is None or step >= len(after.steps):
        return {}
    found: dict[str, Any] = {}
    if after.steps[step].activity:
        found["activity"] = after.steps[step].activity
    began = after.steps[step].began_at
    return found if began is None else {**found, "duration_s": _seconds(event.at, began)}


def _seconds(end: datetime, begin: datetime) -> float:
    return max(0.0, seconds(end - begin))  # clocks are set back; and 0 is never -0


def lines_of(events: Iterable[ev.Event]) -> Iterator[LogLine]:
    """Yield the lines of a run's events, oldest first.

    Lines after an inconsistent event lack the keys that need the run.
    """
    run: Run | None = None
    name, job, slot, sound = "", "", None, True
    for event in events:
        if isinstance(event, ev.RunOpened):
            name, job, slot = event.run, str(event.job.get("name", "")), event.slot
        try:
            run = (fold([event]) if run is None else apply(run, event)) if sound else None
        except InconsistentEvents:
            run, sound = None, False
        yield line_of(event, name, job, slot, run)


# --- the log -----------------------------------------------------------------------------------------------------


def _stamp(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Return when it was: now, or as the event of the journal says."""
    given = event.pop("time", None)
    moment = given.astimezone(UTC) if isinstance(given, datetime) else datetime.now(UTC)
    event["time"] = moment.isoformat().replace("+00:00", "Z")
    return event


def _to_file(file: LogFile, render: Any, least: int) -> Any:
    """Return a processor that writes what is info at least to the file, and lets on what is ``least``."""

    def write(log: Any, name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        file.append(render(log, name, dict(event)))
        if LEVELS[name] < least:  # as it was called: a redacted level is the name of none
            raise structlog.DropEvent
        return event

    return write


def make_log(
    redaction: Redaction,
    *,
    stream: TextIO | None = None,
    level: str = "info",
    readable: bool | None = None,
    file: LogFile | None = None,
) -> Any:
    """Return a logger on ``stream`` (default: stderr): text on a terminal, else one JSON object a line.

    ``level`` is the stream's; the file hears at least what is info. It is a value to pass on, not global state, so
    that a rehearsal can log elsewhere.

    Args:
        redaction: hides secrets in every line.
        stream: where the lines go; None: standard error.
        level: the least level that the stream shows.
        readable: whether lines are text for people; None: if the stream is a terminal.
        file: the log file, which gets everything from `info` on; None: there is none.
    """
    out = stream or sys.stderr
    terminal = out.isatty() if readable is None else readable
    as_json = structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    render: Any = (
        structlog.dev.ConsoleRenderer(colors=terminal and readable is None, pad_event_to=22) if terminal else as_json
    )
    least = LEVELS[level]

    processors = [
        structlog.processors.add_log_level,
        _stamp,
        redaction,
        *([_to_file(file, as_json, least)] if file is not None else []),
        render,
    ]
    return structlog.wrap_logger(
        structlog.PrintLogger(out),
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(min(least, logging.INFO) if file is not None else least),
    )
