"""The command line as a cron, a person and a program use it, against the simulator on a socket."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness.cli_app import App, apps
from tests.harness.environment import bare_environment

__all__ = ["bare_environment"]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background: what we start would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def make_app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., App]]:
    """Builds a container on a platform with another behaviour."""
    with apps(tmp_path, monkeypatch, capsys) as build:
        yield build


@pytest.fixture
def app(make_app: Callable[..., App]) -> App:
    """A container on a platform where every operation takes no time at all."""
    return make_app()
