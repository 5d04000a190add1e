"""The result of a tick: for the exit code, the log and the JSON document."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct, field

from upsun_agent.engine.decide import Wait
from upsun_agent.engine.run import Run
from upsun_agent.errors import EXIT_OK, RunFailed
from upsun_agent.model.answers import Trouble
from upsun_agent.model.events import RunOutcome
from upsun_agent.model.failures import exit_code_of


class TickReport(Struct):
    """The result of a tick: the runs it continued in their new state, what they wait for, and the troubles.

    ``senseless`` are runs that it had to close because their events do not add up, or are not the agent's own.
    """

    #: The runs that the tick touched, by id.
    runs: dict[str, Run] = field(default_factory=dict)
    #: What open runs wait for, by run.
    waits: dict[str, Wait] = field(default_factory=dict)
    #: The runs that belong to another environment.
    elsewhere: list[str] = field(default_factory=list)
    #: The runs that were closed because their events do not add up, or are not the agent's own.
    senseless: list[str] = field(default_factory=list)
    #: The trouble that kept the tick from its work; None without one.
    trouble: Trouble | None = None
    #: When a tick must look closer; None if that is not known.
    next_due: datetime | None = None

    def exit_code(self) -> int:
        """Return the exit code: that of a failed run first, then that of trouble."""
        failed = [run.closed for run in self.runs.values() if run.closed and run.closed.outcome == RunOutcome.FAILED]
        codes = [exit_code_of(closed.failure) for closed in failed]
        if codes or self.senseless:
            return max(codes, default=RunFailed.exit_code)
        return max((trouble.kind.exit_code for trouble in self.troubles()), default=EXIT_OK)

    def troubles(self) -> list[Trouble]:
        """Return everything that kept the tick from its work."""
        found = [wait.trouble for wait in self.waits.values() if wait.trouble is not None]
        return [*([self.trouble] if self.trouble else []), *found]
