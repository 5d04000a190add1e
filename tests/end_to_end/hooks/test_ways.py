"""Every way to install, as the install page prints it: commands in a shell, the hook in a Debian without a network."""

from __future__ import annotations

import http.server
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import yaml

from tests.end_to_end.hooks.test_roots import obtain
from tests.harness.build_hook import SHELL
from tests.harness.doc_blocks import BLOCKS
from tests.harness.hook_containers import Container
from tests.harness.init_command import GIT, commit, git
from tests.harness.releases import wheelhouse
from tests.harness.sources import REPOSITORY
from tools import dist

PAGE = "docs/how-to/install.md"
WHEELS = {"UPSUN_AGENT_WHEELS": "/source"}


def printed(way: str) -> str:
    """The build hook of one way, from the page."""
    text = (REPOSITORY / PAGE).read_text(encoding="utf-8")
    block = text.partition(f"<!-- install: {way} -->")[2].partition("```yaml")[2].partition("```")[0]
    hook: str = yaml.safe_load(block)["applications"]["app"]["hooks"]["build"]
    return hook


@pytest.fixture
def container(tmp_path: Path) -> Container:
    return Container.create(obtain("3.13"), tmp_path)


def installed(container: Container, done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stdout + done.stderr
    assert (container.app / ".upsun-agent" / "bin" / "upsun-agent").exists()
    checked = container.start("exec .upsun-agent/bin/upsun-agent check --phase build", {})
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_release_in_the_repository(container: Container) -> None:
    release = dist.Release(wheelhouse().parent / "source")
    for name, content in release.delivery("vendor").files.items():
        file = container.app / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
    container.hand_over()
    installed(container, container.build(printed("vendor"), WHEELS, source=wheelhouse()))


def test_what_make_dist_writes_can_be_copied_into_the_repository(container: Container, tmp_path: Path) -> None:
    folder = container.app / ".upsun-agent-release"
    command = [sys.executable, "-m", "tools.dist", "--output", str(folder)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    container.hand_over()
    installed(container, container.build(printed("vendor"), WHEELS, source=wheelhouse()))


def test_a_submodule(container: Container, tmp_path: Path) -> None:
    """The commands of the page with real repositories, then the hook in a clone of what was pushed."""
    origin, app = tmp_path / "agent", tmp_path / "project"
    shutil.copytree(wheelhouse().parent / "source", origin)
    git(origin, "init", "-q", "-b", "main")
    commit(origin)
    shutil.copytree(container.app, app)
    git(app, "init", "-q", "-b", "main")
    (command,) = (each.text for each in BLOCKS if each.page == PAGE and each.text.startswith("git submodule add"))
    allowed = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "protocol.file.allow", "GIT_CONFIG_VALUE_0": "always"}
    variables = {**os.environ, **allowed, "UPSUN_AGENT_REPOSITORY": str(origin)}
    subprocess.run([SHELL, "-ec", command], cwd=app, env=variables, check=True, capture_output=True)
    commit(app)
    shutil.rmtree(container.app)
    words = [GIT, "clone", "-q", "--recurse-submodules", str(app), str(container.app)]
    subprocess.run(words, env=variables, check=True, capture_output=True)
    (container.app / "var").mkdir()
    container.hand_over()
    installed(container, container.build(printed("submodule"), WHEELS, source=wheelhouse()))


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A server with the files of the release in the folder of its version."""
    release = dist.Release(REPOSITORY)
    place = tmp_path / "releases" / f"v{release.version}"
    place.mkdir(parents=True)
    (place / "install.sh").write_bytes(release.installer())
    (place / f"{release.name}.tar").write_bytes(release.archive())
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(place.parent))
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]  # silent
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_url(container: Container, url: str) -> None:
    """With the address of a server here in the place of the example's."""
    assert printed("url").count(dist.EXAMPLE) >= 2
    hook = printed("url").replace(dist.EXAMPLE, url)
    app = container.app
    environ = {
        "PATH": os.environ["PATH"],
        "PLATFORM_APP_DIR": str(app),
        "UPSUN_AGENT_WHEELS": str(wheelhouse()),
        "PLATFORM_PROJECT": "abcdefgh1234z",
    }
    done = subprocess.run([SHELL, "-c", hook], cwd=app, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (app / ".upsun-agent" / "bin" / "upsun-agent").exists()
    assert "OK" in done.stdout, "the hash of install.sh was checked"
