"""``status --all``: one line for every journal in the same directory or database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from upsun_agent.cli.answer import Answer
from upsun_agent.cli.context import Context
from upsun_agent.cli.numbers import counted
from upsun_agent.journal.fleet import fleet
from upsun_agent.journal.member import Member
from upsun_agent.report.document import Count, Moment, View
from upsun_agent.report.fleet import is_overdue
from upsun_agent.text.humanize import ago

HEADS = ("PROJECT", "ENVIRONMENT", "APP", "LAST TICK", "IN FLIGHT", "LAST RUN", "OUTCOME", "PROVED BACKUP")


class LastRunView(View, frozen=True, kw_only=True):
    """The newest run of an environment."""

    #: The name of the job.
    job: str
    #: When the run was opened.
    opened_at: Moment | None
    #: How it ended; null if it is in flight.
    outcome: str | None


class ProvedView(View, frozen=True, kw_only=True):
    """The backup that an environment proved last."""

    #: Its name.
    backup: str | None
    #: When it was proved.
    at: Moment


class JournalView(View, frozen=True, kw_only=True):
    """How one environment's app stands."""

    #: The project's id.
    project: str
    #: The environment's id.
    environment: str
    #: The name of the app.
    app: str
    #: When the last tick was; null if there was none.
    last_tick: Moment | None
    #: Whether the environment's ticks have stopped.
    overdue: bool
    #: When its next tick must look closer; null for the next one.
    next_due: Moment | None
    #: How many runs are in flight.
    in_flight: Count
    #: The newest run; null if there is none.
    last_run: LastRunView | None
    #: The backup that was proved last; null if there is none.
    proved_backup: ProvedView | None


class FleetView(View, frozen=True, kw_only=True):
    """With ``--all``: every journal in the same place."""

    #: Where the state is: a directory, or the name of a database.
    state: str
    #: How many have had no tick for too long.
    overdue: Count
    #: The journals.
    journals: list[JournalView]


def show(context: Context) -> Answer:
    """Return the journals."""
    now = context.clock.now()
    with fleet(context.state) as found:
        members = found.members()
    late = [member for member in members if is_overdue(member, now)]
    views = [_view(member, now) for member in members]
    view = FleetView(state=str(context.state), overdue=len(late), journals=views)
    return Answer(view, lambda: _tell(context, members, late, now))


def _tell(context: Context, members: Sequence[Member], late: Sequence[Member], now: datetime) -> None:
    """Print the journals, and a warning for each that is overdue."""
    if members:
        context.terminal.table(HEADS, [_row(member, now) for member in members])
    for member in late:
        name = "/".join(part or "?" for part in member.identity)
        context.terminal.say(f"overdue: {name}: no tick since {ago(member.last_tick, now)}", "odd")
    context.terminal.say(f"{counted(len(members), 'journal')}, {len(late)} overdue; state in {context.state}", "dim")


def _row(member: Member, now: datetime) -> tuple[str, ...]:
    last = f"{member.last_job} {ago(member.last_opened, now)}" if member.last_job else "never"
    outcome = (member.last_outcome or "in flight") if member.last_job else "-"
    in_flight = str(member.in_flight) if member.in_flight else "-"
    proved = ago(member.proved_at, now) if member.proved_at else "-"
    return (*(part or "-" for part in member.identity), ago(member.last_tick, now), in_flight, last, outcome, proved)


def _view(member: Member, now: datetime) -> JournalView:
    project, environment, app = member.identity
    job, proved_at = member.last_job, member.proved_at
    last = LastRunView(job=job, opened_at=member.last_opened, outcome=member.last_outcome) if job else None
    return JournalView(
        project=project,
        environment=environment,
        app=app,
        last_tick=member.last_tick,
        overdue=is_overdue(member, now),
        next_due=member.next_due,
        in_flight=member.in_flight,
        last_run=last,
        proved_backup=ProvedView(backup=member.proved_backup, at=proved_at) if proved_at else None,
    )
