"""The answer of ``changes`` about a run: which packages its commits changed."""

from __future__ import annotations

from upsun_agent.cli.answer import Answer
from upsun_agent.cli.context import Context
from upsun_agent.cli.lookup import events_of
from upsun_agent.cli.terminal import Terminal
from upsun_agent.engine.fold import fold
from upsun_agent.engine.run import Run
from upsun_agent.errors import NothingYet
from upsun_agent.journal.directory import reading_if_any
from upsun_agent.limits import CHANGES_LISTED
from upsun_agent.model import events as ev
from upsun_agent.report.document import View
from upsun_agent.report.run_views import CommitView, commit_views
from upsun_agent.text.package_text import changes_of, told

REMEDY = "changes are read after a step that made a commit: upsun-agent history"


class RunChangesView(View, frozen=True, kw_only=True):
    """What the commits of a run changed."""

    #: The id of the run.
    run: str
    #: The name of the job.
    job: str
    #: The commits; one that brings on what an earlier one did is left out.
    commits: list[CommitView]


def answer(context: Context, wanted: str | None) -> Answer:
    """Return what a run changed: by its id or its job's name; without either, the latest run that changed something."""
    run = fold(events_of(context, wanted or _latest(context)))
    view = RunChangesView(run=run.id, job=run.job.name, commits=commit_views(run))
    return Answer(view, lambda: _tell(context.terminal, run))


def _latest(context: Context) -> str:
    """Return the id of the latest run that read changes; raise NothingYet if there is none."""
    with reading_if_any(context.state, context.container.identity) as journal:
        found = [run for run, _ in journal.latest(ev.ChangesRead.kind, most=1)]
    if not found:
        raise NothingYet("no update has changed a package yet", remedy=REMEDY)
    return found[0]


def _tell(terminal: Terminal, run: Run) -> None:
    terminal.note(f"{run.id} on {run.environment}", "dim")
    lines = told(run, CHANGES_LISTED)
    if not lines:
        known = changes_of(run)
        terminal.note("No package changed." if known else "No commit of this run was read.")
    for line in lines:
        terminal.say(line)
