"""The agent in images without a Python that runs it: a Debian 11 with Python 3.9, and one with none at all.

The archive of the interpreter has the layout of the real one and is made of another Debian's Python, once a session.
"""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import pytest

from tests.end_to_end.hooks.test_roots import (
    INSTALL,
    Built,
    obtain,
    platform,
    run_to_its_end,
    schedule,
    tick,
)
from tests.harness import own_interpreter
from tests.harness.hook_containers import Container
from tests.harness.releases import CANARY, digest, flip
from tools.roots import UNFIT

VARIABLES = {"UPSUN_AGENT_SOURCE": "/source", "UPSUN_CLI_TOKEN": CANARY}
NEVER = "0 3 29 2 *"
IMAGES = {"3.9": "Python 3.9", "none": "no python3"}


@pytest.fixture(scope="module")
def archive() -> bytes:
    return own_interpreter.archive(obtain("3.13"))


@pytest.fixture(scope="module")
def source(archive: bytes) -> Path:
    """The release, as a wheelhouse without the interpreter."""
    return own_interpreter.release(obtain("3.13"))


@pytest.fixture(scope="module")
def wheelhouse(archive: bytes, source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The release with the interpreter beside it."""
    place = tmp_path_factory.mktemp("with-interpreter") / "source"
    shutil.copytree(source, place)
    (place / own_interpreter.name()).write_bytes(archive)
    (place / own_interpreter.name()).chmod(0o644)
    return place


@pytest.fixture(scope="module", params=list(UNFIT))
def built(request: pytest.FixtureRequest, wheelhouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """An app on that image, built as its hook builds it: no network, no pip, no Python."""
    root = obtain(request.param)
    container = Container.create(root, tmp_path_factory.mktemp(f"own-{request.param}") / "here")
    schedule(container, NEVER)
    done = container.build(INSTALL, VARIABLES, source=wheelhouse)
    assert done.returncode == 0, done.stdout + done.stderr
    assert CANARY not in done.stdout + done.stderr
    return Built(container, done)


def test_what_happened_is_said_and_no_other_image_is_proposed(built: Built) -> None:
    had = IMAGES[built.container.root.version]
    assert f"upsun-agent: this image has {had}: using the agent's own 3.13\n" in built.done.stdout
    assert "type:" not in built.done.stdout
    assert built.done.stderr == ""


def test_an_idle_tick_is_silent(built: Built) -> None:
    for _ in range(2):
        assert tick(built.container, {"UPSUN_CLI_TOKEN": CANARY}) == (0, "")


@pytest.mark.parametrize("built", ["3.9"], indirect=True)
def test_a_whole_night_runs_within_64_mib(built: Built, tmp_path: Path) -> None:
    container = built.container
    # A tick of another test may have judged this minute's slots: without its journal the job begins with this minute.
    shutil.rmtree(container.app / "var" / "agent", ignore_errors=True)
    with platform(tmp_path) as (variables, request_log):
        outcome, codes = run_to_its_end(container, variables)
        assert (outcome, codes[-1]) == ("succeeded", 0)
    schedule(container, NEVER)
    acted = [each["path"] for each in request_log["requests"] if each["method"] == "POST" and each["acted"]]
    asked = [path.rsplit("/", 1)[1] for path in acted if path.endswith(("/backup", "/source-operation"))]
    assert asked == ["backup", "source-operation"]


def test_the_interpreter_moves_along(built: Built) -> None:
    app = built.container.app
    shutil.copytree(app / ".upsun-agent", app / "moved here", symlinks=True)
    (app / "linked").mkdir(exist_ok=True)
    (app / "linked" / "agent").symlink_to("../moved here/bin/upsun-agent")
    away = app / ".upsun-agent-away"
    (app / ".upsun-agent").rename(away)
    built.container.hand_over()
    try:
        for command in (
            '"moved here/bin/upsun-agent"',
            "linked/agent",
            'cd "moved here/bin" && sh upsun-agent',
            'cd "moved here" && bin/upsun-agent',
            'PATH="/app/moved here/bin:$PATH" && cd / && upsun-agent',
        ):
            done = built.container.start(f"{command} --version", {})
            assert (done.returncode, done.stderr) == (0, ""), command
            assert done.stdout.startswith("upsun-agent "), command
    finally:
        away.rename(app / ".upsun-agent")
        shutil.rmtree(app / "moved here")
        shutil.rmtree(app / "linked")


def test_what_the_agent_never_loads_is_not_there(built: Built) -> None:
    place = built.container.app / ".upsun-agent" / "python"
    unwanted = [each for each in own_interpreter.NEVER_LOADED if "__pycache__" not in each]
    assert [each for each in unwanted if (place / each).exists()] == []
    assert not (place / "lib" / "python3.13" / "site-packages").exists(), "pip"
    assert {each.name for each in (place / "bin").iterdir()} == {"python3", "python3.13"}


def test_all_byte_code_of_the_interpreter_is_valid_whatever_the_times_of_its_files(built: Built) -> None:
    library = built.container.app / ".upsun-agent" / "python" / "lib" / "python3.13"
    modules = list(library.rglob("*.py"))
    assert len(modules) > 300
    for module in modules:
        compiled = module.parent / "__pycache__" / f"{module.stem}.cpython-313.pyc"
        assert struct.unpack_from("<I", compiled.read_bytes(), 4) == (0b01,), module


def test_the_check_says_whose_interpreter_it_is(built: Built) -> None:
    done = built.container.start("exec .upsun-agent/bin/upsun-agent check --phase build", {})
    assert done.returncode == 0, done.stdout + done.stderr
    had = IMAGES[built.container.root.version]
    assert f"the agent's own; the image has {had}" in " ".join(done.stdout.split())


def test_the_same_again_does_nothing(built: Built, source: Path) -> None:
    place = built.container.app / ".upsun-agent"
    before = place.stat().st_ino
    done = built.container.build(INSTALL, VARIABLES, source=source)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "already installed" in done.stdout
    assert place.stat().st_ino == before


def test_a_full_cache_needs_no_network_and_a_spoiled_one_leaves_the_install(
    source: Path, archive: bytes, tmp_path: Path
) -> None:
    container = Container.create(obtain("3.9"), tmp_path / "here")
    schedule(container, NEVER)
    cached = container.app / "cache" / "upsun-agent" / f"interpreter-{digest(archive)}.tar.gz"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(archive)
    container.hand_over()
    variables = {**VARIABLES, "PLATFORM_CACHE_DIR": "/app/cache"}
    done = container.build(INSTALL, variables, source=source)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the agent's own Python comes from the build cache" in done.stdout
    assert tick(container, {"UPSUN_CLI_TOKEN": CANARY}) == (0, "")

    flip(cached)
    (container.app / ".upsun-agent" / "installed").write_text("archive of an earlier release\n")
    done = container.build(f"sleep() {{ :; }}; . {INSTALL.split()[1]}", variables, source=source)
    assert done.returncode == 1, done.stdout
    assert "in the build cache is not the pinned one: dropped" in done.stdout
    assert "cannot be fetched after 5 tries" in done.stderr
    assert tick(container, {"UPSUN_CLI_TOKEN": CANARY}) == (0, ""), "the earlier install still works"
