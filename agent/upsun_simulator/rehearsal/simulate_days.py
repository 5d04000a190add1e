"""Simulate months of a job in virtual time, with incidents, for ``rehearse JOB --days N``.

Ticks come late by up to 20 minutes, deployments come at random, crons pause for 14 days, the token expires for three
days, the quota of manual backups is full, the API has bad hours. Everything is drawn from a seed.
"""

from __future__ import annotations

import io
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import takewhile
from tempfile import TemporaryDirectory

from upsun_agent.engine.due import Slot
from upsun_agent.engine.fold import fold
from upsun_agent.errors import AgentError, ConfigInvalid
from upsun_agent.idle import is_idle, read_hint
from upsun_agent.journal.directory import reading
from upsun_agent.platform.paths import JOURNAL, mark_tick, tick_trace
from upsun_agent.report.batches import slots_in
from upsun_agent.runtime.context import TickContext
from upsun_agent.runtime.tick import run_tick
from upsun_agent.schedule import schedule_of

from upsun_simulator import Fault, Simulator
from upsun_simulator.rehearsal.invariants import BACKUP, UPDATE, broken_promises
from upsun_simulator.rehearsal.play import TICK_SECONDS, Rehearsal, scratch_place
from upsun_simulator.user import MACHINE

# the platform's random offset of crons (https://developer.upsun.com/docs/configure-apps/image-properties/crons)
LATE_MOST = 1200.0
PAUSE_DAYS, TOKEN_DAYS = 14, 3
TICKS_A_DAY = int(86400 // TICK_SECONDS)


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident at one time: its description, and the function that applies it to the simulator."""

    #: When it happens.
    at: datetime
    #: What happens, in words.
    text: str
    #: What is done to the simulator; None: nothing, the crons pause.
    action: Callable[[Simulator], object] | None = None


@dataclass(slots=True)
class SimulatedDays:
    """The results of the simulated days."""

    #: How many slots fell due.
    slots: int = 0
    #: How many of them a tick had to judge; one may fall due after the last tick.
    judged: int = 0
    #: How many of those were missed; several may be told by one run.
    missed_slots: int = 0
    #: How many ticks there were.
    ticks: int = 0
    #: How many of them had nothing to do.
    idle_ticks: int = 0
    #: How many requests the simulator got.
    requests: int = 0
    #: How many runs ended in each way.
    outcomes: Counter[str] = field(default_factory=Counter)
    #: How many runs failed with each kind of failure.
    failures: Counter[str] = field(default_factory=Counter)
    #: What was planned to happen.
    incidents: list[Incident] = field(default_factory=list)
    #: How many ticks ended with each exit code.
    exit_codes: Counter[int] = field(default_factory=Counter)
    #: How many backups the simulator took.
    backups: int = 0
    #: How many updates it made.
    updates: int = 0
    #: The promises that the simulator's request log shows to be broken.
    broken: list[str] = field(default_factory=list)
    #: When the last tick was; None before the first.
    last_tick: datetime | None = None


def plan(start: datetime, days: int, dice: random.Random) -> list[Incident]:
    """Return random incidents: deployments each week, faults each month, one token that expires.

    Everything is within the days: what the dice put behind them, in a week or month that is not whole, does not happen.

    Args:
        start: when the days begin.
        days: how many days there are.
        dice: the source of chance; the same seed plans the same.
    """
    found = []
    for week in range(days // 7 + 1):
        for _ in range(2):
            at = start + timedelta(days=week * 7, seconds=dice.uniform(0, 7 * 86400))
            found.append(Incident(at, "somebody pushes a commit", lambda simulator: simulator.push()))
    for month in range(days // 30 + 1):
        at = start + timedelta(days=month * 30, seconds=dice.uniform(0, 30 * 86400))
        text = "the API answers 503 to forty requests"
        found.append(Incident(at, text, lambda simulator: simulator.add_fault(Fault("status", times=40, status=503))))
        at = start + timedelta(days=month * 30, seconds=dice.uniform(0, 30 * 86400))
        text = "the answer to the next backup request is lost"
        cut = "POST */backup cut-after"
        found.append(Incident(at, text, lambda simulator, cut=cut: simulator.add_fault(cut)))  # type: ignore[misc]  # a default binds it
        at = start + timedelta(days=month * 30, seconds=dice.uniform(0, 30 * 86400))
        text = "the next update request never arrives"
        lost = "POST */source-operation cut-before"
        found.append(Incident(at, text, lambda simulator, lost=lost: simulator.add_fault(lost)))  # type: ignore[misc]  # same
    at = start + timedelta(days=days * dice.uniform(0.4, 0.5))
    text = "the project keeps one manual backup from now on: the quota is full"
    found.append(Incident(at, text, lambda simulator: simulator.change(backup_limit=1)))
    if days > TOKEN_DAYS * 4:
        expired = start + timedelta(days=days * dice.uniform(0.1, 0.4))
        again = expired + timedelta(days=TOKEN_DAYS)
        found.append(Incident(expired, "the API token expires", _revoke))
        found.append(
            Incident(again, "the token works again", lambda simulator: simulator.add_token(simulator.scenario.token))
        )
    end = start + timedelta(days=days)
    return sorted((each for each in found if each.at < end), key=lambda incident: incident.at)


def _revoke(simulator: Simulator) -> None:
    simulator.revoke_token()
    simulator.expire_bearers()


def play(rehearsal: Rehearsal, days: int, seed: int, progress: Callable[[int], None] | None = None) -> SimulatedDays:
    """Simulate that many days; call ``progress`` after each day.

    Args:
        rehearsal: the job and the platform.
        days: how many days to play.
        seed: the seed of everything that chance decides.
        progress: called with the number of each day that is over; None: nobody listens.

    Raises:
        ConfigInvalid: the job has no schedule, so that days mean nothing to it.
    """
    dice = random.Random(seed)  # noqa: S311  a seeded season, no secret  # nosec B311
    season, log = SimulatedDays(), io.StringIO()
    with TemporaryDirectory(prefix="upsun-agent-season-", dir=scratch_place()) as directory:
        context = rehearsal.tick_context(directory, log, None)
        schedule = schedule_of(context.container, rehearsal.job)
        if schedule is None:
            raise ConfigInvalid(f"job '{rehearsal.job.name}' has no schedule", remedy="rehearse it without --days")
        start = context.clock.now()
        end = start + timedelta(days=days)
        slots = list(takewhile(lambda slot: slot.due_at <= end, schedule.after(start)))
        season.slots = len(slots)
        moments = _ticks(start, end, _incidents(season, start, days, dice), dice)
        last_tick = _through(rehearsal, directory, log, season, moments, progress)
        season.last_tick = last_tick
        judged = [slot for slot in slots if slot.due_at <= last_tick]
        season.judged = len(judged)
        _account(season, rehearsal.simulator, context, judged, last_tick)
    return season


def _incidents(season: SimulatedDays, start: datetime, days: int, dice: random.Random) -> list[Incident]:
    season.incidents = plan(start, days, dice)
    if days > PAUSE_DAYS * 2:
        # Crons run again before the days are over: what becomes of the slots of the pause is to be seen.
        at = start + timedelta(days=min(days * dice.uniform(0.5, 0.7), days - PAUSE_DAYS - 1))
        season.incidents.append(Incident(at, f"crons pause for {PAUSE_DAYS} days"))
        season.incidents.sort(key=lambda incident: incident.at)
    return list(season.incidents)


def _through(
    rehearsal: Rehearsal,
    directory: str,
    log: io.StringIO,
    season: SimulatedDays,
    moments: Iterator[datetime],
    progress: Callable[[int], None] | None,
) -> datetime:
    """Make all ticks, each with a new session, and the incidents between them; return the last tick's time."""
    environ = rehearsal.variables(directory)
    incidents, now = list(season.incidents), rehearsal.clock.now()
    idle = _IdleTicks(environ, directory)
    for number, moment in enumerate(moments):
        while incidents and incidents[0].at <= moment:
            _happen(rehearsal, incidents.pop(0))
        now = max(moment, rehearsal.clock.now())
        rehearsal.manual_clock.set(now)
        season.ticks += 1
        if progress is not None and number % TICKS_A_DAY == 0:
            progress(number // TICKS_A_DAY)
        if idle.covers(now.timestamp()):
            season.idle_ticks += 1
            continue
        context = rehearsal.tick_context(directory, log, None)
        try:
            season.exit_codes[run_tick(context).exit_code()] += 1
        except AgentError as error:
            season.exit_codes[error.exit_code] += 1
        finally:
            context.client.close()
    for incident in incidents:
        _happen(rehearsal, incident)
    return now


class _IdleTicks:
    """The idle ticks of the days.

    Between two ticks that work nothing but time changes for the idle check. So one check holds until the moment at
    which a tick must look closer, and the ticks up to there are only counted.
    """

    def __init__(self, environ: Mapping[str, str], directory: str) -> None:
        self._environ = environ
        self._directory = directory
        self._until, self._last, self._skipped = 0.0, 0.0, 0

    def covers(self, now: float) -> bool:
        """Return whether a tick at ``now`` (seconds since 1970) is idle; its trace is written before a tick works."""
        if now < self._until:
            self._last, self._skipped = now, self._skipped + 1
            return True
        if self._skipped:
            _, count = tick_trace(self._directory)
            mark_tick(self._directory, self._last, count + self._skipped)
            self._skipped = 0
        if not is_idle(self._environ, now):
            self._until = 0.0
            return False
        row = read_hint(f"{self._directory}/{JOURNAL}")
        self._until = float(row[4]) if row is not None and isinstance(row[4], int) else 0.0
        return True


def _happen(rehearsal: Rehearsal, incident: Incident) -> None:
    """Apply the incident at its time."""
    rehearsal.manual_clock.set(max(incident.at, rehearsal.clock.now()))
    if incident.action is not None:
        incident.action(rehearsal.simulator)


def _ticks(start: datetime, end: datetime, incidents: list[Incident], dice: random.Random) -> Iterator[datetime]:
    """Yield the times of ticks before the end: every five minutes, randomly late, without the pause."""
    pauses = [incident.at for incident in incidents if incident.action is None]
    planned = start
    while planned < end:
        planned += timedelta(seconds=TICK_SECONDS)
        moment = planned + timedelta(seconds=dice.uniform(0, LATE_MOST) if dice.random() < 0.2 else dice.uniform(0, 60))  # noqa: PLR2004  one tick in five is badly late
        if moment < end and not any(pause <= moment < pause + timedelta(days=PAUSE_DAYS) for pause in pauses):
            yield moment


def _account(
    season: SimulatedDays, simulator: Simulator, context: TickContext, judged: list[Slot], last_tick: datetime
) -> None:
    """Count the agent's results, and compare them with the simulator's request log."""
    with reading(context.state, context.container.identity) as journal:
        runs = [fold(journal.events(row.run)) for row in journal.rows(most=1_000_000)]
    for run in runs:
        left_out = run.closed is not None and run.closed.outcome == "skipped"
        season.outcomes[run.closed.outcome if run.closed else "in flight"] += slots_in(run.closed) if left_out else 1
        if run.closed is not None and run.closed.outcome == "failed":
            season.failures[run.closed.failure or "unknown"] += 1
        if run.closed is not None and run.closed.outcome == "missed":
            season.missed_slots += int(run.closed.detail.get("count", 1))
    request_log = simulator.request_log()
    season.requests = len(request_log["requests"])
    season.backups, season.updates = (
        sum(each["type"] == kind and each["user"] == MACHINE.id for each in request_log["activities"])
        for kind in (BACKUP, UPDATE)
    )
    season.broken = list(broken_promises(request_log, runs, user=MACHINE.id, last_tick=last_tick, slots=judged))
