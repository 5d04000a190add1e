"""The lines that install the agent come from one place, which the release tool writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from upsun_agent.errors import UsageError
from upsun_setup import release

from tests.harness.init_command import variables
from tests.harness.sources import REPOSITORY
from tools import dist


def test_they_are_those_of_the_release_tool() -> None:
    hook = yaml.safe_load(dist.Release(REPOSITORY).snippet())["applications"]["app"]["hooks"]["build"]
    found = release.lines_in(dist.in_document(f"{dist.BEGIN}\n{dist.END}", dist.Release(REPOSITORY).snippet()))
    assert ["set -e", *found] == hook.splitlines()
    assert (release.BEGIN, release.END) == (dist.BEGIN, dist.END)


def test_a_checkout_has_them_in_its_readme() -> None:
    found = release.install_lines()
    assert len(found) == 3
    assert "sha256sum -c" in found[1]
    assert found == release.lines_in((REPOSITORY / "README.md").read_text(encoding="utf-8"))


def test_an_installed_wheel_has_them_in_its_metadata(tmp_path: Path) -> None:
    name, content = dist.Release(REPOSITORY).wheel()
    (tmp_path / name).write_bytes(content)
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); from upsun_setup import release; print(release.install_lines())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / name)],
        cwd="/",
        env=variables(PYTHONPATH=""),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(release.install_lines())


def test_a_copy_that_does_not_know_them_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "_of_checkout", lambda: "no place for them")
    monkeypatch.setattr(release, "_of_metadata", lambda: "")
    with pytest.raises(UsageError) as refused:
        release.install_lines()
    assert "checkout" in refused.value.remedy
