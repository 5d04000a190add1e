"""What commits changed is read after the step that made one; nothing odd in it fails, repeats or holds back a run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from upsun_agent.model import events as ev
from upsun_agent.model.packages import Change, ChangeKind, Ecosystem, LookAtChanges, PackageChanges, ordered
from upsun_agent.runtime.package_changes import ChangeReader
from upsun_simulator.history import Content, Origin
from upsun_simulator.repository import FILE
from upsun_simulator.user import OWNER

from tests.harness.api_client import PROJECT, Desk
from tests.harness.stage import JOB, Stage, build

if TYPE_CHECKING:
    from pathlib import Path

GIT = f"*/projects/{PROJECT}/git"
BLOB = {"id": "0" * 40, "sha": "0" * 40, "size": 3, "encoding": "base64", "content": "YWJj"}
#: Answers that no read of a Git object should get.
ODD = {
    "500": "500",
    "503 that asks to wait": "503 retry-after=3600",
    "403": "403",
    "404": "absent",
    "a gateway's 403": "gateway-403",
    "a gateway's 502": "gateway-502",
    "an empty 401": "empty-401",
    "an expired bearer": "expired-bearer",
    "a second factor": "step-up",
    "a captive portal": "captive",
    "a page": "html",
    "a redirection": "redirect",
    "nothing": "empty",
    "half a body": "half-body",
    "half a head": "half-headers",
    "a lost connection": "cut-before",
    "a late answer": "delay seconds=30",
    "a list": "json body=[]",
    "null": "json body=null",
    "no JSON": "json body={",
    "an object of nothing": "json body={}",
    "ids of numbers": 'json body={"sha": 1, "tree": 2, "size": 3}',
    "ids that are paths": 'json body={"sha": "../..", "tree": "../../environments/main"}',
    "a tree of texts": 'json body={"tree": ["x"]}',
    "a tree of odd items": 'json body={"tree": [{"path": 1, "mode": 2, "type": 3, "sha": 4}]}',
    "a size that is wrong": f"json body={json.dumps({**BLOB, 'size': 4})}",
    "another encoding": f"json body={json.dumps({**BLOB, 'encoding': 'rot13'})}",
    "bad Base64": f"json body={json.dumps({**BLOB, 'content': '====!'})}",
    "another file": f"json body={json.dumps(BLOB)}",
}


def read_of(stage: Stage) -> list[ev.ChangesRead]:
    """Return what the run recorded of changes."""
    return [event for event in stage.events() if isinstance(event, ev.ChangesRead)]


def warnings_of(stage: Stage) -> list[str]:
    """Return what the run says that could not be read."""
    events = read_of(stage)
    files = [file.warning for event in events for file in event.files if file.warning is not None]
    return [*files, *(text for event in events for text in event.warnings)]


def changes_of(stage: Stage) -> list[Change]:
    return ordered(file for each in read_of(stage) for file in each.files)


def test_the_run_says_what_the_update_changed(tmp_path: Path) -> None:
    changes = ("drupal/core 11.2.3 -> 11.2.5", "acme/new none -> 2.0", "package-lock.json: vite 6.3.4 -> 7.0.0")
    stage = build(tmp_path, package_changes=changes)
    assert stage.play().closed.outcome == "succeeded"
    assert [(each.name, each.before, each.after, each.kind, each.ecosystem) for each in changes_of(stage)] == [
        ("vite", "6.3.4", "7.0.0", ChangeKind.MAJOR, Ecosystem.NPM),
        ("drupal/core", "11.2.3", "11.2.5", ChangeKind.PATCH, Ecosystem.COMPOSER),
        ("acme/new", None, "2.0", ChangeKind.ADDED, Ecosystem.COMPOSER),
    ]
    (event,) = read_of(stage)
    assert (event.step, event.whole, event.warnings) == (1, True, ())
    assert event.message == "vite 6.3.4 → 7.0.0, 2 others, 1 major"
    (line,) = stage.said("changes-read")
    assert line["changes"][0] == "vite 6.3.4 → 7.0.0"
    assert stage.kinds()[-2:] == ["changes-read", "run-closed"]


def test_an_update_without_a_commit_has_nothing_to_read(tmp_path: Path) -> None:
    stage = build(tmp_path, update_outcome="no-commit")
    stage.play()
    assert read_of(stage) == []
    assert not [each for each in stage.simulator.request_log()["requests"] if "/git/" in each["path"]]


@pytest.mark.parametrize("kind", ["commits", "trees", "blobs"])
@pytest.mark.parametrize("odd", ["500", "absent", "gateway-403", "captive", "cut-before", "delay seconds=30"])
def test_an_odd_answer_fails_no_run_and_delays_none(odd: str, kind: str, tmp_path: Path) -> None:
    stage = build(tmp_path)
    stage.simulator.add_fault(f"GET {GIT}/{kind}/* {odd} x*")
    run = stage.play()
    assert run.closed is not None
    assert run.closed.outcome == "succeeded", run.closed.message
    assert (stage.backups_asked, stage.updates_asked) == (1, 1)
    done = max(step.over_at for step in run.steps if step.over_at is not None)
    assert (run.closed.at - done).total_seconds() <= 400, "one tick more, at most"
    assert [event.whole for event in read_of(stage)] == [True]
    assert warnings_of(stage)


def test_a_commit_that_cannot_be_read_yet_is_read_later_in_a_run_that_goes_on(tmp_path: Path) -> None:
    jobs = JOB + '\n[[jobs.nightly.steps]]\nwait = { for = "20m" }\n'
    stage = build(tmp_path, jobs=jobs, commit_lag_seconds=600)
    assert stage.play().closed.outcome == "succeeded"
    (event,) = read_of(stage)
    assert (event.whole, event.warnings) == (True, ())
    assert changes_of(stage)


def test_a_commit_that_cannot_be_read_yet_does_not_keep_a_run_open(tmp_path: Path) -> None:
    stage = build(tmp_path, commit_lag_seconds=600)
    stage.play()
    (event,) = read_of(stage)
    assert event.warnings == ("what changed is not known: the commit cannot be read yet",)


def test_what_there_was_no_time_for_is_read_by_the_next_tick(tmp_path: Path) -> None:
    files = tuple(f"app{number}/composer.lock" for number in range(8))
    stage = build(tmp_path, lock_files=files, raised_packages=16)
    stage.simulator.add_fault(f"GET {GIT}/blobs/* delay seconds=1 x*")
    assert stage.play().closed.outcome == "succeeded"
    events = read_of(stage)
    assert [event.whole for event in events] == [False, True]
    paths = [file.path for event in events for file in event.files]
    assert sorted(paths) == sorted(files), "each file once"
    assert events[-1].message.endswith("15 others, no major")


def test_a_run_does_not_wait_for_ever_for_what_changed(tmp_path: Path) -> None:
    stage = build(tmp_path)
    stage.simulator.add_fault(f"GET {GIT}/blobs/* delay seconds=24 x*")
    run = stage.play()
    assert run.closed is not None
    assert run.closed.outcome == "succeeded"
    assert read_of(stage)[-1].warnings


# --- the reader alone --------------------------------------------------------------------------------------------


class Repository:
    """A project whose commits hold what a test says, and a reader of it."""

    def __init__(self, **scenario: Any) -> None:
        self.desk = Desk(**scenario)
        self.history = self.desk.simulator.state.history

    def commit(self, files: dict[str, bytes]) -> str:
        """Make a commit with these files alone; return its id."""
        tree = self.history.objects.keep({path: (FILE, data) for path, data in files.items()})
        origin = Origin(self.desk.simulator.state.born, OWNER, f"{tree}\n")
        return self.history.commit_tree(tree, (), Content("never", {}), origin)

    def read(
        self, before: dict[str, bytes], after: dict[str, bytes], done: tuple[str, ...] = (), room: int = 100
    ) -> PackageChanges:
        """Return what the reader says of two commits."""
        question = LookAtChanges(self.commit(before), self.commit(after), done, room)
        return ChangeReader(self.desk.client, PROJECT).read(question)

    def reads(self, kind: str) -> int:
        """Return how many objects of a kind were read."""
        return sum(f"/git/{kind}/" in each for each in self.desk.requests)


def composer(**packages: str) -> bytes:
    """Return a composer.lock."""
    rows = [{"name": name.replace("_", "/"), "version": version} for name, version in packages.items()]
    return json.dumps({"packages": rows, "packages-dev": []}).encode()


def names(found: PackageChanges) -> list[tuple[str, str]]:
    return [(file.path, each.name) for file in found.files for each in file.changes]


@pytest.mark.parametrize("times", [1, 2, 1_000_000])
@pytest.mark.parametrize("kind", ["commits", "trees", "blobs"])
@pytest.mark.parametrize("odd", ODD)
def test_an_odd_answer_is_read_again_or_a_warning(odd: str, kind: str, times: int) -> None:
    before, after = {"composer.lock": composer(a_b="1.0")}, {"composer.lock": composer(a_b="1.1")}
    repository, well = Repository(), Repository().read(before, after)
    fault, _, body = ODD[odd].partition(" body=")
    repository.desk.simulator.add_fault(f"GET {GIT}/{kind}/* {fault} x{times}{f' body={body}' if body else ''}")
    found = repository.read(before, after)
    warned = [*found.warnings, *(file.warning for file in found.files if file.warning)]
    assert found == well or warned or found.unread
    assert all(file.warning is None or file.changes == () for file in found.files)


def test_folders_that_are_the_same_are_not_read() -> None:
    repository = Repository()
    same = {f"big/{number}/composer.lock": composer(a_b="1.0") for number in range(30)}
    found = repository.read(
        {**same, "web/composer.lock": composer(a_b="1.0")}, {**same, "web/composer.lock": composer(a_b="1.1")}
    )
    assert names(found) == [("web/composer.lock", "a/b")]
    assert (repository.reads("commits"), repository.reads("trees"), repository.reads("blobs")) == (2, 4, 2)


def test_of_commits_with_the_same_files_nothing_more_is_read() -> None:
    repository = Repository()
    files = {"composer.lock": composer(a_b="1.0")}
    assert repository.read(files, files) == PackageChanges(())
    assert repository.reads("trees") == 0


def test_only_lock_files_of_the_project_are_read() -> None:
    repository = Repository()
    paths = ("other.lock", "vendor/x/composer.lock", "node_modules/y/package-lock.json", "a/b/c/d/e/composer.lock")
    before, after = ({path: composer(a_b=version) for path in paths} for version in ("1.0", "1.1"))
    found = repository.read(before, after)
    assert (found.files, repository.reads("blobs")) == ((), 0)
    assert found.warnings == ("folders more than 4 deep are not searched for lock files",)


def test_a_lock_file_that_came_and_one_that_went() -> None:
    found = Repository().read({"a/composer.lock": composer(a_b="1.0")}, {"b/composer.lock": composer(c_d="2.0")})
    assert [(file.path, each.name, each.before, each.after) for file in found.files for each in file.changes] == [
        ("a/composer.lock", "a/b", "1.0", None),
        ("b/composer.lock", "c/d", None, "2.0"),
    ]


def test_the_manifest_tells_what_is_direct() -> None:
    manifest = json.dumps({"require": {"a/b": "*"}}).encode()
    found = Repository().read(
        {"composer.lock": composer(a_b="1.0", c_d="1.0"), "composer.json": manifest},
        {"composer.lock": composer(a_b="1.1", c_d="1.1"), "composer.json": manifest},
    )
    assert {each.name: each.direct for file in found.files for each in file.changes} == {"a/b": True, "c/d": False}


def test_no_more_lock_files_than_the_limit_are_read() -> None:
    repository = Repository()
    before, after = ({f"{number:02}/composer.lock": composer(a_b=v) for number in range(20)} for v in ("1.0", "1.1"))
    found = repository.read(before, after)
    assert len(found.files) == 16
    assert found.warnings == ("4 more lock files changed than the 16 that are read",)


def test_no_more_folders_than_the_limit_are_read() -> None:
    repository = Repository()
    before, after = ({f"{number:03}/composer.lock": composer(a_b=v) for number in range(90)} for v in ("1.0", "1.1"))
    found = repository.read(before, after)
    assert repository.reads("trees") == 120
    assert "there are more folders than are searched for lock files" in found.warnings


def test_a_lock_file_that_is_too_large_is_a_warning() -> None:
    repository = Repository()
    found = repository.read({"composer.lock": composer()}, {"composer.lock": b" " * (8 * 1024 * 1024 + 1)})
    assert [file.warning for file in found.files] == [
        f"composer.lock cannot be read: blob {_short(repository)}: the file is larger than 8388608 bytes"
    ]


def _short(repository: Repository) -> str:
    return max(repository.history.objects.blobs.items(), key=lambda each: len(each[1]))[0][:8]


def test_a_file_that_did_not_come_whole_is_a_warning() -> None:
    repository, data = Repository(), composer(a_b="1.1")
    answer = {"encoding": "utf-8", "content": data.decode(), "size": len(data) + 1}
    repository.desk.simulator.add_fault(f"GET {GIT}/blobs/* json x* body={json.dumps(answer)}")
    (file,) = repository.read({"composer.lock": composer(a_b="1.0")}, {"composer.lock": data}).files
    assert file.warning is not None
    assert f"the answer holds {len(data)} bytes of {len(data) + 1}" in file.warning


def test_a_lock_file_that_is_no_lock_file_is_a_warning() -> None:
    found = Repository().read({"composer.lock": composer()}, {"composer.lock": b"\xff\x00{"})
    (file,) = found.files
    assert file.changes == ()
    assert file.warning is not None
    assert file.warning.startswith("composer.lock cannot be read: ")


def test_more_changes_than_there_is_room_for_are_counted() -> None:
    old, new = ({f"a_p{number}": version for number in range(30)} for version in ("1.0", "1.1"))
    found = Repository().read({"composer.lock": composer(**old)}, {"composer.lock": composer(**new)}, room=10)
    (file,) = found.files
    assert (len(file.changes), file.more) == (10, 20)


def test_files_that_are_known_already_are_left_out() -> None:
    repository = Repository()
    before, after = ({f"{name}/composer.lock": composer(a_b=v) for name in "ab"} for v in ("1.0", "1.1"))
    assert names(repository.read(before, after, done=("a/composer.lock",))) == [("b/composer.lock", "a/b")]


@pytest.mark.parametrize("encoding", ["base64", "utf-8"])
def test_both_encodings_are_read(encoding: str) -> None:
    repository = Repository(blob_encoding=encoding)
    found = repository.read({"composer.lock": composer(a_b="1.0")}, {"composer.lock": composer(a_b="ü1.1")})
    assert [each.after for file in found.files for each in file.changes] == ["ü1.1"]


def test_texts_of_lock_files_are_safe_to_keep_and_to_show() -> None:
    before = {"composer.lock": composer()}
    after = {"composer.lock": composer(**{"acme_\x1b[31mred": "1.0\u202e"})}
    ((_, name),) = names(Repository().read(before, after))
    assert name == "acme/red"


def test_a_tick_that_is_nearly_over_reads_nothing() -> None:
    repository = Repository()
    repository.desk.client.begin(10)
    found = repository.read({}, {"composer.lock": composer(a_b="1.0")})
    assert (found.unread, repository.reads("commits")) == ("time", 0)


def test_a_commit_that_is_not_there_is_said() -> None:
    repository = Repository()
    question = LookAtChanges(repository.commit({}), "0" * 40, (), 10)
    assert ChangeReader(repository.desk.client, PROJECT).read(question).unread == "absent"
