"""The search for secrets that every test runs under is not blind: a leak of each kind fails the test that leaks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.sources import SOURCES

ROOT = Path(__file__).parents[2]
VALUE = "search-me-0123456789"  # not planted in this process
HEAD = f"""
import base64, subprocess, sys
from urllib.parse import quote
import pytest
from tests.harness import canaries
VALUE = "{VALUE}"

@pytest.fixture(autouse=True)
def planted():
    canaries.plant(VALUE)
"""
LEAKS = {
    "output": "def test_it(): print(VALUE)",
    "error output": "def test_it(): print(VALUE, file=sys.stderr)",
    "output that was read": "def test_it(capsys): print(VALUE); assert capsys.readouterr().out",
    "output in base64": "def test_it(): print(base64.b64encode(VALUE.encode()).decode())",
    "a file": "def test_it(tmp_path): (tmp_path / 'x').write_bytes(b'..' + VALUE.encode())",
    "a file that is removed by a fixture": (
        "@pytest.fixture\ndef place(tmp_path):\n    yield tmp_path\n    (tmp_path / 'x').unlink()\n"
        "def test_it(place): (place / 'x').write_text(VALUE)"
    ),
    "a database": (
        "import sqlite3\ndef test_it(tmp_path):\n    db = sqlite3.connect(tmp_path / 'x')\n"
        "    db.execute('CREATE TABLE t (v TEXT)'); db.execute('INSERT INTO t VALUES (?)', (VALUE,))\n"
        "    db.commit(); db.close()"
    ),
    "arguments": "def test_it(): subprocess.run([sys.executable, '-c', 'pass', VALUE], check=True)",
    "what a process says": (
        "def test_it(): subprocess.run([sys.executable, '-c', 'import os; print(os.environ[\"V\"])'],"
        " env={'V': VALUE}, capture_output=True, check=True)"
    ),
    "a bearer": (
        "from datetime import UTC, datetime\nfrom upsun_simulator.tokens import Tokens\ndef test_it():\n"
        "    tokens = Tokens(); now = datetime.now(UTC); tokens.add('another-secret-9', now)\n"
        "    print(tokens.issue('another-secret-9', now, 60))"
    ),
    "a token of the platform": (
        "from datetime import UTC, datetime\nfrom upsun_simulator.tokens import Tokens\n"
        "def test_it(): Tokens().add('another-secret-9', datetime.now(UTC)); print('another-secret-9')"
    ),
}
CLEAN = {
    "nothing": "def test_it(tmp_path): print('innocent'); (tmp_path / 'x').write_text('innocent')",
    "a place that the test names": (
        "@pytest.mark.holds_secret('file */x', reason='its purpose')\n"
        "def test_it(tmp_path): (tmp_path / 'x').write_text(VALUE)"
    ),
}


@pytest.mark.holds_secret("*", reason="the calls of pytest that it makes leak on purpose, and say so")
def test_each_leak_fails_its_test_and_nothing_else_does(tmp_path: Path) -> None:
    """One call of pytest for all of them: starting it takes longer than they do."""
    tests = tmp_path / "tests"
    tests.mkdir()
    for number, body in enumerate([*LEAKS.values(), *CLEAN.values()]):
        (tests / f"test_{number:02d}.py").write_text(f"{HEAD}\n{body}\n")
    variables = {**os.environ, "PYTHONPATH": SOURCES, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider", "-rA"]
    done = subprocess.run(
        [*command, "-c", str(ROOT / "pyproject.toml"), f"--rootdir={tmp_path}", str(tests)],
        cwd=tmp_path,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    for number, name in enumerate([*LEAKS, *CLEAN]):
        failed = f"ERROR tests/test_{number:02d}.py::test_it" in done.stdout
        assert failed is (name in LEAKS), f"{name}\n{done.stdout[-3000:]}"


def test_a_mark_without_a_reason_is_refused() -> None:
    from tests.harness import canaries

    class Item:
        def iter_markers(self, _: str) -> list[pytest.Mark]:
            return [pytest.mark.holds_secret("output").mark]

    with pytest.raises(AssertionError, match="reason"):
        list(canaries.allowed(Item()))  # type: ignore[arg-type]
