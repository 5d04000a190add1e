"""Measured processes: what one cost, and the small helper that starts them."""

from __future__ import annotations

import marshal
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self


class Failed(Exception):
    """A process that had to succeed did not, so there is nothing to measure."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process, or several one after the other, cost: seconds, and MiB of the largest one."""

    wall: float
    cpu: float
    memory: float
    requests: int = 0

    def then(self, other: Cost) -> Cost:
        """Both, one after the other."""
        memory = max(self.memory, other.memory)
        return Cost(self.wall + other.wall, self.cpu + other.cpu, memory, self.requests + other.requests)


class Spawner:
    """Starts processes from a small parent and returns what each cost."""

    def __init__(self, root: Path) -> None:
        helper = str(Path(__file__).with_name("spawner.py"))
        self._log = root / "stderr"
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", helper], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={}
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=20)

    def run(self, command: Sequence[str], variables: Mapping[str, str], directory: Path | str = os.curdir) -> Cost:
        """Return what the command cost; raises Failed where it does not end with 0."""
        into, out = self._process.stdin, self._process.stdout
        if into is None or out is None:
            raise Failed("the helper has no pipes")
        marshal.dump((list(command), dict(variables), str(directory), str(self._log)), into)
        into.flush()
        code, wall, cpu, memory = marshal.load(out)  # noqa: S302  from our own helper  # nosec B302
        if code:
            said = self._log.read_text(encoding="utf-8", errors="replace")[-2000:]
            raise Failed(f"{Path(command[0]).name} {' '.join(command[1:])[:100]} ended with {code}:\n{said}")
        return Cost(wall, cpu, memory / 1024)


def peak_of_all(command: Sequence[str], variables: Mapping[str, str], directory: Path) -> float:
    """Return the most MiB that the command and its children held at one moment, as far as quick looks tell."""
    child = subprocess.Popen(
        command,
        env=dict(variables),
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    most = 0
    while child.poll() is None:
        most = max(most, _pages_of_session(child.pid))
        time.sleep(0.003)
    return most * os.sysconf("SC_PAGESIZE") / 2**20


def _pages_of_session(session: int) -> int:
    pages = 0
    for name in filter(str.isdigit, os.listdir("/proc")):
        if int(name) < session:
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        if int(fields[3]) == session:
            pages += int(fields[21])
    return pages
