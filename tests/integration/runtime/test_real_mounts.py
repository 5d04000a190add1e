"""State on mounts as they really are: full, read-only, without locks, shared by two instances. Real processes."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.harness.agent_process import COMMAND, ended
from tests.harness.container import Container
from tests.harness.needs import missing, program


def inside(container: Container, *options: str) -> list[str]:
    """The start of a command in a mount name space of its own."""
    return [
        program("bwrap", "state on real mounts"),
        "--dev-bind",
        "/",
        "/",
        *options,
        "--chdir",
        str(container.state.parent),
        "--",
    ]


def run(container: Container, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env=container.agent.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )


def test_on_a_read_only_mount_a_tick_says_so_and_asks_for_nothing(container: Container) -> None:
    done = run(container, *inside(container, "--ro-bind", str(container.state), str(container.state)), *COMMAND, "tick")
    assert done.returncode == 73
    assert "is not writable" in done.stderr or "cannot be" in done.stderr
    assert container.asked("backup") == 0
    container.tick_until_done()
    assert (container.happened("backup"), container.happened("source-operation")) == (1, 1)


def test_the_doctor_sees_that_a_mount_is_read_only(container: Container) -> None:
    options = ("--ro-bind", str(container.state), str(container.state))
    done = run(container, *inside(container, *options), *COMMAND, "check", "--json")
    (state,) = [each for each in json.loads(done.stdout)["findings"] if each["name"] == "state"]
    assert state["level"] == "fail"
    assert "not writable" in state["message"]
    assert state["remedy"]


@pytest.mark.parametrize("deep", ["agent", "a/b"])
def test_the_doctor_sees_that_a_disk_is_full_before_the_directory_is_there(container: Container, deep: str) -> None:
    state = container.state
    words = " ".join(f"'{part}'" for part in (*COMMAND, "check", "--json"))
    script = f"""
        head -c 280000 /dev/zero >'{state}/filler'
        UPSUN_AGENT_STATE='{state}/{deep}' {words}; echo "code $?"; ls -A '{state}'
    """
    done = run(container, *inside(container, "--size", "300000", "--tmpfs", str(state)), "sh", "-c", script)
    document, _, rest = done.stdout.partition("code ")
    assert rest.split() == ["73", "filler"], done.stdout
    (found,) = [each for each in json.loads(document)["findings"] if each["name"] == "state"]
    assert (found["level"], "No space left" in found["message"]) == ("fail", True)
    assert "free space" in found["remedy"]


@pytest.mark.parametrize("size", [300_000, 64_000], ids=lambda size: f"{size} bytes in all")
@pytest.mark.parametrize("begun", [True, False], ids=["with a journal", "before the first tick"])
def test_the_doctor_sees_that_a_disk_is_full(container: Container, size: int, begun: bool) -> None:  # noqa: FBT001  a parameter
    state, filler = container.state, container.state / "filler"
    words = [" ".join(f"'{part}'" for part in (*COMMAND, *call)) for call in (("tick",), ("check", "--json"))]
    copy = f"cp -a '{state.parent}/before/.' '{state}/' 2>/dev/null" if begun else "true"
    script = f"""
        {copy}
        head -c 10000000 /dev/zero >'{filler}' 2>/dev/null
        {words[0]} 2>/dev/null
        {words[1]}; echo "code $?"; ls -A '{state}'
    """
    shutil.copytree(state, state.parent / "before")
    done = run(container, *inside(container, "--size", str(size), "--tmpfs", str(state)), "sh", "-c", script)
    document, _, rest = done.stdout.partition("code ")
    assert rest.split()[0] == "73", done.stdout
    assert ".check" not in rest
    findings = json.loads(document)["findings"]
    (found,) = [each for each in findings if each["name"] == "state"]
    assert (found["level"], "No space left" in found["message"]) == ("fail", True)
    assert "free space" in found["remedy"]
    assert "no such table" not in document


@pytest.mark.parametrize("left", [0, 4, 8, 16, 24, 40], ids=lambda left: f"{left} kB free")
def test_on_a_full_disk_nothing_is_asked_for_twice_and_nothing_is_lost(container: Container, left: int) -> None:
    """A tmpfs of our own, filled up to its last kilobytes, emptied again, and ticks that go on."""
    state, filler = container.state, container.state / "filler"
    ticking = " ".join(f"'{part}'" for part in (*COMMAND, "tick"))
    script = f"""
        cp -a '{state.parent}/before/.' '{state}/'
        head -c 10000000 /dev/zero >'{filler}' 2>/dev/null
        truncate -s -{left}K '{filler}'
        {ticking}; echo "code $?"
        rm '{filler}'
        {ticking}; echo "code $?"
        cp -a '{state}/.' '{state.parent}/after/'
    """
    shutil.copytree(state, state.parent / "before")
    (state.parent / "after").mkdir()
    done = run(container, *inside(container, "--size", "300000", "--tmpfs", str(state)), "sh", "-c", script)
    full, free = [int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("code ")]
    assert full == 73 or (full == 0 and left), done.stderr
    assert free == 0, done.stderr
    assert "Traceback" not in done.stderr
    if full == 73:
        assert "free" in done.stderr, "the remedy"
    shutil.rmtree(state)
    (state.parent / "after").rename(state)
    container.clock.advance(121)
    container.tick_until_done()
    assert (container.happened("backup"), container.happened("source-operation")) == (1, 1)
    assert [row.outcome for row in container.rows()] == ["succeeded"]


def test_where_files_cannot_be_locked_the_lease_keeps_a_second_instance_out(container: Container) -> None:
    """Two process id name spaces, so that neither sees the other's processes, and a flock that never works."""
    strace = [
        program("strace", "the lease"),
        "-f",
        "-o",
        "/dev/null",
        "-e",
        "trace=flock",
        "-e",
        "inject=flock:error=ENOLCK",
    ]
    if run(container, *inside(container, "--unshare-pid", "--proc", "/proc"), *strace, "true").returncode:
        missing("strace does not work in a name space here", "the lease")
    container.simulator.hold("/backup")
    instance = [*inside(container, "--unshare-pid", "--proc", "/proc"), *strace, *COMMAND, "tick"]
    first = subprocess.Popen(
        instance,
        env=container.agent.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    container.started.append(first)
    container.simulator.wait_for_held()
    second = run(container, *instance)
    assert second.returncode == 75
    assert "another tick holds the lease" in second.stderr
    container.simulator.let_go()
    assert ended(first).code == 0
    assert container.lease() is None
    container.clock.advance(121)
    assert run(container, *instance).returncode == 0, "the lease was given back"
    container.tick_until_done()
    assert (container.happened("backup"), container.happened("source-operation")) == (1, 1)


def test_a_mount_that_is_not_there_is_made_in_a_writable_directory(container: Container, tmp_path: Path) -> None:
    shutil.rmtree(container.state)
    done = run(container, *COMMAND, "tick")
    assert done.returncode == 0
    assert (tmp_path / "state" / "journal.sqlite").exists()
