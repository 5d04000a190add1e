"""Ticks without the wait for imports: a process with everything loaded that forks one child for each tick.

Each child is a process of its own with its own descriptors, locks and signals; only the reading of modules from disk,
which touches neither state nor network, has been done before. Orders come as JSON lines on standard input:
``{"variables": {...}, "strace": [...]}`` runs a tick, under strace if arguments for it are given, and is answered by
``{"code": ..., "output": ...}``; the code is negative for a signal.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from typing import Any

from upsun_agent.__main__ import main as agent_main
from upsun_agent.cron_expression import plain

#: What a tick loads, some of it late.
LOADED = (
    "upsun_agent.cli.main",
    "upsun_agent.runtime.tick",
    "upsun_agent.api.client",
    "upsun_agent.api.http",
    "upsun_agent.log.lines",
    "certifi",
    "dateutil.tz",
    "h11",
    "httpcore",
    "idna",
    "structlog.dev",
    "tomllib",
    "zoneinfo",
)
ATTACH_SECONDS = 10.0
TICK_SECONDS = 90.0


def child(variables: dict[str, str], output: int, *, traced: bool) -> None:
    """Run the tick; never return."""
    os.environ.clear()
    os.environ.update(variables)
    os.dup2(output, 1)
    os.dup2(output, 2)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    sys.argv = ["upsun-agent", "tick"]
    if traced:
        os.kill(os.getpid(), signal.SIGSTOP)  # until strace is attached
    code = 70
    try:
        code = agent_main()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException as error:  # noqa: BLE001  a child must never come back into the zygote's loop
        os.write(2, f"Traceback: {error!r}\n".encode())
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def tick(variables: dict[str, str], strace: list[str]) -> dict[str, Any]:
    """Fork, trace, wait; what the child said and how it ended."""
    with tempfile.TemporaryFile() as output:
        pid = os.fork()
        if pid == 0:
            child(variables, output.fileno(), traced=bool(strace))
        tracer = attach(pid, strace) if strace else None
        code = wait(pid)
        if tracer is not None:
            tracer.wait()
        output.seek(0)
        return {"code": code, "output": output.read().decode(errors="replace")}


def attach(pid: int, strace: list[str]) -> subprocess.Popen[bytes]:
    """Strace attached to the stopped child, which then goes on."""
    os.waitpid(pid, os.WUNTRACED)
    tracer = subprocess.Popen([*strace, "-p", str(pid)], stderr=subprocess.DEVNULL)
    end = time.monotonic() + ATTACH_SECONDS
    while time.monotonic() < end:
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            if "TracerPid:\t0" not in file.read():
                break
        time.sleep(0.002)
    os.kill(pid, signal.SIGCONT)
    return tracer


def wait(pid: int) -> int:
    """Return the child's exit code, or minus the signal that ended it; one that hangs is killed and counts as -1000."""
    end = time.monotonic() + TICK_SECONDS
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done and (os.WIFEXITED(status) or os.WIFSIGNALED(status)):
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return -1000
        time.sleep(0.003)


def main() -> None:
    """Serve orders until standard input ends."""
    for name in LOADED:
        importlib.import_module(name)
    plain("0 3 * * *")  # loads croniter
    for line in sys.stdin:
        order = json.loads(line)
        sys.stdout.write(json.dumps(tick(order["variables"], order["strace"])) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
