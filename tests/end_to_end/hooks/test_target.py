"""Where hooks/build.sh installs: what it refuses to replace, what it sweeps, and two builds at once."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.harness.build_hook import SHELL, clean
from tests.harness.releases import install, surroundings, wheelhouse
from tests.harness.sources import REPOSITORY

BUILD = REPOSITORY / "hooks" / "build.sh"


def without_wheels(app: Path, target: str) -> dict[str, str]:
    """For what ends before anything is installed."""
    return surroundings(app, UPSUN_AGENT_WHEELS="/usr", UPSUN_AGENT_TARGET=target)


def own(app: Path, target: str, **extra: str) -> dict[str, str]:
    return surroundings(app, UPSUN_AGENT_WHEELS=str(wheelhouse()), UPSUN_AGENT_TARGET=target, **extra)


def contents(folder: Path) -> dict[str, object]:
    """Everything below the folder: names, modes, links and bytes."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        state = path.lstat()
        content = path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else None
        found[str(path.relative_to(folder))] = (state.st_mode, state.st_ino, content)
    return found


def works(target: Path, app: Path) -> bool:
    command = [target / "bin" / "upsun-agent", "check", "--phase", "build"]
    return (
        subprocess.run(
            [str(word) for word in command], cwd=app, env=clean(), capture_output=True, check=False
        ).returncode
        == 0
    )


def lay_out(app: Path) -> None:
    """An app with folders of every kind that is not an earlier install."""
    (app / "index.php").write_text("<?php")
    for name in (
        "public",
        "tools/bin",
        "tools/lib/upsun_agent",
        "pretended/bin",
        "pretended/lib/upsun_agent",
        "half/lib/upsun_agent",
    ):
        (app / name).mkdir(parents=True)
    (app / "public" / "page.html").write_text("page")
    (app / "tools" / "bin" / "deploy").write_text("#!/bin/sh")
    (app / "tools" / "installed").write_text("by hand")
    (app / "pretended" / "installed").mkdir()
    (app / "pretended" / "bin" / "upsun-agent").touch()
    (app / "pretended" / "lib" / "upsun_agent" / "__init__.py").touch()
    (app / "half" / "installed").write_text("archive none\n")
    (app / "hidden").mkdir()
    (app / "hidden" / ".env").write_text("SECRET=1")
    (app / "empty").mkdir()
    (app / "file").write_text("file")
    (app / "to public").symlink_to("public")
    (app / "to empty").symlink_to("empty")
    (app / "to nothing").symlink_to("nothing")
    (app / ".upsun-agent").mkdir()
    (app / ".upsun-agent" / "notes.txt").write_text("the app's own")


TARGETS = [
    "APP",
    "APP/",
    "APP/.",
    "APP/public/..",
    "APP/to public/..",
    ".",
    "./",
    "..",
    "APP/..",
    "/",
    "//",
    "APP/public",
    "public",
    "./public/",
    "APP/tools",
    "APP/pretended",
    "APP/half",
    "APP/hidden",
    "APP/file",
    "APP/file/below",
    "APP/to public",
    "APP/to public/",
    "APP/to empty",
    "APP/to nothing",
    "APP/.upsun-agent",
    "APP/.upsun",
    "APP/with\nbreak",
    "",
]


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_that_holds_something_else_is_refused_and_nothing_is_touched(app: Path, target: str) -> None:
    lay_out(app)
    before = contents(app.parent)
    done = install(BUILD, app, without_wheels(app, target.replace("APP", str(app))))
    assert done.returncode == 1
    assert "the agent cannot be installed into" in done.stderr or "cannot be created" in done.stderr
    assert "Traceback" not in done.stderr
    assert "installed upsun-agent" not in done.stdout
    assert {name: found for name, found in contents(app.parent).items() if name != "cache"} == before


def test_an_app_that_is_empty_is_not_replaced_either(tmp_path: Path) -> None:
    app = tmp_path / "app"
    app.mkdir()
    inode = app.stat().st_ino
    for target in (app, tmp_path):
        done = install(BUILD, app, without_wheels(app, str(target)))
        assert done.returncode == 1
        assert "the app is in it" in done.stderr
    assert app.stat().st_ino == inode


@pytest.mark.parametrize("target", ["empty", "not there/yet", 'a name\'s "quotes" $x', "-dash", "APP/empty/"])
def test_an_empty_or_absent_directory_is_taken_and_taken_again(app: Path, target: str) -> None:
    (app / "empty").mkdir()
    place = app / target.removeprefix("APP/")
    beside = [app / "empty.new-design", app / "empty.old", app / "empty.new-abc123"]
    for each in beside:
        (each / "lib").mkdir(parents=True)
        (each / "mine").write_text("mine")
    before = [contents(each) for each in beside]
    for _ in range(2):
        done = install(BUILD, app, own(app, target.replace("APP", str(app))))
        assert done.returncode == 0, done.stderr
        assert works(place, app)
    assert [contents(each) for each in beside] == before, "what lies beside is the app's"


def test_what_a_killed_build_left_beside_another_target_is_swept(app: Path) -> None:
    left = app / "agent.new-Abc123"
    (left / "lib").mkdir(parents=True)
    (left / "unfinished").touch()
    (app / "agent.new-Def456").mkdir()
    done = install(BUILD, app, own(app, "agent"))
    assert done.returncode == 0, done.stderr
    assert sorted(file.name for file in app.iterdir() if file.name.startswith("agent")) == ["agent"]
    assert not (app / "agent" / "unfinished").exists()


def test_a_command_of_the_app_with_our_name_stays(app: Path) -> None:
    commands = app / ".global" / "bin"
    commands.mkdir(parents=True)
    (commands / "upsun-agent").write_text("#!/bin/sh\n# a wrapper of the app\n")
    path = f"{commands}:{os.environ['PATH']}"
    done = install(BUILD, app, own(app, "", PATH=path))
    assert done.returncode == 0, done.stderr
    assert "a wrapper of the app" in (commands / "upsun-agent").read_text()
    assert "it stays" in done.stdout
    (commands / "upsun-agent").unlink()
    assert install(BUILD, app, own(app, "", PATH=path)).returncode == 0
    assert (commands / "upsun-agent").resolve() == app / ".upsun-agent" / "bin" / "upsun-agent"


# --- two at once ---------------------------------------------------------------------------------------------


def start(app: Path, variables: dict[str, str] | None = None) -> subprocess.Popen[str]:
    variables = variables or own(app, "")
    return subprocess.Popen(
        [SHELL, str(BUILD)], env=variables, cwd=app, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_several_builds_into_one_target_at_once_all_end_well(app: Path) -> None:
    with start(app) as first, start(app) as second, start(app) as third:
        told = [process.communicate(timeout=300) for process in (first, second, third)]
    assert [first.returncode, second.returncode, third.returncode] == [0, 0, 0], told
    assert works(app / ".upsun-agent", app)
    assert [file.name for file in app.iterdir() if file.name.startswith(".upsun-agent")] == [".upsun-agent"]
    assert all("installed upsun-agent" in out for out, _ in told)


def test_a_build_waits_for_the_one_before_it_and_says_so(app: Path) -> None:
    descriptor = os.open(app, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        with start(app, without_wheels(app, "")) as process:
            assert process.stdout is not None
            assert "another build installs into" in process.stdout.readline()
            assert [file.name for file in app.iterdir() if file.name.startswith(".upsun-agent")] == []
            os.close(descriptor)
            descriptor = -1
            _, errors = process.communicate(timeout=300)
            assert "the dependencies could not be installed" in errors, "it went on"
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def test_a_killed_build_does_not_keep_the_next_one_waiting(app: Path) -> None:
    with start(app) as process:
        assert process.stdout is not None
        while not list(app.glob(".upsun-agent.new-*")):
            assert process.poll() is None
        process.kill()
        process.communicate()
    done = install(BUILD, app, own(app, ""))
    assert done.returncode == 0, done.stderr
    shutil.rmtree(app / ".upsun-agent")
    assert [file.name for file in app.iterdir() if file.name.startswith(".upsun-agent")] == []
