"""The commands ``approve`` and ``cancel``, with which a person decides about a run."""

from __future__ import annotations

import getpass
import os
from argparse import ArgumentParser
from shlex import quote
from typing import Any

from upsun_agent.cli.answer import Answer
from upsun_agent.cli.context import Context
from upsun_agent.engine.run import Run
from upsun_agent.errors import NotFound, RunFailed, UsageError
from upsun_agent.log.foreign_text import one_line
from upsun_agent.model import events as ev
from upsun_agent.model.answers import Absent, Activity, LookAtActivity
from upsun_agent.model.failures import FailureKind
from upsun_agent.report.run_views import run_view
from upsun_agent.runtime.admission import Foreign
from upsun_agent.runtime.context import TickContext
from upsun_agent.runtime.recorder import Recorder
from upsun_agent.runtime.session import open_session

BY_MOST = 80  # characters of a name


def add(commands: Any, shared: ArgumentParser) -> None:
    """Add the family's commands."""
    approve = commands.add_parser(
        "approve",
        parents=[shared],
        help="approve or deny a run that waits for approval",
        description="Let a run that waits at a step 'approval' continue, or make it fail with --deny. RUN is a run's "
        "id, or a job's name for its run in flight. The next tick continues the run.",
    )
    approve.add_argument("of", metavar="RUN", help="a run's id, or a job's name")
    approve.add_argument("--deny", action="store_true", help="deny it: the run fails")
    approve.add_argument("--by", metavar="NAME", help="who decides (default: the user's name)")
    approve.set_defaults(run=_approve)
    cancel = commands.add_parser(
        "cancel",
        parents=[shared],
        help="end a run in flight",
        description="End a run in flight: the agent makes no further request for it, and its on-failure steps do not "
        "run. The platform's activity continues, unless --activity cancels it too. RUN is a run's id, or a job's name "
        "for its run in flight.",
    )
    cancel.add_argument("of", metavar="RUN", help="a run's id, or a job's name")
    cancel.add_argument("--activity", action="store_true", help="cancel the platform's running activity too")
    cancel.add_argument("--by", metavar="NAME", help="who decides (default: the user's name)")
    cancel.set_defaults(run=_cancel)


def _approve(context: Context) -> Answer:
    by, granted = _who(context), not context.options.deny
    tick_context = _tick_context(context)
    with open_session(tick_context) as session:
        recorder = Recorder(tick_context, session)
        run = _in_flight(context, recorder)
        step = run.current
        if step is None or step.plan.kind != "approval" or step.approval is not None:
            waits = run.wait_message or "it continues by itself"
            raise UsageError(f"run {run.id} does not wait for approval: {waits}", remedy=f"upsun-agent show {run.id}")
        event = ev.ApprovalGiven(at=context.clock.now(), step=step.index, granted="yes" if granted else "no", by=by)
        run = _recorded(recorder, run, event)
    text = f"{'Approved' if granted else 'Denied'}: {run.id}. The next tick continues the run."
    return Answer(run_view(run), lambda: context.terminal.say(text, "good" if granted else "odd"))


def _cancel(context: Context) -> Answer:
    by, tick_context = _who(context), _tick_context(context)
    with open_session(tick_context) as session:
        recorder = Recorder(tick_context, session)
        run = _in_flight(context, recorder)
        told = _stopped(context, tick_context.client, run) if context.options.activity else _left_running(run)
        text = f"cancelled by {by}{f'; {told}' if told else ''}"
        closed = ev.RunClosed(
            at=context.clock.now(), outcome=ev.RunOutcome.CANCELLED, message=text, failure=FailureKind.CANCELLED
        )
        run = _recorded(recorder, run, closed)
    tick_context.client.close()
    return Answer(run_view(run), lambda: _tell_cancelled(context, run, told))


def _tell_cancelled(context: Context, run: Run, told: str) -> None:
    context.terminal.say(f"Cancelled: {run.id}.", "good")
    if told:
        context.terminal.say(f"{told[0].upper()}{told[1:]}.", "odd")


def _tick_context(context: Context) -> TickContext:
    """Return what the command works with. It logs as a tick does, except on a terminal, where it prints the outcome."""
    return context.tick_context(quiet=context.terminal.interactive)


def _recorded(recorder: Recorder, run: Run, event: ev.Event) -> Run:
    """Record the event, which logs it and queues its notifications, and return the run after it."""
    after = recorder.record(run, event)
    recorder.flush()
    return after


def _in_flight(context: Context, recorder: Recorder) -> Run:
    """Return the run in flight with this id or of this job.

    Raises:
        UsageError: the job or run exists, but is not in flight.
        NotFound: there is no such job or run.
        RunFailed: the run's record was not written by the agent.
    """
    journal = recorder.journal
    wanted = context.options.of
    rows = journal.rows(open_only=True, most=1000)
    found = [row.run for row in rows if wanted in {row.run, row.job}]
    if not found:
        in_flight = ", ".join(row.run for row in rows) or "none"
        known = wanted in context.job_file.jobs or journal.rows(job=wanted, most=1) or journal.events(wanted)
        error = UsageError if known else NotFound
        raise error(f"no run '{wanted}' is in flight", remedy=f"in flight: {in_flight}; see: upsun-agent status")
    run = recorder.admitted(found[0])
    if isinstance(run, Foreign):
        remedy = "the next tick closes it; find out who can write the state (docs/concepts/security.md)"
        raise RunFailed(run.message, remedy=remedy)
    return run


def _who(context: Context) -> str:
    """Return the name of the person who runs the command, for the journal."""
    named = context.options.by
    if named is None:
        try:
            named = getpass.getuser()
        except (KeyError, OSError):
            named = f"user {os.geteuid()}"
    clean = one_line(str(named), BY_MOST)
    if not clean:
        raise UsageError("--by needs a name")
    return clean


def _left_running(run: Run) -> str:
    step = run.current
    if step is None or step.activity is None:
        return ""
    return f"activity {step.activity} continues (upsun activity:cancel {quote(step.activity)})"


def _stopped(context: Context, client: Any, run: Run) -> str:
    """Cancel the activity of the current step, and return the result in words."""
    step = run.current
    if step is None or step.activity is None:
        return "no activity was known to be running"
    from upsun_agent.runtime.executor import Executor  # noqa: PLC0415  late: httpx costs nine interpreter starts

    site_project = context.container.project or ""
    seen = Executor(client, site_project, run.environment, context.clock).look(LookAtActivity(step.activity))
    if isinstance(seen, Absent) or (isinstance(seen, Activity) and seen.finished):
        return f"activity {step.activity} was over already"
    client.cancel_activity(site_project, step.activity)
    return f"activity {step.activity} was cancelled"
