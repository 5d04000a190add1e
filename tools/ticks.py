"""Where ticks of the crash matrix are ordered: this process's own zygote (see ``tools/zygote.py``)."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


class Ticks:
    """A zygote of this process's: forks a tick when told to, so that a point takes a third of a second."""

    def __init__(self) -> None:
        variables = {**os.environ, "PYTHONPATH": f"{REPOSITORY}/agent:{REPOSITORY}"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tools.zygote"],
            cwd=REPOSITORY,
            env=variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        atexit.register(self.close)

    def close(self) -> None:
        """End it."""
        self._process.communicate()

    def run(self, variables: dict[str, str], strace: list[str]) -> tuple[int, str]:
        """Return one tick with these variables, under strace if arguments are given: exit code and output."""
        if self._process.stdin is None or self._process.stdout is None:
            raise OSError("the zygote has no pipes")
        self._process.stdin.write(json.dumps({"variables": variables, "strace": strace}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        return answer["code"], answer["output"]


@lru_cache(maxsize=4)
def _zygote_of(_: int) -> Ticks:
    return Ticks()


def zygote() -> Ticks:
    """Return the zygote of this process: a worker must not talk through its parent's pipe."""
    return _zygote_of(os.getpid())
