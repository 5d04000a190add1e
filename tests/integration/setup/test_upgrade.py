"""``upgrade``: the pin moves, the diff is shown first, and a release can get into the build in another way."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from upsun_agent import __version__
from upsun_agent.cli.main import SETUP, run
from upsun_setup import release_folder
from upsun_setup.release import own_release, sha256

from tests.harness.build_hook import SHELL
from tests.harness.init_command import Result, commit, contents, git

CONFIG = ".upsun/config.yaml"
FOLDER = ".upsun-agent-release"
Call = Callable[..., Result]


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "app"
    (place / ".upsun").mkdir(parents=True)
    (place / CONFIG).write_text("applications:\n  app:\n    type: 'php:8.4'\n")
    git(place, "init", "-q", "-b", "main")
    commit(place)
    monkeypatch.chdir(place)
    monkeypatch.setenv("HOME", str(tmp_path))
    return place


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    def called(*words: str) -> Result:
        capsys.readouterr()
        code = run(words, SETUP)
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return Result(code, out, err)

    return called


def older(app: Path) -> None:
    """The files of an older release."""
    archive = app / FOLDER / "upsun-agent-0.0.9.tar"
    next((app / FOLDER).glob("*.tar")).rename(archive)
    archive.write_bytes(b"the older one")
    installer = app / FOLDER / "install.sh"
    text = re.sub(r"^version=.*", "version=0.0.9", installer.read_text(), flags=re.MULTILINE)
    installer.write_text(re.sub(r"^sha256=.*", f"sha256={sha256(b'the older one')}", text, flags=re.MULTILINE))


def test_the_files_in_the_repository_are_replaced_and_the_old_archive_goes(app: Path, call: Call) -> None:
    assert call("init", "--yes").code == 0
    wanted = contents(app)
    older(app)
    commit(app)
    before = contents(app)
    shown = call("upgrade")
    assert contents(app) == before, "it only shows"
    assert f"b/{FOLDER}/install.sh differ" in shown.out
    assert f"Binary files a/{FOLDER}/upsun-agent-0.0.9.tar and /dev/null differ" in shown.out
    assert f"the agent: 0.0.9 -> {__version__}" in shown.out
    said = call("upgrade", "--yes")
    assert (said.code, said.err) == (0, "")
    assert contents(app) == wanted
    assert call("upgrade", "--yes").out.startswith("Nothing to do: the app app is at this version.")


def test_init_again_moves_the_pin_too(app: Path, call: Call) -> None:
    call("init", "--yes")
    wanted = contents(app)
    older(app)
    assert call("init", "--yes").code == 0
    assert contents(app) == wanted


def test_an_archive_that_was_changed_is_not_deleted(app: Path, call: Call) -> None:
    call("init", "--yes")
    older(app)
    kept = app / FOLDER / "upsun-agent-0.0.9.tar"
    kept.write_bytes(b"changed")
    said = call("upgrade", "--yes")
    assert kept.read_bytes() == b"changed"
    assert f"not a file of a release as it was made: {FOLDER}/upsun-agent-0.0.9.tar" in said.out


def test_url_and_hash_move(app: Path, call: Call) -> None:
    assert call("init", "--url", "https://example.org/agent/", "--yes").code == 0
    assert not (app / FOLDER).exists()
    wanted = (app / CONFIG).read_text()
    assert f"https://example.org/agent/v{__version__}/install.sh" in wanted
    assert sha256(own_release().installer) in wanted
    text = wanted.replace(f"/v{__version__}", "/v0.0.9").replace(sha256(own_release().installer), "0" * 64)
    (app / CONFIG).write_text(text)
    said = call("upgrade")
    assert f"the agent: 0.0.9 -> {__version__}" in said.out
    assert (app / CONFIG).read_text() == text
    assert call("upgrade", "--yes").code == 0
    assert (app / CONFIG).read_text() == wanted, "the place stays, the version and the hash move"
    document = json.loads(call("upgrade", "--json").out)
    assert (document["changes"], document["written"]) == ([], False)


def test_the_lines_of_an_older_init_are_known(app: Path, call: Call) -> None:
    url = "https://example.org/o/n/releases/download"
    hook = f"""    hooks:
      build: |
        set -e
        upsun_agent=$(mktemp -d); (ulimit -f 200; curl -q -fsSL --retry 5 --retry-all-errors -m 60 -o "$upsun_agent/install.sh" {url}/v0.1.0/install.sh)
        echo "{"1" * 64}  $upsun_agent/install.sh" | sha256sum -c -
        sh "$upsun_agent/install.sh"
        make
"""  # noqa: E501  as it was written
    (app / CONFIG).write_text((app / CONFIG).read_text() + hook)
    assert call("upgrade", "--vendor", "--yes").code == 0
    lines = [line.strip() for line in (app / CONFIG).read_text().splitlines()]
    assert lines[-3:] == ["set -e", f"sh {FOLDER}/install.sh", "make"]


def test_one_way_becomes_another_and_its_files_go(app: Path, call: Call) -> None:
    call("init", "--yes")
    vendored = contents(app)
    assert call("upgrade", "--url", "https://example.org/agent", "--yes").code == 0
    assert not (app / FOLDER).exists()
    assert "curl" in (app / CONFIG).read_text()
    assert call("upgrade", "--vendor", "--yes").code == 0
    assert contents(app) == vendored


@pytest.mark.parametrize("url", ["https://a:b@example.org/x", "ftp://example.org", "https://example.org/$(id)", "x y"])
def test_a_url_that_a_hook_cannot_hold_is_refused(app: Path, call: Call, url: str) -> None:
    before = contents(app)
    said = call("init", "--url", url, "--yes")
    assert said.code == 64
    assert contents(app) == before


def test_without_a_published_release_a_url_has_to_be_named(app: Path, call: Call) -> None:
    said = call("init", "--url", "--yes")
    assert said.code == 64
    assert "no releases of the agent are published" in said.err
    assert "--vendor" in said.err


def test_once_releases_are_published_their_url_is_the_default(
    app: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release_folder, "RELEASES", "https://example.org/o/n/releases/download")
    assert call("init", "--yes").code == 0
    assert f"https://example.org/o/n/releases/download/v{__version__}/install.sh" in (app / CONFIG).read_text()
    assert not (app / FOLDER).exists()


def test_a_hook_that_init_did_not_write_is_left(app: Path, call: Call) -> None:
    before = contents(app)
    said = call("upgrade", "--yes")
    assert (said.code, "upsun-agent-setup init" in said.err) == (78, True)
    assert contents(app) == before


def test_an_older_copy_says_that_it_goes_back(app: Path, call: Call) -> None:
    call("init", "--yes")
    older(app)
    installer = app / FOLDER / "install.sh"
    installer.write_text(installer.read_text().replace("version=0.0.9", "version=9.0.0"))
    assert f"9.0.0 is newer than {__version__}" in call("upgrade").out


# --- a submodule -------------------------------------------------------------------------------------------------


@pytest.fixture
def with_submodule(app: Path, tmp_path: Path, call: Call) -> Path:
    """An app with a submodule at its first commit; the second one has the tag of this version."""
    origin = tmp_path / "agent"
    (origin / "hooks").mkdir(parents=True)
    (origin / "hooks" / "build.sh").write_text("echo first\n")
    git(origin, "init", "-q", "-b", "main")
    commit(origin)
    assert call("init", "--submodule", str(origin), "--yes").code == 0
    git(app, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(origin), FOLDER)
    commit(app)
    (origin / "hooks" / "build.sh").write_text("echo second\n")
    commit(origin)
    git(origin, "tag", f"v{__version__}")
    return app


def at(place: Path) -> str:
    return git(place, "rev-parse", "HEAD").strip()


def test_init_names_the_command_that_adds_the_submodule(app: Path, call: Call) -> None:
    said = call("init", "--submodule", "https://example.org/agent.git", "--yes")
    assert f"git submodule add https://example.org/agent.git {FOLDER}" in said.out
    assert f"sh {FOLDER}/hooks/build.sh" in (app / CONFIG).read_text()


@pytest.mark.parametrize("command", ["init", "upgrade"])
@pytest.mark.parametrize("committed", [True, False], ids=["committed", "never committed"])
def test_a_release_in_the_repository_makes_way_for_a_submodule(
    app: Path, tmp_path: Path, call: Call, command: str, *, committed: bool
) -> None:
    """What it prints is run as it stands, and the hook's script is there afterwards."""
    origin = tmp_path / "agent"
    (origin / "hooks").mkdir(parents=True)
    (origin / "hooks" / "build.sh").write_text("echo first\n")
    git(origin, "init", "-q", "-b", "main")
    commit(origin)
    assert call("init", "--yes").code == 0
    if committed:
        commit(app)
    said = call(command, "--submodule", str(origin), "--yes")
    assert said.code == 0, said.err
    (added,) = re.findall(r"the release that you want: (.*)", said.out)
    (pushed,) = re.findall(r"(git add .*? && git commit -m '\w+ upsun-agent')", said.out.partition("you want:")[2])
    own = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "protocol.file.allow", "GIT_CONFIG_VALUE_0": "always"}
    own |= {f"GIT_{who}_{what}": "a@example.invalid" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    for line in (added, pushed):
        shell = [SHELL, "-ec", line]
        done = subprocess.run(shell, cwd=app, env={**os.environ, **own}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, line + done.stderr
    assert git(app, "ls-files", "--stage", FOLDER).startswith("160000 ")
    assert git(app, "status", "--porcelain") == "" or not committed
    assert (app / FOLDER / "hooks" / "build.sh").exists()
    assert call("upgrade", "--commit", "main").out.startswith("Nothing to do")


def test_the_commit_of_a_submodule_moves(with_submodule: Path, call: Call) -> None:
    place = with_submodule / FOLDER
    old, new = at(place), at(with_submodule.parent / "agent")
    shown = call("upgrade")
    assert f"-Subproject commit {old}" in shown.out
    assert f"+Subproject commit {new}" in shown.out
    assert at(place) == old
    document = json.loads(call("upgrade", "--yes", "--json").out)
    assert [(each["path"], each["action"]) for each in document["changes"]] == [(FOLDER, "change")]
    assert at(place) == new
    assert git(with_submodule, "status", "--porcelain") == f" M {FOLDER}\n"
    assert call("upgrade", "--yes").out.startswith("Nothing to do")
    assert call("upgrade", "--commit", old, "--yes").code == 0
    assert at(place) == old


@pytest.mark.parametrize("revision", ["v9.9.9", "--upload-pack=touch canary", "-x"])
def test_a_commit_that_is_not_there_is_refused(with_submodule: Path, call: Call, revision: str) -> None:
    said = call("upgrade", f"--commit={revision}", "--yes")
    assert said.code == 78
    assert "--commit" in said.err
    assert not list(with_submodule.rglob("canary"))


def test_changes_in_the_submodule_are_not_lost(with_submodule: Path, call: Call) -> None:
    (with_submodule / FOLDER / "hooks" / "build.sh").write_text("echo mine\n")
    said = call("upgrade", "--yes")
    assert said.code == 75
    assert (with_submodule / FOLDER / "hooks" / "build.sh").read_text() == "echo mine\n"


@pytest.mark.parametrize("key", ["core.sshCommand", "filter.x.smudge", "core.editor", "include.path", "core.hooksPath"])
def test_a_configuration_that_could_start_a_program_is_refused(with_submodule: Path, call: Call, key: str) -> None:
    git(with_submodule / FOLDER, "config", key, f"touch {with_submodule}/canary")
    said = call("upgrade", "--yes")
    assert said.code == 78
    assert "Git is not run there" in said.err
    assert not (with_submodule / "canary").exists()


def test_no_hook_of_the_submodule_runs(with_submodule: Path, call: Call) -> None:
    for hook in ("post-checkout", "reference-transaction"):
        file = with_submodule / ".git" / "modules" / FOLDER / "hooks" / hook
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/sh\ntouch {with_submodule}/canary\n")
        file.chmod(0o755)
    assert call("upgrade", "--yes").code == 0
    assert not (with_submodule / "canary").exists()


def test_a_release_does_not_go_into_a_submodule(with_submodule: Path, call: Call) -> None:
    said = call("upgrade", "--vendor", "--yes")
    assert said.code == 78
    assert f"git rm {FOLDER}" in said.err


def test_remove_names_the_command_that_removes_the_submodule(with_submodule: Path, call: Call) -> None:
    said = call("init", "--remove", "--yes")
    assert f"git rm {FOLDER}" in said.out
    assert (with_submodule / FOLDER / "hooks" / "build.sh").exists()
    assert "build.sh" not in (with_submodule / CONFIG).read_text()
