"""``upsun-agent init`` in checkouts of Upsun Fixed on disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from upsun_agent.cli.main import run
from upsun_agent.config import load
from upsun_setup import checkout as door

from tests.harness.fixed_checkouts import FIXED
from tests.harness.init_command import CANARY, Result, commit, contents, git
from tests.integration.setup.test_command import answer

Init = Callable[..., Result]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Init:
    """Calls the command."""

    def call(*arguments: str) -> Result:
        capsys.readouterr()
        code = run(["init", *arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        assert CANARY not in out + err
        return Result(code, out, err)

    return call


def laid_out(tmp_path: Path, name: str) -> Path:
    """A case of the corpus in a Git repository."""
    place = tmp_path / name
    place.mkdir()
    FIXED[name].lay_out(place)
    git(place, "init", "-q", "-b", "main")
    commit(place)
    return place


def test_it_writes_what_fixed_needs_and_no_folder_of_flex(call: Init, tmp_path: Path) -> None:
    place = laid_out(tmp_path, "fixed-single")
    said = call("--yes", "--dir", str(place))
    assert said.code == 0
    assert not (place / ".upsun").exists()
    assert list(load(str(place / "upsun-agent.toml")).jobs) == ["nightly-backup"]
    assert load(str(place / "upsun-agent.toml")).token_variable is None
    assert "(platform ssh)" in said.out
    assert "upsun ssh" not in said.out
    before = contents(place)
    again = call("--yes", "--dir", str(place))
    assert again.out.startswith("Nothing to do: the app app has everything that the agent needs.")
    assert contents(place) == before


def test_the_document_names_the_product(call: Init, tmp_path: Path) -> None:
    place = laid_out(tmp_path, "fixed-list")
    document = json.loads(call("--json", "--dir", str(place), "--app", "api").out)
    assert document["product"] == "fixed"
    paths = [change["path"] for change in document["changes"]]
    assert [path for path in paths if not path.startswith("api/.upsun-agent-release/")] == [
        ".platform/applications.yaml",
        "api/upsun-agent.toml",
        "api/.environment",
    ]


def test_of_several_apps_one_has_to_be_named(call: Init, tmp_path: Path) -> None:
    place = laid_out(tmp_path, "fixed-several-files")
    said = call("--yes", "--dir", str(place))
    assert (said.code, "api, site" in said.err) == (64, True)
    assert call("--yes", "--dir", str(place), "--app", "site").code == 0
    assert (place / "site" / "upsun-agent.toml").is_file()
    assert not (place / "api" / "upsun-agent.toml").exists()


def test_both_products_are_asked_about(call: Init, tmp_path: Path) -> None:
    place = laid_out(tmp_path, "both-and-fixed")
    before = contents(place)
    said = call("--yes", "--dir", str(place))
    assert (said.code, "--product" in said.err, "a deployment with both fails" in said.err) == (64, True, True)
    assert contents(place) == before
    code, text = answer(place, "fixed\n", "--yes")
    assert (code, "Which product is this project on" in text, "Written" in text) == (0, True, True)
    assert (place / "upsun-agent.toml").is_file()
    code, text = answer(place, "both\n", "--yes")
    assert (code, "there is no product 'both'" in text) == (64, True)
    assert call("--yes", "--dir", str(place), "--product", "flex").code == 0


def test_a_plan_is_one_of_fixed(call: Init, tmp_path: Path) -> None:
    place = laid_out(tmp_path, "fixed-single")
    assert 'spec: "* * * * *"' in call("--dir", str(place), "--plan", "elite").out
    assert call("--dir", str(place), "--plan", "basic").code == 64
    (place / ".platform.app.yaml").unlink()
    (place / ".platform" / "routes.yaml").unlink()
    (place / ".platform" / "services.yaml").unlink()
    (place / ".upsun").mkdir()
    (place / ".upsun" / "config.yaml").write_text("applications:\n  app:\n    type: 'php:8.4'\n")
    said = call("--dir", str(place), "--plan", "elite")
    assert (said.code, "a plan of Upsun Fixed" in said.err) == (64, True)


def test_apps_are_looked_for_where_people_put_them(call: Init, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = laid_out(tmp_path, "fixed-single")
    for folder in ("node_modules/thing", "vendor/thing", ".cache/thing", "services/deep/down"):
        (place / folder).mkdir(parents=True)
        (place / folder / ".platform.app.yaml").write_text(f"name: {folder.replace('/', '-')}\ntype: 'php:8.4'\n")
    said = call("--yes", "--dir", str(place))
    assert (said.code, "app, services-deep-down" in said.err) == (64, True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / ".platform.app.yaml").write_text("name: outside\ntype: 'php:8.4'\n")
    (place / "linked").symlink_to(tmp_path / "outside")
    assert "outside" not in call("--yes", "--dir", str(place)).err
    monkeypatch.setattr(door, "FOLDERS_MOST", 2)
    said = call("--yes", "--dir", str(place))
    assert (said.code, "more than 2 folders" in said.err) == (78, True)
