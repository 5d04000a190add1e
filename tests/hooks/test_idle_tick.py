"""An idle tick of an installed agent imports just what is listed here: this is what keeps it fast."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.hooks.conftest import clean

#: Ours, in an idle tick.
OURS = {"agent", "agent.__main__", "agent.glance", "agent.limits", "agent.places"}

#: The standard library's, beyond what the bare interpreter imports: sqlite3 and what it needs.
STANDARD = {
    "__future__", "_collections_abc", "_datetime", "_sqlite3", "_stat", "abc", "collections", "collections.abc",
    "datetime",
    "genericpath", "itertools", "keyword", "math", "operator", "os", "os.path", "posixpath", "reprlib", "sqlite3",
    "sqlite3.dbapi2", "stat", "_collections", "_operator", "time", "warnings", "functools", "_functools", "types",
}  # fmt: skip


def imported(*command: str, app: Path) -> set[str]:
    variables = {
        **clean(),
        "PLATFORM_APP_DIR": str(app),
        "PLATFORM_APPLICATION_NAME": "app",
        "PLATFORM_PROJECT": "abcdefgh1234z",
        "PLATFORM_BRANCH": "main",
        "PLATFORM_ENVIRONMENT_TYPE": "production",
    }
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True, timeout=60)
    return set(re.findall(r"^import time: +\d+ \| +\d+ \| +(\S+)$", done.stderr, re.MULTILINE))


def test_an_idle_tick_imports_only_what_is_listed(built: tuple[Path, str]) -> None:
    app, _ = built
    launcher = app / ".upsun-agent" / "bin" / "upsun-agent"
    python = launcher.read_text().splitlines()[0][2:].split()[0]
    tick = (python, "-I", "-S", "-X", "importtime", str(launcher), "tick")
    first = imported(*tick, app=app)
    assert "tomllib" in first, "the first tick has to read the job file"
    bare = imported(python, "-I", "-S", "-X", "importtime", "-c", "pass", app=app)
    idle = imported(*tick, app=app) - bare
    assert "sqlite3" in idle
    assert idle - OURS - STANDARD == set()
    assert idle >= {"agent.glance", "agent.places"}
