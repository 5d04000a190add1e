"""The commands ``pause`` and ``resume``: stop the slots of a job, and let it run again."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from upsun_agent.cli.answer import Answer
from upsun_agent.cli.context import Context
from upsun_agent.report.document import View
from upsun_agent.report.status_view import paused_or_suspended
from upsun_agent.runtime.session import open_session
from upsun_agent.runtime.suspension import pause_job, resume, state_word, suspension

BY_HAND = "paused by hand"


class PausedView(View, frozen=True, kw_only=True):
    """Whether the job is paused or suspended."""

    #: The name of the job.
    job: str
    #: Why and since when a person paused it; null if nobody did.
    paused: str | None
    #: Why and since when failures suspended it; null if they did not.
    suspended: str | None


def add(commands: Any, shared: ArgumentParser) -> None:
    """Add the family's commands."""
    parser = commands.add_parser(
        "pause",
        parents=[shared],
        help="pause a job",
        description="Pause JOB on this environment: its slots are skipped until it is resumed. A run in flight "
        "continues, and `run JOB` still works.",
    )
    parser.add_argument("job", metavar="JOB", help="the job's name in the job file")
    parser.add_argument("--reason", metavar="TEXT", default=BY_HAND, help="the reason, shown in status")
    parser.set_defaults(run=_pause)
    again = commands.add_parser(
        "resume",
        parents=[shared],
        help="let a paused or suspended job run again",
        description="Let JOB run again after `pause`, or after failed runs suspended it (suspend-after).",
    )
    again.add_argument("job", metavar="JOB", help="the job's name in the job file")
    again.set_defaults(run=_resume)


def _pause(context: Context) -> Answer:
    job, tick_context = context.job_file.job(context.options.job), context.tick_context(quiet=True)
    with open_session(tick_context) as session:
        before = suspension(session.journal, job.name)
        if before is None:
            pause_job(session.journal, job.name, context.options.reason.strip() or BY_HAND, context.clock.now())
        state = suspension(session.journal, job.name)
    kept = f" ({job.name} was already {state_word(before)}: the first reason stays)" if before else ""
    return _answer(context, job.name, state, note=kept)


def _resume(context: Context) -> Answer:
    job, tick_context = context.job_file.job(context.options.job), context.tick_context(quiet=True)
    with open_session(tick_context) as session:
        was_suspended = resume(session.journal, job.name, context.clock.now())
    return _answer(context, job.name, None, note="" if was_suspended else " (it was neither paused nor suspended)")


def _answer(context: Context, job: str, state: str | None, note: str) -> Answer:
    paused, suspended = paused_or_suspended(state)
    text = f"{job}: {state}{note}" if state else f"{job} runs again at its next slot{note}."
    return Answer(PausedView(job=job, paused=paused, suspended=suspended), lambda: context.terminal.note(text))
