"""What tests need of the machine. Without it they are skipped loudly, and fail where CI runs them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

from tests.harness.sources import REPOSITORY
from tools.databases import Server


def missing(what: str, unchecked: str) -> NoReturn:
    """End the test: ``what`` is missing, so ``unchecked`` is not checked."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what}: {unchecked} cannot be checked")
    pytest.skip(f"NOT CHECKED: {what}")


def program(name: str, unchecked: str) -> str:
    """The program's path, also from where only root looks."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin") or missing(f"{name} is missing", unchecked)


def database(kind: type[Server], unchecked: str) -> type[Server]:
    """The kind of database server, whose programs are there."""
    lacking = kind.missing()
    if lacking:
        missing(f"{', '.join(lacking)} of {kind.__name__} missing", unchecked)
    return kind


def strace(unchecked: str) -> str:
    """The path of a strace that works: ptrace may be refused."""
    path = program("strace", unchecked)
    if subprocess.run([path, "-o", os.devnull, "true"], capture_output=True, check=False).returncode:
        missing("ptrace is refused", unchecked)
    return path


def node_modules(unchecked: str, *packages: str) -> str:
    """Return the directory in which these npm packages are."""
    place = Path(os.environ.get("UPSUN_NODE_MODULES") or REPOSITORY / "node_modules")
    for name in packages:
        if not (place / name / "package.json").exists():
            missing(f"the npm package {name} is missing in {place} (CONTRIBUTING.md says how to install it)", unchecked)
    return str(place)
