"""How a job's commands are run: withheld variables, redaction of their output, and the runner."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from upsun_agent.runtime import process

if TYPE_CHECKING:  # a tick that runs no command needs no result of one
    from upsun_agent.runtime.command_result import Ended

#: Arguments (or a text for the shell), directory, seconds, variables, and variables to leave out.
Runner = Callable[[tuple[str, ...] | str, str | None, float, Mapping[str, str], tuple[str, ...]], "Ended"]


def _really(
    command: tuple[str, ...] | str,
    directory: str | None,
    within: float,
    variables: Mapping[str, str],
    hidden: tuple[str, ...],
) -> Ended:
    return process.run(command, directory, within, variables, hidden)


def _none(_: tuple[str, ...]) -> tuple[str, ...]:
    return ()


class Commands(Struct, frozen=True):
    """How the commands of steps are run."""

    #: Names the variables that a command does not get, given those that its step keeps.
    withheld: Callable[[tuple[str, ...]], tuple[str, ...]] = _none
    #: Hides secrets in what a command printed.
    clean: Callable[[str], str] = str
    #: Runs the command; a rehearsal runs none.
    runner: Runner = _really
