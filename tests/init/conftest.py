"""Checkouts on disk, and the command in this process and as one of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from upsun_agent.cli.main import run

from tests.init.corpus import CASES
from tests.sources import SOURCES

REPOSITORY = Path(__file__).resolve().parents[2]
GIT = shutil.which("git") or "git"
CANARY = "canary-api-token-of-init"


@dataclass
class Result:
    """How a call ended and what it said."""

    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("PLATFORM_", "UPSUN_", "GIT_", "NO_COLOR", "COLUMNS")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("UPSUN_CLI_TOKEN", CANARY)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The guide's snippet in a Git repository, committed."""
    place = tmp_path / "checkout"
    place.mkdir()
    CASES["php-guide"].lay_out(place)
    git(place, "init", "-q", "-b", "main")
    commit(place)
    return place


def git(place: Path, *words: str) -> str:
    own = ["-c", "user.name=A", "-c", "user.email=a@example.invalid", "-c", "commit.gpgsign=false"]
    done = subprocess.run([GIT, *own, *words], cwd=place, capture_output=True, text=True, check=True)
    return done.stdout


def commit(place: Path) -> None:
    git(place, "add", "--all", "--force")
    git(place, "commit", "-q", "-m", "All")


@pytest.fixture
def init(
    checkout: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Result]]:
    """Calls the command in the checkout."""
    monkeypatch.chdir(checkout)

    def call(*arguments: str) -> Result:
        capsys.readouterr()
        code = run(["init", *arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        assert CANARY not in out + err
        return Result(code, out, err)

    return call


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


COMMAND: list[Any] = [sys.executable, "-m", "upsun_agent", "init"]
