"""What is on the disk when a request leaves: seen from outside, in the system calls of a real tick."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.agent_process import COMMAND
from tests.harness.container import due_container
from tests.harness.needs import strace

CALL = re.compile(r"^(?:\d+\s+)?(?P<name>\w+)\((?P<rest>.*)$")


@pytest.fixture
def traced(tmp_path: Path) -> list[tuple[str, str]]:
    """The calls of one tick that takes the backup, proves it and asks for the update."""
    trace = tmp_path / "trace"
    calls = "trace=fsync,fdatasync,pwrite64,write,sendto,sendmsg,unlink,ftruncate"
    command = [
        strace("whether intents are synced"),
        "-f",
        "-y",
        "-s",
        "80",
        "-e",
        calls,
        "-o",
        str(trace),
        *COMMAND,
        "tick",
    ]
    with due_container(tmp_path, backup_seconds=0) as container:
        variables = container.agent.environment()
        done = subprocess.run(
            command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False, timeout=60
        )
    assert done.returncode == 0, done.stderr
    assert sys.executable in COMMAND
    found = [CALL.match(line) for line in trace.read_text(errors="replace").splitlines()]
    return [(match["name"], match["rest"]) for match in found if match]


def test_every_intent_is_synced_before_its_request_leaves(traced: list[tuple[str, str]]) -> None:
    """The file, and then the rollback file: a commit is the removal of what is in it."""
    unsynced: set[str] = set()
    posts = commits = 0
    for name, rest in traced:
        rollback = "/state/journal.sqlite-journal" in rest
        if name == "pwrite64" and "/state/journal.sqlite>" in rest:
            unsynced.add("file")
        elif rollback and name in {"unlink", "ftruncate"}:
            unsynced.add("directory" if name == "unlink" else "rollback file")
            commits += 1
        elif name in {"fsync", "fdatasync"}:
            unsynced.discard(
                "file" if "/state/journal.sqlite>" in rest else "rollback file" if rollback else "directory"
            )
        elif name == "sendto" and "POST /" in rest and "oauth2" not in rest:
            posts += 1
            assert not unsynced, f"not synced before {rest[:60]}"
            assert commits, "an intent is written before each request"
            commits = 0
    assert posts == 2
