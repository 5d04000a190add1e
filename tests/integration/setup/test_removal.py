"""``init --remove``: what init put into a checkout goes, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from upsun_agent.cli.main import run

from tests.harness.checkouts import CASES, Case
from tests.harness.init_command import Result, commit, contents, git

Init = Callable[..., Result]
CONFIG = ".upsun/config.yaml"
SMALL = "applications:\n  app:\n    type: 'php:8.4'   # kept\n\nroutes: {}\n"


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout without anything of the agent, committed."""
    place = tmp_path / "small"
    (place / ".upsun").mkdir(parents=True)
    (place / CONFIG).write_text(SMALL)
    (place / "composer.lock").write_text("{}\n")
    git(place, "init", "-q", "-b", "main")
    commit(place)
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Init:
    def called(*arguments: str) -> Result:
        capsys.readouterr()
        code = run(["init", *arguments])
        return Result(code, *capsys.readouterr())

    return called


def test_everything_goes_again_byte_for_byte_and_a_second_time_there_is_nothing(small: Path, call: Init) -> None:
    before = contents(small)
    assert call("--yes", "--operations").code == 0
    assert contents(small) != before
    said = call("--remove", "--yes")
    assert said.code == 0, said.err
    assert contents(small) == before
    assert not (small / ".upsun-agent-release").exists()
    assert "Deleted: " in said.out
    assert git(small, "status", "--porcelain") == ""
    again = call("--remove", "--yes")
    assert (again.code, again.out.splitlines()[0]) == (
        0,
        "Nothing to do: the app app has nothing that init put there.",
    )


def test_it_shows_what_goes_and_writes_nothing_unless_told(small: Path, call: Init) -> None:
    call("--yes")
    before = contents(small)
    said = call("--remove")
    assert "-        sh .upsun-agent-release/install.sh" in said.out
    assert "--- a/.upsun/agent.toml" in said.out
    assert "+++ /dev/null" in said.out
    assert "Binary files a/.upsun-agent-release/install.sh and /dev/null differ" in said.out
    assert "add --yes" in said.out
    document = json.loads(call("--remove", "--json", "--dry-run").out)
    assert {change["path"]: change["action"] for change in document["changes"]}[".environment"] == "delete"
    assert contents(small) == before


def test_what_a_person_changed_stays_and_is_named(small: Path, call: Init) -> None:
    call("--yes")
    jobs, folder = small / ".upsun" / "agent.toml", small / ".upsun-agent-release"
    jobs.write_text(jobs.read_text().replace('"UTC"', '"Europe/Paris"'))
    (folder / "mine.txt").write_text("mine\n")
    archive = next(folder.glob("*.tar"))
    archive.write_bytes(archive.read_bytes() + b"changed")
    text = (small / CONFIG).read_text()
    (small / CONFIG).write_text(text.replace("composer update --no-interaction", "composer update --with-all"))
    said = call("--remove", "--yes")
    assert said.code == 0, said.err
    assert jobs.exists()
    assert ".upsun/agent.toml is not what init would write now: it stays" in said.out
    assert sorted(path.name for path in folder.iterdir()) == ["mine.txt", archive.name]
    assert "not a file of a release as it was made" in said.out
    assert "the source operation update is not as init writes it" in said.out
    left = yaml.safe_load((small / CONFIG).read_text())["applications"]["app"]
    assert set(left) == {"type", "source"}
    again = call("--remove", "--yes")
    assert again.out.startswith("Nothing to do")
    assert jobs.exists()


def test_a_cron_with_other_settings_goes_all_the_same_because_it_calls_the_agent(small: Path, call: Init) -> None:
    call("--yes")
    text = (small / CONFIG).read_text()
    (small / CONFIG).write_text(text.replace("*/5 * * * *", "*/10 * * * *"))
    said = call("--remove", "--yes")
    assert "the cron agent has other settings than init wrote" in said.out
    assert (small / CONFIG).read_text() == SMALL


def test_the_hook_keeps_what_is_its_own(small: Path, call: Init) -> None:
    hook = "    hooks:\n      build: |\n        set -e\n        # mine\n        make\n      deploy: ./deploy\n"
    (small / CONFIG).write_text(SMALL.replace("\nroutes", f"{hook}\nroutes"))
    before = (small / CONFIG).read_text()
    call("--yes")
    assert "sh .upsun-agent-release/install.sh" in (small / CONFIG).read_text()
    call("--remove", "--yes")
    assert (small / CONFIG).read_text() == before


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_in_every_configuration_nothing_calls_the_agent_any_more(case: Case, tmp_path: Path, call: Init) -> None:
    case.lay_out(tmp_path)
    before = contents(tmp_path)
    named = {"--app": case.app, "--product": case.product, "--plan": case.fixed_plan}
    words = ["--dir", str(tmp_path), *(word for name, value in named.items() if value for word in (name, value))]
    init = call(*words, "--yes")
    assert init.code == 0, init.err
    said = call(*words, "--remove", "--yes")
    assert said.code == 0, said.err
    after = contents(tmp_path)
    assert call(*words, "--remove", "--yes").out.startswith("Nothing to do")
    assert not [name for name in after if name.startswith(".upsun-agent-release/")]
    for name in after.keys() - before.keys():
        assert f"{name} is not what init would write now" in said.out
    for name, content in after.items():
        if name.endswith((".yaml", ".yml")) and f"{name} is no longer included" not in said.out:
            assert re.search(rb"^[^#]*upsun-agent tick", content, re.MULTILINE) is None
            assert b".upsun-agent-release" not in content
