"""The command as a process of its own, in an app container that a test describes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO, Any

from jsonschema import Draft202012Validator
from msgspec import Struct, ValidationError
from msgspec.json import decode
from upsun_agent.report.document import ErrorView

from tests.harness.sources import SOURCES
from tools.documents import DOCUMENTS, schema_of

TOKEN = "canary-api-token-1234567890"
COMMAND = [sys.executable, "-m", "upsun_agent"]
PATIENCE = 60.0


@cache
def schemas() -> dict[str, Draft202012Validator]:
    """What each command may print."""
    checker = Draft202012Validator.FORMAT_CHECKER
    return {name: Draft202012Validator(schema_of(name), format_checker=checker) for name in DOCUMENTS}


@dataclass
class Result:
    """How a call ended and what it said."""

    code: int
    out: str
    err: str
    arguments: tuple[str, ...] = ()

    @property
    def said(self) -> str:
        """Everything that it wrote."""
        return self.out + self.err

    @property
    def document(self) -> Any:
        """The one JSON document of a ``--json`` call, which its type and its schema take."""
        found = json.loads(self.out)
        command = next((name for name in schemas() if self.arguments[: len(name.split())] == tuple(name.split())), None)
        if command is not None:
            schemas()[command].validate(found)
            views: tuple[type[Struct], ...] = (*DOCUMENTS[command], ErrorView)
            assert any(self._is_a(view) for view in views), self.out
        return found

    def _is_a(self, view: type[Struct]) -> bool:
        """Whether the output is a document of this type, strictly: no other key, no other kind of value."""
        try:
            decode(self.out, type=view)
        except ValidationError:
            return False
        return True

    def __post_init__(self) -> None:
        assert "Traceback" not in self.said, self.said
        assert TOKEN not in self.said, self.said


@dataclass
class Agent:
    """Calls the agent with the variables of a container and nothing else of this machine."""

    home: Path
    variables: dict[str, str] = field(default_factory=dict)

    def environment(self, **changes: str | None) -> dict[str, str]:
        """The variables of a call; None takes one away."""
        merged: dict[str, str | None] = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PYTHONPATH": SOURCES,
            **self.variables,
            **changes,
        }
        return {name: value for name, value in merged.items() if value is not None}

    def start(self, *arguments: str, stdin: int | IO[Any] = subprocess.DEVNULL, **changes: str | None) -> Any:
        """The process, running."""
        return subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=self.home,
            env=self.environment(**changes),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *arguments: str, **changes: str | None) -> Result:
        """Call it and wait for its end."""
        variables: dict[str, Any] = changes  # a parameter of `start` has the type of none of them
        return ended(self.start(*arguments, **variables))


def ended(process: Any, signal_sent: signal.Signals | None = None) -> Result:
    """The result of a process that ends by itself, or by the signal that it is sent now."""
    if signal_sent is not None:
        process.send_signal(signal_sent)
    try:
        out, err = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return Result(process.returncode, out, err, tuple(process.args[len(COMMAND) :]))
