"""Follow a run for ``run --wait``: print its events as they happen and make ticks until it is over."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from upsun_agent.cli.context import Context
from upsun_agent.cli.terminal import Terminal
from upsun_agent.engine.fold import fold
from upsun_agent.engine.run import Run
from upsun_agent.errors import Busy
from upsun_agent.model import events as ev
from upsun_agent.model.answers import Trouble
from upsun_agent.model.durations import span
from upsun_agent.model.failures import FailureKind
from upsun_agent.runtime.tick import ticking
from upsun_agent.runtime.tick_report import TickReport
from upsun_agent.text.event_text import tell
from upsun_agent.text.humanize import zone_named

POLL_FIRST, POLL_MOST = 3.0, 15.0  # seconds between the ticks of run --wait
WITHIN = 300  # seconds without the API after which run --wait gives up
WITHIN_MOST = 7 * 86400
#: Failures of the API or the network, which may pass by themselves, and how they are reported.
AWAY = {
    FailureKind.UNREACHABLE: "The API cannot be reached",
    FailureKind.BAD_REPLY: "The API gives no usable answer",
    FailureKind.BUDGET: "The API answers too slowly",
}
#: Failures of a run that time alone causes while the API cannot be reached.
BY_TIME = frozenset({FailureKind.TOO_LATE, FailureKind.TIMEOUT})


class GivenUp(Struct, frozen=True):
    """The reason why the command stops waiting for the API; it exits with 69."""

    #: Why following ended.
    message: str


class Follower:
    """Print the events of a run as they happen, and wait for its end."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._run_id: str | None = None
        self._opened: ev.RunOpened | None = None
        self._away_since: float | None = None
        self._trouble: Trouble | None = None

    def follow(self, run_id: str) -> str:
        """Print this run's events from now on, and return its id."""
        self._run_id = run_id
        return run_id

    def attach(self, run_id: str, events: Sequence[ev.Event]) -> str:
        """Follow a run that began earlier, whose events so far are ``events``, and return its id."""
        self._opened = next((each for each in events if isinstance(each, ev.RunOpened)), None)
        text = f"Run {run_id} is in flight already: following it. For its events so far: upsun-agent show {run_id}"
        self._context.terminal.note(text, "dim")
        return self.follow(run_id)

    def hear(self, run_id: str, event: ev.Event) -> None:
        """Print an event that was recorded."""
        if isinstance(event, ev.RunOpened) and self._opened is None:
            self._opened, self._run_id = event, run_id
            self._context.terminal.note(f"times are {fold([event]).job.timezone}", "dim")
        if run_id == self._run_id and self._opened is not None:
            _tell(self._context.terminal, event, fold([self._opened]))

    def wait(
        self, tick_context: Any, run_id: str, run: Run | None, report: TickReport, within: float
    ) -> tuple[Run | None, TickReport, GivenUp | None]:
        """Make ticks until the run is closed; wait while another tick is at work.

        Give up if the API cannot be reached for ``within`` seconds; the run then stays open for later ticks.

        Args:
            tick_context: what a tick works with.
            run_id: the id of the run.
            run: the run as it stands; None if its journal could not be read yet.
            report: what the first tick did.
            within: for how many seconds the API may be away.
        """
        poll, began = POLL_FIRST, time.monotonic()
        if run is not None:
            report.runs[run_id] = run
        self._look(report, within)
        while run is not None and run.closed is None:
            if (given_up := self._given_up(within)) is not None:
                return run, report, given_up
            self._sleep(poll, run, began, within)
            poll = min(poll * 1.3, POLL_MOST)
            try:
                with ticking(tick_context) as tick:
                    run = tick.advance(run_id)
                    tick.finish(by_hand=True)
                    report = tick.report
            except Busy:
                continue
            if run is None or run.closed is None or run.closed.failure not in BY_TIME:
                self._look(report, within)
        return run, report, self._ended_by_time(run)

    def _look(self, report: TickReport, within: float) -> None:
        """Note whether the last tick reached the API, and print a line when that changes."""
        terminal = self._context.terminal
        trouble = next((each for each in report.troubles() if each.kind in AWAY), None)
        if trouble is not None and self._away_since is None:
            self._away_since = time.monotonic()
            most = span(within)
            terminal.note(f"{AWAY[trouble.kind]}; waiting up to {most} for it: {trouble.message}", "odd")
        elif trouble is None and self._away_since is not None:
            self._away_since = None
            terminal.note("The API answers again.", "good")
        self._trouble = trouble

    def _given_up(self, within: float) -> GivenUp | None:
        if self._away_since is None or self._trouble is None or time.monotonic() - self._away_since < within:
            return None
        lasted = span(time.monotonic() - self._away_since)
        return GivenUp(f"no usable answer from the API for {lasted}: {self._trouble.message}")

    def _ended_by_time(self, run: Run | None) -> GivenUp | None:
        """Return why the run timed out, if the API could not be reached at the time.

        Return None for a failure of the job itself.
        """
        closed = run.closed if run is not None else None
        if closed is None or closed.failure not in BY_TIME or self._trouble is None:
            return None
        return GivenUp(closed.message)

    def _sleep(self, seconds: float, run: Run, began: float, within: float) -> None:
        terminal = self._context.terminal
        end = time.monotonic() + seconds
        if self._away_since is not None:
            end = min(end, self._away_since + within)
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
