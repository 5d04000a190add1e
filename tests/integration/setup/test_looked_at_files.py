"""Checkouts with files that ``init`` only looks at, or whose form only a disk has: each is set up or refused."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from upsun_agent.limits import CONFIG_MOST_BYTES

from tests.harness.init_command import Result, commit, contents, git
from tests.integration.setup.test_managers import SHELL

CONFIG = ".upsun/config.yaml"
Init = Callable[..., Result]
LARGE = CONFIG_MOST_BYTES + 200_000
UTF_16 = "flask==3.0.0\n".encode("utf-16")


def config(kind: str, more: str = "") -> str:
    return f"applications:\n  app:\n    type: '{kind}'\n{more}"


def fresh(checkout: Path, text: str, files: dict[str, bytes]) -> None:
    """Put a configuration and files in the place of those of the checkout."""
    (checkout / CONFIG).write_text(text)
    (checkout / "composer.lock").unlink()
    for name, data in files.items():
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_bytes(data)
    commit(checkout)


def twice(init: Init, checkout: Path) -> str:
    """Set it up, see that a second time changes nothing, and return what the first time said."""
    said = init("--yes")
    assert (said.code, said.err) == (0, "")
    after = contents(checkout)
    again = init("--yes")
    assert again.out.startswith("Nothing to do"), again.out + again.err
    assert contents(checkout) == after
    return said.out


#: The type of the app, its files, and what updates; nothing where no operation is proposed.
LOOKED_AT: dict[str, tuple[str, dict[str, bytes], str]] = {
    "a large lock file": ("php:8.4", {"composer.lock": b'{"_": "' + b"x" * LARGE + b'"}'}, "composer update"),
    "a lock file of many lines": ("nodejs:24", {"package-lock.json": b"{\n" + b"\n" * 60_000 + b"}"}, "npm update"),
    "a large lock file of yarn": ("nodejs:24", {"yarn.lock": b"__metadata:\n" + b"# x\n" * LARGE}, "yarn up -R"),
    "large requirements": ("python:3.13", {"requirements.txt": b"flask==3.0.0\n" + b"# \xc3\xa9\n" * LARGE}, "pur -r"),
    "a binary lock file": ("nodejs:24", {"bun.lockb": b"#!/usr/bin/env bun\n\xd1\x00\xff"}, "bun update"),
    "a binary lock file of another tool": ("ruby:3.4", {"Gemfile.lock": b"\xff\xfe\x00"}, "bundle lock"),
    "a cache folder": (
        "nodejs:24",
        {"yarn.lock": b"__metadata:\n", ".yarn/cache/a.zip": b"PK\x03"},
        "git add yarn.lock .yarn/cache",
    ),
    "requirements with a byte order mark": ("python:3.13", {"requirements.txt": b"\xef\xbb\xbfa==1\n"}, "pur -r"),
    "requirements in UTF-16": ("python:3.13", {"requirements.txt": UTF_16}, ""),
    "requirements of pip-tools in UTF-16": ("python:3.13", {"requirements.txt": UTF_16, "requirements.in": b"a"}, ""),
    "requirements that are a folder": ("python:3.13", {"requirements.txt/base.txt": b"a==1"}, ""),
}


@pytest.mark.parametrize("what", LOOKED_AT)
def test_no_size_and_no_content_of_a_file_that_is_looked_at_is_refused(init: Init, checkout: Path, what: str) -> None:
    kind, files, update = LOOKED_AT[what]
    fresh(checkout, config(kind), files)
    said = twice(init, checkout)
    text = (checkout / CONFIG).read_text()
    assert update in text
    assert ("operations" in text) == bool(update)
    assert ("requirements.txt is not UTF-8" in said) == (not update)


def test_a_lock_file_that_leads_out_of_the_checkout_is_not_there(init: Init, checkout: Path) -> None:
    fresh(checkout, config("php:8.4"), {})
    (checkout.parent / "composer.lock").write_text("{}")
    (checkout / "composer.lock").symlink_to("../composer.lock")
    twice(init, checkout)
    assert "operations" not in (checkout / CONFIG).read_text()


def test_an_include_that_is_only_looked_at_need_not_be_there(init: Init, checkout: Path) -> None:
    web = "    web:\n      locations: !include locations.yaml\n"
    fresh(checkout, config("python:3.13", web), {})
    twice(init, checkout)


def test_a_lock_file_that_git_ignores_is_not_updated(init: Init, checkout: Path) -> None:
    fresh(checkout, config("php:8.4"), {".gitignore": b"composer.lock\n", "package-lock.json": b"{}"})
    (checkout / "composer.lock").write_text("{}")
    said = twice(init, checkout)
    assert "Git ignores composer.lock" in said
    assert "git add package-lock.json\n" in (checkout / CONFIG).read_text()


def in_dash(checkout: Path, installed: str, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script in an app whose build hook has installed that ``environment.sh``."""
    (checkout / ".upsun-agent").mkdir()
    (checkout / ".upsun-agent" / "environment.sh").write_text(installed)
    return subprocess.run(
        [SHELL, "-c", script],
        cwd=checkout,
        env={"PLATFORM_APP_DIR": str(checkout)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_dash_reads_the_line_in_an_environment_file_of_windows(init: Init, checkout: Path) -> None:
    fresh(checkout, config("python:3.13"), {".environment": b"export A=1\r\nexport B=2"})
    twice(init, checkout)
    data = (checkout / ".environment").read_bytes()
    assert data.startswith(b"# The agent on the PATH")
    assert data.endswith(b'environment.sh"\nexport A=1\r\nexport B=2')
    done = in_dash(checkout, "C=3\n", '. ./.environment; echo "survived $C"')
    assert (done.returncode, done.stdout) == (0, "survived 3\n"), done.stderr


def test_an_included_hook_of_windows_gets_lines_that_dash_reads(init: Init, checkout: Path) -> None:
    hooks = "    hooks:\n      build: !include {type: string, path: build.sh}\n"
    fresh(checkout, config("python:3.13", hooks), {"build.sh": b"set -e\r\nmake\r\n"})
    twice(init, checkout)
    lines = (checkout / "build.sh").read_bytes().split(b"\n")
    assert [line.endswith(b"\r") for line in lines] == [True, *[False] * (len(lines) - 3), True, False]


def test_a_file_that_two_apps_include_is_not_changed(init: Init, checkout: Path) -> None:
    text = "".join(f"  {name}:\n    type: 'python:3.13'\n    crons: !include crons.yaml\n" for name in ("one", "two"))
    fresh(checkout, f"applications:\n{text}", {"crons.yaml": b"a: {spec: '0 * * * *', commands: {start: x}}\n"})
    before = contents(checkout)
    said = init("--yes", "--app", "one")
    assert (said.code, "crons.yaml is included in several places" in said.err) == (78, True)
    assert contents(checkout) == before


def test_a_root_that_is_not_there_is_refused(init: Init, checkout: Path) -> None:
    fresh(checkout, config("python:3.13", "    source: {root: bakcend}\n"), {"backend/main.py": b""})
    before = contents(checkout)
    said = init("--yes")
    assert (said.code, "config.yaml:3: source.root 'bakcend' is not in the checkout" in said.err) == (78, True)
    assert contents(checkout) == before


def test_the_commands_for_a_submodule_are_ones_that_git_takes(init: Init, checkout: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q", "-b", "main")
    (other / "main.py").write_text("")
    commit(other)
    fresh(checkout, config("python:3.13", "    source: {root: api}\n"), {})
    git(checkout, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other), "api")
    commit(checkout)
    document = json.loads(init("--json", "--yes").out)
    assert "api is a Git submodule" in json.dumps(document["remarks"])
    push = next(each for each in document["next"] if each.startswith("push: ")).removeprefix("push: ")
    own = 'git() { command git -c user.name=A -c user.email=a@example.invalid "$@"; }\n'
    script = own + push.replace("; then ", "\n").replace("git -C api push", "true").replace("git push", "true")
    done = subprocess.run([SHELL, "-ec", script], cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert git(checkout, "status", "--porcelain") == ""
