"""Deferred modules are loaded when they are first used, and are then modules like any other."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from upsun_agent.lazy_imports import DEFERRED

from tests.harness.sources import REPOSITORY, SOURCES

BEGIN = (
    f"import sys; sys.path.insert(0, {SOURCES!r})\n"
    "from upsun_agent.lazy_imports import defer_imports\n"
    "defer_imports()\n"
)


def said(code: str) -> str:
    """What a program prints in which imports are deferred."""
    done = subprocess.run([sys.executable, "-c", BEGIN + code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


@pytest.mark.parametrize("name", sorted(DEFERRED))
def test_a_deferred_module_is_loaded_by_its_first_use_and_not_before(name: str) -> None:
    code = (
        "import importlib\n"
        f"for name in list(sys.modules):\n    if name == {name!r}: del sys.modules[name]\n"
        f"module = importlib.import_module({name!r})\n"
        "before = type(module).__name__\n"
        f"again = importlib.import_module({name!r})\n"
        "assert again is module and type(again).__name__ == before\n"
        "module.nothing_of_that_name if hasattr(module, 'nothing_of_that_name') else None\n"
        f"print(before, type(module).__name__, module.__spec__.name, sys.modules[{name!r}] is module)"
    )
    assert said(code) == f"Deferred module {name} True"


def test_what_is_imported_by_name_is_loaded_at_once() -> None:
    assert (
        said("from difflib import get_close_matches; print(get_close_matches('backup', ['backups']))") == "['backups']"
    )


def test_a_module_inside_a_deferred_package_loads_the_package() -> None:
    assert said("import sqlalchemy.pool; print(sqlalchemy.pool.NullPool.__name__)") == "NullPool"


def test_a_module_that_is_not_installed_fails_at_its_first_use_each_time_with_its_name() -> None:
    code = (
        "sys.path.clear()\n"
        "import psycopg\n"
        "for _ in range(2):\n"
        "    try:\n        psycopg.connect\n"
        "    except ModuleNotFoundError as error:\n        print(error.name)"
    )
    assert said(code) == "psycopg\npsycopg"


def test_croniter_runs_no_program_and_reads_no_zones() -> None:
    code = (
        "import subprocess; subprocess.Popen = subprocess.check_output = None\n"
        "from datetime import datetime\n"
        "import croniter\n"
        "print(croniter.croniter('5 2 * * *', datetime(2026, 11, 28)).get_next(datetime))\n"
        "print('dateutil.tz' in sys.modules, 'platform' in sys.modules)"
    )
    assert said(code) == "2026-11-28 02:05:00\nFalse False"


def test_functions_import_only_where_a_command_begins() -> None:
    root = REPOSITORY / "agent/upsun_agent"
    allowed = {Path("idle.py"), Path("__main__.py"), Path("lazy_imports.py")}
    found = []
    for path in root.rglob("*.py"):
        file = path.relative_to(root)
        if file in allowed or file.parts[0] == "cli":
            continue
        functions = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]
        inside = [
            node for each in functions for node in ast.walk(each) if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        found += [f"{file}:{node.lineno}" for node in inside]
    assert found == []
