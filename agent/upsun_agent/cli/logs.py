"""The command ``logs``: print a run's log lines from the journal, and the platform's logs of its activities."""

from __future__ import annotations

import io
import json
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import datetime
from typing import Any

from msgspec import Struct

from upsun_agent.cli.answer import Answer
from upsun_agent.cli.context import Context
from upsun_agent.cli.lookup import events_of
from upsun_agent.errors import EXIT_OK, AgentError
from upsun_agent.log.lines import lines_of, make_log
from upsun_agent.model import events as ev
from upsun_agent.report.document import Count, View
from upsun_agent.text.event_text import Line, Tone

TONES: dict[str, Tone] = {"error": "bad", "warning": "odd", "debug": "dim"}
#: Keys that a line for a person shows elsewhere, or that the heading shows once.
TOLD = frozenset({"time", "level", "event", "message", "remedy", "run", "job", "slot"})


def add(commands: Any, shared: ArgumentParser) -> None:
    """Add the command."""
    logs = commands.add_parser(
        "logs",
        parents=[shared],
        help="print the log lines of a run",
        description="Print the lines that ticks logged about RUN. They come from the journal: no log file is needed. "
        "Prints text on a terminal, else one JSON object a line. RUN is a run's id, or a job's name for its latest "
        "run.",
    )
    logs.add_argument("of", metavar="RUN", help="a run's id, or a job's name")
    logs.add_argument(
        "--platform", action="store_true", help="also print the platform's logs of the run's activities (asks the API)"
    )
    logs.set_defaults(run=_logs)


class UnreadView(View, frozen=True, kw_only=True):
    """Why a log could not be read."""

    #: The error's stable name.
    kind: str
    #: What went wrong.
    message: str


class ActivityLogView(View, frozen=True, kw_only=True):
    """The platform's log of an activity."""

    #: The number of the step, from 1.
    step: Count
    #: The id of the activity.
    activity: str
    #: Whether that is all of it.
    sealed: bool
    #: The lines of the log.
    lines: list[str]
    #: Why it could not be read; null if it was.
    error: UnreadView | None


class LogsView(View, frozen=True, kw_only=True):
    """The log of a run."""

    #: The id of the run.
    run: str
    #: The run's own log lines; their keys are in logs.md.
    lines: list[dict[str, Any]]
    #: With `--platform`: the platform's logs of the run's activities.
    activities: list[ActivityLogView]


class Delivered(Struct, frozen=True):
    """The platform's log of the activity of a step, or why it could not be read."""

    #: The index of the step, from 0.
    step: int
    #: The id of the activity.
    activity: str
    #: The lines of the log.
    lines: tuple[str, ...] = ()
    #: Whether the log is complete.
    sealed: bool = False
    #: Why it could not be read; None if it was.
    error: AgentError | None = None


def _logs(context: Context) -> Answer:
    wanted = context.options.of
    events = events_of(context, wanted)
    lines = _lines(context, events)
    told = list(_platform(context, events)) if context.options.platform else []
    code = max((each.error.exit_code for each in told if each.error is not None), default=EXIT_OK)
    run = next((each.run for each in events if isinstance(each, ev.RunOpened)), wanted)
    own = [json.loads(line) for line in lines]
    view = LogsView(run=run, lines=own, activities=[_view(each) for each in told])
    return Answer(view, lambda: _tell_all(context, run, events[0].at, lines, told), code)


def _tell_all(context: Context, run: str, began: datetime, lines: list[str], told: list[Delivered]) -> None:
    """Print the run's own lines, then the platform's logs.

    Args:
        context: the command call.
        run: the id of the run.
        began: when it was opened.
        lines: its own lines, each a JSON object.
        told: the logs of its activities.
    """
    if context.terminal.interactive:
        context.terminal.note(f"{run}, {began:%Y-%m-%d} (times are UTC)")
    for line in lines:
        if context.terminal.interactive:
            _tell(context, json.loads(line))
        else:
            context.terminal.say(line)
    for each in told:
        _say(context, run, each)


def _lines(context: Context, events: Iterable[ev.Event]) -> list[str]:
    """Return the lines as they stand in the log."""
    out = io.StringIO()
    log = make_log(context.redaction, stream=out, level=context.options.log_level or "info", readable=False)
    for line in lines_of(events):
        line.write(log)
    return out.getvalue().splitlines()


def _tell(context: Context, line: dict[str, Any]) -> None:
    """Print a log line for a person: the time, the event and its message, then its other keys."""
    moment = datetime.fromisoformat(line["time"])
    rest = ", ".join(f"{key} {value}" for key, value in line.items() if key not in TOLD)
    message = line.get("message") or ""
    text = f"{line['event']}{f': {message}' if message else ''}{f' ({rest})' if rest else ''}"
    remedy = str(line.get("remedy") or "")
    context.terminal.story(Line(" ".join(text.split()), TONES.get(line["level"], "plain"), remedy), moment)


def _platform(context: Context, events: Iterable[ev.Event]) -> Iterator[Delivered]:
    """Yield the logs of all activities that the run requested or adopted, each as far as it can be read."""
    from upsun_agent.api.activity_log import read_activity_log  # noqa: PLC0415  late: httpx costs nine interpreter starts

    found = {each.activity: each.step for each in events if isinstance(each, ev.RequestAccepted | ev.ActivityAdopted)}
    with closing(context.client()) as client:
        for activity, step in found.items():
            try:
                log = read_activity_log(client, context.container.project or "", activity, context.redaction)
            except AgentError as error:
                yield Delivered(step + 1, activity, error=error)
            else:
                yield Delivered(step + 1, activity, log.lines, log.sealed)


def _view(told: Delivered) -> ActivityLogView:
    error = None if told.error is None else UnreadView(kind=told.error.word(), message=str(told.error))
    return ActivityLogView(
        step=told.step, activity=told.activity, sealed=told.sealed, lines=list(told.lines), error=error
    )


def _say(context: Context, run: str, told: Delivered) -> None:
    """Print the lines as a block with a heading on a terminal, else one JSON object a line."""
    terminal = context.terminal
    if terminal.interactive:
        end = "" if told.sealed or told.error else "; there may be more"
        terminal.note(f"step {told.step}, activity {told.activity}{end}", "dim")
        if told.error is not None:
            terminal.note(f"  could not be read: {told.error}", "bad")
        for line in told.lines:
            terminal.say(f"  {line}")
        return
    where = {"run": run, "step": told.step, "activity": told.activity}
    for line in told.lines:
        terminal.say(json.dumps({**where, "message": line, "event": "activity-log", "level": "info"}))
    if told.error is not None:
        said = {"message": str(told.error), "event": "activity-log-unread", "level": "error"}
        terminal.say(json.dumps({**where, **said}))
    elif not told.sealed:
        terminal.say(json.dumps({**where, "event": "activity-log-unsealed", "level": "warning"}))
