"""The command ``changes``: two lock files or two directories, as a table and as JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from upsun_agent.limits import LOCK_ENTRIES_MOST, LOCK_FILE_MOST_BYTES, LOCK_FILES_MOST

from tests.harness.agent_process import Result
from tests.harness.commands import Outcome, command, container
from tests.harness.doc_blocks import BLOCKS
from tests.harness.locked import FOLDER
from tests.harness.sources import SOURCES

OLD, NEW = str(FOLDER / "composer" / "old"), str(FOLDER / "composer" / "new")


def changes(*arguments: str | Path) -> Outcome:
    """Call the command on a machine without a project."""
    return command(["changes", *map(str, arguments)], {"PATH": os.environ["PATH"], "HOME": "/nonexistent"})


def document(*arguments: str | Path) -> list[dict[str, Any]]:
    """The files of the command's document, which must follow its schema."""
    said = changes(*arguments, "--json")
    assert said.code == 0, said.err
    return list(Result(0, said.out, said.err, ("changes",)).document["files"])


def lock(**versions: str) -> str:
    """A composer.lock with these packages."""
    return json.dumps({"packages": [{"name": f"a/{name}", "version": version} for name, version in versions.items()]})


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    """Two empty directories."""
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    return old, new


def test_two_directories_are_compared_with_their_manifests() -> None:
    lines = [line.split() for line in changes(OLD, NEW).out.splitlines()]
    assert " ".join(lines[0]) == "composer.lock: 7 packages: 2 major, 1 minor, 1 patch, 1 added, 1 removed, 1 other"
    assert lines[1] == ["KIND", "PACKAGE", "BEFORE", "AFTER", "REQUIRED", "BY"]
    assert lines[2:5] == [
        ["major", "psr/log", "2.0.0", "3.0.2", "a", "package"],
        ["major", "symfony/console", "v6.4.1", "v7.1.0", "the", "project"],
        ["minor", "drupal/core", "11.1.2", "11.2.5", "the", "project"],
    ]
    assert lines[-1] == ["removed", "phpunit/phpunit", "9.6.1", "-", "the", "project"]


def test_the_document_has_every_change() -> None:
    (file,) = document(OLD, NEW)
    assert (file["path"], file["format"], file["warning"]) == ("composer.lock", "composer", None)
    found = file["changes"]
    assert found[0] == {
        "ecosystem": "composer",
        "name": "psr/log",
        "before": "2.0.0",
        "after": "3.0.2",
        "kind": "major",
        "downgrade": False,
        "direct": False,
        "url": "https://packagist.org/packages/psr/log",
    }
    assert {"before": None, "kind": "added", "name": "drush/drush"}.items() <= found[5].items()


def test_two_files_are_compared_and_one_name_tells_the_format(two: tuple[Path, Path]) -> None:
    old, new = two[0] / "composer.lock", two[1] / "after.txt"
    old.write_text(lock(b="2.0.0"))
    new.write_text(lock(b="1.9.0"))
    (file,) = document(old, new)
    (change,) = file["changes"]
    assert (change["kind"], change["downgrade"], change["direct"]) == ("other", True, None)
    assert changes(old, new).out.splitlines()[-1].split() == ["lower", "a/b", "2.0.0", "1.9.0", "-"]
    (file,) = document(new, old)
    assert file["path"] == str(old)


def test_a_lock_file_that_one_directory_lacks_was_added_or_removed(two: tuple[Path, Path]) -> None:
    old, new = two
    (old / "web").mkdir()
    (old / "web" / "composer.lock").write_text(lock(b="1.0.0"))
    (new / "composer.lock").write_text(lock(c="1.0.0"))
    for folder in ("node_modules", "vendor", ".git", "1/2/3/4/5"):
        (new / folder).mkdir(parents=True)
        (new / folder / "yarn.lock").write_text("what")
    found = document(old, new)
    assert [(file["path"], file["changes"][0]["kind"]) for file in found] == [
        ("composer.lock", "added"),
        ("web/composer.lock", "removed"),
    ]


def test_without_a_difference_that_is_said() -> None:
    assert changes(NEW, NEW).out == "no package differs in 1 lock file\n"
    assert document(NEW, NEW) == []


def test_a_file_that_cannot_be_read_is_a_warning_beside_the_others(two: tuple[Path, Path]) -> None:
    for place, version in zip(two, ("1.0.0", "1.1.0"), strict=True):
        (place / "composer.lock").write_text(lock(b=version))
        (place / "yarn.lock").write_text("<<<<<<< HEAD\n")
    (two[1] / "Gemfile.lock").write_bytes(b"\n" * (LOCK_FILE_MOST_BYTES + 1))
    said = changes(*two)
    assert said.code == 0
    words = " ".join(said.out.split())
    assert "minor a/b 1.0.0 1.1.0" in words
    assert "! yarn.lock cannot be read: it holds an unsolved merge conflict" in words
    assert "! Gemfile.lock cannot be read: it is larger than 8388608 bytes" in words
    warnings = [file["warning"] for file in document(*two)]
    assert [bool(warning) for warning in warnings] == [True, False, True]


def test_names_from_a_lock_file_are_shown_without_control_characters(two: tuple[Path, Path]) -> None:
    for place, version in zip(two, ("1", "2\x1b[31m"), strict=True):
        (place / "composer.lock").write_text(lock(**{"\x1b]0;title\x07": version}))
    assert not set(changes(*two).out) & {"\x1b", "\x07"}
    assert document(*two)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("a.txt", "b.txt"), 64, "neither a.txt nor b.txt has the name of a lock file"),
        ((OLD, f"{NEW}/composer.lock"), 64, "a directory cannot be compared with a file"),
        ((f"{OLD}/composer.lock", "/nonexistent/composer.lock"), 78, "cannot be read: No such file"),
        (("/dev", "/dev/null"), 64, "a directory cannot be compared with a file"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_a_remedy(arguments: tuple[str, str], code: int, words: str) -> None:
    said = changes(*arguments)
    assert said.code == code
    assert words in said.err
    assert said.out == ""


def test_a_pipe_is_not_waited_for(two: tuple[Path, Path]) -> None:
    os.mkfifo(two[0] / "composer.lock")
    (two[1] / "composer.lock").write_text(lock())
    said = changes(two[0] / "composer.lock", two[1] / "composer.lock")
    assert said.code == 78
    assert "cannot be read" in said.err


def test_a_directory_without_or_with_too_many_lock_files_is_refused(two: tuple[Path, Path]) -> None:
    old, new = two
    assert "there is no lock file" in changes(old, new).err
    for number in range(LOCK_FILES_MOST + 1):
        (new / str(number)).mkdir()
        (new / str(number) / "go.sum").touch()
    said = changes(old, new)
    assert said.code == 64
    assert f"hold {LOCK_FILES_MOST + 1} lock files" in said.err


def test_a_search_ends_in_a_directory_with_very_many_files(two: tuple[Path, Path]) -> None:
    for number in range(LOCK_ENTRIES_MOST + 1):
        (two[0] / str(number)).touch()
    said = changes(*two)
    assert said.code == 64
    assert f"more than {LOCK_ENTRIES_MOST}" in said.err


def test_it_works_in_a_container_too(tmp_path: Path) -> None:
    assert command(["changes", NEW, NEW], container(str(tmp_path))).code == 0


def test_the_commands_of_the_page_compare_a_checkout_with_the_commit_before(tmp_path: Path) -> None:
    (block,) = [each for each in BLOCKS if each.page == "docs/how-to/changes.md" and each.language == "sh"]
    program = tmp_path / "bin" / "upsun-agent"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m upsun_agent "$@"\n')
    program.chmod(0o755)
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    names = {f"GIT_{who}_{what}": "x@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    environ = {"PATH": path, "HOME": str(tmp_path), "PYTHONPATH": SOURCES, **names}

    def shell(text: str) -> str:
        done = subprocess.run(
            ["/bin/sh", "-euc", text], cwd=checkout, env=environ, capture_output=True, text=True, check=True
        )
        return done.stdout

    shell("git init -q")
    for version in ("1.0.0", "2.0.0"):
        (checkout / "composer.lock").write_text(lock(b=version))
        shell("git add -A && git commit -qm x")
    assert "major  a/b      1.0.0   2.0.0" in shell(block.text)
    assert not (tmp_path / "before").exists()
