"""The build hook, run as the build of an app runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.harness.sources import REPOSITORY

CACHE = REPOSITORY / ".demo" / "cache"
SHELL = shutil.which("dash") or "/bin/sh"

Hook = Callable[..., subprocess.CompletedProcess[str]]


def clean() -> dict[str, str]:
    prefixes = ("PLATFORM_", "UPSUN_", "PYTHON")
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes) and name != "CI"}


def build_variables(app: Path) -> dict[str, str]:
    """What the platform sets while it builds."""
    return {
        **clean(),
        "CI": "true",
        "PLATFORM_APP_DIR": str(app),
        "PLATFORM_CACHE_DIR": str(CACHE),
        "PLATFORM_PROJECT": "abcdefgh1234z",
    }


def new_app(directory: Path) -> Path:
    app = directory / "app"
    (app / ".upsun").mkdir(parents=True)
    text = (REPOSITORY / ".upsun" / "agent.toml").read_text()
    (app / ".upsun" / "agent.toml").write_text(text.replace("/app/var/agent", f"{app}/var/agent"))
    return app


def run_hook(
    app: Path, extra: Mapping[str, str] | None = None, repository: Path = REPOSITORY
) -> subprocess.CompletedProcess[str]:
    CACHE.mkdir(parents=True, exist_ok=True)
    hook = str(repository / "hooks" / "build.sh")
    variables = {**build_variables(app), **(extra or {})}
    return subprocess.run(
        [SHELL, hook], env=variables, cwd=app, capture_output=True, text=True, check=False, timeout=300
    )
