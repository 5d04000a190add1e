"""Commands as real processes: bounded in time and output, without the token, and nothing of them is left behind."""

from __future__ import annotations

import fcntl
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from upsun_agent.limits import COMMAND_OUTPUT_MOST
from upsun_agent.runtime.process import run

from tests.harness.sources import SOURCES

CANARY = "canary-api-token-1234567890"


def test_a_command_runs_without_a_shell_and_its_words_are_kept() -> None:
    ended = run(("echo", "$HOME;", "a  b"), None, 10, {}, ())
    assert (ended.exit_code, ended.output) == (0, "$HOME; a  b")


def test_a_shell_text_ends_at_its_first_failure() -> None:
    ended = run("echo one; false; echo two", None, 10, {}, ())
    assert (ended.exit_code, ended.output) == (1, "one")


def test_variables_are_passed_and_the_token_is_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("UPSUN_CLI_TOKEN", CANARY)
    ended = run("env; echo ${UPSUN_CLI_TOKEN-none}; pwd", str(tmp_path), 10, {"MINE": "yes"}, ("UPSUN_CLI_TOKEN",))
    assert "MINE=yes" in ended.output
    assert "\nnone\n" in ended.output, "an output without the token may have been cleaned of it"
    assert ended.output.endswith(str(tmp_path))
    assert CANARY not in ended.output


def test_output_is_bounded_to_its_end_and_cannot_block() -> None:
    ended = run((sys.executable, "-c", "print('x' * 5_000_000); print('the end')"), None, 30, {}, ())
    assert ended.exit_code == 0
    assert len(ended.output) <= COMMAND_OUTPUT_MOST
    assert ended.output.endswith("the end")


def test_what_a_terminal_obeys_is_not_kept() -> None:
    assert "\x1b" not in run(("printf", r"\033[31mred\007"), None, 10, {}, ()).output


@pytest.mark.parametrize("stubborn", ["", "trap '' TERM; "])
def test_a_command_is_killed_with_all_its_children_when_its_time_is_up(stubborn: str, tmp_path: Path) -> None:
    note = tmp_path / "children"
    began = time.monotonic()
    ended = run(f"{stubborn}sleep 100 & echo $! $$ > {note}; wait; sleep 100", None, 1, {}, ())
    assert ended.exit_code is None
    assert time.monotonic() - began < 10
    for pid in note.read_text().split():
        _assert_gone(int(pid))


def test_a_child_that_keeps_the_pipe_open_is_not_waited_for_and_dies(tmp_path: Path) -> None:
    note = tmp_path / "child"
    ended = run(f"sleep 100 & echo $! > {note}; echo done", None, 20, {}, ())
    assert (ended.exit_code, ended.output) == (0, "done")
    assert ended.seconds < 10
    _assert_gone(int(note.read_text()))


@pytest.mark.parametrize(
    ("command", "code"), [(("/nowhere/at/all",), 127), (("/etc/passwd",), 126), (("a\x00b",), 127), ("exit 7", 7)]
)
def test_what_cannot_run_says_so_by_its_exit_code(command: tuple[str, ...] | str, code: int) -> None:
    assert run(command, None, 10, {}, ()).exit_code == code


def test_a_directory_that_is_not_there_is_said() -> None:
    ended = run(("true",), "/nowhere/at/all", 10, {}, ())
    assert ended.exit_code == 127
    assert ended.output == "the directory /nowhere/at/all: No such file or directory"


def test_sigterm_of_the_agent_ends_the_command_within_two_seconds(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = (
        "from upsun_agent.runtime.context import ended_by_sigterm, Terminated\n"
        "from upsun_agent.runtime.process import run\n"
        "try:\n"
        "    with ended_by_sigterm():\n"
        f"        run('echo $$ > {note}; sleep 100', None, 40, {{}}, ())\n"
        "except Terminated:\n    raise SystemExit(143)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": SOURCES})
    end = time.monotonic() + 20
    while not (note.exists() and note.read_text().strip()) and time.monotonic() < end:
        time.sleep(0.05)
    child.send_signal(signal.SIGTERM)
    assert child.wait(10) == 143
    _assert_gone(int(note.read_text()))


#: Writes its number into a file and waits, in a session of its own and without a parent of the command.
DAEMON = """
import os, signal, sys, time
note, ways = sys.argv[1], sys.argv[2].split("+")
if os.fork():
    while not os.path.exists(note):
        time.sleep(0.01)
    os._exit(0)
if "setsid" in ways:
    os.setsid()
if "again" in ways and os.fork():
    os._exit(0)
if "setpgid" in ways:
    os.setpgid(0, 0)
if "deaf" in ways:
    for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(each, signal.SIG_IGN)
if "silent" in ways:
    for each in range(3):
        os.close(each)
if "stopped" in ways and os.fork():
    time.sleep(0.1)
with open(note + ".new", "w") as file:
    file.write(str(os.getpid()))
os.rename(note + ".new", note)
if "stopped" in ways:
    os.kill(os.getpid(), signal.SIGSTOP)
time.sleep(1000)
"""
WAYS = [
    "",
    "setsid",
    "setsid+again",
    "setsid+again+deaf+silent",
    "setpgid+deaf",
    "again+setpgid+silent",
    "setsid+stopped",
]


def daemon(note: Path, ways: str) -> tuple[str, ...]:
    """Return a command that leaves a daemon behind, and ends when that is there."""
    return (sys.executable, "-c", DAEMON, str(note), ways)


@pytest.mark.parametrize("ways", WAYS)
def test_a_daemon_does_not_outlive_the_command(ways: str, tmp_path: Path) -> None:
    note = tmp_path / "daemon"
    ended = run(daemon(note, ways), None, 30, {}, ())
    assert ended.exit_code == 0, ended.output
    _assert_gone(int(note.read_text()))


@pytest.mark.parametrize("ways", WAYS)
def test_a_daemon_does_not_outlive_a_command_whose_time_is_up(ways: str, tmp_path: Path) -> None:
    note = tmp_path / "daemon"
    words = " ".join(shlex.quote(each) for each in daemon(note, ways))
    assert run(f"{words}; exec sleep 1000", None, 3, {}, ()).exit_code is None
    _assert_gone(int(note.read_text()))


def test_tools_that_start_daemons_do_not_get_out_either(tmp_path: Path) -> None:
    text = (
        f"setsid -f sh -c 'echo $$ > {tmp_path}/a; exec sleep 1000'; "
        f"nohup setsid sh -c 'echo $$ > {tmp_path}/b; exec sleep 1000' &"
    )
    wait = f"while [ ! -s {tmp_path}/a ] || [ ! -s {tmp_path}/b ]; do :; done"
    assert run(f"{text} {wait}", None, 30, {}, ()).exit_code == 0
    for name in ("a", "b"):
        _assert_gone(int((tmp_path / name).read_text()))


#: Each process lives until it has made the next one. All share a lock on a file, which lasts until the last has ended.
CHAIN = """
import fcntl, os, sys, time
lock = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(lock, fcntl.LOCK_EX)
end = time.monotonic() + 60
while time.monotonic() < end:
    if os.fork():
        os._exit(0)
    if sys.argv[2] == "sessions":
        os.setsid()
"""


@pytest.mark.parametrize("kind", ["one session", "sessions"])
def test_what_forks_and_ends_without_end_is_overtaken(kind: str, tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    assert run((sys.executable, "-c", CHAIN, str(lock), kind), None, 30, {}, ()).exit_code == 0
    with lock.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # an error where one of them is left


#: The list of processes never has this child, as one that was made while the list was read.
UNLISTED = """
import os, time
from upsun_agent.runtime import supervisor
child = os.fork()
if not child:
    os.setsid()
    time.sleep(100)
    os._exit(0)
supervisor.processes = dict
assert supervisor.kill_all()
os.kill(child, 0)
"""


def test_a_child_that_the_list_of_processes_misses_is_killed() -> None:
    environment = {"PYTHONPATH": SOURCES, "PATH": os.environ["PATH"]}
    ended = subprocess.run(
        [sys.executable, "-c", UNLISTED], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert "ProcessLookupError" in ended.stderr, ended.stderr


def test_other_children_of_the_agent_stay(tmp_path: Path) -> None:
    with subprocess.Popen(["/bin/sleep", "1000"]) as other:
        run(daemon(tmp_path / "daemon", "setsid"), None, 30, {}, ())
        assert other.poll() is None
        other.kill()


@pytest.mark.parametrize("hangup", [signal.SIG_DFL, signal.SIG_IGN], ids=["usual", "nohup"])
def test_a_command_gets_nothing_from_the_process_between(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, hangup: signal.Handlers
) -> None:
    before = signal.signal(signal.SIGHUP, hangup)
    try:
        _compare_with_a_command_alone(monkeypatch, tmp_path)
    finally:
        signal.signal(signal.SIGHUP, before)


def _compare_with_a_command_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setenv("ODD", os.fsdecode(b"\xff\n"))
    code = (
        "import os, signal, sys; found = [sorted(os.listdir('/proc/self/fd')), sorted(os.environ.items()), "
        "[str(signal.getsignal(each)) for each in (2, 15, 1, 17)], signal.pthread_sigmask(0, [])]; "
        "open(sys.argv[1], 'w').write(ascii(found))"
    )
    command = (sys.executable, "-I", "-S", "-c", code)
    assert run((*command, str(tmp_path / "here")), None, 30, {}, ()).exit_code == 0
    subprocess.run((*command, str(tmp_path / "alone")), check=True, env=dict(os.environ))
    found = (tmp_path / "here").read_text()
    assert found == (tmp_path / "alone").read_text()
    assert found.startswith("[['0', '1', '2', '3'], "), "standard streams and the directory itself"


AGENT = """
import sys
from upsun_agent.runtime.process import run
run(sys.argv[1], None, 100, {}, ())
"""


@pytest.mark.parametrize("ways", WAYS)
def test_a_daemon_does_not_outlive_an_agent_that_is_killed(ways: str, tmp_path: Path) -> None:
    note = tmp_path / "daemon"
    words = " ".join(shlex.quote(each) for each in daemon(note, ways))
    text = f"{words}; echo $$ > {note}.shell; mv {note}.shell {note}.ready; exec sleep 1000"
    agent = subprocess.Popen([sys.executable, "-c", AGENT, text], env={**os.environ, "PYTHONPATH": SOURCES})
    _wait_for(tmp_path / "daemon.ready")
    agent.kill()
    agent.wait()
    _assert_gone(int(note.read_text()))
    _assert_gone(int((tmp_path / "daemon.ready").read_text()))


@pytest.mark.parametrize("word", ["KILL", "STOP"])
def test_a_command_that_ends_its_supervisor_is_ended_all_the_same(word: str, tmp_path: Path) -> None:
    note = tmp_path / "daemon"
    words = " ".join(shlex.quote(each) for each in daemon(note, "setsid+again"))
    ended = run(f"{words}; kill -{word} $PPID; exec sleep 1000", None, 3, {}, ())
    assert ended.exit_code == (-9 if word == "KILL" else None)
    _assert_gone(int(note.read_text()))


def _wait_for(file: Path) -> None:
    end = time.monotonic() + 30
    while not file.exists():
        assert time.monotonic() < end
        time.sleep(0.02)


def _assert_gone(pid: int) -> None:
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return
        if state == "Z":
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)  # nothing of a test that fails stays
    raise AssertionError(f"process {pid} is still there")


#: Writes what its argument says into every pipe of the supervisor that can be written.
LIAR = """
import os, sys
line = f"/proc/{os.getppid()}/fd"
for each in os.listdir(line):
    if int(each) > 2 and os.readlink(f"{line}/{each}").startswith("pipe:"):
        file = os.open(f"{line}/{each}", os.O_WRONLY)
        rest = eval(sys.argv[1])
        while rest:
            rest = rest[os.write(file, rest):]
"""


@pytest.mark.parametrize(
    "lie",
    [
        "b'garbage\\n'",
        "b'\\xff\\xfe\\0\\n' * 3",
        'b\'["failed", {}, 5, 7]\\n["failed", 2]\\n["ended"]\\n\'',
        'b\'["ended", "x"]\\n["ended", 1e400]\\n["ended", 99999999999999999999]\\n\'',
        "b'{}\\nnull\\n5\\n' + b'9' * 5000 + b'\\n'",
        "b'[' * 60_000 + b'\\n'",
        "bytes(50_000_000) + b'\\n'",
        "b'[\"clean\"]\\n'",
    ],
)
def test_what_a_command_writes_to_the_line_of_its_supervisor_changes_nothing(lie: str, tmp_path: Path) -> None:
    note = tmp_path / "child"
    liar = shlex.join([sys.executable, "-ISc", LIAR, lie])
    ended = run(f"setsid sleep 1000 >/dev/null & echo $! > {note}\nexec {liar}", None, 30, {}, ())
    assert (ended.exit_code, ended.output) == (0, "")
    _assert_gone(int(note.read_text()))
