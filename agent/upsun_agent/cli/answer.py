"""What a command answers: a document, and the same as text. One of them is printed, in one place."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from upsun_agent.cli.terminal import Terminal
from upsun_agent.errors import EXIT_OK
from upsun_agent.report.document import View


class Answer(Struct, frozen=True):
    """The result of a command."""

    #: The document that ``--json`` prints.
    document: View
    #: Prints the same as text; None if the command has told everything already.
    tell: Callable[[], object] | None = None
    #: The exit code of the command.
    code: int = EXIT_OK


def render(terminal: Terminal, answer: Answer | int) -> int:
    """Print the answer as a document or as text, and return the exit code; a command without one returns its code."""
    if isinstance(answer, int):
        return answer
    if terminal.json_wanted:
        terminal.document(answer.document)
    elif answer.tell is not None:
        answer.tell()
    return answer.code
