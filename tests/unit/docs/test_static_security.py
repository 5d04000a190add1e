"""Static checks of security: zizmor over our own workflows and the one that the documentation shows."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.harness.sources import REPOSITORY
from tools import dist

ZIZMOR = Path(sys.executable).parent / "zizmor"
OWN = REPOSITORY / ".github" / "workflows"


def documented() -> list[str]:
    """Return the workflows of GitHub Actions that docs/how-to/ci.md shows."""
    blocks = re.findall(r"```yaml\n(.*?)```", (REPOSITORY / "docs" / "how-to" / "ci.md").read_text(), flags=re.DOTALL)
    return [block for block in blocks if {"on", True} & set(yaml.safe_load(block)) and "jobs:" in block]


WORKFLOWS = {
    "docs/how-to/ci.md": documented()[0],
    **{file.name: file.read_text(encoding="utf-8") for file in sorted(OWN.glob("*.yml"))},
}


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


# --- the workflow that makes a release ---------------------------------------------------------------------------

RELEASE = yaml.safe_load(WORKFLOWS["release.yml"])


def uses(job: str) -> list[str]:
    """Return the actions of a job, without their commits."""
    return [step["uses"].partition("@")[0] for step in RELEASE["jobs"][job]["steps"] if "uses" in step]


def runs(job: str) -> str:
    return "\n".join(step.get("run", "") for step in RELEASE["jobs"][job]["steps"])


def test_nothing_is_permitted_but_what_a_job_names() -> None:
    assert RELEASE["permissions"] == {}
    assert {name: set(job["permissions"]) for name, job in RELEASE["jobs"].items()} == {
        "build": {"contents"},
        "again": {"contents"},
        "attest": {"id-token", "attestations"},
        "github": {"contents"},
        "index": {"id-token"},
    }
    assert not re.search(r"secrets\.", WORKFLOWS["release.yml"]), "no secret is needed: the index trusts the workflow"


def test_every_action_of_the_workflows_is_pinned_by_a_commit() -> None:
    for name, text in WORKFLOWS.items():
        for action in re.findall(r"uses: (\S+)", text):
            assert re.search(r"@[0-9a-f]{40}$", action), f"{name}: {action}"


def test_what_is_published_was_built_twice_and_compared() -> None:
    jobs = RELEASE["jobs"]
    assert jobs["build"]["runs-on"] != jobs["again"]["runs-on"]
    assert set(jobs["attest"]["needs"]) == {"build", "again"}
    assert "diff --recursive dist again" in runs("attest")
    assert uses("attest")[-1] == "actions/attest-build-provenance"
    assert (jobs["github"]["needs"], jobs["index"]["needs"]) == ("attest", "github")
    assert uses("index")[-1] == "pypa/gh-action-pypi-publish"
    assert "--draft=false" in runs("github")
    assert ".immutable" in runs("github")


def test_the_workflow_refuses_a_tag_and_a_place_that_are_not_those_of_the_project() -> None:
    (command,) = (line for line in runs("build").splitlines() if "tools.dist" in line)
    words = shlex.split(command)[1:]
    release = dist.Release(REPOSITORY)
    wrong = {"$TAG": "v9.9.9", "$RELEASES": "https://github.com/o/n/releases/download"}
    for right in ({}, {"$TAG": f"v{release.version}"}, {"$RELEASES": release.published}):
        values = {**wrong, **right}
        done = subprocess.run(
            [sys.executable, *(values.get(word, word) for word in words)],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1, done.stderr
        assert "v9.9.9" in done.stderr or "goes to" in done.stderr
