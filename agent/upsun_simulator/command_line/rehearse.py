"""The command ``upsun-agent rehearse``: play a job against the simulator, in seconds and without risk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from upsun_agent.cli.answer import Answer
from upsun_agent.cli.context import Context
from upsun_agent.cli.numbers import counted
from upsun_agent.cli.terminal import Terminal
from upsun_agent.engine.fold import fold
from upsun_agent.errors import EXIT_OK, RunFailed
from upsun_agent.model import events as ev
from upsun_agent.report.document import Count, Moment, View
from upsun_agent.report.run_views import RunView, run_view
from upsun_agent.text.event_text import tell

from upsun_simulator.rehearsal.play import NAMED_FAULTS, Rehearsal
from upsun_simulator.rehearsal.simulate_days import SimulatedDays, play


class RehearsalView(View, frozen=True, kw_only=True):
    """One slot, played."""

    #: The run; null if none was opened.
    run: RunView | None
    #: How many ticks it took.
    ticks: Count
    #: The requests that reached the simulator.
    requests: list[dict[str, Any]]
    #: Faults that this run never met.
    without_effect: list[str]
    #: The exit code of the command.
    exit_code: Count


class IncidentView(View, frozen=True, kw_only=True):
    """Something that happened to the simulated platform."""

    #: When it happened.
    at: Moment
    #: What happened.
    text: str


class RehearsedDaysView(View, frozen=True, kw_only=True):
    """With ``--days``: months, played."""

    #: How many slots came.
    slots: Count
    #: How many of them a tick had to judge.
    judged: Count
    #: How many of those were missed.
    missed_slots: Count
    #: How many ticks there were.
    ticks: Count
    #: How many of them had nothing to do.
    idle_ticks: Count
    #: How many requests reached the simulator.
    requests: Count
    #: How many runs ended so, by outcome.
    outcomes: dict[str, Count]
    #: How many runs failed so, by the stable kind of the failure.
    failures: dict[str, Count]
    #: How many ticks ended with it, by exit code.
    tick_exit_codes: dict[str, Count]
    #: How many backups the platform made.
    backups: Count
    #: How many updates the platform ran.
    updates: Count
    #: What happened to the platform.
    incidents: list[IncidentView]
    #: The promises that were broken; there should be none.
    broken: list[str]
    #: How many days were played.
    days: Count
    #: The seed of the random numbers: the same seed plays the same days.
    seed: int
    #: The exit code of the command.
    exit_code: Count


def listed() -> dict[str, str]:
    """Return the faults that have a name, with their explanations, for the help."""
    return {name: named_fault.doc for name, named_fault in NAMED_FAULTS.items()}


def run(context: Context) -> Answer:
    """Play a run, or days of ticks, of the job that the options name."""
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
    run, requests, code = played.run, played.request_log["requests"], played.exit_code
    idle = _without_effect(against, faults, heard, requests)
    view = RehearsalView(
        run=run_view(run) if run else None,
        ticks=played.ticks,
        requests=requests,
        without_effect=[*idle],
        exit_code=code,
    )
    return Answer(view, lambda: _tell_played(terminal, view, idle), code)


def _tell_played(terminal: Terminal, view: RehearsalView, idle: dict[str, bool]) -> None:
    """Print how much was played, and which faults had no effect; ``idle`` says whether a request met them."""
    requests = view.requests
    asked = [request for request in requests if request["method"] == "POST" and "/oauth2/" not in request["path"]]
    ticks, made = counted(view.ticks, "tick"), counted(len(requests), "request")
    terminal.note(f"{ticks}, {made}, {len(asked)} of them to change something", "dim")
    for name, met in idle.items():
        why = (
            "it occurred, but what was recorded is the same without it"
            if met
            else "nothing that this run did triggered it"
        )
        terminal.note(f"The fault '{name}' had no effect: {why}.", "odd")


def _without_effect(
    against: Callable[[Sequence[str]], Any], faults: Sequence[str], heard: list[ev.Event], requests: list[Any]
) -> dict[str, bool]:
    """Return the faults without which the run has the same events, and whether a request met them.

    The rehearsal is played again without each.
    """
    found = {}
    for place, name in enumerate(faults):
        again: list[ev.Event] = []
        others = against([*faults[:place], *faults[place + 1 :]])
        played = others.play(lambda _, event, again=again: again.append(event))
        if again == heard:
            found[name] = played.request_log["requests"] != requests
    return found


def _days(context: Context, rehearsal: Any) -> Answer:
    """Play months of ticks and return their results; exit code 1 only if a promise was broken."""
    days, terminal = context.options.days, context.terminal
    terminal.say(
        f"Rehearsing {rehearsal.job.name} for {counted(days, 'day')} (virtual time, seed {context.options.seed}):"
    )
    season = play(rehearsal, days, context.options.seed, lambda day: terminal.live(f"  day {day} of {days}"))
    code = RunFailed.exit_code if season.broken else EXIT_OK
    return Answer(_days_view(season, days, context.options.seed, code), lambda: _tell_days(terminal, season), code)


def _tell_days(terminal: Terminal, season: SimulatedDays) -> None:
    """Print what happened in the days, and the results."""
    for incident in season.incidents:
        terminal.say(f"  {incident.at:%Y-%m-%d %H:%M}  {incident.text}", "dim")
    counts = {**season.outcomes, **({"missed": season.missed_slots} if season.missed_slots else {})}
    told = ", ".join(f"{count} {word}" for word, count in sorted(counts.items(), key=lambda each: -each[1]))
    causes = "".join(f"; failed for {word}: {count}" for word, count in season.failures.most_common())
    terminal.note(f"{counted(season.slots, 'slot')} fell due: {told}{causes}.")
    if season.slots > season.judged and season.last_tick is not None:
        late, moment = counted(season.slots - season.judged, "slot"), f"{season.last_tick:%Y-%m-%d %H:%M} UTC"
        terminal.note(
            f"{late} fell due after the last tick of these days ({moment}): the next tick would have seen to it."
        )
    idle, requests = f"{season.idle_ticks} of them with nothing to do", counted(season.requests, "request")
    terminal.note(f"{counted(season.ticks, 'tick')}, {idle}; {requests}.")
    terminal.note(f"On the platform: {counted(season.backups, 'backup')}, {counted(season.updates, 'update')}.")
    for text in season.broken:
        terminal.say(f"broken promise: {text}", "bad")
    if not season.broken:
        terminal.say("No request was made twice, no update ran without a proved backup, no run got stuck.", "good")


def _days_view(season: SimulatedDays, days: int, seed: int, code: int) -> RehearsedDaysView:
    return RehearsedDaysView(
        slots=season.slots,
        judged=season.judged,
        missed_slots=season.missed_slots,
        ticks=season.ticks,
        idle_ticks=season.idle_ticks,
        requests=season.requests,
        outcomes=dict(season.outcomes),
        failures=dict(season.failures),
        tick_exit_codes={str(word): count for word, count in sorted(season.exit_codes.items())},
        backups=season.backups,
        updates=season.updates,
        incidents=[IncidentView(at=each.at, text=each.text) for each in season.incidents],
        broken=season.broken,
        days=days,
        seed=seed,
        exit_code=code,
    )
