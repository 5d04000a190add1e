"""Counts that do not depend on the clock: modules, requests, syncs, bytes."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from upsun_simulator import Simulator, serve

from bench.processes import Failed
from bench.scene import NIGHT, Place, Scene

#: Runs the launcher as the kernel would, then writes down what is loaded.
PROBE = """\
import os, sys
launcher, out = sys.argv[1:]
sys.argv = [launcher, "tick"]
os._exit = sys.exit
try:
    with open(launcher, "rb") as file:
        code = compile(file.read(), launcher, "exec")
    exec(code, {"__name__": "__main__", "__file__": launcher})
except SystemExit as end:
    if end.code:
        raise
loaded = sorted(name for name, module in sys.modules.items() if type(module).__name__ != "Deferred")
with open(out, "wb") as file:
    file.write("\\n".join(loaded).encode())
"""
BARE = "import sys; print('\\n'.join(sorted(sys.modules)))"
CALLS = "fsync,fdatasync,sendto,recvfrom,execve"
_CALL = re.compile(r"^(?:\d+ +)?(\w+)\((.*)\) += (-?\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Counts:
    """What was counted; None where the machine has no strace."""

    idle_modules: list[str]
    run_modules: list[str]
    run_requests: int
    whole_run_requests: int
    journal_bytes: int
    install_bytes: int
    install_files: int
    syncs: int | None
    idle_syncs: int | None
    sent_bytes: int | None
    received_bytes: int | None
    programs: int | None


def count(scene: Scene, whole_run_requests: int, journal_bytes: int, root: Path) -> Counts:
    """Count one idle tick and one tick that makes both requests."""
    bare = subprocess.run([scene.python, "-I", "-S", "-c", BARE], capture_output=True, text=True, check=True)
    start = set(bare.stdout.split())
    idle = sorted(_modules(scene, scene.idle, "http://127.0.0.1:9", root) - start)
    scene.dusk()
    with serve(Simulator(NIGHT)) as server:
        run = sorted(_modules(scene, scene.night, server.url, root) - start)
        requests = len(server.simulator.requests)
    scene.dusk()
    with serve(Simulator(NIGHT)) as server:
        calls = _calls(scene, scene.night, server.url, root)
    quiet = _calls(scene, scene.idle, "http://127.0.0.1:9", root)
    return Counts(
        idle_modules=idle,
        run_modules=run,
        run_requests=requests,
        whole_run_requests=whole_run_requests,
        journal_bytes=journal_bytes,
        install_bytes=scene.size(),
        install_files=scene.files(),
        syncs=_number(calls, "fsync", "fdatasync"),
        idle_syncs=_number(quiet, "fsync", "fdatasync"),
        sent_bytes=_sum(calls, "sendto"),
        received_bytes=_sum(calls, "recvfrom"),
        programs=_number(calls, "execve"),
    )


def _modules(scene: Scene, place: Place, url: str, root: Path) -> set[str]:
    """Return what is loaded at the end of a tick."""
    out = root / "modules"
    command = [scene.python, "-I", "-S", "-c", PROBE, str(scene.launcher), str(out)]
    done = subprocess.run(
        command, env=place.variables(url), cwd=place.directory, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Failed(f"the tick did not end with 0:\n{done.stderr}")
    return set(out.read_text(encoding="utf-8").split())


def _calls(scene: Scene, place: Place, url: str, root: Path) -> list[tuple[str, int]] | None:
    """Return the system calls of a tick that are counted, with what each returned; None without a strace that works."""
    strace = shutil.which("strace")
    out = root / "calls"
    if strace is None:
        return None
    done = subprocess.run(
        [strace, "-f", "-qq", "-o", str(out), "-e", f"trace={CALLS}", str(scene.launcher), "tick"],
        env=place.variables(url),
        cwd=place.directory,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        return None  # no permission to trace, as in some containers
    return [(name, int(back)) for name, _, back in _CALL.findall(out.read_text(errors="replace"))]


def _number(calls: list[tuple[str, int]] | None, *names: str) -> int | None:
    return None if calls is None else sum(name in names for name, _ in calls)


def _sum(calls: list[tuple[str, int]] | None, name: str) -> int | None:
    return None if calls is None else sum(max(back, 0) for each, back in calls if each == name)
