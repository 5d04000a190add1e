"""The commands ``next`` and ``validate``."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from msgspec import UNSET, UnsetType

from upsun_agent.cli.answer import Answer
from upsun_agent.cli.context import Context
from upsun_agent.cli.numbers import whole_number
from upsun_agent.cli.terminal import Terminal
from upsun_agent.config import JobFile, JobFileInvalid, find, load
from upsun_agent.config.definitions import json_schema
from upsun_agent.engine.due import Slot
from upsun_agent.errors import EXIT_OK
from upsun_agent.journal.directory import reading_if_any
from upsun_agent.model.job import Job
from upsun_agent.report.bulk import BulkReader
from upsun_agent.report.document import Count, View
from upsun_agent.report.status_view import SlotView, paused_or_suspended, slot_view
from upsun_agent.runtime.slots import Judge
from upsun_agent.runtime.suspension import suspensions
from upsun_agent.schedule import schedule_of
from upsun_agent.text.event_text import step_words
from upsun_agent.text.humanize import ago

COUNT_MOST = 1000
OWN_VALUE = re.compile(r"(?:^|[\s,])[hH](?![a-zA-Z])")  # the H of a schedule, not the name of a day or month


class NextView(View, frozen=True, kw_only=True):
    """Next slots by job."""

    #: The time zone of each job, by its name.
    timezones: dict[str, str]
    #: Whether each job runs on this type of environment, by its name.
    here: dict[str, bool]
    #: Why a person paused each job, by its name: its slots will be skipped. Null if nobody did.
    paused: dict[str, str | None]
    #: Why failed runs suspended each job, by its name: its slots will be skipped. Null if they did not.
    suspended: dict[str, str | None]
    #: The slots of each job, by its name.
    slots: dict[str, list[SlotView]]


class MistakeView(View, frozen=True, kw_only=True):
    """A mistake in the job file."""

    #: The line, from 1; 0 for the whole file.
    line: Count
    #: The key, with the keys above it.
    key: str
    #: What is wrong.
    message: str
    #: What to do about it.
    remedy: str


class ValidateView(View, frozen=True, kw_only=True):
    """What is wrong with the job file, or its jobs."""

    #: The job file.
    file: str
    #: Whether it has no mistake.
    valid: bool
    #: The mistakes.
    mistakes: list[MistakeView]
    #: The names of the jobs. Only for a valid file.
    jobs: list[str] | UnsetType = UNSET


def add(commands: Any, shared: ArgumentParser) -> None:
    """Add the family's commands."""
    coming = commands.add_parser(
        "next",
        parents=[shared],
        help="list the next slots",
        description="List the next slots of JOB, or of all jobs, in the job's zone: those that ticks will run, "
        "without those that the job's conditions (`when`) exclude.",
    )
    coming.add_argument("job", metavar="JOB", nargs="?", help="one job only")
    coming.add_argument(
        "--count", type=whole_number(1, COUNT_MOST), default=5, metavar="N", help="slots for each job (default: 5)"
    )
    coming.set_defaults(run=_next)
    validate = commands.add_parser(
        "validate",
        parents=[shared],
        help="check the job file",
        description="Check the job file and print every mistake with its line and remedy. Exit code 78 if "
        "there is one.",
    )
    validate.add_argument("file", metavar="FILE", nargs="?", help="the job file (default: as for every command)")
    validate.add_argument("--schema", action="store_true", help="print the job file's JSON Schema instead")
    validate.set_defaults(run=_validate)


# --- next ------------------------------------------------------------------------------------------------------


def _next(context: Context) -> Answer:
    jobs = [context.job_file.job(context.options.job)] if context.options.job else list(context.job_file.jobs.values())
    now = context.clock.now()
    coming: dict[str, list[Slot]] = {}
    with reading_if_any(context.state, context.container.identity) as journal:
        suspended, reader = suspensions(journal), BulkReader(journal)
        for job in jobs:
            schedule = schedule_of(context.container, job)
            coming[job.name] = []
            if schedule is not None:
                slots = Judge(job, schedule, reader, context.container.environment or "").coming(now)
                coming[job.name] = list(islice(slots, context.options.count))
    view = NextView(
        timezones={job.name: job.timezone for job in jobs},
        here={job.name: job.runs_on(context.container.environment_type) for job in jobs},
        paused={job.name: paused_or_suspended(suspended.get(job.name))[0] for job in jobs},
        suspended={job.name: paused_or_suspended(suspended.get(job.name))[1] for job in jobs},
        slots={name: [slot_view(slot, now) for slot in slots] for name, slots in coming.items()},
    )
    return Answer(view, lambda: _tell_next(context, jobs, coming, suspended, now))


def _tell_next(
    context: Context,
    jobs: Sequence[Job],
    coming: Mapping[str, list[Slot]],
    suspended: Mapping[str, str],
    now: datetime,
) -> None:
    """Print the next slots.

    Args:
        context: the command call.
        jobs: the jobs that were asked for.
        coming: their next slots, by the name of the job.
        suspended: why jobs are paused or suspended, by their name.
        now: the present.
    """
    rows = [
        (job.name, slot.name.replace("T", " "), job.timezone, f"{slot.due_at:%Y-%m-%d %H:%M}", ago(slot.due_at, now))
        for job in jobs
        for slot in coming[job.name]
    ]
    if rows:
        context.terminal.table(("JOB", "SLOT", "ZONE", "UTC", "DUE"), rows, flexible=(0, 2))
    for job in jobs:
        if job.schedule is None:
            context.terminal.note(f"{job.name} has no schedule: it only runs manually", "dim")
        elif not job.runs_on(context.container.environment_type):
            kinds = ", ".join(job.environment_types)
            context.terminal.note(
                f"{job.name} only runs on {kinds}, not here ({context.container.environment_type})", "odd"
            )
        elif (why := suspended.get(job.name)) is not None:
            context.terminal.note(f"{job.name}: {why}", "odd")
        elif job.when and len(coming[job.name]) < context.options.count:
            context.terminal.note(f"{job.name}: its conditions exclude all other slots of the next months", "dim")
    _say_whose(context, [job.name for job in jobs if coming[job.name] and OWN_VALUE.search(job.schedule or "")])


def _say_whose(context: Context, names: list[str]) -> None:
    """Print that H has another value in each environment, if project or environment is not known."""
    missing = [
        option
        for option, value in (
            ("--project", context.container.project),
            ("--environment", context.container.environment),
        )
        if value is None
    ]
    if names and missing:
        text = f"H has another value in each project and environment; choose with {' and '.join(missing)}"
        context.terminal.note(f"{', '.join(names)}: {text}", "odd")


# --- validate --------------------------------------------------------------------------------------------------


def _validate(context: Context) -> Answer | int:
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
            MistakeView(line=each.line, key=each.key, message=each.message, remedy=each.remedy)
            for each in error.mistakes
        ]
        return Answer(ValidateView(file=path, valid=False, mistakes=mistakes), code=error.exit_code)
    view = ValidateView(file=path, valid=True, mistakes=[], jobs=list(job_file.jobs))
    return Answer(view, lambda: _tell_valid(terminal, path, job_file))


def _tell_valid(terminal: Terminal, path: str, job_file: JobFile) -> None:
    """Print the jobs of a valid file."""
    terminal.say(f"{path} is valid.", "good")
    for job in job_file.jobs.values():
        steps = ", then ".join(step_words(job, index) for index in range(len(job.steps)))
        when = f"{job.schedule} ({job.timezone})" if job.schedule else "manual only"
        terminal.say(f"  {job.name}: {steps}; {when}; on {', '.join(job.environment_types)}")
