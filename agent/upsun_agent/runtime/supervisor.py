"""Start one command and end it with all its descendants; runs as a script between agent and command.

The kernel gives orphans below a "child subreaper" to it (PR_SET_CHILD_SUBREAPER, Linux 3.4), so that double forks and
new sessions do not lead out of this process's tree. The agent holds the other end of standard input open: when it
closes that, or dies in any way, the tree is ended here.

The script imports nothing of the agent. What it is to start comes as JSON on standard input, so that no variable of the
command changes this interpreter. What happens is told on the descriptor named in the first argument, one JSON list a
line: ``["failed", errno, words, file]``, ``["ended", exit code]``, and at the end ``["clean"]`` or ``["left"]``.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

PR_SET_CHILD_SUBREAPER = 36
REQUEST_MOST = 64 * 1024 * 1024  # bytes: the kernel takes far less as arguments and variables
BUSY_ROUNDS = 2000  # without a rest: some tenths of a second
KILL_WITHIN = 3.0  # seconds in which what forks without end is killed again and again


def adopt_orphans(*, on: bool) -> None:
    """Become the parent of all orphaned descendants, or stop that; do nothing if the system lacks the call."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, int(on), 0, 0, 0)


def children() -> set[int]:
    """Return the direct children of this process."""
    own = os.getpid()
    try:
        found: set[int] = set()
        for thread in os.listdir("/proc/self/task"):
            with open(f"/proc/self/task/{thread}/children", "rb") as file:
                found.update(map(int, file.read().split()))
    except (OSError, ValueError):  # the kernel was built without it, or a thread has just ended
        return {pid for pid, (_, parent, _) in processes().items() if parent == own}
    return found


def processes() -> dict[int, tuple[str, int, int]]:
    """Return the state, parent and process group of every process."""
    found: dict[int, tuple[str, int, int]] = {}
    with suppress(OSError):
        for name in filter(str.isdigit, os.listdir("/proc")):
            with suppress(OSError, ValueError, IndexError), open(f"/proc/{name}/stat", "rb") as file:
                words = file.read().rpartition(b")")[2].split()
                found[int(name)] = (words[0].decode(), int(words[1]), int(words[2]))
    return found


def descendants(spared: frozenset[int] = frozenset()) -> dict[int, int]:
    """Return the running descendants of this process, without those of ``spared``, and their process groups."""
    every = processes()
    below: dict[int, list[int]] = {}
    for pid, (_, parent, _) in every.items():
        below.setdefault(parent, []).append(pid)
    found: dict[int, int] = {}
    level = [os.getpid()]
    while level:
        level = [child for pid in level for child in below.get(pid, ()) if child not in spared]
        found.update({pid: every[pid][2] for pid in level if every[pid][0] not in "ZX"})
    return found


def send(word: int, spared: frozenset[int] = frozenset()) -> bool:
    """Send a signal to all descendants and their process groups; return whether there were any.

    A signal to a group also reaches what one of its members has just forked.
    """
    found, own = descendants(spared), os.getpgrp()
    for group in set(found.values()) - {own, 0, 1}:
        with suppress(OSError):
            os.killpg(group, word)
    for pid in found:
        with suppress(OSError):
            os.kill(pid, word)
    return bool(found)


def are_left(spared: frozenset[int] = frozenset()) -> bool:
    """Reap children that have ended; return whether others are left.

    A list of processes misses what is made while it is read. The kernel's word on children does not: an orphan becomes
    one of them at the moment in which its parent ends.
    """
    if spared:
        for pid in children() - spared:
            with suppress(OSError):
                os.waitpid(pid, os.WNOHANG)
        return bool(children() - spared)
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def kill_all(spared: frozenset[int] = frozenset(), within: float = KILL_WITHIN) -> bool:
    """Kill all descendants; return False if some are left, for example processes of another user.

    Orphans are direct children, and these are looked up quickly, with their groups: so what forks and ends all the time
    is overtaken.
    """
    end, own, rounds = time.monotonic() + within, os.getpgrp(), 0
    send(signal.SIGKILL, spared)
    while are_left(spared):
        for pid in children() - spared:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
                group = os.getpgid(pid)
                if group not in {own, 0, 1}:
                    os.killpg(group, signal.SIGKILL)
        rounds += 1
        if time.monotonic() >= end:
            return False
        if rounds > BUSY_ROUNDS:
            time.sleep(0.001)
    return True


class Supervisor:
    """Supervise the command, and send messages to the agent."""

    def __init__(self, line: int) -> None:
        self._line = line
        self._wake, awake = os.pipe()
        for each in (self._wake, awake):
            os.set_blocking(each, False)
        signal.set_wakeup_fd(awake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._process: subprocess.Popen[bytes] | None = None
        self._pid = 0
        self._ended = False

    def tell(self, *words: Any) -> None:
        """Send a message to the agent, if it still runs."""
        with suppress(OSError):
            os.write(self._line, json.dumps(words).encode() + b"\n")

    def start(self, request: dict[str, Any]) -> bool:
        """Start the command; report the reason if that fails."""
        try:
            process = subprocess.Popen(
                request["arguments"],
                cwd=request["directory"],
                env=request["variables"],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            number = getattr(error, "errno", None) or 0
            words = getattr(error, "strerror", None) or str(error)
            self.tell("failed", number, words, getattr(error, "filename", None))
            return False
        self._process, self._pid = process, process.pid  # kept, or its destructor would take leave of the command
        return True

    def watch(self, grace: float) -> None:
        """Wait for the command's end or the agent's, then end everything that is left."""
        while not self._ended and not self._heard_the_end(None):
            self._collect()
        self._collect()
        until = time.monotonic() + (0.0 if self._ended else grace)
        send(signal.SIGTERM)
        while not self._ended and (left := until - time.monotonic()) > 0:
            select.select([self._wake], [], [], left)
            self._collect()

    def _heard_the_end(self, timeout: float | None) -> bool:
        """Wait for something to happen; return whether the agent has closed its end."""
        ready, _, _ = select.select([0, self._wake], [], [], timeout)
        return 0 in ready and not os.read(0, 1)

    def _collect(self) -> None:
        """Reap all ended processes; report the command's exit code."""
        with suppress(OSError):
            while os.read(self._wake, 4096):
                pass
        with suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                if found[0] == self._pid:
                    self._ended = True
                    self.tell("ended", os.waitstatus_to_exitcode(found[1]))


def _request() -> dict[str, Any]:
    """Read the request: a line with its length, then the JSON."""
    length = b""
    while not length.endswith(b"\n"):
        piece = os.read(0, 1)
        if not piece:
            raise EOFError
        length += piece
    text = bytearray()
    while len(text) < min(int(length), REQUEST_MOST):
        piece = os.read(0, int(length) - len(text))
        if not piece:
            raise EOFError
        text += piece
    found: dict[str, Any] = json.loads(text)
    return found


def main() -> None:
    """Run the agent's request, and report to the agent."""
    line = int(sys.argv[1])
    os.set_inheritable(line, False)
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # The agent says when. The command does not inherit a handler; what is ignored (nohup) it finds ignored too.
        if signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, lambda *_: None)
    adopt_orphans(on=True)
    try:
        request = _request()
    except EOFError:
        return
    supervisor = Supervisor(line)
    started = supervisor.start(request)
    nothing = os.open(os.devnull, os.O_RDWR)
    for output in (1, 2):
        os.dup2(nothing, output)  # the output ends when the last process of the command has ended
    if started:
        supervisor.watch(request["grace"])
    supervisor.tell("clean" if kill_all() else "left")


if __name__ == "__main__":
    main()
