"""The command ``status``: show what ran, runs, waits and comes next; ``--watch`` repeats it."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from typing import Any

from upsun_agent.cli.answer import Answer
from upsun_agent.cli.context import Context
from upsun_agent.cli.numbers import whole_number
from upsun_agent.cli.screen import Screen
from upsun_agent.errors import EXIT_OK, UsageError
from upsun_agent.journal.directory import reading_if_any
from upsun_agent.report.snapshot import Snapshot, snapshot
from upsun_agent.report.status_text import frame, overview
from upsun_agent.report.status_view import snapshot_view

WATCH_USUAL, WATCH_MOST = 5, 3600  # seconds between two readings


def add(commands: Any, shared: ArgumentParser) -> None:
    """Add the command."""
    status = commands.add_parser(
        "status",
        parents=[shared],
        help="show what runs, ran and comes next",
        description="Show every job with its last run, how long that took, the age of the last backup it proved and "
        "its next slot (in the job's zone); then paused and suspended jobs, runs in flight and what they wait for, and "
        "when the last tick was.",
    )
    how = status.add_mutually_exclusive_group()
    how.add_argument(
        "--all", action="store_true", help="show every environment, app and project whose state is in the same place"
    )
    how.add_argument(
        "--watch",
        metavar="SECONDS",
        nargs="?",
        type=whole_number(1, WATCH_MOST),
        const=WATCH_USUAL,
        help=f"repeat every SECONDS (default: {WATCH_USUAL}) until q or Ctrl-C; on a terminal only",
    )
    status.set_defaults(run=_status)


def _status(context: Context) -> Answer | int:
    if context.options.all:
        from upsun_agent.cli.fleet import show  # noqa: PLC0415  late: it is asked for rarely

        return show(context)
    if context.options.watch is not None:
        return _watch(context, float(context.options.watch))
    seen = _look(context)

    def text() -> None:
        variable = context.token_variable_in_use
        context.terminal.lines(overview(seen, context.terminal.width))
        context.terminal.note(f"API token in {variable}" if variable else "no API token is set here", "dim")

    return Answer(snapshot_view(seen, context.token_variable_in_use), text)


def _look(context: Context) -> Snapshot:
    with reading_if_any(context.state, context.container.identity) as journal:
        return snapshot(context.reading, journal)


def _watch(context: Context, seconds: float) -> int:
    terminal = context.terminal
    if not terminal.interactive or os.environ.get("TERM") in {None, "", "dumb"}:
        remedy = "without one, call `upsun-agent status --json` repeatedly"
        raise UsageError("--watch needs a terminal with cursor control", remedy=remedy)
    with Screen(terminal) as screen:
        while True:
            seen = _look(context)
            screen.draw([*frame(seen, screen.columns, screen.lines - 1), screen.footer(seen.now, seconds)])
            if screen.wait(seconds) == "q":
                return EXIT_OK
