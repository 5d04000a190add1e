"""The commands that look at jobs: ``status``, ``next``, ``validate``."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from agent.cli.context import Context
from agent.cli.numbers import whole_number
from agent.cli.terminal import ago
from agent.config import JobFileInvalid, find, load
from agent.config.definitions import json_schema
from agent.engine.due import Slot
from agent.engine.job import Job
from agent.engine.run import fold
from agent.errors import EXIT_OK
from agent.journal.directory import reading_if_any
from agent.journal.sqlite import SqliteJournal
from agent.places import last_tick
from agent.report.story import step_words
from agent.report.views import iso, row_view, run_view
from agent.suspension import suspension

COUNT_MOST = 1000
RUNS_SHOWN = 10


def add(commands: Any, shared: ArgumentParser) -> None:
    """Add the family's commands."""
    status = commands.add_parser(
        "status",
        parents=[shared],
        help="what runs, ran and comes next",
        description="Show every job with its last run and its next slot, the runs in flight, and the last tick.",
    )
    status.set_defaults(run=_status)
    coming = commands.add_parser(
        "next",
        parents=[shared],
        help="list coming slots",
        description="List the coming slots of JOB, or of all jobs, in the job's own zone.",
    )
    coming.add_argument("job", metavar="JOB", nargs="?", help="one job only")
    coming.add_argument(
        "--count", type=whole_number(1, COUNT_MOST), default=5, metavar="N", help="how many per job (default: 5)"
    )
    coming.set_defaults(run=_next)
    validate = commands.add_parser(
        "validate",
        parents=[shared],
        help="check the job file",
        description="Check the job file: every mistake with its line and remedy. Exit code 78 where there is one.",
    )
    validate.add_argument("file", metavar="FILE", nargs="?", help="the job file (default: as for every command)")
    validate.add_argument("--schema", action="store_true", help="print the job file's JSON Schema instead")
    validate.set_defaults(run=_validate)


def _runs_here(context: Context, job: Job) -> bool:
    kind = context.container.environment_type
    return kind is None or kind in job.environment_types


# --- next ------------------------------------------------------------------------------------------------------


def _next(context: Context) -> int:
    jobs = [context.job_file.job(context.options.job)] if context.options.job else list(context.job_file.jobs.values())
    now = context.clock.now()
    coming: dict[str, list[Slot]] = {}
    for job in jobs:
        schedule = context.schedule(job)
        coming[job.name] = list(islice(schedule.after(now), context.options.count)) if schedule else []
    if context.terminal.json_wanted:
        listed = {
            name: [{"slot": slot.name, "due_at": iso(slot.due_at)} for slot in slots] for name, slots in coming.items()
        }
        context.terminal.document({"timezones": {job.name: job.timezone for job in jobs}, "slots": listed})
        return EXIT_OK
    rows = [
        (job.name, slot.name.replace("T", " "), job.timezone, f"{slot.due_at:%Y-%m-%d %H:%M}", ago(slot.due_at, now))
        for job in jobs
        for slot in coming[job.name]
    ]
    if rows:
        context.terminal.table(("JOB", "SLOT", "ZONE", "UTC", "DUE"), rows)
    for job in jobs:
        if job.schedule is None:
            context.terminal.say(f"{job.name} has no schedule: it runs by hand only", "dim")
        elif not _runs_here(context, job):
            kinds = ", ".join(job.environment_types)
            context.terminal.say(
                f"{job.name} runs on {kinds} only: not here ({context.container.environment_type})", "odd"
            )
    return EXIT_OK


# --- validate --------------------------------------------------------------------------------------------------


def _validate(context: Context) -> int:
    terminal = context.terminal
    if context.options.schema:
        terminal.document(json_schema())
        return EXIT_OK
    path = context.options.file or find(context.environ, context.options.config)
    try:
        job_file = load(path)
    except JobFileInvalid as error:
        if not terminal.json_wanted:
            raise
        mistakes = [
            {"line": each.line, "key": each.key, "message": each.message, "remedy": each.remedy}
            for each in error.mistakes
        ]
        terminal.document({"file": path, "valid": False, "mistakes": mistakes})
        return error.exit_code
    if terminal.json_wanted:
        terminal.document({"file": path, "valid": True, "mistakes": [], "jobs": list(job_file.jobs)})
        return EXIT_OK
    terminal.say(f"{path} is valid.", "good")
    for job in job_file.jobs.values():
        steps = ", then ".join(step_words(job, index) for index in range(len(job.steps)))
        when = f"{job.schedule} ({job.timezone})" if job.schedule else "by hand"
        terminal.say(f"  {job.name}: {steps}; {when}; on {', '.join(job.environment_types)}")
    return EXIT_OK


# --- status ----------------------------------------------------------------------------------------------------


def _status(context: Context) -> int:
    now, directory = context.clock.now(), context.directory
    seconds = last_tick(directory)
    ticked = datetime.fromtimestamp(seconds, UTC) if seconds is not None else None
    with reading_if_any(directory, context.container.identity) as journal:
        if context.terminal.json_wanted:
            _status_document(context, journal, ticked)
            return EXIT_OK
        rows = [_status_row(context, journal, job, now) for job in context.job_file.jobs.values()]
        context.terminal.table(("JOB", "NEXT SLOT", "LAST RUN", "OUTCOME"), rows)
        for job in context.job_file.jobs.values():
            if held := suspension(journal, job.name):
                context.terminal.say(f"{job.name}: {held}", "odd")
        for row in journal.rows(open_only=True):
            run = fold(journal.events(row.run))
            context.terminal.say(f"in flight: {run.id}: {run.wait_message or 'about to go on'}", "odd")
    container = context.container
    where = f"{container.project or 'no project'}, {container.environment or 'no environment'}"
    kind = f" ({container.environment_type})" if container.environment_type else ""
    context.terminal.say(f"{where}{kind}; last tick {ago(ticked, now)}; state in {directory}", "dim")
    return EXIT_OK


def _status_row(context: Context, journal: SqliteJournal, job: Job, now: datetime) -> tuple[str, str, str, str]:
    schedule = context.schedule(job) if _runs_here(context, job) else None
    slot = schedule.next(now) if schedule else None
    if slot is not None:
        coming = f"{slot.name.replace('T', ' ')} ({ago(slot.due_at, now)})"
    else:
        coming = "by hand" if job.schedule is None else f"not here: {', '.join(job.environment_types)}"
    if suspension(journal, job.name) is not None:
        coming = "suspended"
    last = next(iter(journal.rows(job=job.name, most=1)), None)
    if last is None:
        return (job.name, coming, "never", "-")
    return (job.name, coming, ago(last.opened_at, now), last.outcome or "in flight")


def _status_document(context: Context, journal: SqliteJournal, ticked: datetime | None) -> None:
    now, jobs = context.clock.now(), []
    for job in context.job_file.jobs.values():
        schedule = context.schedule(job)
        slot = schedule.next(now) if schedule else None
        jobs.append(
            {
                "job": job.name,
                "suspended": suspension(journal, job.name),
                "here": _runs_here(context, job),
                "schedule": job.schedule,
                "timezone": job.timezone,
                "next": {"slot": slot.name, "due_at": iso(slot.due_at)} if slot else None,
                "runs": [row_view(row) for row in journal.rows(job=job.name, most=RUNS_SHOWN)],
            }
        )
    flying = [run_view(fold(journal.events(row.run))) for row in journal.rows(open_only=True)]
    container = context.container
    context.terminal.document(
        {
            "project": container.project,
            "environment": container.environment,
            "environment_type": container.environment_type,
            "state": context.directory,
            "last_tick": iso(ticked),
            "jobs": jobs,
            "in_flight": flying,
        }
    )
