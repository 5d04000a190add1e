"""The release that an installation can make: that of ``make dist``, wherever the packages lie."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from upsun_agent.errors import UsageError
from upsun_setup import release
from upsun_setup.published import RELEASES

from tests.harness.init_command import variables
from tests.harness.sources import REPOSITORY
from tools import dist

SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from upsun_setup import release
made = release.own_release()
print(release.__file__, release.sha256(made.archive), release.sha256(made.installer))
"""


def test_a_checkout_makes_what_make_dist_makes() -> None:
    made, wanted = release.own_release(), dist.Release(REPOSITORY).pinned()
    assert (made.version, made.archive, made.installer) == (wanted.version, wanted.archive, wanted.installer)


@pytest.mark.parametrize("how", ["installed", "as a zip file"])
def test_an_installed_wheel_makes_it_too(tmp_path: Path, how: str) -> None:
    name, content = dist.Release(REPOSITORY).wheel()
    place = tmp_path / name
    place.write_bytes(content)
    if how == "installed":
        place = tmp_path / "site-packages"
        with zipfile.ZipFile(tmp_path / name) as files:
            files.extractall(place)
        command = [sys.executable, "-m", "compileall", "-q", str(place)]
        subprocess.run(command, check=True, env=variables(PYTHONPATH=""))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(place)],
        cwd="/",
        env=variables(PYTHONPATH=""),
        capture_output=True,
        text=True,
        check=True,
    )
    where, archive, installer = done.stdout.split()
    assert where.startswith(str(place))
    wanted = dist.Release(REPOSITORY).pinned()
    assert (archive, installer) == (release.sha256(wanted.archive), release.sha256(wanted.installer))


def test_a_copy_without_the_hooks_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "BESIDE", (*release.BESIDE, "hooks/none.sh"))
    with pytest.raises(UsageError) as refused:
        release.own_release()
    assert "clone" in refused.value.remedy


def test_where_releases_are_is_what_the_project_says() -> None:
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    assert settings["tool"]["upsun-agent"]["releases"] == RELEASES
