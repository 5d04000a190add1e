"""Static checks of security: zizmor over the workflow that the documentation shows (bandit runs in ``make test``)."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import yaml

from tests.harness.sources import REPOSITORY

ZIZMOR = Path(sys.executable).parent / "zizmor"


def workflows() -> list[str]:
    blocks = re.findall(r"```yaml\n(.*?)```", (REPOSITORY / "docs" / "how-to" / "ci.md").read_text(), flags=re.DOTALL)
    return [block for block in blocks if {"on", True} & set(yaml.safe_load(block)) and "jobs:" in block]


def audited(workflow: str, directory: Path) -> subprocess.CompletedProcess[str]:
    file = directory / ".github" / "workflows" / "nightly.yml"
    file.parent.mkdir(parents=True)
    file.write_text(workflow)
    return subprocess.run(
        [ZIZMOR, "--offline", "--no-progress", "--color=never", directory], capture_output=True, text=True, check=False
    )


def test_zizmor_finds_nothing_in_the_workflow_of_the_documentation(tmp_path: Path) -> None:
    found = workflows()
    assert len(found) == 1
    done = audited(found[0], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No findings to report" in done.stdout + done.stderr


def test_zizmor_would_find_an_action_that_is_not_pinned(tmp_path: Path) -> None:
    done = audited(re.sub(r"@[0-9a-f]{40} # v", "@v", workflows()[0]), tmp_path)
    assert done.returncode != 0
    assert "unpinned-uses" in done.stdout
