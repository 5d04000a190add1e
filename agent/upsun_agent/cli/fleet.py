"""``status --all``: one line for every journal in the same directory or database."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from upsun_agent.cli.context import Context
from upsun_agent.cli.numbers import counted
from upsun_agent.errors import EXIT_OK
from upsun_agent.journal.fleet import fleet
from upsun_agent.journal.member import Member
from upsun_agent.report.fleet import is_overdue
from upsun_agent.text.humanize import ago, iso

HEADS = ("PROJECT", "ENVIRONMENT", "APP", "LAST TICK", "IN FLIGHT", "LAST RUN", "OUTCOME", "PROVED BACKUP")


def show(context: Context) -> int:
    """Print the journals, after a warning for each that is overdue, and return the exit code."""
    now = context.clock.now()
    with fleet(context.state) as found:
        members = found.members()
    late = [member for member in members if is_overdue(member, now)]
    if context.terminal.json_wanted:
        views = [_view(member, now) for member in members]
        context.terminal.document({"state": str(context.state), "overdue": len(late), "journals": views})
        return EXIT_OK
    if members:
        context.terminal.table(HEADS, [_row(member, now) for member in members])
    for member in late:
        name = "/".join(part or "?" for part in member.identity)
        context.terminal.say(f"overdue: {name}: no tick since {ago(member.last_tick, now)}", "odd")
    context.terminal.say(f"{counted(len(members), 'journal')}, {len(late)} overdue; state in {context.state}", "dim")
    return EXIT_OK


def _row(member: Member, now: datetime) -> tuple[str, ...]:
    last = f"{member.last_job} {ago(member.last_opened, now)}" if member.last_job else "never"
    outcome = (member.last_outcome or "in flight") if member.last_job else "-"
    in_flight = str(member.in_flight) if member.in_flight else "-"
    proved = ago(member.proved_at, now) if member.proved_at else "-"
    return (*(part or "-" for part in member.identity), ago(member.last_tick, now), in_flight, last, outcome, proved)


def _view(member: Member, now: datetime) -> dict[str, Any]:
    project, environment, app = member.identity
    last = {"job": member.last_job, "opened_at": iso(member.last_opened), "outcome": member.last_outcome}
    return {
        "project": project,
        "environment": environment,
        "app": app,
        "last_tick": iso(member.last_tick),
        "overdue": is_overdue(member, now),
        "next_due": iso(member.next_due),
        "in_flight": member.in_flight,
        "last_run": last if member.last_job else None,
        "proved_backup": {"backup": member.proved_backup, "at": iso(member.proved_at)} if member.proved_at else None,
    }
