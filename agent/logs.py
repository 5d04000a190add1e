"""What the agent says while it works: events with stable names, one JSON object a line, or readable on a terminal.

Everything passes one choke point that replaces secrets by value. Nothing else in the agent writes to stderr while a
tick runs.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, MutableMapping
from typing import Any, TextIO

from agent.late import Late, held_back, late_function
from agent.records import LEAN

#: What structlog needs at its import of the modules that it uses for asynchronous loggers and for pickling. From 3.12
#: on, ``logging`` asks an asyncio that is there for its task whenever it makes a record, as structlog makes one.
_ASYNCIO = Late("asyncio", current_task=lambda: None)
_PICKLE = Late("pickle", PicklingError=late_function("pickle", "PicklingError"))


def _structlog() -> Any:
    """structlog, without the asyncio that it imports for its asynchronous loggers: a sixth of a tick's start."""
    with held_back(_ASYNCIO, LEAN, _PICKLE):
        import structlog  # noqa: PLC0415  only here, where modules are held back
    return structlog


structlog = _structlog()
HIDDEN = "[hidden]"
SECRET_LEAST = 6  # shorter values would hide innocent words


class Redaction:
    """Replaces known secret values wherever they stand in a text."""

    def __init__(self, secrets: Iterable[str | None] = ()) -> None:
        self._secrets: list[str] = []
        for secret in secrets:
            self.hide(secret)

    def hide(self, secret: str | None) -> None:
        """Hide this value from now on."""
        stripped = (secret or "").strip()
        if len(stripped) >= SECRET_LEAST and stripped not in self._secrets:
            self._secrets.append(stripped)
            self._secrets.sort(key=len, reverse=True)

    def clean(self, value: Any) -> Any:
        """The value with every secret in its texts replaced, in containers too."""
        if isinstance(value, str):
            for secret in self._secrets:
                value = value.replace(secret, HIDDEN)
            return value
        if isinstance(value, dict):
            return {self.clean(key): self.clean(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.clean(item) for item in value]
        if value is None or isinstance(value, bool | int | float):
            return value
        return self.clean(str(value))

    def __call__(self, _: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """The choke point: a structlog processor."""
        return {key: self.clean(value) for key, value in event.items()}


LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}


def make_log(
    redaction: Redaction, *, stream: TextIO | None = None, level: str = "info", readable: bool | None = None
) -> Any:
    """A logger on ``stream`` (stderr): readable on a terminal, else one JSON object a line.

    It is a value to pass on, not global state, so that a rehearsal can log elsewhere.
    """
    out = stream or sys.stderr
    terminal = out.isatty() if readable is None else readable
    render: Any = (
        structlog.dev.ConsoleRenderer(colors=terminal and readable is None, pad_event_to=22)
        if terminal
        else structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    )
    processors = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        redaction,
        render,
    ]
    return structlog.wrap_logger(
        structlog.PrintLogger(out),
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
    )
