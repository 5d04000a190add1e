"""A stage whose ticks tell people: the herald as the command line composes it, with variables that a test gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from upsun_agent.api.http import Transport
from upsun_agent.journal.state import MountState
from upsun_agent.log.lines import Redaction, make_log
from upsun_agent.notify import outbox
from upsun_agent.notify.channels.http import HttpSender
from upsun_agent.notify.messages import Message
from upsun_agent.notify.notifier import Notifier, Whose
from upsun_agent.runtime.context import TickContext
from upsun_simulator import ManualClock, Scenario, Simulator

from tests.harness.stage import JOB, START, TOKEN, Stage


@dataclass
class TellingStage(Stage):
    """A container with variables for its channels; every tick is a process of its own as far as it can tell."""

    environ: dict[str, str] = field(default_factory=dict)

    def site(self) -> TickContext:
        site = super().site()
        notify = site.job_file.notify
        assert notify is not None, "the job file names no channel"
        redaction = Redaction([TOKEN, *(self.environ.get(name) for name in notify.variables())])
        log = make_log(redaction, stream=self.log, readable=False)
        here = any(job.runs_on(site.container.environment_type) for job in site.job_file.jobs.values())
        whose = Whose(site.project, site.environment, self.container.environment_type, self.container.app or "", here)
        sender = HttpSender(
            self.environ, Transport("upsun-agent/test"), redaction.hide, redaction.clean, site.clock.now
        )
        return replace(site, log=log, notifier=Notifier(notify, whose, sender, site.clock, log))

    def facts(self) -> dict[str, str]:
        """What the outbox holds."""
        from upsun_agent.journal.directory import reading

        with reading(MountState(str(self.directory)), self.container.identity) as journal:
            return journal.notes("outbox")

    def waiting(self) -> list[Message]:
        """The messages that wait."""
        return outbox.waiting(self.facts())

    def said(self, event: str) -> list[dict[str, Any]]:
        """The log lines of that name."""
        return [line for line in self.logged() if line["event"] == event]


def build(place: Path, more: str, *, jobs: str = JOB, environ: dict[str, str] | None = None, **scenario: Any) -> Any:
    """A stage five minutes before the slot, whose job file says more."""
    place.mkdir(parents=True)
    manual_clock = ManualClock(START)
    simulator = Simulator(Scenario(token=TOKEN, **scenario), manual_clock)
    return TellingStage(simulator, manual_clock, place / "state", f"{more}\n{jobs}", environ=environ or {})
