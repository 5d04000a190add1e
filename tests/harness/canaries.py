"""Every test runs under a search for secrets: whatever it writes, prints or starts must hold none (promise P5).

Secrets are those that a simulated platform accepts or gives out, and whatever the agent itself hides and a test named
so that it is known (``canary``). They are searched for in what a test captured, in what processes said, in the
arguments of processes, in every file below the directories that a test was given, and in the bodies of pings. A test
whose purpose is to hold a secret somewhere says exactly where, and why: ``@pytest.mark.holds_secret(PLACE, reason=…)``.
"""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from functools import wraps
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

LEAST = 12  # characters: shorter values stand in innocent words
FILE_MOST, FILES_MOST = 8 * 1024 * 1024, 4000  # bytes of one file, files of one test: more is an installation
#: How every bearer of the simulator begins: its header, and the start of its payload.
BEARER = base64.urlsafe_b64encode(b'{"alg": "none", "typ": "JWT"}').rstrip(b"=") + b".eyJzdWIi"

#: Where a secret may stand in every test. The simulator's own source holds the invented tokens of its defaults, and so
#: does the archive of a release.
EVERYWHERE = ("file */agent/simulator/*", "file */upsun-agent-*.tar")

_planted: set[str] = set()
_found: dict[str, str] = {}  # place and what of, and a word about it
_started = 0


def plant(value: str | None) -> None:
    """Search for this value from now on, until the next module."""
    if value and len(value.strip()) >= LEAST:
        _planted.add(value.strip())


def needles() -> set[bytes]:
    """The secrets in the forms in which they could get out."""
    forms = {BEARER}
    for value in _planted:
        raw = value.encode()
        forms |= {raw, quote(value, safe="").encode(), base64.b64encode(raw).rstrip(b"=")[:-1]}
    return forms


def search(data: str | bytes | None, place: str) -> None:
    """Note a secret in the data."""
    if not data:
        return
    raw = data.encode("utf-8", "replace") if isinstance(data, str) else data
    if any(needle in raw for needle in needles()):
        _found.setdefault(place, "holds a secret")


def search_files(directories: Iterable[Path]) -> None:
    """Note every file below the directories that holds a secret; links are not followed."""
    wanted, seen = needles(), 0
    for directory in directories:
        for root, _, names in os.walk(directory):
            for name in names:
                path = Path(root, name)
                seen += 1
                if seen > FILES_MOST or path.is_symlink() or not path.is_file() or path.stat().st_size > FILE_MOST:
                    continue
                try:
                    data = path.read_bytes()
                except OSError:
                    continue
                if any(needle in data for needle in wanted):
                    _found.setdefault(f"file {path}", "holds a secret")


def search_processes(first: int) -> None:
    """Note a secret in the arguments of a process or of one that it started."""
    queue = [first]
    while queue:
        number = queue.pop()
        try:
            search(Path(f"/proc/{number}/cmdline").read_bytes(), f"arguments of process {number}")
            children = Path(f"/proc/{number}/task/{number}/children").read_text()
        except OSError:
            continue
        queue += [int(child) for child in children.split()]


# --- what is listened to -----------------------------------------------------------------------------------------


def listen() -> None:
    """Hear of every secret and of every place where one could get out, in this process, from now on."""
    # Late: what is imported before coverage is measured would count as never run.
    from upsun_agent.log.redaction import Redaction
    from upsun_simulator.tokens import Tokens

    _wrap(Tokens, "add", lambda _, secret, *__, **___: plant(secret))
    _wrap(Redaction, "hide", lambda _, secret: plant(secret if "canary" in (secret or "") else None))
    _wrap(subprocess.Popen, "__init__", lambda _, arguments=(), *__, **___: search(_line(arguments), "arguments"))
    _wrap(subprocess.Popen, "communicate", lambda process, *_, **__: search_processes(process.pid), _said)
    _wrap(pytest.CaptureFixture, "readouterr", None, lambda captured: _said((captured.out, captured.err)))


def _line(arguments: Any) -> bytes:
    listed = [arguments] if isinstance(arguments, str | bytes | os.PathLike) else list(arguments)
    return b"\0".join(os.fsencode(each) for each in listed)


def _said(outputs: Any) -> None:
    for text, place in zip(outputs, ("output", "error output"), strict=True):
        if isinstance(text, str | bytes):
            search(text, place)


def _wrap(owner: Any, name: str, before: Any, after: Any = None) -> None:
    inner = getattr(owner, name)

    @wraps(inner)
    def wrapped(*arguments: Any, **settings: Any) -> Any:
        if before is not None:
            before(*arguments, **settings)
        result = inner(*arguments, **settings)
        if after is not None:
            after(result)
        return result

    setattr(owner, name, wrapped)


# --- around each test --------------------------------------------------------------------------------------------


def begin(*, new_module: bool) -> None:
    """Forget what was found, and with a new module its secrets."""
    _found.clear()
    if new_module:
        _planted.clear()


def allowed(item: pytest.Item) -> Iterator[str]:
    """The places where this test may hold a secret, each with a reason beside it."""
    for mark in item.iter_markers("holds_secret"):
        assert mark.kwargs.get("reason"), "holds_secret needs a reason"
        yield from mark.args


def places(item: pytest.Item) -> list[Path]:
    """The directories that the test was given."""
    given = getattr(item, "funcargs", {})
    return [value for value in given.values() if isinstance(value, Path) and value.is_dir()]


def leaks(item: pytest.Item) -> list[str]:
    """Where the test left a secret that it may not leave there."""
    patterns = [*EVERYWHERE, *allowed(item)]
    return sorted(f"{place} {word}" for place, word in _found.items() if not any(fnmatch(place, p) for p in patterns))
