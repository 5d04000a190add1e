"""The private directory: the first place that nobody else can enter, files whole or not at all."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
import threading
from pathlib import Path

import pytest
from upsun_agent.errors import Busy, StateNotWritable
from upsun_agent.platform.private_directory import PrivateDirectory, places


def test_the_first_place_that_can_be_private_is_taken(tmp_path: Path) -> None:
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o755)
    file = tmp_path / "file"
    file.write_text("")
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    bad = [str(open_to_all), str(file), str(link), str(file / "below")]
    assert PrivateDirectory([*bad, str(tmp_path / "good")], "SOME_VARIABLE").path == str(tmp_path / "good")
    with pytest.raises(StateNotWritable) as caught:
        PrivateDirectory(bad, "SOME_VARIABLE")
    said = str(caught.value)
    for words in ("other users may enter it (mode 755)", "is not a directory", "cannot be created"):
        assert words in said
    assert "SOME_VARIABLE" in caught.value.remedy


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT CHECKED: only root can lay a directory of somebody else's")
def test_a_directory_that_somebody_else_has_laid_is_not_used(tmp_path: Path) -> None:
    laid = tmp_path / "laid"
    laid.mkdir(mode=0o700)
    os.chown(laid, 12345, 12345)
    with pytest.raises(StateNotWritable, match="belongs to another user"):
        PrivateDirectory([str(laid)], "SOME_VARIABLE")


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT CHECKED: only root can lay a directory of somebody else's")
def test_a_directory_below_one_of_somebody_elses_is_not_used(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o755)
    (theirs / "mine").mkdir(mode=0o700)
    os.chown(theirs, 12345, 12345)
    for path in (theirs / "mine", theirs / "mine" / "below"):
        with pytest.raises(StateNotWritable, match=f"is in {theirs}, which belongs to another user"):
            PrivateDirectory([str(path)], "SOME_VARIABLE")


@pytest.mark.parametrize("mode", [0o777, 0o757, 0o775])
def test_a_directory_whose_parent_others_may_write_is_used_with_the_sticky_bit_only(tmp_path: Path, mode: int) -> None:
    parent = tmp_path / "parent"
    parent.mkdir()
    parent.chmod(mode)
    os.chown(parent, -1, 12345) if os.geteuid() == 0 else None
    with pytest.raises(StateNotWritable, match=f"which is writable by other users .mode {mode:o}."):
        PrivateDirectory([str(parent / "mine" / "ssh")], "SOME_VARIABLE")
    parent.chmod(mode | stat.S_ISVTX)
    assert PrivateDirectory([str(parent / "mine" / "ssh")], "SOME_VARIABLE").path == str(parent / "mine" / "ssh")


def test_files_go_into_the_directory_that_was_checked_and_not_into_one_in_its_place(tmp_path: Path) -> None:
    directory = PrivateDirectory([str(tmp_path / "mine")], "SOME_VARIABLE")
    (tmp_path / "mine").rename(tmp_path / "moved")
    (tmp_path / "mine").mkdir()
    with pytest.raises(StateNotWritable, match="was replaced by another directory"):
        directory.write("key", "a key")
    assert os.listdir(tmp_path / "mine") == []
    assert (tmp_path / "moved" / "key").read_text() == "a key"


@pytest.mark.parametrize("name", ["note", "lock", "known_hosts"])
def test_links_and_fifos_in_the_directory_are_not_opened(tmp_path: Path, name: str) -> None:
    directory = PrivateDirectory([str(tmp_path / "mine")], "SOME_VARIABLE")
    path = tmp_path / "mine" / name
    (tmp_path / "target").write_text("precious")
    for lay in (lambda: path.symlink_to(tmp_path / "target"), lambda: os.mkfifo(path)):
        path.unlink(missing_ok=True)
        lay()  # type: ignore[no-untyped-call]  # a lambda
        with pytest.raises(OSError, match="not a regular file"):
            directory.read(name, 10)
        with pytest.raises(StateNotWritable, match="not a regular file"):
            directory.provide(name)
    with pytest.raises(StateNotWritable) if name == "lock" else contextlib.nullcontext(), directory.locked():
        pass
    assert (tmp_path / "target").read_text() == "precious"


def test_the_places_go_from_the_named_one_to_the_temporary_directory(tmp_path: Path) -> None:
    assert places({"NAMED": "/named", "HOME": str(tmp_path)}, "ssh", "NAMED") == ["/named"]
    session = tmp_path / "session"
    session.mkdir()
    found = places({"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(session)}, "ssh", "NAMED")
    assert found[:2] == [f"{session}/upsun-agent/ssh", f"{tmp_path}/.local/state/upsun-agent/ssh"]
    assert found[2].endswith(f"/upsun-agent-ssh-{os.geteuid()}")
    assert len(places({}, "ssh", "NAMED")) == 1
    assert len(places({"HOME": "/nowhere/at/all", "XDG_RUNTIME_DIR": "/nowhere"}, "ssh", "NAMED")) == 1


MEMORY = "/dev/shm"  # noqa: S108  another file system than the temporary directory's


@pytest.mark.skipif(not os.path.isdir(MEMORY), reason="NOT CHECKED: no second file system to lay a home on")
def test_a_home_whose_state_lies_on_a_mount_is_passed_over(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as mount:
        (tmp_path / ".local").symlink_to(mount)
        assert os.stat(mount).st_dev != os.stat(tmp_path).st_dev
        assert len(places({"HOME": str(tmp_path)}, "ssh", "NAMED")) == 1, "mounts are cloned and kept in backups"
        assert places({"HOME": mount}, "ssh", "NAMED")[0] == f"{mount}/.local/state/upsun-agent/ssh"


def test_files_are_whole_for_our_eyes_only_and_can_be_taken_away(tmp_path: Path) -> None:
    directory = PrivateDirectory([str(tmp_path / "mine")], "SOME_VARIABLE")
    directory.write("note", "first")
    directory.write("note", "second")
    assert directory.read("note", 3) == "sec"
    assert os.listdir(directory.path) == ["note"], "no half file stays"
    assert stat.S_IMODE(os.stat(f"{directory.path}/note").st_mode) == 0o600
    directory.remove("note")
    directory.remove("note")
    with pytest.raises(FileNotFoundError):
        directory.read("note", 3)
    os.rmdir(directory.path)
    with pytest.raises(StateNotWritable, match="cannot be written"):
        directory.write("note", "third")


def test_a_file_that_others_add_to_keeps_what_it_holds_and_is_for_our_eyes_only(tmp_path: Path) -> None:
    directory = PrivateDirectory([str(tmp_path / "mine")], "SOME_VARIABLE")
    directory.provide("known_hosts")
    path = Path(f"{directory.path}/known_hosts")
    path.write_text("a host")
    path.chmod(0o644)
    directory.provide("known_hosts")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("a host", 0o600)
    (tmp_path / "mine" / "link").symlink_to(path)
    with pytest.raises(StateNotWritable, match="link cannot be created"):
        directory.provide("link")


def test_a_lock_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    directory = PrivateDirectory([str(tmp_path / "mine")], "SOME_VARIABLE")
    with directory.locked():
        assert stat.S_IMODE(os.stat(f"{directory.path}/lock").st_mode) == 0o600
    os.unlink(f"{directory.path}/lock")
    os.mkdir(f"{directory.path}/lock")
    with pytest.raises(StateNotWritable, match="lock cannot be opened: it is a directory"), directory.locked():
        raise AssertionError("never here")


def test_one_process_at_a_time_and_not_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("upsun_agent.platform.private_directory.LOCK_PATIENCE", 0.2)
    directory = PrivateDirectory([str(tmp_path / "mine")], "SOME_VARIABLE")
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with directory.locked():
            held.set()
            done.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(20)
    with pytest.raises(Busy), directory.locked():
        raise AssertionError("never here")
    done.set()
    thread.join()
    with directory.locked():
        pass
