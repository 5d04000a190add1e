"""The commands ``tick``, ``run`` and ``show``."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any, Literal

from upsun_agent.cli.answer import Answer
from upsun_agent.cli.context import Context
from upsun_agent.cli.follow import WITHIN, WITHIN_MOST, Follower, GivenUp
from upsun_agent.cli.lookup import events_of
from upsun_agent.cli.numbers import duration
from upsun_agent.cli.terminal import Terminal
from upsun_agent.engine.fold import fold
from upsun_agent.engine.run import Run
from upsun_agent.errors import Busy, RunFailed, Unreachable, UsageError
from upsun_agent.model.durations import span
from upsun_agent.model.events import Event
from upsun_agent.report.document import Count, Moment, View, fields_of
from upsun_agent.report.run_views import RunView, run_view, story_view
from upsun_agent.runtime.tick import run_tick, ticking
from upsun_agent.runtime.tick_report import TickReport
from upsun_agent.text.event_text import lengths_told, step_words, tell
from upsun_agent.text.humanize import zone_named
from upsun_agent.text.package_text import told


class TroubleView(View, frozen=True, kw_only=True):
    """A problem that keeps runs from continuing."""

    #: The stable kind of the problem.
    kind: str
    #: The problem.
    message: str
    #: What to do about it.
    remedy: str


class TickView(View, frozen=True, kw_only=True):
    """What the tick did."""

    #: The runs that it touched.
    runs: list[RunView]
    #: Jobs that do not run on this type of environment.
    elsewhere: list[str]
    #: What the problem is.
    trouble: list[TroubleView]
    #: When a tick must look closer; null for the next one.
    next_due: Moment | None
    #: The exit code of the command.
    exit_code: Count


class RunResultView(RunView, frozen=True, kw_only=True):
    """The run as it stands."""

    #: The exit code of the command.
    exit_code: Count


class RunUnreadableView(View, frozen=True, kw_only=True):
    """The events of the run are inconsistent."""

    #: The id of the run.
    run: str
    #: The exit code of the command.
    exit_code: Count


class RunNotHereView(View, frozen=True, kw_only=True):
    """The job does not run on this type of environment."""

    #: There is no run.
    run: None = None
    #: What became of it.
    outcome: Literal["skipped"] = "skipped"
    #: Why.
    failure: Literal["environment-type"] = "environment-type"


def add(commands: Any, shared: ArgumentParser) -> None:
    """Add the family's commands."""
    tick = commands.add_parser(
        "tick",
        parents=[shared],
        help="open runs that are due, advance runs in flight; for crons",
        description="Open the runs that are due, advance every run in flight as far as possible now, then exit. A cron "
        "calls this every five minutes. It never waits for the platform.",
    )
    tick.set_defaults(run=_tick)
    run = commands.add_parser(
        "run",
        parents=[shared],
        help="run a job now",
        description="Open a run of JOB now, whatever its schedule, and start it. Ticks continue it; with --wait "
        "this command does, and prints the events. If a run of JOB is in flight already, --wait follows it.",
    )
    run.add_argument("job", metavar="JOB", help="the job's name in the job file")
    run.add_argument("--wait", action="store_true", help="stay until the run is over (not in a cron)")
    run.add_argument(
        "--within",
        type=duration(1, WITHIN_MOST),
        default=WITHIN,
        metavar="DURATION",
        help="with --wait: exit with 69 if the API cannot be reached for so long (default: 5m); the run stays open",
    )
    run.set_defaults(run=_run)
    show = commands.add_parser(
        "show",
        parents=[shared],
        help="print the events of a run",
        description="Print the events of a run. RUN is a run's id, or a job's name for its latest run.",
    )
    show.add_argument("of", metavar="RUN", help="a run's id, or a job's name")
    show.set_defaults(run=_show)


# --- tick ------------------------------------------------------------------------------------------------------


def _tick(context: Context) -> Answer:
    tick_context = context.tick_context()
    report = run_tick(tick_context)
    tick_context.client.close()
    code = report.exit_code()
    view = TickView(
        runs=[run_view(run) for run in report.runs.values()],
        elsewhere=report.elsewhere,
        trouble=[TroubleView(kind=each.kind, message=each.message, remedy=each.remedy) for each in report.troubles()],
        next_due=report.next_due,
        exit_code=code,
    )
    speaks = context.terminal.interactive and not report.runs
    return Answer(view, (lambda: _say_idle(context, report)) if speaks else None, code)


def _say_idle(context: Context, report: TickReport) -> None:
    for name in report.elsewhere:
        _say_not_here(context, name)
    if report.trouble is not None:
        context.terminal.say(f"Could not check: {report.trouble.message}", "bad")
    elif report.next_due is not None:
        away = span(report.next_due - context.clock.now())
        context.terminal.say(f"Nothing is due. The next check is in {away}. For the next slots: upsun-agent next")


# --- run -------------------------------------------------------------------------------------------------------


def _say_not_here(context: Context, name: str) -> None:
    types = ", ".join(context.job_file.job(name).environment_types)
    kind = context.container.environment_type
    context.terminal.say(f"Not here: {name} only runs on {types}, this environment is {kind}.")


def _run(context: Context) -> Answer:
    job = context.job_file.job(context.options.job)
    if not job.runs_on(context.container.environment_type):
        return Answer(RunNotHereView(), lambda: _say_not_here(context, job.name))
    if context.options.wait and in_cron(context):
        remedy = "use `upsun-agent tick`, or `run` without --wait: ticks continue the run"
        raise UsageError(
            "--wait is refused in a cron: it would block the deployment that the job causes", remedy=remedy
        )
    follower = Follower(context)
    tick_context = context.tick_context(on_event=follower.hear, quiet=not context.terminal.json_wanted)
    with ticking(tick_context) as tick:
        tick.verify_state()  # a journal that a restore rewound is set aside before a run is added to it
        tick.close_foreign()
        in_flight = [row.run for row in tick.journal.rows(open_only=True, job=job.name)]
        if in_flight and not context.options.wait:
            text = f"run {in_flight[0]} of the job is in flight already: no second run is opened"
            follow = f"follow it with: upsun-agent run {job.name} --wait, or: upsun-agent status --watch"
            raise Busy(text, remedy=f"{follow}; for its events so far: upsun-agent show {in_flight[0]}")
        if in_flight:
            run_id = follower.attach(in_flight[0], tick.journal.events(in_flight[0]))
        else:
            run_id = follower.follow(tick.open_by_hand(job))
        run = tick.advance(run_id)
        tick.finish(by_hand=True)
        report = tick.report
    given_up: GivenUp | None = None
    if context.options.wait:
        run, report, given_up = follower.wait(tick_context, run_id, run, report, context.options.within)
    tick_context.client.close()
    return _end(context, run_id, run, report, given_up)


def _end(context: Context, run_id: str, run: Run | None, report: TickReport, given_up: GivenUp | None) -> Answer:
    code = report.exit_code() if run is not None else RunFailed.exit_code
    code = Unreachable.exit_code if given_up is not None else code
    if run is None:
        return Answer(RunUnreadableView(run=run_id, exit_code=code), code=code)
    view = RunResultView(**fields_of(run_view(run)), exit_code=code)
    if run.closed is not None:
        return Answer(view, lambda: _tell_changes(context.terminal, run), code)
    return Answer(view, lambda: _tell_open(context, run, report, given_up), code)


def _tell_open(context: Context, run: Run, report: TickReport, given_up: GivenUp | None) -> None:
    """Print what an open run waits for and what continues it.

    Raises:
        Unreachable: the platform could not be reached for too long.
    """
    again = f"upsun-agent run {run.job.name} --wait"
    if given_up is not None:
        remedy = f"run {run.id} stays open and unchanged: ticks continue it, or run: {again}"
        raise Unreachable(given_up.message, remedy=remedy)
    context.terminal.note(f"Waiting: {run.wait_message}", "odd" if report.troubles() else "plain")
    if context.container.is_one:
        text = f"Ticks continue the run. Follow it with: upsun-agent status --watch, or: {again}"
    else:
        text = f"No cron continues the run here. Continue it with: {again}, or: upsun-agent tick"
    context.terminal.note(f"{text}; for its events so far: upsun-agent show {run.id}", "dim")


def in_cron(context: Context) -> bool:
    """Return whether this is probably a cron of an app container: no terminal, no SSH session."""
    remote = any(context.environ.get(name) for name in ("SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY"))
    return context.container.phase == "runtime" and not remote and not sys.stdin.isatty()


def _tell_changes(terminal: Terminal, run: Run) -> None:
    """Print which packages the commits of the run changed."""
    for line in told(run):
        terminal.note(line)


# --- show ------------------------------------------------------------------------------------------------------


def _show(context: Context) -> Answer:
    events = events_of(context, context.options.of)
    run = fold(events)
    return Answer(story_view(run, events), lambda: _tell_story(context.terminal, run, events))


def _tell_story(terminal: Terminal, run: Run, events: Sequence[Event]) -> None:
    """Print the events of a run as sentences, then how long its steps took."""
    zone = zone_named(run.job.timezone)
    terminal.note(
        f"{run.id} on {run.environment}, {events[0].at.astimezone(zone):%Y-%m-%d} (times are {run.job.timezone})"
    )
    for event in events:
        line = tell(event, run.job, zone)
        if line is not None:
            terminal.story(line, event.at.astimezone(zone))
    if lengths := lengths_told(run, events):
        terminal.note(lengths, "dim")
    _tell_changes(terminal, run)
    if run.closed is None and run.current is not None:
        terminal.note(f"in flight: {step_words(run.job, run.current.index)}", "odd")
