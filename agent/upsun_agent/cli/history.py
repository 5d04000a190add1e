"""The command ``history``: list past runs, newest first."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from upsun_agent.cli.answer import Answer
from upsun_agent.cli.context import Context
from upsun_agent.cli.numbers import counted, whole_number
from upsun_agent.engine.run import Phase, Run
from upsun_agent.errors import NotFound, UsageError
from upsun_agent.journal import RunRow
from upsun_agent.journal.directory import reading_if_any
from upsun_agent.limits import HISTORY_AGE, HISTORY_RUNS
from upsun_agent.model.durations import span
from upsun_agent.model.events import RunOutcome
from upsun_agent.report.batches import outcome_words, slots_of
from upsun_agent.report.document import Count, Moment, View
from upsun_agent.report.reading import Told, runs_of
from upsun_agent.report.run_views import PastView, past_view
from upsun_agent.text.durations import took
from upsun_agent.text.event_text import step_words
from upsun_agent.text.humanize import minute, zone_named
from upsun_agent.validators import Duration

IN_FLIGHT = "in-flight"
OUTCOMES = (*(each.value for each in RunOutcome), IN_FLIGHT)
LIMIT_USUAL, LIMIT_MOST = 20, 1000  # runs; reading the events of one takes a millisecond or two
HEADS = ("RUN", "OPENED", "TOOK", "OUTCOME", "WHAT HAPPENED")
REMEDY = "write 7d, 36h, 2026-11-24 or 2026-11-24T03:12"


class HistoryView(View, frozen=True, kw_only=True):
    """Runs of the past, newest first."""

    #: When this was read.
    at: Moment
    #: How many there are; `runs` holds at most `--limit` of them.
    found: Count
    #: The runs.
    runs: list[PastView]


def add(commands: Any, shared: ArgumentParser) -> None:
    """Add the command."""
    history = commands.add_parser(
        "history",
        parents=[shared],
        help="list past runs",
        description="List the runs of JOB, or of all jobs, newest first: when they were opened (in the job's zone), "
        "how long they took and how they ended. Runs of a job that was removed from the job file are listed too.",
    )
    history.add_argument("job", metavar="JOB", nargs="?", help="one job only")
    history.add_argument(
        "--since",
        metavar="TIME",
        help="only runs opened since: 7d, 36h, or 2026-11-24 or 2026-11-24T03:12 in the job's zone (UTC without JOB)",
    )
    history.add_argument("--outcome", choices=OUTCOMES, action="append", help="only runs with this outcome; repeatable")
    history.add_argument(
        "--limit",
        metavar="N",
        type=whole_number(1, LIMIT_MOST),
        default=LIMIT_USUAL,
        help=f"the most runs to list (default: {LIMIT_USUAL})",
    )
    history.set_defaults(run=_history)


def _history(context: Context) -> Answer:
    job, now = context.options.job, context.clock.now()
    since = _since(context, context.options.since, now)
    with reading_if_any(context.state, context.container.identity) as journal:
        rows = journal.rows(job=job, most=HISTORY_RUNS * 2)
        if job is not None and not rows and job not in context.job_file.jobs:
            known = ", ".join(context.job_file.jobs)
            raise NotFound(f"there is no run of a job '{job}'", remedy=f"the jobs in the job file are: {known}")
        wanted = context.options.outcome or OUTCOMES
        found = [row for row in rows if row.opened_at >= since and (row.outcome or IN_FLIGHT) in wanted]
        shown = found[: context.options.limit]
        told = list(runs_of(journal, shown))
        slots = slots_of(journal, shown)
    view = HistoryView(at=now, found=len(found), runs=[past_view(row, *each) for row, each in told])
    return Answer(view, lambda: _tell(context, told, slots, hidden=len(found) - len(shown), kept=len(rows)))


def _since(context: Context, text: str | None, now: datetime) -> datetime:
    """Return the time that ``--since`` means; raise UsageError if it is not a valid time."""
    if text is None:
        return datetime.fromtimestamp(0, UTC)
    length = Duration(most=int(HISTORY_AGE))
    if re.match(r"\d+[dhms]", text, re.ASCII):
        for problem in length.check(text, ()):
            raise UsageError(f"--since {problem.message}", remedy=REMEDY)
        return now - timedelta(seconds=length.read(text))
    job = context.job_file.jobs.get(context.options.job or "")
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=moment.tzinfo or ZoneInfo(job.timezone if job else "UTC")).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(f"{text[:40]!r} is not a valid time", remedy=REMEDY) from None


def _none(context: Context, kept: int) -> str:
    """Return why there is nothing to list: nothing has run yet, or no run matches the options."""
    job = context.options.job
    of_job = f" of {job}" if job else ""
    if kept:
        return f"No run{of_job} matches: --since and --outcome exclude all of {counted(kept, 'run')}."
    return f"No run{of_job} yet. For the next slots: upsun-agent next{f' {job}' if job else ''}"


def _tell(
    context: Context, found: Sequence[tuple[RunRow, Told]], slots: Mapping[str, int], *, hidden: int, kept: int
) -> None:
    terminal = context.terminal
    if not found:
        terminal.note(_none(context, kept))
        return
    rows = []
    for row, (run, _, wrong) in found:
        length = took(row)
        rows.append(
            (
                row.run,
                minute(row.opened_at, zone_named(run.job.timezone if run is not None else "UTC")),
                span(length) if length is not None else "-",
                outcome_words(row, slots.get(row.run, 1)),
                wrong if run is None else _happened(run, row),
            )
        )
    terminal.table(HEADS, rows, flexible=(0, 4))
    if hidden:
        terminal.note(f"{hidden} more; choose with --limit, --since and --outcome", "dim")


def _happened(run: Run, row: RunRow) -> str:
    """Return what happened in the run, in a few words."""
    if run.closed is None:
        return run.wait_message or "continues at the next tick"
    if row.outcome == RunOutcome.SUCCEEDED:
        told = [step for step in run.steps if step.outcome is not None]
        return "; ".join(step.message for step in told) or run.closed.message
    failed = next((step for step in run.steps if step.phase == Phase.FAILED), None)
    if failed is not None:
        return f"{step_words(run.job, failed.index)}: {failed.message}"
    return run.closed.message
