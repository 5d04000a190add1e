"""One real install by the build hook, shared by the tests that only look at it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness.build_hook import Hook, new_app, run_hook


@pytest.fixture
def hook() -> Hook:
    return run_hook


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return new_app(tmp_path)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """An app that the hook has installed into, and what the hook said."""
    app = new_app(tmp_path_factory.mktemp("built"))
    done = run_hook(app, {"UPSUN_CLI_TOKEN": "canary-token-in-the-build"})
    assert done.returncode == 0, done.stderr
    return app, done.stdout + done.stderr
