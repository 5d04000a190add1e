"""Static checks of security: zizmor over our own workflow and the one that the documentation shows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.harness.sources import REPOSITORY

ZIZMOR = Path(sys.executable).parent / "zizmor"
CI = REPOSITORY / ".github" / "workflows" / "ci.yml"


def documented() -> list[str]:
    """Return the workflows of GitHub Actions that docs/how-to/ci.md shows."""
    blocks = re.findall(r"```yaml\n(.*?)```", (REPOSITORY / "docs" / "how-to" / "ci.md").read_text(), flags=re.DOTALL)
    return [block for block in blocks if {"on", True} & set(yaml.safe_load(block)) and "jobs:" in block]


WORKFLOWS = {"docs/how-to/ci.md": documented()[0], "ci.yml": CI.read_text(encoding="utf-8")}


def audited(workflow: str, directory: Path) -> subprocess.CompletedProcess[str]:
    file = directory / ".github" / "workflows" / "nightly.yml"
    file.parent.mkdir(parents=True)
    file.write_text(workflow)
    return subprocess.run(
        [ZIZMOR, "--offline", "--no-progress", "--color=never", directory], capture_output=True, text=True, check=False
    )


def test_the_documentation_shows_one_workflow() -> None:
    assert len(documented()) == 1


@pytest.mark.parametrize("name", WORKFLOWS)
def test_zizmor_finds_nothing_in_a_workflow(name: str, tmp_path: Path) -> None:
    done = audited(WORKFLOWS[name], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No findings to report" in done.stdout + done.stderr


@pytest.mark.parametrize("name", WORKFLOWS)
def test_zizmor_would_find_an_action_that_is_not_pinned(name: str, tmp_path: Path) -> None:
    done = audited(re.sub(r"@[0-9a-f]{40} # v", "@v", WORKFLOWS[name]), tmp_path)
    assert done.returncode != 0
    assert "unpinned-uses" in done.stdout


def test_zizmor_would_find_permissions_that_nobody_needs(tmp_path: Path) -> None:
    done = audited(re.sub(r"permissions:\n +contents: read.*", "permissions: write-all", WORKFLOWS["ci.yml"]), tmp_path)
    assert done.returncode != 0
    assert "excessive-permissions" in done.stdout


def test_ci_runs_the_checks_on_every_python_that_is_supported() -> None:
    jobs = yaml.safe_load(WORKFLOWS["ci.yml"])["jobs"]
    assert jobs["check"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13", "3.14"]
    assert [step["run"] for step in jobs["check"]["steps"] if "run" in step] == ["make check PYTHON=python"]
    assert [step["run"].split()[-1] for step in jobs["test"]["steps"] if "run" in step] == [".ci/run"]
