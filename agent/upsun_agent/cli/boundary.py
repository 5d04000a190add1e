"""The one boundary where errors become messages and exit codes: no command ends in a traceback (promise P6)."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from upsun_agent.cli.streams import complain, give_up, is_given_up, prepare_streams
from upsun_agent.engine.fold import InconsistentEvents
from upsun_agent.errors import EXIT_INTERRUPTED, EXIT_TERMINATED, AgentError, Bug
from upsun_agent.journal.codec import EventUnreadable
from upsun_agent.runtime.context import Terminated, ended_by_sigterm

IN_JOURNAL = "what was begun is in the journal, the next tick goes on"


def guarded(command: Callable[[], int], *, wants_json: bool, keeps_journal: bool, clean: Callable[[str], str]) -> int:
    """Carry out the command; every way it can end is an exit code.

    Args:
        command: what is to be done; it may say in an interruption of its own what that leaves behind.
        wants_json: whether errors are told as JSON.
        keeps_journal: whether what it begins is in the journal.
        clean: takes secrets out of what is said.
    """
    prepare_streams()
    try:
        with ended_by_sigterm():
            code = command()
        sys.stdout.flush()
    except AgentError as error:
        return _refuse(error, wants_json=wants_json, clean=clean)
    except InconsistentEvents as error:  # a command that looks met what a tick closes as failed
        return _refuse(
            EventUnreadable(f"the journal of a run makes no sense: {error}"), wants_json=wants_json, clean=clean
        )
    except KeyboardInterrupt as end:
        if sys.stderr.isatty():
            complain("")  # the terminal has just shown ^C behind what was there: what follows begins a line of its own
        complain(_ended("interrupted", str(end) or (IN_JOURNAL if keeps_journal else "")))
        return EXIT_INTERRUPTED
    except Terminated as end:
        complain(_ended("terminated", str(end) or (IN_JOURNAL if keeps_journal else "")))
        return EXIT_TERMINATED
    except BrokenPipeError:  # the reader has seen enough (| head)
        give_up(sys.stdout)
        return 0
    except Exception as error:  # noqa: BLE001  promise P6: no input ends in a traceback; its text may hold anything
        return _refuse(_bug(error), wants_json=wants_json, clean=clean)
    else:
        return code


def _ended(how: str, left: str) -> str:
    return f"{how}; {left}" if left else how


def _bug(error: Exception) -> AgentError:
    """An error that nobody foresaw: what kind, and where, but not its own words, which may hold a secret."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" at {os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace else ""
    return Bug(f"unexpected {type(error).__name__}{place}", remedy="please report it with the command that you gave")


def _fitting(parts: list[str]) -> list[str]:
    """The lines of a complaint, folded between words where somebody reads them on a terminal."""
    if not sys.stderr.isatty():
        return parts
    import textwrap  # noqa: PLC0415  late: a tick of a cron folds nothing

    room = max(os.get_terminal_size(sys.stderr.fileno()).columns or 80, 40) - len("  ")
    return [
        line
        for part in parts  # a path or an address that is longer than the line stays whole: it is there to be copied
        for line in textwrap.wrap(part, room, break_long_words=False, break_on_hyphens=False)
    ]


def _refuse(error: AgentError, *, wants_json: bool, clean: Callable[[str], str]) -> int:
    """Say what is wrong, where, and what helps."""
    message, remedy = clean(str(error)), clean(error.remedy)
    parts = [part for text in (f"upsun-agent: {message}", remedy) if text for part in text.split("\n")]
    complaint = "\n  ".join(_fitting(parts))
    if wants_json and not is_given_up(sys.stdout):
        body = {"kind": error.word(), "message": message, "remedy": remedy, "exit_code": error.exit_code}
        from upsun_agent.cli.terminal import Terminal  # noqa: PLC0415  late: a tick of a cron prints nothing

        try:
            Terminal(json_wanted=True).document({"error": body})
        except (OSError, AgentError):
            complain(complaint)
    else:
        complain(complaint)
    return error.exit_code
