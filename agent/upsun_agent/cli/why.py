"""The command ``why``: explain why a slot ran, waits, was skipped or missed."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from upsun_agent.cli.answer import Answer
from upsun_agent.cli.context import Context
from upsun_agent.engine.due import Slot
from upsun_agent.engine.run import Run
from upsun_agent.errors import NotFound, UsageError
from upsun_agent.journal import JournalReader
from upsun_agent.journal.directory import reading
from upsun_agent.limits import HISTORY_RUNS, LOOK_BACK
from upsun_agent.model import events as ev
from upsun_agent.model.events import NEVER_RAN
from upsun_agent.model.job import Job
from upsun_agent.report.document import Moment, SlotName, View
from upsun_agent.report.reading import run_of
from upsun_agent.report.run_views import RunView, run_view
from upsun_agent.report.why import Evidence, explain
from upsun_agent.runtime.clock_repair import ahead, is_ahead, last_tick
from upsun_agent.runtime.slots import Judge
from upsun_agent.schedule import Schedule, schedule_of, zone_of

ROWS_SEARCHED = HISTORY_RUNS * 2  # runs of the job that are searched for a batch of slots


class WhyView(View, frozen=True, kw_only=True):
    """Why a slot ran, waits, was skipped or missed."""

    #: The name of the job.
    job: str
    #: The slot by its local time, in the job's zone.
    slot: SlotName
    #: When it was due.
    due_at: Moment
    #: The run of the slot; null if there is none.
    run: RunView | None
    #: The explanation.
    explanation: str


def add(commands: Any, shared: ArgumentParser) -> None:
    """Add the command."""
    why = commands.add_parser(
        "why",
        parents=[shared],
        help="explain why a slot ran, waits, was skipped or missed",
        description="Explain in one paragraph, from the journal, why a slot of JOB ran, waits, was skipped or missed. "
        "TIME is in the job's zone: 03:12 (the latest such time), 2026-11-24, or 2026-11-24T03:12. The slot is the "
        "last one due at or before TIME; without TIME, the latest.",
    )
    why.add_argument("job", metavar="JOB", help="the job's name in the job file")
    why.add_argument("time", metavar="TIME", nargs="?", help="a time in the job's zone")
    why.set_defaults(run=_why)


def _why(context: Context) -> Answer:
    job, now = context.job_file.job(context.options.job), context.clock.now()
    schedule = schedule_of(context.container, job)
    if schedule is None:
        raise UsageError(
            f"{job.name} has no schedule: it only runs manually", remedy=f"see: upsun-agent show {job.name}"
        )
    slot = _slot(schedule, _moment(context.options.time, job, now))
    if slot is None:
        raise NotFound(f"{job.name} has no slot in the {int(LOOK_BACK // 86400)} days before that time")
    known = _evidence(context, job, slot, now)
    text = explain(known)
    run = run_view(known.run) if known.run else None
    view = WhyView(job=job.name, slot=slot.name, due_at=slot.due_at, run=run, explanation=text)
    return Answer(view, lambda: context.terminal.paragraph(text))


def _moment(text: str | None, job: Job, now: datetime) -> datetime:
    """Return the instant of a TIME; raise UsageError if it is not a valid time."""
    if text is None:
        return now
    zone = ZoneInfo(job.timezone)
    local = now.astimezone(zone)
    try:
        if re.fullmatch(r"\d{1,2}:\d\d", text, re.ASCII):
            hour, minute = (int(part) for part in text.split(":"))
            moment = local.replace(hour=hour, minute=minute, second=59, microsecond=0)
            return moment if moment <= local else moment - timedelta(days=1)
        day = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{text[:40]!r} is not a valid time", remedy="write 03:12, 2026-11-24 or 2026-11-24T03:12"
        ) from None
    if re.fullmatch(r"\d{4}-?\d\d-?\d\d", text, re.ASCII):
        day = day.replace(hour=23, minute=59)
    try:
        return day.replace(tzinfo=day.tzinfo or zone, second=59).astimezone(UTC)
    except OverflowError:
        raise UsageError(f"{text[:40]!r} is out of range") from None


def _slot(schedule: Schedule, moment: datetime) -> Slot | None:
    """Return the last slot due at or before the moment; search further back only if needed."""
    for days in (1.0, LOOK_BACK / 86400, 400.0):
        try:
            found = schedule.between(moment - timedelta(days=days), moment)
        except OverflowError:
            return None
        if found:
            return found[-1]
    return None


def _evidence(context: Context, job: Job, slot: Slot, now: datetime) -> Evidence:
    kind, ticked = context.container.environment_type, None
    run: Run | None = None
    events: list[ev.Event] = []
    cursor, in_flight, out = None, None, ""
    late: tuple[str, ...] = ()
    try:
        with reading(context.state, context.container.identity) as journal:
            run, events = _run_of(journal, job, slot)
            if run is not None and is_ahead(run.opened_at, now) and run.closed is not None:
                run, events = None, []  # opened while a clock was ahead; the next tick corrects it
            found = journal.cursor(job.name)
            cursor = found.until if found else None
            ticked, late = last_tick(journal), tuple(ahead(journal, now))
            out = _excluded(context, journal, job, slot)
            in_flight = next((row.run for row in journal.rows(open_only=True, job=job.name, most=1)), None)
    except NotFound:
        pass  # no journal of this environment: nothing has run here
    return Evidence(
        job=job,
        slot=slot,
        now=now,
        here=job.runs_on(kind),
        environment_type=kind,
        run=run,
        events=tuple(events),
        cursor=cursor,
        last_tick=ticked,
        in_flight=in_flight,
        excluded=out,
        ahead=late,
    )


def _excluded(context: Context, journal: JournalReader, job: Job, slot: Slot) -> str:
    """Return why conditions or a pause exclude the slot; "" if they do not."""
    schedule = schedule_of(context.container, job)
    if schedule is None:
        return ""
    judge = Judge(job, schedule, journal, context.container.environment or "")
    found = judge.excluded(slot.due_at)(slot)
    return found[1] if found is not None else ""


def _run_of(journal: JournalReader, job: Job, slot: Slot) -> tuple[Run | None, list[ev.Event]]:
    """Return the run of the slot, or of the batch that holds it, found by the instant, not the wall-clock name."""
    rows = [row for row in journal.rows(job=job.name, most=ROWS_SEARCHED) if row.slot and row.due_at >= slot.due_at]
    row = min(rows, key=lambda each: each.due_at, default=None)
    if row is None or (row.due_at != slot.due_at and row.outcome not in NEVER_RAN):
        return None, []
    run, events = run_of(journal, row.run)
    if row.due_at == slot.due_at or (run.closed is not None and _begins(run, run.closed) <= slot.due_at):
        return run, events
    return None, []


def _begins(run: Run, closed: ev.RunClosed) -> datetime:
    """Return when the first slot of a batch was due; older versions kept only its name, in the job's zone."""
    detail = closed.detail
    try:
        if "first_at" in detail:
            return datetime.fromisoformat(str(detail["first_at"])).astimezone(UTC)
        if "first" in detail:
            return datetime.fromisoformat(str(detail["first"])).replace(tzinfo=zone_of(run.job)).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    return run.due_at
