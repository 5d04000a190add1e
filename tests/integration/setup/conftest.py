"""Checkouts on disk, and the command in this process and as one of its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from upsun_agent.cli.main import run

from tests.harness.checkouts import CASES
from tests.harness.init_command import CANARY, Result, commit, git


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


@pytest.fixture
def init(checkout: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
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
