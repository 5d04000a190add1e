"""`upsun-agent init` as a process of its own, and the checkouts it is called in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.harness.sources import SOURCES

GIT = shutil.which("git") or "git"
CANARY = "canary-api-token-of-init"
COMMAND: list[Any] = [sys.executable, "-m", "upsun_agent", "init"]


@dataclass
class Result:
    """How a call ended and what it said."""

    code: int
    out: str
    err: str


def git(place: Path, *words: str) -> str:
    own = ["-c", "user.name=A", "-c", "user.email=a@example.invalid", "-c", "commit.gpgsign=false"]
    done = subprocess.run([GIT, *own, *words], cwd=place, capture_output=True, text=True, check=True)
    return done.stdout


def commit(place: Path) -> None:
    git(place, "add", "--all", "--force")
    git(place, "commit", "-q", "-m", "All")


def variables(**more: str) -> dict[str, str]:
    """The variables of a process of its own."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": os.environ["HOME"],
        "LANG": "C.UTF-8",
        "PYTHONPATH": SOURCES,
        **more,
    }


def contents(place: Path) -> dict[str, bytes]:
    """Every file of a checkout but for Git's own."""
    files = [path for path in place.rglob("*") if path.is_file() and ".git" not in path.relative_to(place).parts[:1]]
    return {str(path.relative_to(place)): path.read_bytes() for path in files}
