"""The command line: options and dispatch."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from agent import __version__
from agent.cli import (
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
    why,
)
from agent.cli.boundary import guarded
from agent.cli.context import Context
from agent.cli.streams import complain, escaped
from agent.errors import UsageError
from agent.redaction import Redaction

EPILOG = """\
exit codes: 0 done, or nothing to do here; 1 a run failed; 64 usage; 65 bad reply; 69 API unreachable;
70 bug; 73 state not writable; 75 busy, try later; 77 no permission or token refused; 78 configuration.
"""


#: In the order in which the help lists their commands.
FAMILIES = (
    runs,
    intervene,
    status,
    history,
    logs,
    jobs,
    why,
    report,
    suspend,
    notify,
    init,
    check,
    setup,
    token,
    ssh,
    state,
    rehearse,
    simulate,
    completion,
)


class Parser(argparse.ArgumentParser):
    """argparse that leaves with the documented exit code and a hint, and takes no option for half its name."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **{**settings, "allow_abbrev": False})

    def error(self, message: str) -> NoReturn:
        """Raise instead of exiting, so that --json and exit codes hold for usage errors too."""
        raise UsageError(message, remedy=f"see: {self.prog} --help")

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print help and version as everything else is printed: argparse drops what it cannot write."""
        from agent.cli.terminal import Terminal  # noqa: PLC0415  late: most calls ask for no help

        if message and file is not sys.stderr:
            Terminal().raw(message)
        elif message:
            complain(message.rstrip("\n"))


def build() -> Parser:
    """The whole command line."""
    parser = Parser(
        prog="upsun-agent",
        description="Scheduled jobs for Upsun apps: take a backup, prove it, then run the update.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"upsun-agent {__version__}")
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", dest="command", required=True, prog=parser.prog
    )
    shared = _shared()
    for family in FAMILIES:
        family.add(commands, shared)
    return parser


def _shared() -> argparse.ArgumentParser:
    """The options that every command takes."""
    shared = argparse.ArgumentParser(add_help=False)
    group = shared.add_argument_group("common options")
    group.add_argument("--json", action="store_true", help="print one JSON document instead of text")
    group.add_argument("--config", metavar="FILE", help="the job file (default: .upsun/agent.toml in the app)")
    group.add_argument("--project", metavar="ID", help="the project (default: PLATFORM_PROJECT)")
    group.add_argument("--environment", metavar="ID", help="the environment (default: PLATFORM_BRANCH)")
    group.add_argument("--api-url", metavar="URL", help="the API (default: UPSUN_CLI_API_URL, or the public one)")
    group.add_argument("--auth-url", metavar="URL", help="the authentication service (default: UPSUN_CLI_AUTH_URL)")
    group.add_argument("--log-level", choices=("debug", "info", "warning", "error"), help="how much to log on stderr")
    return shared


def commands(parser: argparse.ArgumentParser | None = None, before: str = "") -> dict[str, argparse.ArgumentParser]:
    """The parser of each command by its words, such as ``tick`` or ``ssh load``."""
    found: dict[str, argparse.ArgumentParser] = {}
    for action in (parser or build())._actions:  # noqa: SLF001  argparse has no public way to its commands
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001  same
            for name, each in action.choices.items():
                found |= commands(each, f"{before}{name} ") or {f"{before}{name}": each}
    return found


#: Options that name files, and what a command is called with: any bytes will do.
_BYTES_TOO = frozenset({"config", "dir", "file", "html", "prometheus", "books", "words", "run"})


def _refuse_bytes(options: argparse.Namespace) -> None:
    """Raise UsageError for an argument that is not UTF-8: names, reasons and ids are stored and compared as text."""
    for name, value in vars(options).items():
        for each in value if isinstance(value, list) else [value]:
            if name not in _BYTES_TOO and isinstance(each, str) and escaped(each) != each:
                raise UsageError(f"an argument is not UTF-8: {escaped(each)}", remedy="write it in UTF-8")


def run(arguments: Sequence[str]) -> int:
    """Carry out the command line; every way it can end is an exit code, none is a traceback."""
    redaction = Redaction()

    def command() -> int:
        options = build().parse_args(arguments)
        _refuse_bytes(options)
        return int(options.run(Context(options, os.environ, redaction)))

    keeps_journal = list(arguments[:1]) in (["tick"], ["run"])
    return guarded(command, wants_json="--json" in arguments, keeps_journal=keeps_journal, clean=redaction.clean)
