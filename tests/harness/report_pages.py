"""Journals of tests: an ordinary past, one full of hostile texts, one with thousands of runs."""

from __future__ import annotations

from datetime import timedelta
from itertools import cycle

from upsun_agent.model.job import Job, StepPlan
from upsun_agent.platform.container import Container
from upsun_agent.report.history import look_back
from upsun_agent.report.html_page import page
from upsun_agent.runtime.suspension import pause_job

from tests.harness.html_payloads import PAYLOADS
from tests.harness.past_runs import NOW, Ledger

#: What an innocent past has in the place of each payload.
INNOCENT = tuple(f"an ordinary sentence, number {number}" for number in range(len(PAYLOADS)))


def page_of(ledger: Ledger, days: int = 40, job: str | None = None) -> str:
    """The page about that past."""
    return page(look_back(ledger.context, ledger.journal, days, job))


def spoken(directory: str, texts: tuple[str, ...]) -> Ledger:
    """A past in which everything that somebody else may have said says one of these texts."""
    said = cycle(texts)
    names = (next(said), next(said), next(said))
    container = Container("runtime", project=names[0], environment=names[1], environment_type=names[2], app="app")
    ledger = Ledger(directory, container=container)
    when = NOW - timedelta(days=2)
    for number in range(18):
        outcome = ("succeeded", "failed", "missed", "skipped", "cancelled", None)[number % 6]
        name, kind = f"{number} {next(said)}"[:200], next(said)[:100]
        steps = (StepPlan("backup", {}), StepPlan(kind if number % 3 == 0 else "backup", {"name": next(said)}))
        job = Job(name, steps)
        text = next(said)
        detail: dict[str, object] = {"environment": next(said), "backup": next(said)}
        ledger.run(name, when + timedelta(hours=number), outcome, text=text, named=job, detail=detail)
    pause_job(ledger.journal, "nightly-update", next(said), NOW)
    return ledger


def hostile(directory: str, turn: int = 0) -> Ledger:
    """A past in which every text is an attack; with another turn each attack is in another place."""
    return spoken(directory, (*PAYLOADS[turn:], *PAYLOADS[:turn]))


def innocent(directory: str) -> Ledger:
    """The same past with harmless texts."""
    return spoken(directory, INNOCENT)
