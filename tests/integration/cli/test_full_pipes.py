"""A pipe that is full and does not block is written to its end, or the command says that it could not."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from contextlib import suppress

import pytest

from tests.harness.agent_process import COMMAND, PATIENCE
from tests.harness.cli_app import App

SHORT = "import sys; from upsun_agent.cli import streams; streams.PATIENCE.update(stdout=0.3, stderr=0.3); "
RUN = [sys.executable, "-c", f"{SHORT}from upsun_agent.cli.main import run; sys.exit(run(sys.argv[1:]))"]


def full_pipe() -> tuple[int, int, int]:
    """The ends of a pipe that takes nothing more and does not block, and how many bytes are in it."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETFL, fcntl.fcntl(writing, fcntl.F_GETFL) | os.O_NONBLOCK)
    size = 0
    with suppress(BlockingIOError):
        while True:
            size += os.write(writing, b"x" * 4096)
    return reading, writing, size


def drained(reading: int) -> bytes:
    """All that comes until the last writer closes it."""
    found = bytearray()
    while piece := os.read(reading, 65536):
        found += piece
    os.close(reading)
    return bytes(found)


CALLS = [
    ("validate", "--schema"),
    ("validate", "--json"),
    ("status", "--json"),
    ("--help",),
    ("status", "--help"),
    ("--version",),
]


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("call", CALLS, ids=" ".join)
def test_standard_output_is_written_to_its_end(app: App, call: tuple[str, ...], unbuffered: str) -> None:
    app.write_jobs('[jobs.often]\nschedule = "* * * * *"\n[[jobs.often.steps]]\nbackup = {}\n')
    reading, writing, size = full_pipe()
    environment = app.agent.environment(PYTHONUNBUFFERED=unbuffered)
    process = subprocess.Popen(
        [*COMMAND, *call], cwd=app.directory, env=environment, stdout=writing, stderr=subprocess.PIPE
    )
    os.close(writing)
    with pytest.raises(subprocess.TimeoutExpired):  # it waits for its reader
        process.wait(1.5)
    said = drained(reading)[size:]
    _, errors = process.communicate(timeout=PATIENCE)
    plain = subprocess.run([*COMMAND, *call], cwd=app.directory, env=environment, capture_output=True, check=False)
    assert (process.returncode, errors) == (plain.returncode, plain.stderr)
    assert abs(len(said) - len(plain.stdout)) <= 8  # bytes: the present moment has more or fewer digits
    assert said[-40:] == plain.stdout[-40:]


def test_a_message_and_a_log_line_are_written_to_their_end(app: App) -> None:
    app.make_due()
    for call, code, words in ((("validate", "--config", "/none"), 78, b"no job file"), (("tick",), 0, b"run-opened")):
        reading, writing, size = full_pipe()
        environment = app.agent.environment()
        process = subprocess.Popen([*COMMAND, *call], cwd=app.directory, env=environment, stderr=writing)
        os.close(writing)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.5)
        assert words in drained(reading)[size:]
        assert process.wait(PATIENCE) == code


@pytest.mark.parametrize("call", [("validate", "--schema"), ("--help",), ("status",)], ids=" ".join)
def test_where_nobody_ever_reads_it_is_an_exit_code(app: App, call: tuple[str, ...]) -> None:
    reading, writing, _ = full_pipe()
    done = subprocess.run(
        [*RUN, *call],
        cwd=app.directory,
        env=app.agent.environment(),
        stdout=writing,
        stderr=subprocess.PIPE,
        timeout=PATIENCE,
        check=False,
    )
    os.close(writing)
    os.close(reading)
    assert done.returncode == 73
    assert b"the output cannot be written: nobody read from the pipe" in done.stderr


def test_where_nobody_ever_reads_the_log_a_tick_works_on(app: App) -> None:
    app.make_due()
    reading, writing, _ = full_pipe()
    done = subprocess.run(
        [*RUN, "tick"],
        cwd=app.directory,
        env=app.agent.environment(),
        stdout=subprocess.PIPE,
        stderr=writing,
        timeout=PATIENCE,
        check=False,
    )
    os.close(writing)
    os.close(reading)
    assert done.returncode == 0
    assert app.call("status", "--json").document["jobs"][0]["runs"][0]["outcome"] == "succeeded"
