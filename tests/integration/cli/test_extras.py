"""What is said where an optional part is missing: a way that works, and no name on an index that is not ours."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.harness.cli_app import App
from tests.harness.sources import REPOSITORY

CHECKOUT = re.compile(r"pip install '\.\[([\w,]+)\]'")
#: Command, the modules that it lacks then, and the extra that it needs.
MISSING = {
    "rehearse": (["rehearse", "hand"], ["werkzeug"], "simulator"),
    "rehearse for days": (["rehearse", "nightly", "--days", "2"], ["werkzeug"], "simulator"),
    "simulate": (["simulate"], ["werkzeug"], "simulator"),
    "init": (["init"], ["ruamel", "ruamel.yaml"], "init"),
    "metrics": (["report", "--otlp", "http://127.0.0.1:1"], ["opentelemetry"], "otel"),
    "a state in a database": (["status"], ["psycopg", "sqlalchemy"], "shared"),
}
#: Without the simulator as well, as a container has it.
SCRIPT = """
import sys
class Missing:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in {names!r}:
            raise ModuleNotFoundError("No module named " + name, name=name)
sys.meta_path.insert(0, Missing)
from upsun_agent.cli.main import run
sys.exit(run({arguments!r}))
"""


@pytest.mark.parametrize("name", MISSING)
def test_a_missing_extra_is_named_with_a_way_that_works(app: App, name: str) -> None:
    arguments, names, extra = MISSING[name]
    state = (
        {"UPSUN_AGENT_STATE": "relationship:database", "PLATFORM_RELATIONSHIPS": RELATION} if "state" in name else {}
    )
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(names=names, arguments=arguments)],
        cwd=app.directory,
        env=app.agent.environment(**state),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in {64, 78}, done.stderr
    assert f"extra '{extra}'" in done.stderr
    found = CHECKOUT.search(done.stderr)
    assert found is not None, done.stderr
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {extra} <= {*found[1].split(",")} <= extras.keys()


LOGIN = {"scheme": "pgsql", "host": "127.0.0.1", "port": 1, "username": "u", "password": "", "path": "main"}
RELATION = base64.b64encode(json.dumps({"database": [LOGIN]}).encode()).decode()
PLACES = ("agent", "docs", "hooks", "tools", "demo", "README.md", "CONTRIBUTING.md")
TEXTS = [
    file
    for place in PLACES
    for file in ([REPOSITORY / place] if (REPOSITORY / place).is_file() else sorted((REPOSITORY / place).rglob("*")))
    if file.suffix in {".py", ".md", ".sh"}
]


def test_nothing_tells_people_to_install_a_name_that_is_not_published() -> None:
    assert len(TEXTS) > 100
    for file in TEXTS:
        text = Path(file).read_text(encoding="utf-8")
        found = re.findall(r"""pip install (?:-\S+ )*['"]?upsun[\w-]*(?:\[[^\]]*\])?""", text)
        assert not found, f"{file.relative_to(REPOSITORY)}: {found}"
