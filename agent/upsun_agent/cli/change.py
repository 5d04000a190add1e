"""What commands share that change something outside: when they may, by whose right, what an end in it means.

One rule holds for all of them: on a terminal they say what they would change and ask; elsewhere they need ``--yes``.
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
    """Add the options that say whether it is to be done."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--yes", action="store_true", help="do it without asking; needed where there is no terminal")
    group.add_argument("--dry-run", action="store_true", help="say what would be changed, change nothing")


def can_ask(context: Context) -> bool:
    """Return whether somebody can be asked: standard input and output are a terminal, and no JSON is wanted."""
    return context.terminal.interactive and sys.stdin.isatty()


def refuse_unasked(context: Context) -> None:
    """Raise UsageError where nobody said what is to be done and nobody can be asked."""
    if not (context.options.yes or context.options.dry_run or can_ask(context)):
        text = "nothing was changed: there is no terminal to ask for confirmation"
        raise UsageError(text, remedy="add --yes to do it, or --dry-run to see what it would do")


def previewing(context: Context) -> bool:
    """Return whether what would be changed is to be said before anything is."""
    return not context.options.yes


def agreed(context: Context, question: str) -> bool:
    """Return whether it is to be done: ``--yes``, or a person says so on the terminal now."""
    if context.options.yes:
        return True
    if context.options.dry_run:
        context.terminal.say(f"{NOTHING} To do it: --yes")
        return False
    if answered(f"{question} [y/N] ").lower() in {"y", "yes"}:
        return True
    context.terminal.say(NOTHING, "odd")
    return False


def answered(words: str) -> str:
    """Return what a person types after these words; nothing where the input ends."""
    try:
        return input(words).strip()
    except (EOFError, UnicodeDecodeError):
        return ""


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
