"""The lines for the build hook that fetch a release, run as the install page prints them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness.release_server import Origin, serving
from tests.harness.releases import install, surroundings
from tests.harness.sources import REPOSITORY
from tools import dist

#: More than a socket's buffers hold.
MOST_SENT = 30_000_000


RELEASE = dist.Release(REPOSITORY)


@pytest.fixture
def origin() -> Iterator[Origin]:
    with serving() as origin:
        yield origin


def snippet(tmp_path: Path, origin: Origin, edit: Callable[[str], str] = str) -> Path:
    release = dist.Release(REPOSITORY)
    hook = tmp_path / "hook.sh"
    lines = release.snippet("url").split("build: |\n")[1]
    hook.write_text(edit(lines.replace(f"{dist.EXAMPLE}/v{release.version}", origin.url)))
    return hook


def test_the_lines_keep_their_file_where_nobody_else_can_change_it(app: Path, tmp_path: Path, origin: Origin) -> None:
    origin.files["/install.sh"] = dist.Release(REPOSITORY).installer()
    scratch = tmp_path / "shared"
    scratch.mkdir(mode=0o777)
    hook = snippet(tmp_path, origin)
    done = install(hook, app, surroundings(app, UPSUN_AGENT_SOURCE="/no/such", TMPDIR=str(scratch)))
    assert "neither a URL nor a directory" in done.stderr, "install.sh ran"
    (kept,) = scratch.rglob("install.sh")
    assert kept.parent != scratch
    assert kept.parent.stat().st_mode & 0o077 == 0
    assert "/tmp/" not in hook.read_text()  # noqa: S108  that is what it says


def test_the_lines_read_no_curlrc_and_stop_at_an_installer_without_end(
    app: Path, tmp_path: Path, origin: Origin
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".curlrc").write_text(f'trace-ascii = "{tmp_path}/trace"\n')
    origin.script = ["endless"] * 9
    hook = snippet(tmp_path, origin, lambda text: text.replace("--retry 5 ", ""))
    done = install(hook, app, surroundings(app, HOME=str(home), CURL_HOME=str(home)))
    assert done.returncode != 0
    assert origin.request_log == ["/install.sh"]
    assert origin.sent < MOST_SENT
    assert not (tmp_path / "trace").exists()


def test_a_release_pins_the_size_of_its_archive() -> None:
    release = dist.Release(REPOSITORY)
    assert f"\nsize={len(release.archive())}\n".encode() in release.installer()
    assert len(release.installer()) < 200 * 512, "the lines for the build hook take no more"


# --- an address that is gone -------------------------------------------------------------------------------------


def test_a_404_of_the_installer_is_said_once_and_at_once(app: Path, tmp_path: Path, origin: Origin) -> None:
    hook = snippet(tmp_path, origin)
    started = time.monotonic()
    done = install(hook, app, surroundings(app))
    assert time.monotonic() - started < 5
    assert done.returncode != 0
    assert origin.request_log == ["/install.sh"], "a 404 does not pass: it is not tried again"
    said = [line for line in done.stderr.splitlines() if line.startswith("upsun-agent: ")]
    assert len(said) == 1
    assert f"{origin.url}/install.sh cannot be fetched" in said[0]
    assert "upsun-agent-setup upgrade" in said[0]
    assert "404" in done.stderr
    assert not (app / ".upsun-agent").exists()


def test_a_404_of_the_archive_is_said_once_and_at_once(app: Path, tmp_path: Path, origin: Origin) -> None:
    origin.files["/install.sh"] = RELEASE.installer()
    hook = snippet(tmp_path, origin)
    started = time.monotonic()
    done = install(hook, app, surroundings(app))
    assert time.monotonic() - started < 5
    assert done.returncode != 0
    assert origin.request_log == ["/install.sh", f"/{RELEASE.name}.tar"]
    assert done.stderr.count("upsun-agent: ") == 1
    assert "is not there (HTTP 404)" in done.stderr
    assert "UPSUN_AGENT_SOURCE has to be a URL that holds" in done.stderr


def test_what_passes_is_tried_again(app: Path, tmp_path: Path, origin: Origin) -> None:
    origin.files["/install.sh"] = RELEASE.installer()
    origin.script = [503]
    hook = snippet(tmp_path, origin)
    done = install(hook, app, surroundings(app, UPSUN_AGENT_SOURCE="/no/such"))
    assert origin.request_log == ["/install.sh", "/install.sh"]
    assert "neither a URL nor a directory" in done.stderr, "install.sh ran, and a variable of the user's wins"


# --- a release in the repository ---------------------------------------------------------------------------------


def test_without_its_archive_the_installer_says_what_is_missing(app: Path) -> None:
    folder = app / ".upsun-agent-release"
    folder.mkdir()
    (folder / "install.sh").write_bytes(RELEASE.installer())
    hook = app.parent / "hook.sh"
    hook.write_text(RELEASE.snippet("vendor").split("build: |\n")[1])
    done = install(hook, app, surroundings(app))
    assert done.returncode == 1
    assert f"{RELEASE.name}.tar is not beside .upsun-agent-release/install.sh" in done.stderr


def test_an_archive_that_git_or_somebody_changed_is_not_used(app: Path) -> None:
    folder = app / ".upsun-agent-release"
    folder.mkdir()
    (folder / "install.sh").write_bytes(RELEASE.installer())
    (folder / f"{RELEASE.name}.tar").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    hook = app.parent / "hook.sh"
    hook.write_text(RELEASE.snippet("vendor").split("build: |\n")[1])
    done = install(hook, app, surroundings(app))
    assert done.returncode == 1
    assert "is not the pinned archive: it was not used" in done.stderr
