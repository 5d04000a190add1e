"""The project's Git repository, as the API shows it and as Git itself would have it."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from upsun_simulator import ManualClock, Scenario, Simulator
from upsun_simulator.lock_files import FORMATS, first_packages

from tests.harness.simulator_client import PROJECT, Talker

if TYPE_CHECKING:
    from pathlib import Path

GIT = f"{PROJECT}/git"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


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
    assert seen["message"].startswith("Auto dependency updates via source operation\n\nActivity: ")
    assert seen["author"]["date"] == "2026-03-01T12:00:15.000000+00:00"
    before = ask.get(f"{GIT}/commits/{first}")
    assert (before["author"]["name"], before["message"], before["parents"]) == ("Ada Owner", "Initial commit\n", [])


def test_a_pushed_commit_is_by_who_pushed_it_and_the_activity_says_the_same(ask: Talker) -> None:
    ask.simulator.push(user="grace")
    (told,) = ask.get(f"{ask.main}/activities?type=environment.push")[0]["payload"]["commits"]
    seen = ask.get(f"{GIT}/commits/{told['sha']}")
    assert (seen["author"]["name"], seen["message"].strip()) == ("Grace Colleague", told["message"])
    assert seen["parents"] == told["parents"]


def test_commits_have_the_ids_that_git_gives_them(ask: Talker, clock: ManualClock, tmp_path: Path) -> None:
    for path in (ask.main, ask.staging):
        ask.update(path)
    clock.advance(60)
    ask.post(f"{ask.staging}/merge", {})
    clock.advance(60)
    _git(tmp_path, "init", "--quiet")
    _write_commit(ask, tmp_path, ask.place()["head_commit"])
    _git(tmp_path, "fsck", "--strict")


def _write_commit(ask: Talker, folder: Path, sha: str) -> None:
    """Rebuild a commit, with all commits before it, in a real repository, which gives it the same id."""
    seen = ask.get(f"{GIT}/commits/{sha}")
    for one in seen["parents"]:
        _write_commit(ask, folder, one)
    assert _write(ask, folder, seen["tree"]) == seen["tree"]
    rows = [f"tree {seen['tree']}", *(f"parent {one}" for one in seen["parents"])]
    for role in ("author", "committer"):
        who = seen[role]
        at = int(datetime.fromisoformat(who["date"]).timestamp())
        rows.append(f"{role} {who['name']} <{who['email']}> {at} +0000")
    text = "\n".join([*rows, "", seen["message"]])
    assert _git(folder, "hash-object", "-t", "commit", "-w", "--stdin", stdin=text) == sha


def _file(ask: Talker, commit: str, path: str) -> bytes:
    """Return a file's content as the API gives it."""
    sha = ask.get(f"{GIT}/commits/{commit}")["tree"]
    for part in path.split("/"):
        sha = next(one["sha"] for one in ask.get(f"{GIT}/trees/{sha}")["tree"] if one["path"] == part)
    blob = ask.get(f"{GIT}/blobs/{sha}")
    text = blob["content"]
    data = base64.b64decode(text) if blob["encoding"] == "base64" else text.encode()
    assert blob["size"] == len(data)
    return data


def _composer(ask: Talker, commit: str, path: str = "composer.lock") -> dict[str, str]:
    return {one["name"]: one["version"] for one in json.loads(_file(ask, commit, path))["packages"]}


def _pass(ask: Talker, seconds: float) -> None:
    assert isinstance(ask.simulator.clock, ManualClock)
    ask.simulator.clock.advance(seconds)


def _updated(scenario: Scenario, times: int = 1) -> tuple[Talker, list[str]]:
    """Return a project that was updated, and its heads: before the first update, and after each."""
    clock = ManualClock(NOON)
    ask = Talker(Simulator(scenario, clock))
    heads = [ask.place()["head_commit"]]
    for _ in range(times):
        ask.update()
        clock.advance(60)
        heads.append(ask.place()["head_commit"])
    return ask, heads


def test_what_an_update_changed_can_be_read(ask: Talker, clock: ManualClock) -> None:
    old = ask.place()["head_commit"]
    ask.update()
    clock.advance(60)
    new = ask.place()["head_commit"]
    changed = {one["new_path"]: one["diff"] for one in ask.get(f"{GIT}/diffs/{old}/{new}")}
    assert set(changed) == {"composer.lock", "package-lock.json"}
    assert '+            "version": "11.3.0"' in changed["composer.lock"]
    assert ask.get(f"{GIT}/diffs/{new}/{new}") == []


def test_an_update_changes_what_the_scenario_says_and_then_raises_versions() -> None:
    changes = ("drupal/core 11.2.3 -> 11.2.5", "acme/gone 1.0 -> none", "acme/new none -> 2.0", "acme/old v1 -> v2")
    ask, (first, second, third) = _updated(Scenario(package_changes=changes), times=2)
    before, after, later = (_composer(ask, head) for head in (first, second, third))
    assert (before["drupal/core"], after["drupal/core"]) == ("11.2.3", "11.2.5")
    assert ("acme/gone" in before, "acme/gone" in after) == (True, False)
    assert ("acme/new" in before, after["acme/new"]) == (False, "2.0")
    assert (before["acme/old"], after["acme/old"]) == ("v1", "v2")
    assert {**after, "drupal/core": "11.2.3", "acme/old": "v1", "acme/gone": "1.0"} == {**before, "acme/new": "2.0"}
    assert later != after


def test_forty_packages_one_of_them_a_major() -> None:
    ask, (old, new) = _updated(Scenario(raised_packages=40, raised_majors=1))
    changed = []
    for head in (old, new):
        found = {(name, "composer"): version for name, version in _composer(ask, head).items()}
        rows = json.loads(_file(ask, head, "package-lock.json"))["packages"]
        found |= {(path, "npm"): one["version"] for path, one in rows.items() if path}
        changed.append(found)
    before, after = changed
    assert set(before) == set(after)
    different = [key for key in before if before[key] != after[key]]
    assert len(different) == 40
    major = [key for key in different if before[key].split(".")[0] != after[key].split(".")[0]]
    assert major == [("drupal/core", "composer")]


def test_the_manifest_says_which_packages_the_project_requires() -> None:
    ask, (head, _) = _updated(Scenario(lock_files=("web/composer.lock",), raised_packages=40))
    required = json.loads(_file(ask, head, "web/composer.json"))["require"]
    locked = _composer(ask, head, "web/composer.lock")
    assert "drupal/core" in required
    assert set(required) < set(locked)


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_format_of_a_lock_file_changes_with_an_update(name: str) -> None:
    ask, (old, new) = _updated(Scenario(lock_files=(name,)))
    before, after = (_file(ask, head, name) for head in (old, new))
    assert before != after
    for package, version in first_packages(name).items():
        assert package.encode() in before
        assert version.encode() in before


def test_a_merge_brings_the_versions_of_the_child(ask: Talker, clock: ManualClock) -> None:
    ask.update(ask.staging)
    clock.advance(60)
    staging = _composer(ask, ask.place("staging")["head_commit"])
    ask.simulator.push("main")
    clock.advance(60)
    ask.post(f"{ask.staging}/merge", {})
    clock.advance(60)
    assert _composer(ask, ask.place()["head_commit"]) == staging


def test_a_revert_brings_the_versions_of_before_back() -> None:
    ask, (old, _) = _updated(Scenario(source_operations=("update", "revert")))
    ask.post(f"{ask.main}/source-operation", {"operation": "revert"})
    _pass(ask, 60)
    assert _composer(ask, ask.place()["head_commit"]) == _composer(ask, old)


def test_text_can_come_as_it_is() -> None:
    ask, (_, new) = _updated(Scenario(blob_encoding="utf-8"))
    assert "drupal/core" in _composer(ask, new)


def test_a_lock_file_can_be_as_large_as_those_of_large_projects() -> None:
    ask, heads = _updated(Scenario(lock_files=("composer.lock",), lock_file_bytes=2_000_000))
    sizes = [len(_file(ask, head, "composer.lock")) for head in heads]
    assert all(2_000_000 <= size < 2_100_000 for size in sizes)


def test_a_new_commit_cannot_be_read_at_once() -> None:
    ask, (_, new) = _updated(Scenario(commit_lag_seconds=120))
    assert ask("GET", f"{GIT}/commits/{new}").status == 404
    _pass(ask, 120)
    assert ask("GET", f"{GIT}/commits/{new}").status == 200


def test_a_commit_that_is_still_with_the_code_host_is_not_found(clock: ManualClock) -> None:
    ask = Talker(Simulator(Scenario(source_integration=True, integration_seconds=30), clock))
    ask.update()
    clock.advance(20)
    (activity,) = ask.get(f"{ask.main}/activities?type=environment.source-operation")
    sha = next(one.commit for one in ask.simulator.state.activities if one.id == activity["id"])
    assert ask("GET", f"{GIT}/commits/{sha}").status == 404
    clock.advance(60)
    assert ask.get(f"{GIT}/commits/{sha}")["sha"] == ask.place()["head_commit"]


def test_the_same_calls_at_the_same_times_give_the_same_commits() -> None:
    assert _updated(Scenario(), times=3)[1] == _updated(Scenario(), times=3)[1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"lock_files": ("other.lock",)},
        {"lock_files": ("../composer.lock",)},
        {"lock_files": ("/composer.lock",)},
        {"package_changes": ("drupal/core 11 to 12",)},
        {"package_changes": ("drupal/core 11 -> 11",)},
        {"package_changes": ("uv.lock: django 5 -> 6",)},
        {"lock_files": (), "package_changes": ("drupal/core 11 -> 12",)},
    ],
)
def test_lock_files_and_changes_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"lock file|package change"):
        Scenario(**wrong)


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
