"""The official CLI doing the same two requests, as the platform's guide puts them into a cron."""

from __future__ import annotations

import os
import shutil
import subprocess
from itertools import count
from pathlib import Path

from upsun_simulator import Server, Simulator, serve

from bench.processes import Cost, Failed, Spawner, peak_of_all
from bench.scene import ENVIRONMENT, NIGHT, PROJECT, REPOSITORY, TOKEN, posts, size_of

VERSION = "5.11.1"
PLACE = REPOSITORY / "node_modules/@upsun/cli-linux-x64/bin/upsun"
BACKUP = ("backup:create", "--no-wait", "--yes")
UPDATE = ("source-operation:run", "update", "--no-wait", "--yes")


def find() -> tuple[str | None, str]:
    """Return where the CLI is, or None and why it was not measured."""
    named = os.environ.get("UPSUN_OFFICIAL_CLI") or (str(PLACE) if PLACE.is_file() else "upsun")
    binary = shutil.which(named)
    if binary is None:
        return None, f"NOT MEASURED: the official CLI is not here; set UPSUN_OFFICIAL_CLI to version {VERSION}"
    return binary, ""


class Official:
    """The CLI with its own PHP unpacked once, which costs the first command of a container a second or more."""

    def __init__(self, binary: str, root: Path, spawner: Spawner) -> None:
        self._binary = str(Path(binary).resolve())
        self._spawner = spawner
        self._root = root / "official"
        self._homes = count()
        self._unpacked = self._root / "unpacked"
        self._unpacked.mkdir(parents=True)
        with serve(Simulator(NIGHT)) as server:
            variables = self._variables(self._home(), server)
            said = subprocess.run(
                [self._binary, "--version"], env=variables, capture_output=True, text=True, check=True, timeout=60
            ).stdout
            if VERSION not in said:
                raise Failed(f"this is not version {VERSION} of the official CLI: {said.strip()}")
            home = self._home()
            #: Both commands in one cron, the first ones of a new container.
            self.first = self._night([home, home], server)

    def _home(self) -> Path:
        home = self._root / f"home-{next(self._homes)}"
        home.mkdir()
        return home

    def _variables(self, home: Path, server: Server) -> dict[str, str]:
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "UPSUN_CLI_TMP": str(self._unpacked),
            "UPSUN_CLI_API_URL": server.url,
            "UPSUN_CLI_AUTH_URL": server.url,
            "UPSUN_CLI_TOKEN": TOKEN,
            "PLATFORM_PROJECT": PROJECT,
            "PLATFORM_BRANCH": ENVIRONMENT,
        }

    def daily(self) -> Cost:
        """Return a backup and an update as two crons make them, hours apart: each finds every cache expired."""
        with serve(Simulator(NIGHT)) as server:
            return self._night([self._home(), self._home()], server)

    def warm(self) -> Cost:
        """Return a backup and an update with everything cached that can be: the second pair within a minute."""
        home = self._home()
        with serve(Simulator(NIGHT)) as server:
            self._night([home, home], server)
            return self._night([home, home], server)

    def _night(self, homes: list[Path], server: Server) -> Cost:
        """Both commands, with what the platform counted; raises Failed where it did not carry them out."""
        before, acted = len(server.simulator.requests), len(posts(server))
        backup, update = (self._variables(home, server) for home in homes)
        cost = self._spawner.run([self._binary, *BACKUP], backup, homes[0])
        cost = cost.then(self._spawner.run([self._binary, *UPDATE], update, homes[1]))
        if posts(server)[acted:] != ["backup", "source-operation"]:
            raise Failed(f"the official CLI did not ask for both: {posts(server)[acted:]}")
        return Cost(cost.wall, cost.cpu, cost.memory, len(server.simulator.requests) - before)

    def memory(self) -> float:
        """Return the most MiB that its processes held at one time while it asked for a backup."""
        home = self._home()
        with serve(Simulator(NIGHT)) as server:
            return peak_of_all([self._binary, *BACKUP], self._variables(home, server), home)

    def size(self) -> int:
        """Bytes of the CLI with what it unpacks."""
        return Path(self._binary).stat().st_size + size_of(self._unpacked)
