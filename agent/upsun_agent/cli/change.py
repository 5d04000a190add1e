"""Confirmation and error handling for commands that change something on the platform.

Every such command shows what it would change and asks y/N on a terminal; elsewhere it needs ``--yes``.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager

from upsun_agent.cli.context import Context
from upsun_agent.errors import ConfigInvalid, NotPermitted, SecondFactorNeeded, TokenRefused, UsageError
from upsun_agent.runtime.context import Terminated

NOTHING = "Nothing was changed."


def confirmation(parser: ArgumentParser) -> None:
    """Add the options --yes and --dry-run."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--yes", action="store_true", help="apply the changes without asking; required without a terminal"
    )
    group.add_argument("--dry-run", action="store_true", help="show the changes without applying them")


def can_ask(context: Context) -> bool:
    """Return whether the command can ask: standard input and output are a terminal, and no JSON is wanted."""
    return context.terminal.interactive and sys.stdin.isatty()


def refuse_unasked(context: Context) -> None:
    """Raise UsageError if neither --yes nor --dry-run is given and there is no terminal to ask on."""
    if not (context.options.yes or context.options.dry_run or can_ask(context)):
        text = "nothing was changed: there is no terminal to ask on"
        raise UsageError(text, remedy="add --yes to apply the changes, or --dry-run to see them")


def previewing(context: Context) -> bool:
    """Return whether to show the changes before applying them."""
    return not context.options.yes


def agreed(context: Context, question: str) -> bool:
    """Return whether to apply the changes: ``--yes`` is given, or a person answers yes on the terminal."""
    if context.options.yes:
        return True
    if context.options.dry_run:
        context.terminal.say(f"{NOTHING} To apply this, add --yes.")
        return False
    if answered(f"{question} [y/N] ").lower() in {"y", "yes"}:
        return True
    context.terminal.say(NOTHING, "odd")
    return False


def answered(words: str) -> str:
    """Return the answer typed after this prompt, or "" at the end of the input."""
    try:
        return input(words).strip()
    except (EOFError, UnicodeDecodeError):
        return ""


def project_of(context: Context) -> str:
    """Return the project to change; raise ConfigInvalid if none is known."""
    if context.container.project is None:
        raise ConfigInvalid("no project is known", remedy="set PLATFORM_PROJECT or give --project")
    return context.container.project


@contextmanager
def as_admin(role: str, context: Context) -> Iterator[None]:
    """Add to a refusal of the API whose token the command needs."""
    try:
        yield
    except (TokenRefused, SecondFactorNeeded):
        raise
    except NotPermitted as error:
        remedy = f"set {context.token_variable} to the API token of {role} for this one command"
        raise NotPermitted(str(error), remedy=remedy) from error


@contextmanager
def changing(what: str) -> Iterator[None]:
    """Add to an interruption (Ctrl-C, SIGTERM) that ``what`` may or may not have been changed."""
    try:
        yield
    except (KeyboardInterrupt, Terminated) as end:
        text = f"{what} may or may not have been changed; run the command again, it checks before it changes anything"
        raise type(end)(text) from end
