"""The project's Git repository, as the API shows it and as Git itself would have it."""

from __future__ import annotations

import base64
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.simulator_client import PROJECT, Talker

if TYPE_CHECKING:
    from pathlib import Path

    from upsun_simulator import ManualClock

GIT = f"{PROJECT}/git"


def _git(folder: Path, *words: str, stdin: str = "") -> str:
    done = subprocess.run(
        [shutil.which("git") or "git", *words], cwd=folder, input=stdin, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def _write(ask: Talker, folder: Path, sha: str) -> str:
    """Rebuild a tree in a real repository; its id there."""
    rows = []
    for one in ask.get(f"{GIT}/trees/{sha}")["tree"]:
        if one["type"] == "tree":
            made = _write(ask, folder, one["sha"])
        else:
            blob = ask.get(f"{GIT}/blobs/{one['sha']}")
            content = base64.b64decode(blob["content"])
            assert blob["size"] == len(content)
            made = _git(folder, "hash-object", "-w", "--stdin", stdin=content.decode())
        rows.append(f"{one['mode']} {one['type']} {made}\t{one['path']}")
    return _git(folder, "mktree", stdin="\n".join(rows) + "\n")


def test_trees_and_files_have_the_ids_that_git_gives_them(ask: Talker, tmp_path: Path) -> None:
    _git(tmp_path, "init", "--quiet")
    tree = ask.get(f"{GIT}/commits/{ask.place()['head_commit']}")["tree"]
    assert _write(ask, tmp_path, tree) == tree


def test_a_commit_is_by_who_asked_for_it_and_on_top_of_the_one_before(ask: Talker, clock: ManualClock) -> None:
    first = ask.place()["head_commit"]
    ask.update()
    clock.advance(60)
    seen = ask.get(f"{GIT}/commits/{ask.place()['head_commit']}")
    assert (seen["author"]["name"], seen["author"]["email"]) == ("Update Bot", "update-bot@example.invalid")
    assert (seen["committer"], seen["parents"]) == (seen["author"], [first])
    assert seen["message"] == "Auto dependency updates via source operation\n"
    assert seen["author"]["date"] == "2026-03-01T12:00:15.000000+00:00"
    before = ask.get(f"{GIT}/commits/{first}")
    assert (before["author"]["name"], before["message"], before["parents"]) == ("Ada Owner", "Initial commit\n", [])


def test_a_pushed_commit_is_by_who_pushed_it_and_the_activity_says_the_same(ask: Talker) -> None:
    ask.simulator.push(user="grace")
    (told,) = ask.get(f"{ask.main}/activities?type=environment.push")[0]["payload"]["commits"]
    seen = ask.get(f"{GIT}/commits/{told['sha']}")
    assert (seen["author"]["name"], seen["message"].strip()) == ("Grace Colleague", told["message"])
    assert seen["parents"] == told["parents"]


def test_what_an_update_changed_can_be_read(ask: Talker, clock: ManualClock) -> None:
    old = ask.place()["head_commit"]
    ask.update()
    clock.advance(60)
    new = ask.place()["head_commit"]
    (diff,) = ask.get(f"{GIT}/diffs/{old}/{new}")
    assert (diff["old_path"], diff["new_path"]) == ("uv.lock", "uv.lock")
    assert f'+revision = "{new}"' in diff["diff"]
    assert ask.get(f"{GIT}/diffs/{new}/{new}") == []


def test_every_branch_is_a_ref(ask: Talker, clock: ManualClock) -> None:
    refs = {one["ref"]: one["object"]["sha"] for one in ask.get(f"{GIT}/refs")}
    assert set(refs) == {"refs/heads/main", "refs/heads/staging", "refs/heads/feature/login"}
    ask.update(ask.staging)
    clock.advance(60)
    moved = ask.get(f"{GIT}/refs/heads%2Fstaging")
    assert moved["object"] == {"type": "commit", "sha": ask.place("staging")["head_commit"]}
    assert moved["sha"] != refs["refs/heads/staging"]
    assert ask.get(f"{GIT}/refs/refs%2Fheads%2Ffeature%2Flogin")["ref"] == "refs/heads/feature/login"


def test_a_merge_has_two_parents(ask: Talker, clock: ManualClock) -> None:
    for path in (ask.main, ask.staging):
        ask.update(path)
    clock.advance(60)
    heads = [ask.place(name)["head_commit"] for name in ("main", "staging")]
    ask.post(f"{ask.staging}/merge", {})
    clock.advance(60)
    seen: Any = ask.get(f"{GIT}/commits/{ask.place()['head_commit']}")
    assert (seen["parents"], seen["message"]) == (heads, "Merge branch 'staging'\n")


@pytest.mark.parametrize("path", ["commits/0000", "trees/0000", "blobs/0000", "refs/heads%2Fnone", "refs/main"])
def test_what_is_not_there_is_not_found(ask: Talker, path: str) -> None:
    assert ask("GET", f"{GIT}/{path}").status == 404


def test_a_commit_can_be_named_by_its_beginning(ask: Talker) -> None:
    head = ask.place()["head_commit"]
    assert ask.get(f"{GIT}/commits/{head[:10]}")["sha"] == head
