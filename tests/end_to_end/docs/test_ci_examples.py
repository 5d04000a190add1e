"""The CI examples do what they say: their lines, run as the CI system would, against the simulator."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from upsun_simulator import Scenario, Simulator, SystemClock, serve

from tests.harness.releases import wheelhouse
from tests.harness.sources import REPOSITORY

PAGE = (REPOSITORY / "docs" / "how-to" / "ci.md").read_text(encoding="utf-8")
TOKEN = "canary-api-token-on-ci"


def example(number: int) -> dict[str, Any]:
    blocks = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    found: dict[str, Any] = yaml.safe_load(blocks[number])
    return found


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What a runner has checked out, with the release's install.sh in it."""
    (tmp_path / ".upsun").mkdir()
    shutil.copy(REPOSITORY / ".upsun" / "agent.toml", tmp_path / ".upsun" / "agent.toml")
    (tmp_path / "tools").mkdir()
    shutil.copy(wheelhouse() / "install.sh", tmp_path / "tools" / "install-upsun-agent.sh")
    return tmp_path


@pytest.fixture
def platform() -> Iterator[tuple[Simulator, str]]:
    operations = ("update", "revert")
    fast = Scenario(
        token=TOKEN, backup_seconds=1, source_operation_seconds=1, deploy_seconds=1, source_operations=operations
    )
    simulator = Simulator(fast, SystemClock())
    with serve(simulator) as server:
        yield simulator, server.url


def run(lines: list[str], place: Path, url: str, secret: str = TOKEN) -> subprocess.CompletedProcess[str]:
    """The lines as a runner runs them: bash, ending at the first failure, with nothing of a container about."""
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(place),
        "CI": "true",
        "UPSUN_CLI_TOKEN": secret,
        "UPSUN_PROJECT": "abcdefgh1234z",
        "UPSUN_AGENT_SOURCE": str(wheelhouse()),
        "UPSUN_CLI_API_URL": url,
        "UPSUN_CLI_AUTH_URL": url,
    }
    script = "\n".join(["set -e", *lines])
    done = subprocess.run(
        [shutil.which("bash") or "/bin/bash", "-c", script],
        cwd=place,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert TOKEN not in done.stdout + done.stderr
    return done


def lines_of(number: int) -> list[str]:
    """The command lines of an example."""
    if number == 0:
        return [step["run"] for step in example(0)["jobs"]["update"]["steps"] if "run" in step]
    return list(example(1)["nightly-update"]["script"])


@pytest.mark.parametrize("number", [0, 1], ids=["GitHub Actions", "GitLab CI"])
def test_the_example_backs_up_and_updates(checkout: Path, platform: tuple[Simulator, str], number: int) -> None:
    simulator, url = platform
    done = run(lines_of(number), checkout, url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "run succeeded" in done.stdout
    kinds = [each["type"] for each in simulator.request_log()["activities"]]
    assert kinds.count("environment.backup") == kinds.count("environment.source-operation") == 1


def test_a_token_that_is_not_good_ends_the_job_before_anything_is_asked_for(
    checkout: Path, platform: tuple[Simulator, str]
) -> None:
    simulator, url = platform
    done = run(lines_of(1), checkout, url, secret="some-other-token")
    assert done.returncode == 77
    assert "not accepted" in done.stdout + done.stderr
    assert [each for each in simulator.request_log()["activities"] if each["type"] == "environment.backup"] == []


def test_the_examples_keep_to_what_the_ci_systems_know() -> None:
    github, gitlab = example(0), example(1)["nightly-update"]
    assert dict[Any, Any](github)[True]["schedule"][0]["cron"].count(" ") == 4  # YAML 1.1 reads the key `on` as true
    assert {"concurrency", "permissions"} <= set(github)
    assert github["jobs"]["update"]["env"]["UPSUN_CLI_TOKEN"] == "${{ secrets.UPSUN_CLI_TOKEN }}"
    assert {"image", "rules", "resource_group", "script"} <= set(gitlab)
