"""The lines for the build hook, run as the README prints them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness.release_server import Origin, serving
from tests.harness.releases import install, surroundings
from tests.harness.sources import REPOSITORY
from tools import dist

#: More than a socket's buffers hold.
MOST_SENT = 30_000_000


@pytest.fixture
def origin() -> Iterator[Origin]:
    with serving() as origin:
        yield origin


def snippet(tmp_path: Path, origin: Origin, edit: Callable[[str], str] = str) -> Path:
    release = dist.Release(REPOSITORY)
    hook = tmp_path / "hook.sh"
    lines = release.snippet().split("build: |\n")[1]
    hook.write_text(edit(lines.replace(f"{dist.RELEASES}/v{release.version}", origin.url)))
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
