"""What commands share that change something on the platform: when they may, by whose right, what an end in it means."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager

from agent.cli.context import Context
from agent.errors import ConfigInvalid, NotPermitted, SecondFactorNeeded, TokenRefused
from agent.site import Terminated


def confirmation(parser: ArgumentParser) -> None:
    """Add the options that say whether it is to be done."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--yes", action="store_true", help="change it, on a terminal too")
    group.add_argument("--dry-run", action="store_true", help="say what would be changed, change nothing")


def is_dry(context: Context) -> bool:
    """Whether nothing may be changed: asked for, or a person looks on who has not said --yes."""
    return context.options.dry_run or (not context.options.yes and (sys.stdout.isatty() or sys.stdin.isatty()))


def project_of(context: Context) -> str:
    """The project to change; raises ConfigInvalid where none is known."""
    if context.container.project is None:
        raise ConfigInvalid("no project is known", remedy="set PLATFORM_PROJECT or give --project")
    return context.container.project


@contextmanager
def as_admin(role: str, context: Context) -> Iterator[None]:
    """Says whose token is needed where the API refuses."""
    try:
        yield
    except (TokenRefused, SecondFactorNeeded):
        raise
    except NotPermitted as error:
        remedy = f"have the API token of {role} in {context.token_variable} for this one command"
        raise NotPermitted(str(error), remedy=remedy) from error


@contextmanager
def changing(what: str) -> Iterator[None]:
    """Says what is not known where Ctrl-C or SIGTERM comes while ``what`` is being changed."""
    try:
        yield
    except (KeyboardInterrupt, Terminated) as end:
        text = f"{what} may be changed or not; give the command again, it looks before it changes anything"
        raise type(end)(text) from end
