"""The command line: options, dispatch, and the one boundary where errors become messages and exit codes."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from agent import __version__
from agent.cli import check, jobs, rehearse, runs, simulate, suspend, why
from agent.cli.context import Context, from_process
from agent.cli.terminal import Terminal, complain, give_up, prepare_streams
from agent.engine.run import InconsistentEvents
from agent.errors import EXIT_INTERRUPTED, EXIT_TERMINATED, AgentError, Bug, UsageError
from agent.journal.codec import EventUnreadable
from agent.site import Terminated, ended_by_sigterm

Command = Callable[[Context], int]

EPILOG = """\
exit codes: 0 done, or nothing to do here; 1 a run failed; 64 usage; 65 bad reply; 69 API unreachable;
70 bug; 73 state not writable; 75 busy, try later; 77 no permission or token refused; 78 configuration.
"""


class Parser(argparse.ArgumentParser):
    """argparse that leaves with the documented exit code and a hint, and takes no option for half its name."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **{**settings, "allow_abbrev": False})

    def error(self, message: str) -> NoReturn:
        """Raise instead of exiting, so that --json and exit codes hold for usage errors too."""
        raise UsageError(message, remedy=f"see: {self.prog} --help")


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
    for family in (runs, jobs, why, suspend, check, rehearse, simulate):
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


def run(arguments: Sequence[str]) -> int:
    """Carry out the command; every way it can end is an exit code, none is a traceback."""
    wants_json = "--json" in arguments
    prepare_streams()
    try:
        options = build().parse_args(arguments)
        context = from_process(options)
        command: Command = options.run
        with ended_by_sigterm():
            code = command(context)
        sys.stdout.flush()
    except AgentError as error:
        return _refuse(error, wants_json=wants_json)
    except InconsistentEvents as error:  # a command that looks met what a tick closes as failed
        return _refuse(EventUnreadable(f"the journal of a run makes no sense: {error}"), wants_json=wants_json)
    except KeyboardInterrupt:
        complain("interrupted; what was begun is in the journal, the next tick goes on")
        return EXIT_INTERRUPTED
    except Terminated:
        complain("terminated; what was begun is in the journal, the next tick goes on")
        return EXIT_TERMINATED
    except BrokenPipeError:  # the reader has seen enough (| head)
        give_up(sys.stdout)
        return 0
    except Exception as error:  # noqa: BLE001  promise P6: no input ends in a traceback; its text may hold anything
        return _refuse(_bug(error), wants_json=wants_json)
    else:
        return code


def _bug(error: Exception) -> AgentError:
    """An error that nobody foresaw: what kind, and where, but not its own words, which may hold a secret."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" at {os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace else ""
    return Bug(f"unexpected {type(error).__name__}{place}", remedy="please report it with the command that you gave")


def _refuse(error: AgentError, *, wants_json: bool) -> int:
    """Say what is wrong, where, and what helps."""
    complaint = "\n  ".join(filter(None, (f"upsun-agent: {error}", error.remedy)))
    if wants_json:
        body = {"kind": error.word(), "message": str(error), "remedy": error.remedy, "exit_code": error.exit_code}
        try:
            Terminal(json_wanted=True).document({"error": body})
        except (OSError, AgentError):
            complain(complaint)
    else:
        complain(complaint)
    return error.exit_code
