"""Turn errors into messages and exit codes, for every command: none ends in a traceback (promise P6)."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from upsun_agent.cli.streams import complain, give_up, is_given_up, prepare_streams
from upsun_agent.engine.fold import InconsistentEvents
from upsun_agent.errors import EXIT_INTERRUPTED, EXIT_TERMINATED, AgentError, Bug
from upsun_agent.journal.codec import EventUnreadable
from upsun_agent.runtime.context import Terminated, ended_by_sigterm

IN_JOURNAL = "the journal holds what was begun; the next tick continues it"


def guarded(command: Callable[[], int], *, wants_json: bool, keeps_journal: bool, clean: Callable[[str], str]) -> int:
    """Run the command and return its exit code, whatever happens in it.

    Args:
        command: the work; an interruption that it raises may say what state it leaves.
        wants_json: whether errors are printed as JSON.
        keeps_journal: whether the journal records what the command begins.
        clean: redacts secrets in messages.
    """
    prepare_streams()
    try:
        with ended_by_sigterm():
            code = command()
        sys.stdout.flush()
    except AgentError as error:
        return _refuse(error, wants_json=wants_json, clean=clean)
    except InconsistentEvents as error:  # only commands that read get here: a tick closes such a run as failed
        return _refuse(
            EventUnreadable(f"the journal of a run is inconsistent: {error}"), wants_json=wants_json, clean=clean
        )
    except KeyboardInterrupt as end:
        if sys.stderr.isatty():
            complain("")  # the terminal has shown ^C; the message starts on a new line
        complain(_ended("interrupted", str(end) or (IN_JOURNAL if keeps_journal else "")))
        return EXIT_INTERRUPTED
    except Terminated as end:
        complain(_ended("terminated", str(end) or (IN_JOURNAL if keeps_journal else "")))
        return EXIT_TERMINATED
    except BrokenPipeError:  # the reader closed the pipe (| head)
        give_up(sys.stdout)
        return 0
    except Exception as error:  # noqa: BLE001  promise P6: no input ends in a traceback; its text may hold anything
        return _refuse(_bug(error), wants_json=wants_json, clean=clean)
    else:
        return code


def _ended(how: str, left: str) -> str:
    return f"{how}; {left}" if left else how


def _bug(error: Exception) -> AgentError:
    """Return a Bug for an unexpected exception: its class and place, without its text, which may hold a secret."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" at {os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace else ""
    return Bug(f"unexpected {type(error).__name__}{place}", remedy="report it, with the command that you ran")


def _fitting(parts: list[str]) -> list[str]:
    """Return the lines of a message, folded between words if standard error is a terminal."""
    if not sys.stderr.isatty():
        return parts
    import textwrap  # noqa: PLC0415  late: a tick of a cron folds nothing

    room = max(os.get_terminal_size(sys.stderr.fileno()).columns or 80, 40) - len("  ")
    return [
        line
        for part in parts  # a path or URL that is longer than the line is not broken: people copy it
        for line in textwrap.wrap(part, room, break_long_words=False, break_on_hyphens=False)
    ]


def _refuse(error: AgentError, *, wants_json: bool, clean: Callable[[str], str]) -> int:
    """Print the error and its remedy, and return the exit code."""
    message, remedy = clean(str(error)), clean(error.remedy)
    parts = [part for text in (f"upsun-agent: {message}", remedy) if text for part in text.split("\n")]
    complaint = "\n  ".join(_fitting(parts))
    if wants_json and not is_given_up(sys.stdout):
        from upsun_agent.cli.terminal import Terminal  # noqa: PLC0415  late: a tick of a cron prints nothing
        from upsun_agent.report.document import ErrorView, ProblemView  # noqa: PLC0415  same

        problem = ProblemView(kind=error.word(), message=message, remedy=remedy, exit_code=error.exit_code)

        try:
            Terminal(json_wanted=True).document(ErrorView(error=problem))
        except (OSError, AgentError):
            complain(complaint)
    else:
        complain(complaint)
    return error.exit_code
