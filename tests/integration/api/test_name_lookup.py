"""A name server that never answers: the one wait that happens in C, where no signal handler of Python runs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.sources import REPOSITORY

INSIDE = """
import fcntl, socket, struct, sys, time
door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
fcntl.ioctl(door, 0x8914, struct.pack("16sH14s", b"lo", 0x1 | 0x8 | 0x40, b""))  # SIOCSIFFLAGS: loopback up
door.bind(("127.0.0.1", 53))
from upsun_agent.api.http import NoAnswer, Transport
begun = time.monotonic()
try:
    Transport("test").send("GET", "http://api.example.test/", headers={}, content=None, deadline=0.5)
except NoAnswer:
    print(time.monotonic() - begun)
"""


def test_a_name_server_that_never_answers_does_not_hold_a_request_beyond_its_deadline(tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-m", "-n", "true"], check=False, capture_output=True).returncode:
        pytest.skip("no name spaces may be made here")
    silent = tmp_path / "resolv.conf"
    silent.write_text("nameserver 127.0.0.1\noptions timeout:3 attempts:1\n")  # glibc's own default is 10 s in all
    line = 'mount --bind "$1" /etc/resolv.conf && exec "$2" -c "$3"'
    done = subprocess.run(
        [unshare, "-m", "-n", "sh", "-c", line, "sh", str(silent), sys.executable, INSIDE],
        cwd=REPOSITORY,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    if "mount" in done.stderr:
        pytest.skip("nothing may be mounted here")
    assert done.stderr == ""
    assert float(done.stdout) < 2
