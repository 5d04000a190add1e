"""The contracts of import-linter catch what they are there for: an import that is planted breaks one of them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.sources import REPOSITORY

#: What is planted: file below ``agent/``, its new lines, and words of the contract that has to break.
PLANTED = {
    "the engine imports a notification": (
        "upsun_agent/engine/guards.py",
        "from upsun_agent.notify.outcome import Delivered",
        "Inside upsun_agent imports go down only",
    ),
    "the engine reads the clock": ("upsun_agent/engine/due.py", "import time", "The engine is pure"),
    "the engine imports an error": (
        "upsun_agent/engine/policy.py",
        "from upsun_agent.errors import AgentError",
        "The engine is pure",
    ),
    "the model opens files": ("upsun_agent/model/job.py", "import os", "The model has no effect"),
    "the journal imports the command line": (
        "upsun_agent/journal/codec.py",
        "from upsun_agent.cli.numbers import counted",
        "Inside upsun_agent imports go down only",
    ),
    "a report is needed by what it reports": (
        "upsun_agent/runtime/slots.py",
        "from upsun_agent.report.snapshot import Snapshot",
        "Inside upsun_agent imports go down only",
    ),
    "a new module has no layer": ("upsun_agent/helpers.py", "VALUE = 1", "Inside upsun_agent imports go down only"),
    "the agent imports the simulator": (
        "upsun_agent/runtime/tick.py",
        "from upsun_simulator import Simulator",
        "the agent, which knows neither",
    ),
    "the agent imports the set-up": (
        "upsun_agent/cli/init.py",
        "from upsun_setup.plan import CRON",
        "the agent, which knows neither",
    ),
    "the set-up imports the simulator": (
        "upsun_setup/plan.py",
        "from upsun_simulator import Simulator",
        "the agent, which knows neither",
    ),
    "the state of the simulator imports what changes it": (
        "upsun_simulator/state.py",
        "from upsun_simulator.effects import progress",
        "Inside upsun_simulator imports go down only",
    ),
    "an effect of the simulator imports a document": (
        "upsun_simulator/effects/log.py",
        "from upsun_simulator.documents import links",
        "Inside upsun_simulator imports go down only",
    ),
    "a new module of the simulator has no layer": (
        "upsun_simulator/helpers.py",
        "VALUE = 1",
        "Inside upsun_simulator imports go down only",
    ),
    "an edit of the set-up imports the plan": (
        "upsun_setup/edits.py",
        "from upsun_setup.plan import CRON",
        "Inside upsun_setup imports go down only",
    ),
    "a new module of the set-up has no layer": (
        "upsun_setup/helpers.py",
        "VALUE = 1",
        "Inside upsun_setup imports go down only",
    ),
    "the simulator imports a record of the agent": (
        "upsun_simulator/backup.py",
        "from upsun_agent.model.answers import Backup",
        "shares no code",
    ),
}


#: A planted line that is an import, and what it imports.
IMPORTS = re.compile(r"(import|from) (?P<what>\S+)")


def lint(root: Path) -> tuple[int, str]:
    """Run import-linter on a copy; return its exit code and its text."""
    environ = {**os.environ, "PYTHONPATH": str(root / "agent"), "COLUMNS": "200"}
    command = [
        str(Path(sys.executable).parent / "lint-imports"),
        "--no-cache",
        "--config",
        str(root / "pyproject.toml"),
    ]
    done = subprocess.run(command, cwd=root, env=environ, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def copied(root: Path) -> Path:
    """Copy the packages and their contracts; return where they are."""
    shutil.copytree(REPOSITORY / "agent", root / "agent", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", root)
    return root


def module_of(file: str) -> str:
    return file.removesuffix(".py").replace("/", ".")


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Plant every import in one copy; return by contract that broke what import-linter says of it."""
    root = copied(tmp_path_factory.mktemp("planted"))
    for file, lines, _ in PLANTED.values():
        path = root / "agent" / file
        text = path.read_text(encoding="utf-8") if path.exists() else '"""New."""\n'
        path.write_text(f"{text}\n{lines}\n", encoding="utf-8")
    code, told = lint(root)
    assert code == 1, told
    _, _, told = told.partition("Broken contracts\n")
    _, *parts = re.split(r"^(\S.*)\n-+\n", told, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


@pytest.mark.parametrize("name", PLANTED)
def test_an_import_that_is_not_allowed_breaks_its_contract(broken: dict[str, str], name: str) -> None:
    file, lines, contract = PLANTED[name]
    (said,) = [text for heading, text in broken.items() if contract in heading]
    blamed = IMPORTS.match(lines)
    if blamed is None:
        assert f"not listed as layers:\n\n- {module_of(file)}\n" in said, said
    else:
        # What is imported is a module, or a name out of one.
        assert re.search(rf"^- +{module_of(file)} -> {blamed['what']}(\.\w+)? \(l\.", said, re.MULTILINE), said


def test_nothing_is_broken_without_it(tmp_path: Path) -> None:
    code, told = lint(copied(tmp_path))
    assert code == 0, told
