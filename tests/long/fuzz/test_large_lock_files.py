"""Lock files as large as real ones take little memory; those made to take much are refused before they do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from upsun_agent.limits import LOCK_FILE_MOST_BYTES

from bench.lock_files import composer_lock, package_lock, pnpm_lock, yarn_lock
from tests.harness.sources import SOURCES

MOST = LOCK_FILE_MOST_BYTES
#: Reads two files and compares them; prints how much memory that took at most, in bytes, and what was found.
PROBE = """\
import json, sys
from upsun_agent.packages.compare import compare, read
from upsun_agent.packages import formats, versions
import tomllib
from tests.harness.measured import limit, most_memory
def data(path):
    with open(path, "rb") as file:
        return file.read()
name, *paths = sys.argv[1:]
limit(10)
before = most_memory()
old, new = (read(name, data(path)) for path in paths)
changes = compare(old, new).changes
print(json.dumps([most_memory() - before, len(new.packages), len(changes), new.fault]))
"""


def read_apart(directory: Path, name: str, old: bytes, new: bytes) -> tuple[float, int, int, str | None]:
    """Read and compare in a process of its own; return MiB, packages, changes, and why it could not be read."""
    for place, text in (("old", old), ("new", new)):
        (directory / place).write_bytes(text)
    done = subprocess.run(
        [sys.executable, "-c", PROBE, name, str(directory / "old"), str(directory / "new")],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": SOURCES},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-1000:]
    memory, packages, changes, fault = json.loads(done.stdout)
    return memory / 1024**2, packages, changes, fault


@pytest.mark.parametrize(
    ("name", "made", "most"),
    [
        ("composer.lock", composer_lock, 8),
        ("package-lock.json", package_lock, 18),
        ("pnpm-lock.yaml", pnpm_lock, 8),
        ("yarn.lock", yarn_lock, 8),
    ],
)
def test_two_large_lock_files_are_compared_within_little_memory(
    tmp_path: Path, name: str, made: Callable[..., bytes], most: float
) -> None:
    """A working tick takes up to 40 MiB, and may take 64."""
    memory, packages, changes, fault = read_apart(tmp_path, name, made(), made(updated=True))
    assert fault is None
    assert packages > 1000
    assert packages / 4 < changes < packages / 2
    assert memory < most


def filled(unit: bytes, head: bytes = b"", tail: bytes = b"", joined: bytes = b"", most: int = MOST) -> bytes:
    """As many units as fit into the largest file that is read, each with its number."""
    longest = len(unit.replace(b"N", b"9999999")) + len(joined)
    units = (unit.replace(b"N", b"%d" % number) for number in range((most - len(head) - len(tail)) // longest))
    return head + joined.join(units) + tail


KEYS = 4_000_000  # bytes of JSON with almost as many keys as are read
HOSTILE: dict[str, tuple[str, Callable[[], bytes]]] = {
    "many folders of npm": (
        "package-lock.json",
        lambda: filled(b'"node_modules/N":{}', b'{"lockfileVersion":3,"packages":{', b"}}", b",", KEYS),
    ),
    "many packages of npm 1": (
        "package-lock.json",
        lambda: filled(b'"N":{"version":"1"}', b'{"dependencies":{', b"}}", b",", KEYS // 2),
    ),
    "too many keys": ("composer.lock", lambda: filled(b'"N":0', b"{", b"}", b",")),
    "many small packages": (
        "composer.lock",
        lambda: filled(b'{"name":"a/N","version":"1"}', b'{"packages":[', b"]}", b",", KEYS // 2),
    ),
    "many items in a list of bun": (
        "bun.lock",
        lambda: filled(b"[1,]", b'{"lockfileVersion":1,"workspaces":{},"packages":{"a":[', b"]}}", b","),
    ),
    "comments without an end": ("bun.lock", lambda: b"/*" * (MOST // 2)),
    "quotes without an end": ("bun.lock", lambda: b'"\\' * (MOST // 2)),
    "many blocks of yarn": ("yarn.lock", lambda: filled(b"N:\n", b"__metadata:\n  version: 8\n")),
    "many requirements of one package": (
        "yarn.lock",
        lambda: filled(
            b"    N: 1\n",
            b'__metadata:\n  version: 8\n"a@workspace:.":\n  resolution: "a@workspace:."\n  dependencies:\n',
        ),
    ),
    "many packages of pnpm": ("pnpm-lock.yaml", lambda: filled(b"  N@1:\n", b"lockfileVersion: 9.0\npackages:\n")),
    "many direct ones of pnpm": (
        "pnpm-lock.yaml",
        lambda: filled(b"  N: 1\n", b"lockfileVersion: 9.0\ndependencies:\n"),
    ),
    "many requirements": ("requirements.txt", lambda: filled(b"aN==1\n")),
    "a requirement of many lines": ("requirements.txt", lambda: b"a==1 \\\n" + b"x\\\n" * (MOST // 3 - 3)),
    "spaces within lines": ("requirements.txt", lambda: filled(b"aN" + b" " * 200_000 + b"x\n")),
    "brackets within lines": ("requirements.txt", lambda: filled(b"aN" + b"[" * 200_000 + b"\n")),
    "spaces behind a version": ("requirements.txt", lambda: filled(b"aN==1" + b" " * 200_000 + b"x\n")),
    "quotes within lines": ("yarn.lock", lambda: filled(b'"' * 200_001 + b":\n", b"# yarn lockfile v1\n")),
    "quotes of go": ("go.mod", lambda: filled(b'require "`' + b'"`' * 100_000 + b"\n")),
    "brackets of a gem": ("Gemfile.lock", lambda: filled(b"  aN (" + b"(" * 200_000 + b"\n", b"DEPENDENCIES\n")),
    "a list of mix": ("mix.lock", lambda: filled(b'"a": {:hex, :a, "N"' + b'"' * 200_000 + b"\n", b"%{\n")),
    "hexadecimal digits": (
        "yarn.lock",
        lambda: filled(b"a@N:\n  resolved " + b"0" * 200_000 + b"\n", b"# yarn lockfile v1\n"),
    ),
    "many tables": ("uv.lock", lambda: filled(b'[[package]]\nname="N"\nversion="1"\n', b"version = 1\n")),
    "one table": (
        "uv.lock",
        lambda: filled(b"{},\n", b'version = 1\n[[package]]\nname="a"\nversion="1"\nwheels=[', b"]"),
    ),
    "a long line": ("poetry.lock", lambda: b"[[package]]\n" + b"a." * (MOST // 2 - 9) + b" = 1\n"),
    "many gems": ("Gemfile.lock", lambda: filled(b"    N (1)\n", b"DEPENDENCIES\nGEM\n")),
    "many modules": ("go.mod", lambda: filled(b"\tN v1\n", b"require (\n", b")\n")),
    "many properties": (
        "pom.xml",
        lambda: filled(b"<pN>${p1}${p1}</pN>", b"<project><properties>", b"</properties></project>"),
    ),
    "properties that grow": (
        "pom.xml",
        lambda: (
            b"<project><properties><p>${p}${p}${p}</p></properties>"
            + b"<dependency><version>${p}</version></dependency>" * 20_000
            + b"</project>"
        ),
    ),
    "elements within each other": ("pom.xml", lambda: b"<project>" + b"<a>" * (MOST // 3 - 9)),
    "brackets within each other": ("composer.lock", lambda: b'{"packages":' + b"[" * (MOST - 20)),
}
HOSTILE_MOST = 48  # MiB: files that nobody writes may take more, but bounded


@pytest.mark.parametrize("what", HOSTILE)
def test_a_file_that_is_made_to_take_memory_takes_a_bounded_amount(tmp_path: Path, what: str) -> None:
    name, made = HOSTILE[what]
    data = made()
    assert len(data) <= MOST
    memory, _, _, _ = read_apart(tmp_path, name, b"", data)
    assert memory < HOSTILE_MOST
