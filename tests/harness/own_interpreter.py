"""An archive in the layout of python-build-standalone, made from a Python at hand, and releases that pin it.

It is the Python of a Debian root with all libraries that it needs, the C library among them: like the real one it
runs in older images, and wherever it is unpacked.
"""

from __future__ import annotations

import atexit
import functools
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from pathlib import Path

from tests.harness.releases import copy_source, digest, wheelhouse
from tools import dist, interpreter
from tools.roots import Root

SERIES = "3.13"
NAME = "cpython-3.13.99+20260301-{machine}-unknown-linux-gnu-install_only_stripped.tar.gz"
#: Starts the real interpreter with the libraries that came along, under the name by which it was called.
STARTER = """\
#!/bin/sh
here=$(dirname -- "$(readlink -f -- "$0")")/..
exec "$here/lib/own/{loader}" --library-path "$here/lib/own" --argv0 "$0" "$here/lib/own/python3" "$@"
"""
#: Parts of the C library that modules in wheels name; the image's own would not go with the one that came along.
LINKED_BY_WHEELS = ("libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1", "libgcc_s.so.1")
#: What the real archive has and the agent never loads, beside what Debian's Python has of it.
NEVER_LOADED = (
    "include/python3.13/Python.h",
    "share/man/man1/python3.13.1",
    "lib/pkgconfig/python3.pc",
    "lib/tcl9.0/init.tcl",
    "lib/libtcl9.0.so",
    "lib/libpython3.13.so.1.0",
    "lib/python3.13/test/test_os.py",
    "lib/python3.13/idlelib/run.py",
    "lib/python3.13/tkinter/__init__.py",
    "lib/python3.13/turtledemo/clock.py",
    "lib/python3.13/ensurepip/__init__.py",
    "lib/python3.13/pydoc_data/topics.py",
    "lib/python3.13/config-3.13-x86_64-linux-gnu/Makefile",
    "lib/python3.13/lib-dynload/_testcapi.so",
    "lib/python3.13/__pycache__/os.cpython-313.pyc",
    "bin/idle3",
    "bin/pip3",
    "bin/python3-config",
)


def machine() -> str:
    return os.uname().machine


def name() -> str:
    return NAME.format(machine=machine())


@functools.cache
def archive(root: Root) -> bytes:
    """The archive, made of that root's Python."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch) / "python"
        library, own = place / "lib" / f"python{SERIES}", place / "lib" / "own"
        unwanted = shutil.ignore_patterns("__pycache__", "test", "*-packages", "sitecustomize.py")
        shutil.copytree(root.path / f"usr/lib/python{SERIES}", library, ignore=unwanted)
        own.mkdir()
        (place / "bin").mkdir()
        shutil.copy(root.path / f"usr/bin/python{SERIES}", own / "python3")
        loader = _libraries(root, own, library)
        (place / "bin" / f"python{SERIES}").write_text(STARTER.format(loader=loader))
        (place / "bin" / f"python{SERIES}").chmod(0o755)
        for short in ("python3", "python"):
            (place / "bin" / short).symlink_to(f"python{SERIES}")
        for each in NEVER_LOADED:
            (place / each).parent.mkdir(parents=True, exist_ok=True)
            (place / each).write_text("never loaded: it would fail\n")
        (pip,) = wheelhouse().glob("pip-*.whl")
        with zipfile.ZipFile(pip) as wheel:
            wheel.extractall(library / "site-packages")  # noqa: S202  its hash is pinned
        output = io.BytesIO()
        with tarfile.open(fileobj=output, mode="w:gz", compresslevel=1) as made:
            made.add(place, "python")
        return output.getvalue()


def _libraries(root: Root, own: Path, library: Path) -> str:
    """Copy the loader and all shared libraries that the interpreter and its modules need; return the loader's name."""
    (loader,) = (root.path / "usr/lib").glob("*-linux-gnu/ld-linux-*.so.*")
    for file in (own / "python3", *library.glob("lib-dynload/*.so")):
        command = [str(loader), "--library-path", str(loader.parent), "--list", str(file)]
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        for line in listed.splitlines():
            found = line.partition("=>")[2].split()
            if found and found[0].startswith("/") and not (own / Path(found[0]).name).exists():
                shutil.copy(found[0], own)
    for file in (loader, *(loader.parent / each for each in LINKED_BY_WHEELS)):
        shutil.copy(file, own)
    return loader.name


def pin(content: bytes, source: Path) -> None:
    """Have the release in that folder pin this archive, whatever the architecture."""
    lines = [
        interpreter.Pin(each, "3.13.99", digest(content), f"{interpreter.PLACE}/20260301/{_quoted(each)}")
        for each in interpreter.MACHINES
    ]
    (source / interpreter.PINS).write_text(interpreter.HEAD + "".join(each.line() for each in lines))
    interpreter.read(source / interpreter.PINS)


def _quoted(each: str) -> str:
    return NAME.format(machine=each).replace("+", "%2B")


@functools.cache
def release(root: Root) -> Path:
    """A folder with install.sh, the archive of the agent and its wheels; the interpreter that it pins is not in it."""
    place = Path(tempfile.mkdtemp(prefix="upsun-agent-own-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    source = copy_source(place / "source")
    pin(archive(root), source)
    made = dist.Release(source)
    folder = place / "release"
    shutil.copytree(wheelhouse(), folder)
    (folder / f"{made.name}.tar").write_bytes(made.archive())
    (folder / "install.sh").write_bytes(made.installer())
    for each in folder.iterdir():
        each.chmod(0o644)
    for each in (place, folder):
        each.chmod(0o755)
    return folder
