"""The command ``rehearse``: a job played through against the simulator, in seconds and without any risk."""

from __future__ import annotations

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from typing import Any

from agent.cli.context import Context
from agent.cli.extras import simulator_missing
from agent.cli.numbers import counted, whole_number
from agent.engine import events as ev
from agent.engine.run import fold
from agent.errors import EXIT_OK, RunFailed
from agent.report.story import tell
from agent.report.views import run_view

DAYS_MOST = 730
NAMES = "<names>"  # where the help lists the mishaps


class Formatter(RawDescriptionHelpFormatter):
    """Puts the mishaps in when the help is shown: importing the simulator would cost every other command 0.3 s."""

    def add_text(self, text: str | None) -> None:
        """A text of the help."""
        super().add_text(text.replace(NAMES, _names()) if text and NAMES in text else text)


def add(commands: Any, shared: ArgumentParser) -> None:
    """Add the command."""
    rehearse = commands.add_parser(
        "rehearse",
        parents=[shared],
        help="play a job through without touching the platform",
        description="Play a run of JOB through, tick by tick, against a simulated platform in virtual time. Nothing "
        "leaves this process. Needs the extra 'simulator'.\n\n--fault takes a name or a fault of a request "
        f"(METHOD PATH KIND, see simulate --help); the names:\n{NAMES}",
        formatter_class=Formatter,
    )
    rehearse.add_argument("job", metavar="JOB", help="the job's name in the job file")
    rehearse.add_argument("--fault", action="append", default=[], metavar="FAULT", help="what goes wrong; repeatable")
    rehearse.add_argument(
        "--days",
        type=whole_number(1, DAYS_MOST),
        metavar="N",
        help=f"play N days (up to {DAYS_MOST}) of ticks with all that may come: deployments, outages, an expired token",
    )
    rehearse.add_argument(
        "--seed", type=whole_number(0, 10**9), default=1, metavar="S", help="draw other days (default: 1)"
    )
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
    faults, now, terminal = context.options.fault, context.clock.now(), context.terminal

    def against(planted: Sequence[str]) -> Rehearsal:
        return Rehearsal(context.job_file, job, context.container, planted, now)

    rehearsal = against(faults)
    if context.options.days is not None:
        return _days(context, rehearsal)
    heard: list[ev.Event] = []
    opened: list[ev.RunOpened] = []

    def hear(_: str, event: ev.Event) -> None:
        heard.append(event)
        if isinstance(event, ev.RunOpened):
            opened.append(event)
        line = tell(event, fold(opened[-1:]).job)
        if line is not None:
            terminal.story(line, event.at)

    with_faults = f" with {', '.join(faults)}" if faults else ""
    terminal.note(f"Rehearsing {job.name}{with_faults} (virtual time, UTC):")
    played = rehearsal.play(hear)
    run, requests, code = played.run, played.books["requests"], played.exit_code
    idle = _without_effect(against, faults, heard, requests)
    if terminal.json_wanted:
        view = run_view(run) if run else None
        body = {"run": view, "ticks": played.ticks, "requests": requests, "without_effect": [*idle], "exit_code": code}
        terminal.document(body)
        return code
    asked = [request for request in requests if request["method"] == "POST" and "/oauth2/" not in request["path"]]
    ticks, made = counted(played.ticks, "tick"), counted(len(requests), "request")
    terminal.note(f"{ticks}, {made}, {len(asked)} of them to change something", "dim")
    for name, met in idle.items():
        why = (
            "it was met, and all that was recorded is the same without it"
            if met
            else "nothing that this run did met it"
        )
        terminal.note(f"The fault '{name}' had no effect: {why}.", "odd")
    return code


def _without_effect(
    against: Callable[[Sequence[str]], Any], faults: Sequence[str], heard: list[ev.Event], requests: list[Any]
) -> dict[str, bool]:
    """Return the faults without which the same run is the same, event by event, and whether a request met them.

    The rehearsal is played again without each.
    """
    found = {}
    for place, name in enumerate(faults):
        again: list[ev.Event] = []
        others = against([*faults[:place], *faults[place + 1 :]])
        played = others.play(lambda _, event, again=again: again.append(event))
        if again == heard:
            found[name] = played.books["requests"] != requests
    return found


def _days(context: Context, rehearsal: Any) -> int:
    """Months of ticks, and what came of them; exit code 1 only where a promise was broken."""
    from agent.season import play  # noqa: PLC0415  needs the extra

    days, terminal = context.options.days, context.terminal
    terminal.say(
        f"Rehearsing {rehearsal.job.name} for {counted(days, 'day')} (virtual time, seed {context.options.seed}):"
    )
    season = play(rehearsal, days, context.options.seed, lambda day: terminal.live(f"  day {day} of {days}"))
    code = RunFailed.exit_code if season.broken else EXIT_OK
    if terminal.json_wanted:
        terminal.document({**season.to_json(), "days": days, "seed": context.options.seed, "exit_code": code})
        return code
    for incident in season.incidents:
        terminal.say(f"  {incident.at:%Y-%m-%d %H:%M}  {incident.text}", "dim")
    counts = {**season.outcomes, **({"missed": season.missed_slots} if season.missed_slots else {})}
    told = ", ".join(f"{count} {word}" for word, count in sorted(counts.items(), key=lambda each: -each[1]))
    causes = "".join(f"; failed for {word}: {count}" for word, count in season.failures.most_common())
    terminal.note(f"{counted(season.slots, 'slot')} came: {told}{causes}.")
    if season.slots > season.judged and season.last_tick is not None:
        late, moment = counted(season.slots - season.judged, "slot"), f"{season.last_tick:%Y-%m-%d %H:%M} UTC"
        terminal.note(f"{late} came after the last tick of these days ({moment}): the next tick would have seen to it.")
    idle, requests = f"{season.idle_ticks} of them with nothing to do", counted(season.requests, "request")
    terminal.note(f"{counted(season.ticks, 'tick')}, {idle}; {requests}.")
    terminal.note(f"On the platform: {counted(season.backups, 'backup')}, {counted(season.updates, 'update')}.")
    for text in season.broken:
        terminal.say(f"broken promise: {text}", "bad")
    if not season.broken:
        terminal.say("No request was made twice, no update ran without a proved backup, nothing got stuck.", "good")
    return code
