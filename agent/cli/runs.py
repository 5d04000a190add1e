"""The commands that work on runs: ``tick``, ``run``, ``show``."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser
from typing import Any

from agent.cli.context import Context
from agent.cli.terminal import Terminal
from agent.engine import events as ev
from agent.engine.job import Job
from agent.engine.run import Run, fold
from agent.errors import EXIT_OK, Busy, NotFound, RunFailed, UsageError
from agent.journal.directory import reading
from agent.report.story import lengths_told, step_words, tell
from agent.report.times import span, zone_named
from agent.report.views import event_view, iso, run_view, runs_view
from agent.tick import run_tick, ticking
from agent.tick_report import TickReport

POLL_FIRST, POLL_MOST = 3.0, 15.0  # seconds between passes of run --wait


def add(commands: Any, shared: ArgumentParser) -> None:
    """Add the family's commands."""
    tick = commands.add_parser(
        "tick",
        parents=[shared],
        help="open what is due and take open runs one step on; for crons",
        description="Open the runs that are due and take every open run as far as it goes now, then exit. A cron "
        "calls this every five minutes. It never waits for the platform.",
    )
    tick.set_defaults(run=_tick)
    run = commands.add_parser(
        "run",
        parents=[shared],
        help="run a job now",
        description="Open a run of JOB now, whatever its schedule, and begin it. Ticks carry it on; with --wait "
        "this command does, and shows what happens.",
    )
    run.add_argument("job", metavar="JOB", help="the job's name in the job file")
    run.add_argument("--wait", action="store_true", help="stay until the run is over (not in a cron)")
    run.set_defaults(run=_run)
    show = commands.add_parser(
        "show",
        parents=[shared],
        help="tell the story of a run",
        description="Tell a run event by event. RUN is a run's id, or a job's name for its latest run.",
    )
    show.add_argument("of", metavar="RUN", help="a run's id, or a job's name")
    show.set_defaults(run=_show)


# --- tick ------------------------------------------------------------------------------------------------------


def _tick(context: Context) -> int:
    site = context.site()
    report = run_tick(site)
    site.client.close()
    code = report.exit_code()
    if context.terminal.json_wanted:
        trouble = [{"kind": each.kind, "message": each.message, "remedy": each.remedy} for each in report.troubles()]
        context.terminal.document(
            {
                "runs": runs_view(report.runs.values()),
                "elsewhere": report.elsewhere,
                "trouble": trouble,
                "next_due": iso(report.next_due),
                "exit_code": code,
            }
        )
    elif context.terminal.interactive and not report.runs:
        _say_idle(context, report)
    return code


def _say_idle(context: Context, report: TickReport) -> None:
    for name in report.elsewhere:
        _say_not_here(context, name)
    if report.trouble is not None:
        context.terminal.say(f"Could not look: {report.trouble.message}", "bad")
    elif report.next_due is not None:
        away = span(report.next_due - context.clock.now())
        context.terminal.say(f"Nothing is due. Looking again in {away}; see: upsun-agent next")


# --- run -------------------------------------------------------------------------------------------------------


def _say_not_here(context: Context, name: str) -> None:
    types = ", ".join(context.job_file.job(name).environment_types)
    kind = context.container.environment_type
    context.terminal.say(f"Not here: {name} runs on {types} only, this environment is {kind}.")


def _run(context: Context) -> int:
    job = context.job_file.job(context.options.job)
    kind = context.container.environment_type
    if kind is not None and kind not in job.environment_types:
        _say_not_here(context, job.name)
        if context.terminal.json_wanted:
            context.terminal.document({"run": None, "outcome": "skipped", "failure": "environment-type"})
        return EXIT_OK
    if context.options.wait and in_cron(context):
        remedy = "use `upsun-agent tick`, or `run` without --wait: ticks carry it on"
        raise UsageError(
            "--wait would hold up the deployment that the job causes; it is refused in a cron", remedy=remedy
        )
    follower = Follower(context)
    site = context.site(on_event=follower.hear, quiet=not context.terminal.json_wanted)
    with ticking(site) as tick:
        tick.state_is_current()  # a journal that a restore rewound is set aside before a run is added to it
        flying = [row.run for row in tick.journal.rows(open_only=True, job=job.name)]
        if flying:
            remedy = f"follow it with: upsun-agent show {flying[0]}"
            raise Busy(f"run {flying[0]} of the job is in flight", remedy=remedy)
        run_id = follower.follow(tick.open_by_hand(job))
        run = tick.advance(run_id)
        tick.finish(by_hand=True)
        report = tick.report
    if context.options.wait:
        run, report = follower.wait(site, run_id, run)
    site.client.close()
    return _end(context, run_id, run, report)


def _end(context: Context, run_id: str, run: Run | None, report: TickReport) -> int:
    code = report.exit_code() if run is not None else RunFailed.exit_code
    if context.terminal.json_wanted:
        context.terminal.document({**(run_view(run) if run else {"run": run_id}), "exit_code": code})
    elif run is not None and run.closed is None:
        context.terminal.say(f"Waiting: {run.wait_message}", "odd" if report.troubles() else "plain")
        context.terminal.say(f"Ticks carry it on. Follow it with: upsun-agent show {run_id}", "dim")
    return code


def in_cron(context: Context) -> bool:
    """Whether this is (as far as can be told) a cron of an app container: no terminal, no SSH session."""
    remote = any(context.environ.get(name) for name in ("SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY"))
    return context.container.phase == "runtime" and not remote and not sys.stdin.isatty()


class Follower:
    """Tells a run's story as it happens, and waits for its end."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._run_id: str | None = None
        self._opened: ev.RunOpened | None = None

    def follow(self, run_id: str) -> str:
        """Tell this run's events from now on."""
        self._run_id = run_id
        return run_id

    def hear(self, run_id: str, event: ev.Event) -> None:
        """One event was recorded."""
        if isinstance(event, ev.RunOpened) and self._opened is None:
            self._opened, self._run_id = event, run_id
            self._context.terminal.note(_times_of(fold([event]).job), "dim")
        if run_id == self._run_id and self._opened is not None:
            _tell(self._context.terminal, event, fold([self._opened]))

    def wait(self, site: Any, run_id: str, run: Run | None) -> tuple[Run | None, TickReport]:
        """Pass over the run until it is closed; another tick that is at work meanwhile is waited for."""
        report, poll, began = TickReport(), POLL_FIRST, time.monotonic()
        if run is not None:
            report.runs[run_id] = run
        while run is not None and run.closed is None:
            self._sleep(poll, run, began)
            poll = min(poll * 1.3, POLL_MOST)
            try:
                with ticking(site) as tick:
                    run = tick.advance(run_id)
                    tick.finish(by_hand=True)
                    report = tick.report
            except Busy:
                continue
        return run, report

    def _sleep(self, seconds: float, run: Run, began: float) -> None:
        terminal = self._context.terminal
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            minutes, rest = divmod(int(time.monotonic() - began), 60)
            terminal.live(f"  {minutes}:{rest:02d}  {run.wait_message or 'working'}")
            time.sleep(min(left, 1.0))
        terminal.unlive()


def _tell(terminal: Terminal, event: ev.Event, run: Run) -> None:
    zone = zone_named(run.job.timezone)
    line = tell(event, run.job, zone)
    if line is not None and line.tone != "dim":
        terminal.story(line, event.at.astimezone(zone))


def _times_of(job: Job) -> str:
    return f"times are {job.timezone}"


# --- show ------------------------------------------------------------------------------------------------------


def _show(context: Context) -> int:
    wanted = context.options.of
    with reading(context.directory, context.container.identity) as journal:
        rows = journal.rows(job=wanted, most=1)
        run_id = rows[0].run if rows else wanted
        events = journal.events(run_id)
    if not events:
        raise NotFound(f"there is no run or job '{wanted}' in {context.directory}", remedy="see: upsun-agent status")
    run = fold(events)
    if context.terminal.json_wanted:
        context.terminal.document({**run_view(run, events), "events": [event_view(event) for event in events]})
        return EXIT_OK
    terminal = context.terminal
    zone = zone_named(run.job.timezone)
    terminal.note(f"{run.id} on {run.environment}, {events[0].at.astimezone(zone):%Y-%m-%d} ({_times_of(run.job)})")
    for event in events:
        line = tell(event, run.job, zone)
        if line is not None:
            terminal.story(line, event.at.astimezone(zone))
    if lengths := lengths_told(run, events):
        terminal.note(lengths, "dim")
    if run.closed is None and run.current is not None:
        terminal.note(f"in flight: {step_words(run.job, run.current.index)}", "odd")
    return EXIT_OK
