"""Releases to install from: a real one made of this checkout, and small ones whose build.sh only tells that it ran."""

from __future__ import annotations

import atexit
import fcntl
import functools
import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.harness.build_hook import SHELL, clean
from tests.harness.sources import REPOSITORY
from tools import dist

STUB_VERSION = "1.2.3"
CANARY = "canary-token-of-the-install"


def copy_source(place: Path) -> Path:
    """What a release is made of, so that an edit meanwhile changes nothing."""
    for part in ("agent", "hooks", "requirements", "LICENSE", "README.md", "pyproject.toml"):
        source = REPOSITORY / part
        if source.is_dir():
            shutil.copytree(source, place / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, place / part)
    return place


@functools.cache
def wheelhouse() -> Path:
    """``make wheelhouse`` of this checkout with install.sh beside it; the wheels are downloaded once for all runs."""
    scratch = Path(tempfile.mkdtemp(prefix="upsun-agent-release-"))
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    release = dist.Release(copy_source(scratch / "source"))
    pins = b"".join((release.source / "requirements" / f"{name}.txt").read_bytes() for name in ("runtime", "installer"))
    kept = REPOSITORY / ".demo" / f"wheelhouse-{hashlib.sha256(pins).hexdigest()[:12]}"
    kept.parent.mkdir(exist_ok=True)
    with (kept.parent / f"{kept.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            new = Path(tempfile.mkdtemp(dir=kept.parent))
            dist.wheelhouse(release, new)
            next(new.glob("*.tar")).unlink()
            new.rename(kept)
    place = scratch / "wheelhouse"
    shutil.copytree(kept, place)
    for foreign in place.glob("*aarch64*"):
        foreign.unlink()
    (place / f"{release.name}.tar").write_bytes(release.archive())
    (place / "install.sh").write_bytes(release.installer())
    place.chmod(0o755)
    for file in place.iterdir():
        file.chmod(0o644)
    return place


def stub(body: str = "") -> bytes:
    """An archive whose build.sh leaves its arguments and variables in the app's directory."""
    output = io.BytesIO()
    script = f'#!/bin/sh\necho "$*" >"$PLATFORM_APP_DIR/ran"\nenv >"$PLATFORM_APP_DIR/variables"\n{body}\n'.encode()
    with tarfile.open(fileobj=output, mode="w") as archive:
        entry = tarfile.TarInfo(f"upsun-agent-{STUB_VERSION}/hooks/build.sh")
        entry.size = len(script)
        archive.addfile(entry, io.BytesIO(script))
    return output.getvalue()


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def flip(file: Path, at: float = 0.5) -> None:
    """One byte of the file changed."""
    content = bytearray(file.read_bytes())
    content[int(len(content) * at)] ^= 1
    file.write_bytes(content)


def surroundings(app: Path, **extra: str) -> dict[str, str]:
    """The variables of a build in which pip reaches nothing unless told to, and with a token that must not get out."""
    own = {name: value for name, value in clean().items() if not name.startswith(("PIP_", "UV_"))}
    cache = app.parent / "cache"
    cache.mkdir(exist_ok=True)
    return {
        **own,
        "CI": "true",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_RETRIES": "0",
        "PLATFORM_APP_DIR": str(app),
        "PLATFORM_CACHE_DIR": str(cache),
        "PLATFORM_PROJECT": "abcdefgh1234z",
        "UPSUN_CLI_TOKEN": CANARY,
        "PLATFORMSH_CLI_TOKEN": CANARY,
        **extra,
    }


def install(
    script: Path, app: Path, variables: Mapping[str, str], *options: str, umask: int = 0o022
) -> subprocess.CompletedProcess[str]:
    """Run an install.sh or build.sh under dash; nothing it prints may hold the token."""
    done = subprocess.run(
        [SHELL, *options, str(script)],
        env=variables,
        cwd=app,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        umask=umask,
    )
    assert CANARY not in done.stdout + done.stderr
    return done
