"""The command line: define the options and call the command."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, NoReturn

from upsun_agent import __version__
from upsun_agent.cli import (
    changes,
    check,
    completion,
    history,
    init,
    intervene,
    jobs,
    logs,
    notify,
    rehearse,
    report,
    runs,
    setup,
    simulate,
    ssh,
    state,
    status,
    suspend,
    token,
    upgrade,
    why,
)
from upsun_agent.cli.answer import render
from upsun_agent.cli.boundary import guarded
from upsun_agent.cli.context import Context
from upsun_agent.cli.pasted_tokens import REMEDY, hidden, refuse_tokens, shown, tokens_of
from upsun_agent.cli.streams import complain, escaped
from upsun_agent.errors import UsageError
from upsun_agent.log.foreign_text import safe_by
from upsun_agent.log.redaction import HIDDEN, Redaction
from upsun_agent.platform.product import product_here, product_words

EPILOG = """\
exit codes: 0 done, or nothing to do; 1 a run failed; 64 usage; 65 bad reply; 69 API unreachable;
70 bug; 73 state not writable; 75 busy, try later; 77 no permission or token refused; 78 configuration.
"""


#: The modules of the commands, by the headings of the help, in its order.
FAMILIES: dict[str, tuple[Any, ...]] = {
    "run jobs": (runs, intervene, suspend),
    "inspect jobs": (status, history, logs, jobs, why, report, changes),
    "set up and check": (init, upgrade, check, setup, token, notify, ssh, state),
    "try jobs without the platform": (rehearse, simulate),
    "shell": (completion,),
}
#: What ``upsun-agent-setup`` offers: the commands that work in a checkout, on a developer's machine.
SETUP_FAMILIES: dict[str, tuple[Any, ...]] = {"set up a checkout": (init, upgrade)}
AGENT, SETUP = "upsun-agent", "upsun-agent-setup"
#: Each program with its commands and its description.
PROGRAMS: dict[str, tuple[dict[str, tuple[Any, ...]], str]] = {
    AGENT: (
        FAMILIES,
        "Scheduled jobs for Upsun apps: take a backup, verify that it can be restored, then run the update.",
    ),
    SETUP: (SETUP_FAMILIES, "Set upsun-agent up in the checkout of an Upsun project, or move it to this version."),
}
COMMON = "common options of every command"
UNKNOWN = "unrecognized arguments: "


class Parser(argparse.ArgumentParser):
    """An argparse parser that exits with the documented code and a hint, and does not take abbreviated options.

    Its help shows a command's own options first and the common options last.
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **{**settings, "allow_abbrev": False})

    def error(self, message: str) -> NoReturn:
        """Raise UsageError instead of exiting, so that --json and exit codes hold for usage errors too."""
        raise UsageError(message, remedy=f"see: {self.prog} --help")

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse the arguments; the error for an unknown option suggests a known one."""
        options, left = self.parse_known_args(args, namespace)
        if left:
            words = list(args or ())
            known = [name for name in commands(self) if words[: name.count(" ") + 1] == name.split()]
            parser = commands(self)[known[0]] if known else self
            close = [_close(word, _options(parser), 0.75) for word in left]
            meant = next((each for each in close if each), "")
            told = f"{UNKNOWN}{' '.join(map(shown, left))}"
            raise UsageError(told, remedy=f"{meant}see: {parser.prog} --help{f'; {REMEDY}' if HIDDEN in told else ''}")
        return options

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuse an unknown command, and suggest a known one."""
        if isinstance(action, argparse._SubParsersAction) and value not in action.choices:  # noqa: SLF001  no public name
            meant = _close(str(value), action.choices)
            known = "" if meant else f"the commands are: {', '.join(action.choices)}; "
            remedy = f"{meant}{known}see: {self.prog} --help"
            raise UsageError(f"there is no command '{shown(str(value))}'", remedy=remedy)
        if action.choices is not None and value not in action.choices and shown(str(value)) != value:
            raise argparse.ArgumentError(action, f"invalid choice (choose from {', '.join(map(str, action.choices))})")
        super()._check_value(action, value)

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        """Convert an argument; the error message does not repeat a value that may be a token."""
        try:
            return super()._get_value(action, arg_string)
        except argparse.ArgumentError:
            if shown(arg_string) == arg_string:
                raise
            raise argparse.ArgumentError(action, "invalid value") from None

    def format_help(self) -> str:
        """Return the help as text: usage, description, the command's own options, the common ones."""
        shared = [group for group in self._action_groups if group.title == COMMON]
        common = {id(action) for group in shared for action in group._group_actions}  # noqa: SLF001  argparse has no public way
        own = [action for action in self._actions if id(action) not in common]
        formatter = self._get_formatter()
        formatter.add_usage(self.usage, own, self._mutually_exclusive_groups)
        formatter.add_text(self.description)
        for group in (*(each for each in self._action_groups if each not in shared), *shared):
            formatter.start_section(group.title)
            formatter.add_text(group.description)
            formatter.add_arguments(group._group_actions)  # noqa: SLF001  as above
            formatter.end_section()
        formatter.add_text(self.epilog)
        return formatter.format_help()

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print help and version through the terminal: argparse drops characters that it cannot write."""
        from upsun_agent.cli.terminal import Terminal  # noqa: PLC0415  late: most calls ask for no help

        if message and file is not sys.stderr:
            Terminal().raw(message)
        elif message:
            complain(message.rstrip("\n"))


class Grouped(argparse.RawDescriptionHelpFormatter):
    """A formatter that lists the commands under headings."""

    def add_argument(self, action: argparse.Action) -> None:
        """Add an argument to the help; the commands come group by group, each below its heading."""
        if not isinstance(action, argparse._SubParsersAction):  # noqa: SLF001  no public name
            super().add_argument(action)
            return
        listed = {each.dest: each for each in action._get_subactions()}  # noqa: SLF001  argparse has no public way
        families_of = PROGRAMS[self._prog][0]
        for heading, families in families_of.items():
            self.start_section(heading)
            for name in _names(families):
                super().add_argument(listed[name])
            self.end_section()


def _names(families: Iterable[Any]) -> list[str]:
    """Return the names of the commands that these modules add, in their order."""
    parser = argparse.ArgumentParser(add_help=False)
    commands = parser.add_subparsers()
    for family in families:
        family.add(commands, argparse.ArgumentParser(add_help=False))
    return list(commands.choices)


def _close(word: str, known: Iterable[str], least: float = 0.6) -> str:
    """Return a "did you mean" hint, or "" if no known word is close."""
    from difflib import get_close_matches  # noqa: PLC0415  late: only who is mistaken needs it

    found = get_close_matches(word.partition("=")[0], list(known), 1, least)
    return f"did you mean '{found[0]}'? " if found else ""


def _options(parser: argparse.ArgumentParser) -> set[str]:
    """Return every option of the parser."""
    return {name for action in parser._actions for name in action.option_strings}  # noqa: SLF001  as above


def build(program: str = AGENT) -> Parser:
    """Return the whole command line of a program."""
    families, description = PROGRAMS[program]
    parser = Parser(
        prog=program,
        description=description,
        epilog=EPILOG,
        formatter_class=Grouped,
    )
    parser.add_argument("--version", action="version", version=f"{program} {__version__}")
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", dest="command", required=True, prog=parser.prog
    )
    shared = _shared()
    for family in chain.from_iterable(families.values()):
        family.add(commands, shared)
    return parser


def _not_empty(text: str) -> str:
    """Return the value of an option; raise ArgumentTypeError if it is empty, which would silently mean the default."""
    if not text:
        raise argparse.ArgumentTypeError("the value is empty: is a variable of the shell not set?")
    return text


def _shared() -> argparse.ArgumentParser:
    """Return the options that every command takes."""
    shared = argparse.ArgumentParser(add_help=False)
    group = shared.add_argument_group(COMMON)
    group.add_argument("--json", action="store_true", help="print one JSON document instead of text")
    for name, metavar, text in (
        ("--config", "FILE", "the job file (default: .upsun/agent.toml in the app)"),
        ("--project", "ID", "the project (default: PLATFORM_PROJECT)"),
        ("--environment", "ID", "the environment (default: PLATFORM_BRANCH)"),
        ("--api-url", "URL", "the API (default: UPSUN_CLI_API_URL, or https://api.upsun.com)"),
        ("--auth-url", "URL", "the authentication service (default: UPSUN_CLI_AUTH_URL, or https://auth.upsun.com)"),
    ):
        group.add_argument(name, metavar=metavar, type=_not_empty, help=text)
    group.add_argument("--log-level", choices=("debug", "info", "warning", "error"), help="how much to log on stderr")
    return shared


def commands(parser: argparse.ArgumentParser | None = None, before: str = "") -> dict[str, argparse.ArgumentParser]:
    """Return the parser of each command by its words, such as ``tick`` or ``ssh load``."""
    found: dict[str, argparse.ArgumentParser] = {}
    for action in (parser or build())._actions:  # noqa: SLF001  argparse has no public way to its commands
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001  same
            for name, each in action.choices.items():
                found |= commands(each, f"{before}{name} ") or {f"{before}{name}": each}
    return found


#: Options that name files, and arguments of a command to run: they may hold any bytes.
_BYTES_TOO = frozenset({"config", "dir", "file", "html", "new", "old", "prometheus", "request_log", "words", "run"})


#: Options whose text the journal keeps.
KEPT = ("by", "reason")


def _refuse_bytes(options: argparse.Namespace) -> None:
    """Raise UsageError for an argument that is not UTF-8; names, reasons and ids are stored and compared as text."""
    for name, value in vars(options).items():
        for each in value if isinstance(value, list) else [value]:
            if name not in _BYTES_TOO and isinstance(each, str) and escaped(each) != each:
                raise UsageError(f"an argument is not UTF-8: {escaped(each)}", remedy="write it in UTF-8")


def _usual(arguments: Sequence[str]) -> Sequence[str]:
    """Return the arguments with ``help``, ``help COMMAND``, ``version`` and no command at all turned into options."""
    match list(arguments):
        case []:
            return ["--help"]
        case ["help", *words]:
            return [*words, "--help"]
        case ["version"]:
            return ["--version"]
        case _:
            return arguments


def run(arguments: Sequence[str], program: str = AGENT) -> int:
    """Run the command line of a program and return its exit code; no error becomes a traceback."""
    redaction, pasted = Redaction(), tokens_of(arguments)
    safe = safe_by(redaction)

    def clean(text: str) -> str:
        return product_words(hidden(safe(text), pasted), product_here(os.environ))

    def command() -> int:
        options = build(program).parse_args(_usual(arguments))
        _refuse_bytes(options)
        refuse_tokens(options, KEPT)
        context = Context(options, os.environ, redaction)
        context.hide_named()
        return render(context.terminal, options.run(context))

    keeps_journal = list(arguments[:1]) in (["tick"], ["run"])
    return guarded(command, wants_json="--json" in arguments, keeps_journal=keeps_journal, clean=clean)
