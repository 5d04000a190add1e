"""The unmodified official CLI, run against the simulator on a socket."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from upsun_simulator import RecordedRequest, Server

from tests.harness.sources import REPOSITORY

VERSION = "5.11.1"
PATIENCE = 60
TOKEN = "simulated-token"
OWNER_TOKEN = "simulated-owner-token"
PLACES = (REPOSITORY / "node_modules/@upsun/cli-linux-x64/bin/upsun",)


def binary() -> str:
    """Where the CLI is; without it the test is skipped, and on a CI machine fails."""
    named = os.environ.get("UPSUN_OFFICIAL_CLI")
    found = [named] if named else [str(place) for place in PLACES if place.is_file()]
    binary = shutil.which(found[0]) if found else shutil.which("upsun")
    if binary is None:
        reason = f"THE OFFICIAL CLI WAS NOT TRIED: set UPSUN_OFFICIAL_CLI to version {VERSION} of it"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return binary


@dataclass
class Outcome:
    """What a run of the CLI left: on its terminal, and in the simulator's request log."""

    code: int
    out: str
    err: str
    requests: list[RecordedRequest]

    @property
    def posts(self) -> list[str]:
        found = [one.path for one in self.requests if one.method == "POST"]
        return [path for path in found if path != "/oauth2/token"]

    @property
    def writes(self) -> list[tuple[str, str, object]]:
        """What was sent that changes something: method, the end of the path, body."""
        found = [one for one in self.requests if one.method != "GET" and one.path != "/oauth2/token"]
        return [(one.method, one.path.removeprefix("/projects/abcdefgh1234z"), one.body) for one in found]


class Cli:
    def __init__(self, binary: str, server: Server, home: Path, unpacked: Path) -> None:
        self.binary = binary
        self.server = server
        self.simulator = server.simulator
        self.environment: dict[str, str] = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            # Unpacking the CLI's own PHP takes longer than most commands, so it is shared.
            "UPSUN_CLI_TMP": str(unpacked),
            "UPSUN_CLI_API_URL": server.url,
            "UPSUN_CLI_AUTH_URL": server.url,
            "UPSUN_CLI_TOKEN": TOKEN,
            "UPSUN_CLI_DISABLE_CACHE": "1",
            "PLATFORM_PROJECT": "abcdefgh1234z",
            "PLATFORM_BRANCH": "main",
        }

    def __call__(self, *words: str, stdin: str = "", **environment: str | None) -> Outcome:
        before = len(self.simulator.requests)
        whole = {**self.environment, **environment}
        done = subprocess.run(
            [self.binary, *words],
            env={name: value for name, value in whole.items() if value is not None},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr, self.simulator.requests[before:])
