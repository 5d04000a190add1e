"""Find a run by its id, or the latest run of a job by the job's name."""

from __future__ import annotations

from difflib import get_close_matches

from upsun_agent.cli.context import Context
from upsun_agent.errors import NotFound, NothingYet
from upsun_agent.journal.directory import reading_if_any
from upsun_agent.model import events as ev
from upsun_agent.report.reading import run_of


def events_of(context: Context, wanted: str) -> list[ev.Event]:
    """Return the events of the run, or of the job's latest run, oldest first.

    Raises:
        NothingYet: the job is in the job file but has not run yet.
        NotFound: there is no such run or job.
    """
    with reading_if_any(context.state, context.container.identity) as journal:
        rows = journal.rows(job=wanted, most=1)
        found = rows[0].run if rows else wanted
        if journal.written(found):
            return run_of(journal, found)[1]
    jobs = context.job_file.jobs
    if wanted in jobs:
        slots = f"; its next slots: upsun-agent next {wanted}" if jobs[wanted].schedule else ""
        remedy = f"run it now: upsun-agent run {wanted}{slots}"
        raise NothingYet(f"{wanted} has not run yet", remedy=remedy)
    close = get_close_matches(wanted, jobs, 1)
    meant = f"did you mean '{close[0]}'? " if close else ""
    remedy = f"{meant}for past runs: upsun-agent history; the jobs are: {', '.join(jobs)}"
    raise NotFound(f"there is no run or job '{wanted}' in {context.state}", remedy=remedy)
