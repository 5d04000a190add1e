"""The command ``rehearse``: a job played through against the simulator, in seconds and without any risk."""

from __future__ import annotations

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from agent.cli.context import Context
from agent.cli.extras import simulator_missing
from agent.engine import events as ev
from agent.engine.run import fold
from agent.report.story import tell
from agent.report.views import run_view


def add(commands: Any, shared: ArgumentParser) -> None:
    """Add the command."""
    rehearse = commands.add_parser(
        "rehearse",
        parents=[shared],
        help="play a job through without touching the platform",
        description="Play a run of JOB through, tick by tick, against a simulated platform in virtual time. Nothing "
        "leaves this process. Needs the extra 'simulator'.\n\n--fault takes a name or a fault of a request "
        "(METHOD PATH KIND); the names:\n" + _names(),
        formatter_class=RawDescriptionHelpFormatter,
    )
    rehearse.add_argument("job", metavar="JOB", help="the job's name in the job file")
    rehearse.add_argument("--fault", action="append", default=[], metavar="FAULT", help="what goes wrong; repeatable")
    rehearse.set_defaults(run=_rehearse)


def _names() -> str:
    """The mishaps with their explanations; without the extra the command itself will say what is missing."""
    try:
        from agent.rehearsal import MISHAPS  # noqa: PLC0415  needs the extra
    except ModuleNotFoundError:
        return "  (install the extra to see them)"
    return "\n".join(f"  {name:<22}{mishap.doc}" for name, mishap in MISHAPS.items())


def _rehearse(context: Context) -> int:
    try:
        from agent.rehearsal import Rehearsal  # noqa: PLC0415  needs the extra
    except ModuleNotFoundError as error:
        raise simulator_missing(error) from error
    job = context.job_file.job(context.options.job)
    faults = context.options.fault
    rehearsal = Rehearsal(context.job_file, job, context.container, faults, context.clock.now())
    opened: list[ev.RunOpened] = []

    def hear(_: str, event: ev.Event) -> None:
        if isinstance(event, ev.RunOpened):
            opened.append(event)
        line = tell(event, fold(opened[-1:]).job)
        if line is not None:
            context.terminal.story(line, event.at)

    against = f" with {', '.join(faults)}" if faults else ""
    context.terminal.say(f"Rehearsing {job.name}{against} (virtual time, UTC):")
    played = rehearsal.play(hear)
    run, requests = played.run, played.books["requests"]
    code = played.exit_code
    if context.terminal.json_wanted:
        view = run_view(run) if run else None
        context.terminal.document({"run": view, "ticks": played.ticks, "requests": requests, "exit_code": code})
    else:
        asked = [request for request in requests if request["method"] == "POST" and "/oauth2/" not in request["path"]]
        context.terminal.say(
            f"{played.ticks} ticks, {len(requests)} requests, {len(asked)} of them to change something", "dim"
        )
    return code
