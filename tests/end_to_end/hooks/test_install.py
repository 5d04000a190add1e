"""hooks/install.sh under dash: what it fetches, what it checks before anything runs, and what it says."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from upsun_setup.release import standalone

from tests.harness.build_hook import SHELL, new_app
from tests.harness.release_server import Answer, Origin, serving
from tests.harness.releases import (
    CANARY,
    STUB_VERSION,
    digest,
    flip,
    install,
    stub,
    surroundings,
    wheelhouse,
)
from tests.harness.sources import REPOSITORY

SCRIPT = REPOSITORY / "hooks" / "install.sh"
NAME = f"upsun-agent-{STUB_VERSION}.tar"
#: What install.sh may start, besides python3 and a fetcher.
TOOLS = ("cat", "cp", "cut", "dirname", "env", "mkdir", "mktemp", "mv", "rm", "sed", "sh", "tail", "tr")


@pytest.fixture
def origin() -> Iterator[Origin]:
    with serving() as origin:
        origin.files[f"/{NAME}"] = stub()
        yield origin


@pytest.fixture(params=["curl", "python3"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A PATH with just what a small image has, and a ``sleep`` that only notes how long it would have been."""
    return small_path(tmp_path, *(["curl"] if request.param == "curl" else []))


def small_path(tmp_path: Path, *more: str) -> str:
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in (*TOOLS, *more):
        (folder / tool).symlink_to(shutil.which(tool) or pytest.fail(f"{tool} is missing here"))
    (folder / "python3").symlink_to(sys.executable)
    (folder / "sleep").write_text(f'#!/bin/sh\necho "$1" >>"{tmp_path}/slept"\n')
    (folder / "sleep").chmod(0o755)
    return str(folder)


def slept(tmp_path: Path) -> list[int]:
    file = tmp_path / "slept"
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def variables(app: Path, source: str, **extra: str) -> dict[str, str]:
    pins = {"UPSUN_AGENT_VERSION": STUB_VERSION, "UPSUN_AGENT_SHA256": digest(stub()), "UPSUN_AGENT_SOURCE": source}
    return surroundings(app, **{**pins, **extra})


def ran(app: Path) -> bool:
    return (app / "ran").exists()


# --- fetching ------------------------------------------------------------------------------------------------


def test_it_fetches_checks_and_runs_and_the_next_build_needs_no_network(app: Path, origin: Origin, path: str) -> None:
    for requests in (1, 1):
        done = install(SCRIPT, app, variables(app, origin.url, PATH=path))
        assert done.returncode == 0, done.stderr
        assert (app / "ran").read_text().strip() == digest(stub())
        assert origin.request_log == [f"/{NAME}"] * requests
        (app / "ran").unlink()
    assert "from the build cache" in done.stdout
    assert [file.name for file in (app.parent / "cache" / "upsun-agent").iterdir()] == [NAME]


@pytest.mark.parametrize("answer", [403, 408, 429, 500, 502, 503, 504, "cut", "closed"])
def test_what_may_pass_is_tried_again_with_growing_pauses(
    app: Path, tmp_path: Path, origin: Origin, path: str, answer: Answer
) -> None:
    origin.script = [answer, answer, answer]
    done = install(SCRIPT, app, variables(app, origin.url, PATH=path))
    assert done.returncode == 0, done.stderr
    assert ran(app)
    assert len(origin.request_log) == 4
    told = [line for line in (done.stdout + done.stderr).splitlines() if " of 5 in " in line]
    assert len(told) == 3
    assert all(f"{origin.url}/{NAME}: " in line for line in told), "what could not be had is named at every try"
    assert slept(tmp_path) == [2, 4, 8]
    assert len([line for line in done.stdout.splitlines() if "try " in line]) == 3
    assert len(done.stdout.splitlines()) == 3


def test_it_gives_up_after_five_tries_and_says_what_helps(app: Path, tmp_path: Path, origin: Origin, path: str) -> None:
    origin.script = [503] * 9
    done = install(SCRIPT, app, variables(app, origin.url, PATH=path))
    assert done.returncode == 1
    assert not ran(app)
    assert len(origin.request_log) == 5
    assert "after 5 tries: HTTP 503" in done.stderr
    assert "UPSUN_AGENT_SOURCE" in done.stderr
    assert sum(slept(tmp_path)) == 30


def test_nobody_there_is_tried_again_too(app: Path, tmp_path: Path, path: str) -> None:
    done = install(SCRIPT, app, variables(app, "http://127.0.0.1:9", PATH=path))
    assert done.returncode == 1
    assert "no complete answer" in done.stderr
    assert len(slept(tmp_path)) == 4


def test_a_drip_is_cut_after_the_time_for_one_try(app: Path, origin: Origin, path: str) -> None:
    origin.script = ["slow"]
    done = install(SCRIPT, app, variables(app, origin.url, PATH=path, UPSUN_AGENT_TIMEOUT="1"))
    assert done.returncode == 0, done.stderr
    assert len(origin.request_log) == 2


@pytest.mark.parametrize(("asked", "pause"), [("7", 7), ("86400", 30), ("99999999999999999999", 2), ("soon", 2)])
def test_retry_after_is_honoured_within_a_bound(
    app: Path, tmp_path: Path, origin: Origin, path: str, asked: str, pause: int
) -> None:
    origin.script, origin.headers = [429], {"Retry-After": asked}
    assert install(SCRIPT, app, variables(app, origin.url, PATH=path)).returncode == 0
    assert slept(tmp_path) == [pause]


@pytest.mark.parametrize(("answer", "message"), [(404, "is not there"), (401, "HTTP 401"), (410, "HTTP 410")])
def test_what_will_not_pass_is_not_tried_again(app: Path, origin: Origin, path: str, answer: int, message: str) -> None:
    origin.script = [answer]
    done = install(SCRIPT, app, variables(app, origin.url, PATH=path))
    assert done.returncode == 1
    assert message in done.stderr
    assert len(origin.request_log) == 1


# --- nothing is used before its hash is right ----------------------------------------------------------------


def test_another_archive_than_the_pinned_one_is_not_run(app: Path, origin: Origin, path: str) -> None:
    origin.files[f"/{NAME}"] = stub("exit 0 # not what was pinned")
    done = install(SCRIPT, app, variables(app, origin.url, PATH=path))
    assert done.returncode == 1
    assert "is not the pinned archive: it was not used" in done.stderr
    assert digest(stub()) in done.stderr
    assert not ran(app)
    assert list((app.parent / "cache" / "upsun-agent").iterdir()) == []


def test_any_flipped_byte_of_the_archive_is_found(app: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for part in range(10):
        (source / NAME).write_bytes(stub())
        flip(source / NAME, part / 10)
        done = install(SCRIPT, app, variables(app, str(source)))
        assert done.returncode == 1
        assert "it was not used" in done.stderr
        assert not ran(app)


@pytest.mark.parametrize("kind", ["flipped", "another", "link", "folder", "pipe", "empty"])
def test_what_another_branch_left_in_the_cache_is_checked_and_fetched_again(
    app: Path, tmp_path: Path, origin: Origin, kind: str
) -> None:
    variables_ = variables(app, origin.url)
    kept = app.parent / "cache" / "upsun-agent" / NAME
    kept.parent.mkdir(parents=True)
    kept.write_bytes(stub("touch canary" if kind == "another" else ""))
    if kind == "flipped":
        flip(kept)
    elif kind != "another":
        kept.unlink()
        elsewhere = tmp_path / "elsewhere.tar"
        elsewhere.write_bytes(stub())
        make: dict[str, Callable[[], object]] = {
            "link": lambda: kept.symlink_to(elsewhere),
            "folder": kept.mkdir,
            "pipe": lambda: os.mkfifo(kept),
            "empty": kept.touch,
        }
        make[kind]()
    done = install(SCRIPT, app, variables_)
    assert done.returncode == 0, done.stderr
    assert f"{NAME} in the build cache is not the pinned one: removed" in done.stdout
    assert len(origin.request_log) == 1
    assert ran(app)
    assert not (app / "canary").exists()
    assert kept.read_bytes() == stub()


def test_a_spoiled_cache_and_no_network_is_a_failed_build(app: Path, tmp_path: Path, path: str) -> None:
    kept = app.parent / "cache" / "upsun-agent" / NAME
    kept.parent.mkdir(parents=True)
    kept.write_bytes(stub("touch canary"))
    assert install(SCRIPT, app, variables(app, "http://127.0.0.1:9", PATH=path)).returncode == 1
    assert not ran(app)


def test_an_install_sh_that_was_cut_somewhere_runs_nothing(app: Path, tmp_path: Path, origin: Origin) -> None:
    text = standalone(REPOSITORY)
    for at in range(0, text.rindex("\nmain"), 499):
        cut = tmp_path / "cut.sh"
        cut.write_text(text[:at])
        install(cut, app, variables(app, origin.url))
        assert not ran(app)
        assert origin.request_log == []


def test_the_snippet_runs_no_other_install_sh_and_retries(app: Path, tmp_path: Path, origin: Origin) -> None:
    """The lines of the install page, as they are printed, against a server here."""
    from tools import dist

    release = dist.Release(REPOSITORY)
    script = release.snippet("url").split("build: |\n")[1]
    script = script.replace(f"{dist.EXAMPLE}/v{release.version}", origin.url)
    hook = tmp_path / "hook.sh"
    hook.write_text(script)
    origin.files["/install.sh"] = release.installer()
    origin.files[f"/upsun-agent-{release.version}.tar"] = b"another archive"
    origin.script = [429, 503]
    done = install(hook, app, surroundings(app, UPSUN_AGENT_SOURCE=origin.url))
    assert "is not the pinned archive" in done.stderr, done.stderr
    assert origin.request_log == ["/install.sh"] * 3 + [f"/upsun-agent-{release.version}.tar"]
    assert done.returncode == 1

    origin.request_log.clear()
    origin.files["/install.sh"] = release.installer().replace(b"set -eu", b"set -eU")
    done = install(hook, app, surroundings(app, UPSUN_AGENT_SOURCE=origin.url))
    assert done.returncode == 1
    assert "FAILED" in done.stdout
    assert origin.request_log == ["/install.sh"]


def test_a_pin_that_is_filled_in_cannot_be_changed_by_a_variable(app: Path, tmp_path: Path) -> None:
    filled = tmp_path / "install.sh"
    filled.write_text(standalone(REPOSITORY).replace("\nsha256=\n", f"\nsha256={'0' * 64}\n"))
    (tmp_path / NAME).write_bytes(stub())
    assert install(filled, app, variables(app, str(tmp_path))).returncode == 1
    assert not ran(app)


# --- where from ----------------------------------------------------------------------------------------------


def test_a_directory_may_hold_wheels_beside_the_archive(app: Path, tmp_path: Path) -> None:
    source = tmp_path / "a source"
    source.mkdir()
    (source / NAME).write_bytes(stub())
    assert install(SCRIPT, app, variables(app, str(source))).returncode == 0
    assert "UPSUN_AGENT_WHEELS=\n" in (app / "variables").read_text()
    (source / "upsun_agent-1.2.3-py3-none-any.whl").touch()
    assert install(SCRIPT, app, variables(app, str(source))).returncode == 0
    assert "UPSUN_AGENT_WHEELS=\n" in (app / "variables").read_text(), "a release's own wheel is no dependency"
    (source / "x-1-py3-none-any.whl").touch()
    assert install(SCRIPT, app, variables(app, str(source))).returncode == 0
    assert f"UPSUN_AGENT_WHEELS={source}\n" in (app / "variables").read_text()


def test_a_checkout_is_run_as_it_is_and_that_is_said(app: Path, tmp_path: Path) -> None:
    hooks = tmp_path / "checkout" / "hooks"
    hooks.mkdir(parents=True)
    (hooks / "build.sh").write_text('echo "$#" >"$PLATFORM_APP_DIR/ran"')
    done = install(SCRIPT, app, surroundings(app, UPSUN_AGENT_SOURCE=str(hooks.parent)))
    assert done.returncode == 0
    assert "is a checkout: no hash is checked" in done.stdout
    assert (app / "ran").read_text() == "0\n"


@pytest.mark.parametrize(
    ("changes", "message", "remedy"),
    [
        ({"UPSUN_AGENT_VERSION": ""}, "is not one of a release", "UPSUN_AGENT_VERSION"),
        ({"UPSUN_AGENT_VERSION": "../x"}, "is not one of a release", "UPSUN_AGENT_VERSION"),
        ({"UPSUN_AGENT_SHA256": ""}, "holds no SHA-256", "UPSUN_AGENT_SHA256"),
        ({"UPSUN_AGENT_SHA256": "abc"}, "holds no SHA-256", "UPSUN_AGENT_SHA256"),
        ({"UPSUN_AGENT_SOURCE": "/no/such"}, "neither a URL nor a directory", ""),
        ({"UPSUN_AGENT_SOURCE": "/usr"}, f"/usr does not hold {NAME}", "put the archive"),
        ({"UPSUN_AGENT_TIMEOUT": "1m"}, "UPSUN_AGENT_TIMEOUT is '1m'", "number of seconds"),
        ({"UPSUN_AGENT_PYTHON": "no-such"}, "there is no interpreter 'no-such'", "unset UPSUN_AGENT_PYTHON"),
        (
            {"UPSUN_AGENT_PYTHON": "OLD"},
            "Python 3.9.2 is too old",
            "or brings its own",
        ),
    ],
)
def test_what_is_wrong_is_said_with_the_remedy_before_anything_is_fetched(
    app: Path, tmp_path: Path, origin: Origin, changes: dict[str, str], message: str, remedy: str
) -> None:
    old = tmp_path / "old python"
    old.write_text('#!/bin/sh\ncase "$*" in *version_info*) exit 1;; *-V*) echo Python 3.9.2;; *) echo "$0";; esac\n')
    old.chmod(0o755)
    changes = {name: value.replace("OLD", str(old)) for name, value in changes.items()}
    done = install(SCRIPT, app, variables(app, origin.url, **changes))
    assert done.returncode == 1
    assert message in done.stderr
    assert remedy in done.stderr
    assert origin.request_log == []


# --- secrets and surroundings --------------------------------------------------------------------------------


def test_no_child_sees_the_token_and_a_trace_does_not_show_it(app: Path, origin: Origin) -> None:
    done = install(SCRIPT, app, variables(app, origin.url), "-x")
    assert done.returncode == 0, done.stderr
    told = (app / "variables").read_text()
    assert CANARY not in told
    assert "UPSUN_CLI_TOKEN=hidden-by-the-build-hook" in told  # so that the check can warn that it was there
    assert "PLATFORMSH_CLI_TOKEN" not in told


def test_a_login_in_the_url_is_not_shown(app: Path, origin: Origin, path: str) -> None:
    url = origin.url.replace("http://", "http://somebody:secret-of-the-mirror@")
    for answers in ([404], [500] * 5):
        origin.script = list(answers)
        done = install(SCRIPT, app, variables(app, url, PATH=path))
        assert done.returncode == 1
        assert "secret-of-the-mirror" not in done.stdout + done.stderr


def test_it_needs_no_home_no_cache_and_no_usual_umask(tmp_path: Path, origin: Origin, path: str) -> None:
    app = new_app(tmp_path / "with a space")
    own = variables(app, origin.url, PATH=path)
    for name in ("HOME", "PLATFORM_CACHE_DIR"):
        own.pop(name, None)
    done = install(SCRIPT, app, own, umask=0o777)
    assert done.returncode == 0, done.stderr
    assert ran(app)


# --- the whole of it -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A real install from the wheelhouse: no network, no HOME, a space in the name, an odd umask."""
    app = new_app(tmp_path_factory.mktemp("installed") / "an app")
    own = surroundings(app, UPSUN_AGENT_SOURCE=str(wheelhouse()))
    del own["HOME"]
    done = install(wheelhouse() / "install.sh", app, own, umask=0o077)
    assert done.returncode == 0, done.stdout + done.stderr
    return app, done.stdout


def test_a_wheelhouse_is_all_that_an_install_needs(installed: tuple[Path, str]) -> None:
    app, said = installed
    assert "warn  token" in said
    assert "installed upsun-agent" in said
    library = app / ".upsun-agent" / "lib"
    assert len(list(library.glob("_cffi_backend.cpython-*.so"))) == 4
    assert len(list(library.glob("msgspec/_core.cpython-*.so"))) == 4
    assert all(file.stat().st_mode & 0o044 == 0o044 for file in library.rglob("*"))


def test_no_other_dependency_is_compiled_for_one_version_of_python(installed: tuple[Path, str]) -> None:
    """Or the install would not serve the other versions: build.sh has to treat it as it does cffi and msgspec."""
    library = installed[0] / ".upsun-agent" / "lib"
    compiled = {str(file.relative_to(library)).partition(".")[0] for file in library.rglob("*.cpython-*.so")}
    assert compiled == {"_cffi_backend", "msgspec/_core"}


def test_the_same_again_does_nothing_and_something_else_installs(installed: tuple[Path, str]) -> None:
    app, _ = installed
    own = surroundings(app, UPSUN_AGENT_SOURCE=str(wheelhouse()))
    place = app / ".upsun-agent"
    before = place.stat().st_ino
    done = install(wheelhouse() / "install.sh", app, own)
    assert done.returncode == 0
    assert "already installed" in done.stdout
    assert "warn  token" in done.stdout
    assert place.stat().st_ino == before

    (place / "lib" / "upsun_agent" / "cli" / "main.py").write_text("raise SystemExit(70)")
    shutil.rmtree(place / "lib" / "upsun_agent" / "cli" / "__pycache__")
    done = install(wheelhouse() / "install.sh", app, own)
    assert done.returncode == 0, done.stderr
    assert "already installed" not in done.stdout
    assert place.stat().st_ino != before


def test_hooks_do_not_depend_on_the_shell_being_dash_alone() -> None:
    assert SHELL.endswith("dash"), "install dash: crons and hooks run under it"
