"""``upsun-agent init`` as people and programs use it: what it shows, when it writes, what it refuses."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import re
import select
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from upsun_agent.config import load
from upsun_agent.limits import CONFIG_MOST_BYTES, YAML_DEPTH_MOST
from upsun_setup import checkout as door
from upsun_setup.delivery import vendored
from upsun_setup.git import Git
from upsun_setup.release import own_release

from tests.harness.init_command import CANARY, COMMAND, Result, commit, contents, git, variables

CONFIG = ".upsun/config.yaml"
RELEASE = sorted(vendored(own_release()).files)
Init = Callable[..., Result]


def test_without_a_terminal_it_shows_the_changes_and_writes_nothing(init: Init, checkout: Path) -> None:
    before = contents(checkout)
    said = init()
    assert said.code == 0
    assert f"+++ b/{CONFIG}" in said.out
    assert "+        sh .upsun-agent-release/install.sh" in said.out
    assert re.search(
        r"^Binary files /dev/null and b/\S+/upsun-agent-\S+\.tar differ: .* SHA-256 \w{64}$", said.out, re.MULTILINE
    )
    assert "+++ b/.upsun/agent.toml" in said.out
    assert "add --yes" in said.out
    assert "\x1b" not in said.out
    assert contents(checkout) == before


def test_with_yes_it_writes_and_says_what_is_left_to_do(init: Init, checkout: Path) -> None:
    said = init("--yes")
    assert said.code == 0
    assert "Written: " in said.out
    for word in ("upsun-agent validate", "rehearse", "token", "git push", "upsun-agent check"):
        assert word in said.out
    assert list(load(str(checkout / ".upsun" / "agent.toml")).jobs) == ["update"]
    assert sorted(git(checkout, "status", "--porcelain", "-uall").split()[1::2]) == sorted(
        [".environment", ".upsun/agent.toml", CONFIG, *RELEASE]
    )
    again = init("--yes")
    assert (again.code, again.out.splitlines()[0]) == (
        0,
        "Nothing to do: the app myapp has everything that the agent needs.",
    )


def test_a_dry_run_never_writes(init: Init, checkout: Path) -> None:
    before = contents(checkout)
    assert init("--dry-run").code == 0
    assert init("--dry-run", "--json").code == 0
    assert contents(checkout) == before
    assert init("--dry-run", "--yes").code == 64


def test_json_is_the_plan_with_each_files_content_and_diff(init: Init, checkout: Path) -> None:
    document = json.loads(init("--json").out)
    assert document["written"] is False
    assert {change["path"]: change["action"] for change in document["changes"]} == {
        CONFIG: "change",
        ".upsun/agent.toml": "create",
        ".environment": "create",
        **dict.fromkeys(RELEASE, "create"),
    }
    written = json.loads(init("--json", "--yes").out)
    assert written["written"] is True
    for change in written["changes"]:
        content = (checkout / change["path"]).read_bytes()
        assert change["sha256"] == hashlib.sha256(content).hexdigest()
        if change["path"] in RELEASE:
            assert change["content"] is None
            assert change["diff"].startswith("Binary files /dev/null and b/")
        else:
            assert content.decode() == change["content"]
            assert change["diff"].startswith("--- ")
    assert written["next"]
    nothing = json.loads(init("--json").out)
    assert (nothing["changes"], nothing["next"], nothing["exit_code"]) == ([], [], 0)


def test_the_patch_that_it_shows_is_one_that_git_applies(init: Init, checkout: Path) -> None:
    document = json.loads(init("--json").out)
    patch = checkout.parent / "changes.patch"
    patch.write_text("".join(change["diff"] for change in document["changes"] if change["content"]), encoding="utf-8")
    git(checkout, "apply", str(patch))
    left = json.loads(init("--json", "--yes").out)["changes"]
    assert sorted(change["path"] for change in left) == RELEASE, "a patch does not hold the files of the release"
    assert init().out.startswith("Nothing to do")


def test_the_patch_keeps_what_a_terminal_obeys_as_escapes_of_json(init: Init, checkout: Path) -> None:
    (checkout / ".environment").write_text("export A=1  # \x1b[8m and \u202e\n")
    said = init("--json").out
    assert said.isascii()
    assert "\x1b" not in said
    changes = json.loads(said)["changes"]
    assert any("\x1b[8m and \u202e" in change["diff"] for change in changes)
    patch = checkout.parent / "changes.patch"
    patch.write_text("".join(change["diff"] for change in changes if change["content"]), encoding="utf-8")
    git(checkout, "apply", str(patch))
    assert init("--yes").code == 0
    assert init().out.startswith("Nothing to do")


@pytest.mark.holds_secret("file */.environment", reason="the checkout's own file holds it")
def test_neither_diff_nor_json_shows_a_secret_that_the_checkout_holds(init: Init, checkout: Path) -> None:
    (checkout / ".environment").write_text(f"# {CANARY[:9]}\x1b[31m{CANARY[9:]}\n# {CANARY}\n")
    for arguments in ((), ("--json",)):
        said = init(*arguments)
        assert "hidden" in said.out
        assert CANARY not in said.out.replace("\\u001b[31m", "").replace("\x1b[31m", "")


MARKS = ("\x1b[8m", "\x1b[7m", "\x1b[\x1b[31m8m", "\x9b8m", "\u202e", "\x1b]0;t\x07", "\x1b[32m")


@pytest.mark.parametrize("mark", MARKS)
def test_on_a_terminal_the_diff_shows_no_mark_of_the_checkout(checkout: Path, mark: str) -> None:
    (checkout / ".environment").write_text(f"export A=1  # before{mark}gone\n")
    _, said = answer(checkout, "n\n")
    assert "before" in said
    assert "beforegone" in said


def test_it_finds_the_checkout_from_a_folder_in_it_and_from_elsewhere(
    init: Init, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (checkout / "deep" / "down").mkdir(parents=True)
    monkeypatch.chdir(checkout / "deep" / "down")
    assert f"In {checkout}, " in init().out
    monkeypatch.chdir("/")
    assert f"In {checkout}, " in init("--dir", str(checkout)).out
    assert init("--dir", str(checkout / "nowhere")).code == 78


def answer(checkout: Path, typed: str, *arguments: str) -> tuple[int, str]:
    """The command on a terminal, with somebody who types."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *arguments], cwd=checkout, env=variables(TERM="xterm"), stdin=slave, stdout=slave, stderr=slave
    )
    os.close(slave)
    said, until = b"", time.monotonic() + 60
    sent = False
    while time.monotonic() < until:
        if not select.select([master], [], [], 1)[0]:
            continue
        try:
            piece = os.read(master, 65536)
        except OSError:
            break
        if not piece:
            break
        said += piece
        if not sent and any(cue in said for cue in (b"[y/N] ", b"app: ", b"flex or fixed? ")):
            os.write(master, typed.encode())
            sent = True
    os.close(master)
    return process.wait(30), said.decode()


def test_on_a_terminal_it_asks_in_colour_and_takes_no_for_an_answer(checkout: Path) -> None:
    before = contents(checkout)
    for typed in ("n\n", "\n", "\x04", "yep\n"):
        code, said = answer(checkout, typed)
        assert code == 0
        assert "Nothing was written." in said
        assert "\x1b[32m+" in said
        assert contents(checkout) == before
    code, said = answer(checkout, "y\n")
    assert code == 0
    assert "Written" in said
    assert contents(checkout) != before


SEVERAL = "applications:\n  one:\n    type: 'php:8.3'\n  two:\n    type: 'php:8.3'\n"


def test_of_several_apps_one_has_to_be_named(init: Init, checkout: Path) -> None:
    (checkout / CONFIG).write_text(SEVERAL)
    said = init("--yes")
    assert (said.code, "one, two" in said.err) == (64, True)
    assert init("--app", "three").code == 64
    assert "for the app two" in init("--app", "two").out
    code, text = answer(checkout, "one\n", "--yes")
    assert (code, "Written" in text) == (0, True)
    assert init().out.startswith("Nothing to do: the app one")
    assert "upsun-agent tick" not in (checkout / CONFIG).read_text().partition("two:")[2]


def test_the_app_with_the_guides_cron_is_the_one(init: Init, checkout: Path) -> None:
    text = (checkout / CONFIG).read_text()
    (checkout / CONFIG).write_text(text.replace("applications:\n", "applications:\n  other:\n    type: 'php:8.3'\n", 1))
    assert "for the app myapp" in init().out


# --- what it remarks --------------------------------------------------------------------------------------------


def test_changes_that_are_not_committed_and_files_that_git_ignores_are_remarked(init: Init, checkout: Path) -> None:
    (checkout / ".gitignore").write_text(".environment\n/.upsun/*.toml\n")
    (checkout / CONFIG).write_text((checkout / CONFIG).read_text() + "# new\n")
    said = init().out
    assert f"not committed yet: {CONFIG}" in said
    assert "Git ignores .upsun/agent.toml, .environment" in said


def test_without_git_it_works_all_the_same(init: Init, checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert "not committed" not in init("--yes").out


# --- what it refuses --------------------------------------------------------------------------------------------

BOMB = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 40))
BROKEN: dict[str, tuple[bytes, str]] = {
    "no YAML": (b"applications:\n  app: [\n", "config.yaml:"),
    "a tab": (b"applications:\n\tapp: {}\n", "config.yaml:2: found character '\\t'"),
    "a key twice": (
        b"applications:\n  a:\n    type: x\n  b: {}\n  a: {}\n",
        "config.yaml:5: the key 'a' is here a second",
    ),
    "two documents": (b"applications: {}\n---\na: 1\n", "a second document"),
    "not UTF-8": (b"applications:\n  # \xff\n  app: {type: x}\n", "config.yaml:2: not UTF-8"),
    "UTF-16": ("applications: {}".encode("utf-16"), "not UTF-8"),
    "a NUL": (b"applications:\0", "#x0000"),
    "nothing": (b"", "no app under 'applications'"),
    "comments only": (b"# nothing yet\n", "no app under 'applications'"),
    "a list": (b"- a\n", "is not a mapping"),
    "apps as a list": (b"applications: [a]\n", "'applications' is not a mapping"),
    "an app of text": (b"applications: {a: b}\n", "the app 'a' is not a mapping"),
    "too large": (b"# " + b"x" * CONFIG_MOST_BYTES, "larger than"),
    "too deep": (b"a: " + b"[" * 5000 + b"]" * 5000, f"nested more than {YAML_DEPTH_MOST} deep"),
    "too deep in blocks": (b"- " * 5000, f"nested more than {YAML_DEPTH_MOST} deep"),
    "too many values": (b"a: [" + b"1," * 25_000 + b"1]\n", "more than"),
    "an alias of nothing": (b"applications: *none\n", "the anchor of *none is not known"),
    "an anchor that holds itself": (b"applications: &a\n  x: *a\n", "'applications' is used in several places"),
    "hooks from an anchor": (
        b"x: &h {build: make}\napplications: {a: {type: 'php:8.3', hooks: *h}}\n",
        "'hooks' is used in several places",
    ),
    "hooks that are merged in": (
        b"x: &d\n  hooks: {build: make}\napplications:\n  a:\n    <<: *d\n    type: 'php:8.3'\n",
        "'hooks' is used in several places",
    ),
    "an app that others merge in": (
        b"applications:\n  a: &a\n    type: 'php:8.3'\n    hooks: &h {build: make}\n  b: {hooks: *h}\n",
        "'hooks' is used in several places",
    ),
    "an app that another one takes in": (
        b"applications:\n  a: &a\n    type: 'php:8.3'\n  b:\n    <<: *a\n",
        "'a' is used in several places",
    ),
    "a hook that is a list": (b"applications: {a: {type: x, hooks: {build: [a]}}}\n", "hooks.build is not a text"),
    "crons that are a list": (b"applications: {a: {type: x, crons: [a]}}\n", "is not what init expects"),
    "an include of nothing": (b"applications: {a: !include {type: yaml, path: x.yaml}}\n", "does not exist"),
    "an include from outside": (b"applications: {a: !include '../../etc/passwd'}\n", "does not name a file here"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_configuration_that_cannot_be_changed_is_refused_with_its_line(init: Init, checkout: Path, what: str) -> None:
    data, words = BROKEN[what]
    (checkout / CONFIG).write_bytes(data)
    before = contents(checkout)
    started = time.monotonic()
    said = init("--yes", *(["--app", "a"] if what.startswith("an app that a") or "others" in what else []))
    assert said.code == 78
    assert words in said.err
    assert len(said.err.splitlines()) >= 2, "what helps is missing"
    assert contents(checkout) == before
    assert time.monotonic() - started < 20
    document = json.loads(init("--json").out)
    assert "error" in document
    assert document["error"]["exit_code"] in {64, 78}


def test_a_bomb_of_aliases_is_only_text(init: Init, checkout: Path) -> None:
    text = (checkout / CONFIG).read_text()
    (checkout / CONFIG).write_text(f"a0: &a0 [x]\n{BOMB}{text}")
    assert init("--yes").code == 0
    assert (checkout / CONFIG).read_text().startswith(f"a0: &a0 [x]\n{BOMB}")


def test_no_configuration_and_a_fixed_project_without_an_app_are_told_apart(init: Init, checkout: Path) -> None:
    (checkout / CONFIG).unlink()
    said = init()
    assert (said.code, "no .upsun/config.yaml" in said.err, "--dir" in said.err) == (78, True, True)
    (checkout / ".platform" / "local").mkdir(parents=True)  # the CLI makes it in every checkout
    assert "no .upsun/config.yaml" in init().err
    (checkout / ".platform" / "services.yaml").write_text("{}\n")
    said = init()
    assert (said.code, "no app in .platform/applications.yaml" in said.err) == (78, True)
    (checkout / ".platform" / "services.yaml").unlink()
    (checkout / ".upsun").rmdir()
    (checkout / ".upsun").write_text("")
    assert init().code == 78


def test_an_app_in_two_files_is_refused(init: Init, checkout: Path) -> None:
    (checkout / ".upsun" / "more.yaml").write_text("applications: {myapp: {type: 'php:8.3'}}\n")
    said = init()
    assert (said.code, "defined twice" in said.err, "more.yaml:1" in said.err) == (78, True, True)


def test_mistakes_of_a_job_file_are_said_before_anything_is_written(init: Init, checkout: Path) -> None:
    (checkout / ".upsun" / "agent.toml").write_text("[jobs.a]\nschedule = 1\n")
    before = contents(checkout)
    said = init("--yes")
    assert (said.code, ".upsun/agent.toml:" in said.err) == (78, True)
    assert contents(checkout) == before


def test_a_link_within_the_checkout_is_followed_and_one_out_of_it_is_not(init: Init, checkout: Path) -> None:
    real = checkout / "infra.yaml"
    (checkout / CONFIG).rename(real)
    (checkout / CONFIG).symlink_to("../infra.yaml")
    assert init("--yes").code == 0
    assert (checkout / CONFIG).is_symlink()
    assert "upsun-agent tick" in real.read_text()
    outside = checkout.parent / "outside.yaml"
    real.rename(outside)
    (checkout / CONFIG).unlink()
    (checkout / CONFIG).symlink_to(outside)
    said = init("--yes")
    assert (said.code, "outside the checkout" in said.err) == (78, True)


def test_a_pipe_in_the_place_of_a_file_does_not_hold_it_up(init: Init, checkout: Path) -> None:
    (checkout / CONFIG).unlink()
    os.mkfifo(checkout / CONFIG)
    assert init().code == 78
    (checkout / CONFIG).unlink()
    (checkout / CONFIG).mkdir()
    assert init().code == 78


def test_a_byte_order_mark_stays(init: Init, checkout: Path) -> None:
    (checkout / CONFIG).write_bytes(b"\xef\xbb\xbf" + (checkout / CONFIG).read_bytes())
    assert init("--yes").code == 0
    data = (checkout / CONFIG).read_bytes()
    assert data.startswith(b"\xef\xbb\xbfapplications:")
    assert data.count(b"\xef\xbb\xbf") == 1


# --- how it writes ----------------------------------------------------------------------------------------------


def test_modes_stay_and_nothing_is_left_beside(init: Init, checkout: Path) -> None:
    (checkout / CONFIG).chmod(0o640)
    assert init("--yes").code == 0
    assert stat.S_IMODE((checkout / CONFIG).stat().st_mode) == 0o640
    assert sorted(path.name for path in (checkout / ".upsun").iterdir()) == ["agent.toml", "config.yaml"]


@pytest.mark.parametrize("what", ["the file", "its folder"])
def test_what_cannot_be_written_is_73_and_nothing_is_written(
    init: Init, checkout: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if what == "the file":
        (checkout / CONFIG).chmod(0o444)
    else:  # a superuser could write there: the disk says no by itself
        monkeypatch.setattr(
            door.tempfile,  # type: ignore[attr-defined]  # the module's own import is replaced
            "mkstemp",
            lambda **_: (_ for _ in ()).throw(OSError(30, "Read-only file system")),
        )
    before = contents(checkout)
    said = init("--yes")
    assert said.code == 73
    assert "nothing was written" in said.err
    assert contents(checkout) == before


def test_a_file_that_somebody_else_changes_meanwhile_is_not_written_over(
    init: Init, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Git.unsaved

    def edited_meanwhile(self: Git, paths: list[str]) -> list[str]:
        (checkout / CONFIG).write_text("applications: {}\n")
        return real(self, paths)

    monkeypatch.setattr(Git, "unsaved", edited_meanwhile)
    said = init("--yes")
    assert (said.code, "changed in the meantime" in said.err) == (75, True)
    assert (checkout / CONFIG).read_text() == "applications: {}\n"
    assert not (checkout / ".upsun" / "agent.toml").exists()


def test_a_disk_that_fails_half_way_gets_the_old_files_back(
    init: Init, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, real, calls = contents(checkout), os.replace, []

    def failing(old: str, new: str) -> None:
        calls.append(new)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        real(old, new)

    monkeypatch.setattr(door.os, "replace", failing)  # type: ignore[attr-defined]  # the module's own import is replaced
    said = init("--yes")
    assert (said.code, "put back" in said.err) == (73, True)
    assert contents(checkout) == before


def test_without_the_extra_it_says_what_to_install(checkout: Path) -> None:
    script = """
import sys
sys.modules["ruamel"] = sys.modules["ruamel.yaml"] = None
from upsun_agent.cli.main import run
sys.exit(run(["init"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=checkout, env=variables(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 64
    assert "extra 'init'" in done.stderr
    assert "pip install" in done.stderr


def test_a_checkout_that_was_committed_can_be_removed_again(init: Init, checkout: Path) -> None:
    init("--yes")
    commit(checkout)
    git(checkout, "revert", "--no-edit", "HEAD")
    assert "upsun backup:create" in (checkout / CONFIG).read_text()
