"""What hooks/build.sh installs from: a wheelhouse, an index, the build cache; and what a kill leaves."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.harness.build_hook import SHELL, clean, new_app
from tests.harness.release_server import Origin, serving
from tests.harness.releases import copy_source, flip, install, surroundings, wheelhouse
from tests.harness.sources import REPOSITORY

BUILD = REPOSITORY / "hooks" / "build.sh"


@pytest.fixture
def index() -> Iterator[Origin]:
    with serving() as origin:
        origin.serve_index(wheelhouse())
        yield origin


def from_index(app: Path, index: Origin, **extra: str) -> dict[str, str]:
    return surroundings(app, PIP_INDEX_URL=f"{index.url}/simple", **extra)


def wheels_of(app: Path) -> Path:
    (found,) = (app.parent / "cache" / "upsun-agent").glob("wheels-*")
    return found


def works(app: Path) -> bool:
    command = [app / ".upsun-agent" / "bin" / "upsun-agent", "check", "--phase", "build"]
    return (
        subprocess.run(
            [str(word) for word in command], cwd=app, env=clean(), capture_output=True, check=False
        ).returncode
        == 0
    )


def compiled(path: str) -> bool:
    return path.startswith(("/wheels/cffi-", "/wheels/msgspec-"))


def other_version() -> str:
    return "cp313" if sys.version_info[:2] != (3, 13) else "cp312"


def test_the_second_build_asks_nobody_and_a_spoiled_cache_is_not_used(tmp_path: Path, index: Origin) -> None:
    """One story, because each build of it takes seconds: filled, used, spoiled twice, and spoiled with nobody there."""
    app = new_app(tmp_path)
    first = install(BUILD, app, from_index(app, index))
    assert first.returncode == 0, first.stderr
    asked = len(index.request_log)
    assert asked > 14
    assert len(list(wheels_of(app).glob("cffi-*"))) == 4
    assert len(list(wheels_of(app).glob("msgspec-*"))) == 4

    second = install(BUILD, app, from_index(app, index))
    assert second.returncode == 0, second.stderr
    assert "the dependencies come from the build cache" in second.stdout
    assert len(index.request_log) == asked
    kept = {file.name: file.read_bytes() for file in wheels_of(app).glob("*.whl")}

    flip(next(wheels_of(app).glob("structlog-*")))
    third = install(BUILD, app, from_index(app, index))
    assert third.returncode == 0, third.stderr
    assert "are not the pinned ones" in third.stdout
    assert len(index.request_log) > asked
    assert {file.name: file.read_bytes() for file in wheels_of(app).glob("*.whl")} == kept

    asked = len(index.request_log)
    for package in ("cffi", "msgspec"):
        flip(next(wheels_of(app).glob(f"{package}-*{other_version()}*")))
    fourth = install(BUILD, app, from_index(app, index))
    assert fourth.returncode == 0, fourth.stderr
    assert "in the build cache is not the pinned one: dropped" in fourth.stdout
    assert "the dependencies come from the build cache" in fourth.stdout
    assert [path for path in index.request_log[asked:] if path.startswith("/wheels/") and not compiled(path)] == []
    assert {file.name: file.read_bytes() for file in wheels_of(app).glob("*.whl")} == kept
    assert len(list((app / ".upsun-agent" / "lib").glob("_cffi_backend.*"))) == 4
    assert len(list((app / ".upsun-agent" / "lib" / "msgspec").glob("_core.*.so"))) == 4

    flip(next(wheels_of(app).glob("structlog-*")))
    (app / ".upsun-agent" / "previous").touch()
    fifth = install(BUILD, app, surroundings(app))
    assert fifth.returncode == 1
    assert "the previous install is untouched" in fifth.stderr
    assert (app / ".upsun-agent" / "previous").exists()
    assert works(app)


def test_an_index_that_serves_something_else_fails_the_build(tmp_path: Path, index: Origin) -> None:
    app = new_app(tmp_path)
    wheel = next(path for path in index.files if path.startswith("/wheels/structlog"))
    index.files[wheel] = index.files[wheel][:-9] + b"X" + index.files[wheel][-8:]
    done = install(BUILD, app, from_index(app, index))
    assert done.returncode == 1
    assert "do not use what was served" in done.stderr
    assert not (app / ".upsun-agent").exists()
    assert list((app.parent / "cache" / "upsun-agent").iterdir()) == []


@pytest.mark.parametrize("package", ["cffi", "msgspec"])
def test_a_version_without_a_wheel_is_said_and_does_not_stop_the_build(
    tmp_path: Path, index: Origin, package: str
) -> None:
    app = new_app(tmp_path)
    page = index.files[f"/simple/{package}/"].splitlines(keepends=True)
    index.files[f"/simple/{package}/"] = b"".join(line for line in page if other_version().encode() not in line)
    done = install(BUILD, app, from_index(app, index))
    assert done.returncode == 0, done.stderr
    assert (
        f"cffi or msgspec is missing for Python 3.{other_version()[3:]}: this install will not run with that"
        in done.stdout
    )


def test_a_flipped_byte_in_any_wheel_fails_the_build(tmp_path: Path) -> None:
    source = copy_source(tmp_path / "source")

    def attempt(wheel: Path) -> str:
        place = tmp_path / wheel.stem
        shutil.copytree(wheelhouse(), place / "wheels")
        flip(place / "wheels" / wheel.name)
        app = new_app(place)
        done = install(source / "hooks" / "build.sh", app, surroundings(app, UPSUN_AGENT_WHEELS=f"{place}/wheels"))
        shutil.rmtree(place / "wheels")
        if done.returncode == 0 or (app / ".upsun-agent").exists() or "upsun-agent: " not in done.stderr:
            return f"{wheel.name} was used: {done.stdout}{done.stderr}"
        return ""

    wheels = sorted(wheelhouse().glob("*.whl"))
    assert len(wheels) == 22
    with ThreadPoolExecutor(2) as pool:
        assert [told for told in pool.map(attempt, wheels) if told] == []


def test_a_flipped_hash_in_the_requirements_fails_the_build(tmp_path: Path) -> None:
    source = copy_source(tmp_path / "source")
    pins = source / "requirements" / "runtime.txt"
    text = pins.read_text()
    at = text.index("sha256:", text.index("httpx=="))
    for each in range(2):  # both of its hashes: the wheel's and the source's
        digit = at + 7 + each
        text = text[:digit] + ("0" if text[digit] != "0" else "1") + text[digit + 1 :]
        at = text.index("sha256:", at + 8)
    pins.write_text(text)
    app = new_app(tmp_path)
    done = install(source / "hooks" / "build.sh", app, surroundings(app, UPSUN_AGENT_WHEELS=str(wheelhouse())))
    assert done.returncode == 1
    assert "has to hold the very wheels that are pinned" in done.stderr


def test_without_pip_its_own_wheel_does_it_and_a_launcher_can_have_a_space(tmp_path: Path) -> None:
    place = tmp_path / "it's a python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
    app = new_app(tmp_path)
    own = surroundings(app, UPSUN_AGENT_WHEELS=str(wheelhouse()), UPSUN_AGENT_PYTHON=f"{place}/bin/python")
    done = install(BUILD, app, own, "-x")
    assert done.returncode == 0, done.stderr
    assert "installer=wheel" in done.stderr
    command = app / ".upsun-agent" / "bin" / "upsun-agent"
    assert command.read_text().startswith("#!/bin/sh\n")
    assert works(app)
    told = subprocess.run([command, "validate", "an argument"], capture_output=True, text=True, check=False)
    assert "an argument" in told.stderr


def test_settings_for_pip_do_not_change_what_is_installed(tmp_path: Path) -> None:
    app = new_app(tmp_path)
    for name in ("pip.py", "logging.py", "json.py"):
        (app / name).write_text("raise SystemExit('a file of the app was run')")
    odd = {
        "PIP_TARGET": f"{tmp_path}/elsewhere",
        "PIP_USER": "1",
        "PIP_REQUIRE_VIRTUALENV": "1",
        "PIP_NO_BINARY": ":all:",
        "PIP_CONSTRAINT": "/no/such/file",
    }
    done = install(BUILD, app, surroundings(app, UPSUN_AGENT_WHEELS=str(wheelhouse()), **odd))
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "elsewhere").exists()


EVIL = """import os
open(os.environ["CANARY_FILE"], "a").write("ran")
raise SystemExit(9)
"""


def evil(place: Path) -> Path:
    """A directory of modules that tell that they ran: a pip, and what every start of Python could import."""
    for name in ("pip/__init__", "pip/__main__", "sitecustomize", "usercustomize", "zipfile", "hashlib", "venv"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / f"{name}.py").write_text(EVIL)
    return place


def foreign_settings(tmp_path: Path) -> dict[str, str]:
    """Variables and files that make Python or pip run other code, write elsewhere or do something else."""
    modules = evil(tmp_path / "evil")
    for minor in ("11", "12", "13", "14"):
        evil(tmp_path / "base" / "lib" / f"python3.{minor}" / "site-packages")
    command = tmp_path / "a-python"
    command.write_text('#!/bin/sh\necho ran >>"$CANARY_FILE"\nexit 9\n')
    command.chmod(0o755)
    home = tmp_path / "home"
    for file in (home / ".config" / "pip" / "pip.conf", home / ".pip" / "pip.conf", tmp_path / "pip.conf"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"[global]\npython = {command}\nlog = {tmp_path}/pip.log\nrequire-virtualenv = true\n")
    return {
        "CANARY_FILE": str(tmp_path / "canary"),
        "HOME": str(home),
        "PYTHONPATH": str(modules),
        "PYTHONUSERBASE": str(tmp_path / "base"),
        "PYTHONHOME": "/no/such/place",
        "PYTHONSAFEPATH": "",
        "PIP_PYTHON": str(command),
        "PIP_CONFIG_FILE": str(tmp_path / "pip.conf"),
        "PIP_LOG": str(tmp_path / "pip.log"),
        "PIP_KEYRING_PROVIDER": "subprocess",
        "PIP_REQUIREMENT": str(tmp_path / "no-such-requirements"),
        "PIP_PLATFORM": "win32",
        "PIP_PREFIX": str(tmp_path / "prefix"),
        "PIP_DEST": str(tmp_path / "elsewhere"),
        "PIP_CACHE_DIR": str(tmp_path / "pip-cache"),
        "PIP_PRE": "1",
        "PIP_VERSION": "1",
        "PIP_HELP": "1",
        "UV_PYTHON": str(command),
    }


def left_by_settings(tmp_path: Path) -> list[str]:
    return [name for name in ("canary", "pip.log", "prefix", "elsewhere", "pip-cache") if (tmp_path / name).exists()]


def test_no_variable_or_file_of_settings_runs_other_code_while_wheels_are_fetched(
    tmp_path: Path, index: Origin
) -> None:
    app = new_app(tmp_path)
    done = install(BUILD, app, from_index(app, index, **foreign_settings(tmp_path)))
    assert done.returncode == 0, done.stderr
    assert len(index.request_log) > 14, "the variable for the index holds"
    assert left_by_settings(tmp_path) == []
    assert works(app)


def test_foreign_settings_run_nothing_where_the_index_cannot_be_reached(tmp_path: Path) -> None:
    app = new_app(tmp_path)
    done = install(BUILD, app, surroundings(app, **foreign_settings(tmp_path)))
    assert done.returncode == 1
    assert "the dependencies could not be installed" in done.stderr
    assert left_by_settings(tmp_path) == []


def test_the_pip_among_the_dependencies_of_the_app_is_used_where_the_image_has_none(tmp_path: Path) -> None:
    place = tmp_path / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
    app = new_app(tmp_path)
    packages = app / ".global" / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    packages.mkdir(parents=True)
    wheels = tmp_path / "wheels"
    shutil.copytree(wheelhouse(), wheels, ignore=shutil.ignore_patterns("pip-*"))
    (pip,) = wheelhouse().glob("pip-*.whl")
    shutil.unpack_archive(pip, packages, "zip")
    own = surroundings(app, UPSUN_AGENT_WHEELS=str(wheels), UPSUN_AGENT_PYTHON=f"{place}/bin/python")
    done = install(BUILD, app, own, "-x")
    assert done.returncode == 0, done.stderr
    assert f"pip_program={packages}/pip\n" in done.stderr
    assert "installer=wheel\n" in done.stderr
    assert works(app)


# --- kills ---------------------------------------------------------------------------------------------------


def agents_in(app: Path) -> list[str]:
    return sorted(file.name for file in app.iterdir() if file.name.startswith(".upsun-agent"))


def test_a_kill_at_any_moment_leaves_an_agent_that_works(tmp_path: Path) -> None:
    app = new_app(tmp_path)
    own = surroundings(app, UPSUN_AGENT_WHEELS=str(wheelhouse()))
    started = time.monotonic()
    assert install(BUILD, app, own).returncode == 0
    usual = time.monotonic() - started
    moments = random.Random(7)
    for _ in range(4):
        with subprocess.Popen(
            [SHELL, str(BUILD)], env=own, cwd=app, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, process_group=0
        ) as process:
            time.sleep(moments.uniform(0, usual))
            os.killpg(process.pid, signal.SIGKILL)
        assert works(app)
    (app / ".upsun-agent.new-killed" / "lib").mkdir(parents=True)
    assert install(BUILD, app, own).returncode == 0
    assert agents_in(app) == [".upsun-agent"], "what a killed install left is swept"


@pytest.mark.parametrize(("call", "number"), [("renameat2", 1), ("rename", 1), ("rename", 2)])
def test_a_kill_at_the_swap_leaves_an_agent_or_what_it_takes_to_get_one(tmp_path: Path, call: str, number: int) -> None:
    """Where two names cannot be exchanged there is a moment without an agent; the next build puts the old one back."""
    if shutil.which("strace") is None:
        assert os.environ.get("CI") != "true", "strace is missing: .ci/run installs it"
        pytest.skip("strace is missing")
    app = new_app(tmp_path)
    place = app / ".upsun-agent"
    for name, mark in ((place, "previous"), (app / ".upsun-agent.new-x", "next")):
        name.mkdir()
        (name / mark).touch()
    text = BUILD.read_text()
    swap = text[text.index("import os, sys\nnew, target") : text.index('\nPYTHON\nrm -rf -- "$new"')]
    inject = ["-e", f"inject={call}:signal=KILL:when={number}"]
    if call == "rename":
        inject += ["-e", "inject=renameat2:error=EINVAL"]
    command = ["strace", "-f", "-qq", "-o", "/dev/null", *inject, sys.executable, "-IS", "-c", swap]
    done = subprocess.run([*command, app / ".upsun-agent.new-x", place], capture_output=True, check=False)
    assert done.returncode in {-9, 137}, done.stderr
    assert place.exists() is (number == 1)
    failed = install(BUILD, app, surroundings(app, UPSUN_AGENT_WHEELS="/usr"))  # has no wheels: it fails
    assert failed.returncode == 1
    assert (place / "previous").exists()
    assert agents_in(app) == [".upsun-agent"]
