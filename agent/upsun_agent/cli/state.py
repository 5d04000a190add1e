"""The command ``state move``: move the journal between a mount and a database, or between two databases."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from msgspec import field
from msgspec.structs import replace

from upsun_agent.cli.answer import Answer
from upsun_agent.cli.context import Context
from upsun_agent.cli.numbers import counted
from upsun_agent.config.state_location import STATE
from upsun_agent.errors import UsageError
from upsun_agent.journal import Journal
from upsun_agent.journal.directory import reading
from upsun_agent.journal.move import Contents, contents, copy, hand_over, refuse_taken, verify
from upsun_agent.journal.notes import MOVE_MARKS, MOVED_TO, MOVING_FROM
from upsun_agent.journal.state import DatabaseState, State
from upsun_agent.report.document import Count, View
from upsun_agent.runtime.context import TickContext
from upsun_agent.runtime.session import open_session


class StateMoveView(View, frozen=True, kw_only=True):
    """What was moved, and compared; with ``--dry-run`` what would be."""

    #: Where the state was.
    source: str = field(name="from")
    #: Where it is now.
    to: str
    #: Whether nothing was moved.
    dry_run: bool
    #: How many runs.
    runs: Count
    #: How many events.
    events: Count
    #: Jobs of which it is known how far slots were judged.
    cursors: Count
    #: Facts beside the events.
    notes: Count


def add(commands: Any, shared: ArgumentParser) -> None:
    """Add the family's commands."""
    family = commands.add_parser("state", help="move the state", description="Manage where the state is kept.")
    kinds = family.add_subparsers(title="commands", metavar="COMMAND", dest="kind", required=True)
    move = kinds.add_parser(
        "move",
        parents=[shared],
        help="move the state to another place",
        description="Copy this environment's state to another place, compare the copy with the original, and mark the "
        "original as moved: it stays, but nothing uses it any more. PLACE is a directory, relationship:NAME or "
        "url-variable:NAME. If the command is killed, run it again: it continues. Then set `state` in the job file to "
        "the new place.",
    )
    move.add_argument("--to", required=True, metavar="PLACE", help="the new place")
    move.add_argument("--from", metavar="PLACE", dest="source", help="the present place (default: from the job file)")
    move.add_argument("--dry-run", action="store_true", help="show what would be moved without moving it")
    move.set_defaults(run=_move)


def _move(context: Context) -> Answer:
    options = context.options
    source = _place(context, "--from", options.source) if options.source else context.state
    target = _place(context, "--to", options.to)
    if os.path.abspath(str(source)) == os.path.abspath(str(target)):
        raise UsageError(f"the state is in {source} already", remedy="name another place with --to")
    if options.dry_run:
        return _rehearsed(context, source, target)
    tick_context = replace(context.tick_context(quiet=True), state=source)
    with reading(source, tick_context.container.identity):
        pass  # an empty source is reported before the target is created
    with open_session(tick_context, moving=True) as session:
        found = _moved(context, tick_context, session.journal, target)
    return _answer(context, source, target, found, dry=False)


def _place(context: Context, option: str, name: str) -> State:
    """Return the place with this name; raise UsageError if the name is not valid."""
    problem = next(STATE.check(name, ()), None)
    if problem is not None:
        raise UsageError(f"{option} {problem.message}", remedy=problem.remedy or "see: upsun-agent state move --help")
    return context.state_named(name)


def _rehearsed(context: Context, source: State, target: State) -> Answer:
    with reading(source, context.container.identity) as journal:
        found = contents(journal)
    return _answer(context, source, target, found, dry=True)


def _moved(context: Context, tick_context: TickContext, old: Journal, target: State) -> Contents:
    with ExitStack() as stack:
        other = replace(tick_context, state=target)
        new = stack.enter_context(open_session(other, moving=True))
        moved = old.notes(MOVE_MARKS).get(MOVED_TO)
        if moved not in {None, str(target)}:
            raise UsageError(
                f"the state in {tick_context.state} was moved elsewhere", remedy="name that place with --from"
            )
        if moved is not None and MOVING_FROM not in new.journal.notes(MOVE_MARKS):
            return contents(new.journal)  # an earlier call moved it and was killed before it could report that
        refuse_taken(new.journal, str(tick_context.state), str(target))
        copy(
            old,
            new.journal,
            str(tick_context.state),
            lambda done, of: context.terminal.live(f"  {done} of {of} runs"),
        )
        context.terminal.unlive()
        found = verify(old, new.journal)
        hand_over(old, new.journal, str(target), tick_context.container.identity)
    return found


def _answer(context: Context, source: State, target: State, found: Contents, *, dry: bool) -> Answer:
    counts = {"runs": found.runs, "events": found.events, "cursors": found.cursors, "notes": found.notes}
    view = StateMoveView(source=str(source), to=str(target), dry_run=dry, **counts)
    return Answer(view, lambda: _tell(context, source, target, counts, dry=dry))


def _tell(context: Context, source: State, target: State, counts: Mapping[str, int], *, dry: bool) -> None:
    """Print what was moved, and what to change in the job file.

    Args:
        context: the command call.
        source: where the state was.
        target: where it is now.
        counts: how many things of each kind were moved.
        dry: whether nothing was moved.
    """
    what = ", ".join(counted(number, name.removesuffix("s")) for name, number in counts.items())
    if dry:
        context.terminal.say(f"Would move from {source} to {target}: {what}.")
        return
    context.terminal.say(f"Moved and compared: {what}.", "good")
    where = "the relationship's database" if isinstance(target, DatabaseState) else target
    if context.job_file.state == str(target):
        context.terminal.note(f'The job file already has state = "{target}" ({where}).')
    else:
        context.terminal.note(f'Now set state = "{target}" under [agent] in the job file ({where}) and push it.')
    context.terminal.note(f"{source} is kept, but nothing uses it any more.", "dim")
