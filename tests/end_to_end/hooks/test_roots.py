"""The agent in containers like the platform's: built without pip or a network, run read-only as another user.

Each root is a Debian with its own Python. What happened is read from the simulator's request log, not the agent's.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.harness.build_hook import clean
from tests.harness.hook_containers import Container
from tests.harness.needs import database
from tests.harness.releases import CANARY, flip, wheelhouse
from tools import roots
from tools.databases import DATABASE, OWNER, MariaDb, Postgres, Server, running
from tools.dist import PLATFORMS

JOB = "nightly-update"
PATIENCE = 300.0  # seconds for a whole run, however busy the machine is
INSTALL = "sh /source/install.sh"
FROM_WHEELHOUSE = {"UPSUN_AGENT_SOURCE": "/source", "UPSUN_CLI_TOKEN": CANARY}


def give_up(why: str) -> NoReturn:
    """Loudly: with the reason in pytest's summary, and as a failure in CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


@functools.cache
def have(version: str) -> tuple[roots.Root | None, str]:
    """A root with this Python, or what is nearest to it, and what is wrong with it."""
    if shutil.which("bwrap") is None:
        return None, "NO CONTAINER TESTS: bwrap is missing (apt-get install bubblewrap debootstrap)"
    try:
        return roots.get(version), ""
    except roots.Unavailable as error:
        why = f"NO DEBIAN ROOT for Python {version}: {error}"
    try:
        return roots.at_hand(version), f"{why}; this machine's files stand in"
    except roots.Unavailable as error:
        return None, f"{why}; {error}"


def obtain(version: str) -> roots.Root:
    root, why = have(version)
    return root or give_up(why)


@pytest.mark.parametrize("version", roots.SUITES)
def test_the_containers_are_debians(version: str) -> None:
    root, why = have(version)
    if why:
        give_up(why)
    assert root is not None
    assert root.prefix is None


@dataclasses.dataclass
class Built:
    container: Container
    done: subprocess.CompletedProcess[str]


@functools.cache
def attempt(version: str, place: Path) -> Built:
    container = Container.create(obtain(version), place)
    schedule(container, f"0 3 1 {(datetime.now(UTC).month + 5) % 12 + 1} *")  # not while these tests run
    variables = {**FROM_WHEELHOUSE, "UPSUN_AGENT_PYTHON": container.root.python}
    return Built(container, container.build(INSTALL, variables, source=wheelhouse()))


def build(version: str, place: Path) -> Built:
    built = attempt(version, place)
    said = built.done.stdout + built.done.stderr
    assert built.done.returncode == 0, said
    assert CANARY not in said
    return built


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("containers")


@pytest.fixture(params=list(roots.SUITES))
def built(request: pytest.FixtureRequest, place: Path) -> Built:
    return build(request.param, place / request.param)


@contextmanager
def platform(place: Path) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
    """The simulated API of this machine: the variables that lead to it, and at the end its request log."""
    file = place / f"request-log-{time.monotonic_ns()}.json"
    command = [sys.executable, "-m", "upsun_agent", "simulate", "--json", "--port", "0", "--request-log", str(file)]
    for setting in (f"token={CANARY}", "backup_seconds=1", "source_operation_seconds=1", "deploy_seconds=1"):
        command += ["--set", setting]
    request_log: dict[str, Any] = {}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**clean(), "PYTHONPATH": f"{wheelhouse().parent}/source/agent"}
    ) as process:
        assert process.stdout is not None
        text = ""
        while not text.rstrip().endswith("\n}"):
            line = process.stdout.readline()
            assert line, "the simulator did not start"
            text += line
        url = json.loads(text)["url"]
        routes = base64.b64encode(b'{"https://www.example.com/": {"type": "upstream"}}').decode()
        try:
            yield (
                {
                    "UPSUN_CLI_TOKEN": CANARY,
                    "UPSUN_CLI_API_URL": url,
                    "UPSUN_CLI_AUTH_URL": url,
                    "PLATFORM_ROUTES": routes,
                },
                request_log,
            )
        finally:
            process.terminate()
            process.wait(timeout=20)
    request_log.update(json.loads(file.read_text()))


def tick(container: Container, variables: Mapping[str, str], agent: str = ".upsun-agent") -> tuple[int, str]:
    done = container.start(f"exec {agent}/bin/upsun-agent tick", variables)
    told = done.stdout + done.stderr
    assert "Traceback" not in told, told
    assert CANARY not in told
    return done.returncode, told


def due_now(container: Container, *, ticked: bool = False) -> None:
    """Let the job's slot be this very minute; ``ticked``: or the next, since a tick has judged this minute's slots."""
    second = datetime.now(UTC).second
    if ticked or second > 40:  # the first tick has to start within the minute
        time.sleep(61 - second)
    now = datetime.now(UTC)
    schedule(container, f"{now.minute} {now.hour} * * *")


def run_to_its_end(container: Container, variables: Mapping[str, str]) -> tuple[str, list[int]]:
    """Let the job fall due and tick until its run is over; its outcome, and the ticks' exit codes."""
    due_now(container)
    codes = []
    until = time.monotonic() + PATIENCE
    while True:
        codes.append(tick(container, variables)[0])
        shown = container.start(f"exec .upsun-agent/bin/upsun-agent show {JOB} --json", variables)
        assert shown.returncode in {0, 1, 75}, shown.stdout + shown.stderr
        outcome = json.loads(shown.stdout).get("outcome")
        if outcome:
            return outcome, codes
        assert time.monotonic() < until, shown.stdout + shown.stderr
        if shown.returncode == 75:  # the minute was over before the first tick: let it be another one
            due_now(container, ticked=True)
        time.sleep(0.6)


def schedule(container: Container, expression: str) -> None:
    file = container.app / ".upsun" / "agent.toml"
    text = re.sub("^schedule = .*", f'schedule = "{expression}"', file.read_text(), flags=re.MULTILINE)
    file.write_text(text.replace('"Europe/Paris"', '"UTC"'))


@pytest.mark.parametrize("home", [{}, {"HOME": "/app"}], ids=["no home", "read-only home"])
def test_an_idle_tick_is_silent(built: Built, home: dict[str, str]) -> None:
    for _ in range(2):
        assert tick(built.container, {**home, "UPSUN_CLI_TOKEN": CANARY}) == (0, "")


def test_a_whole_night_runs_within_64_mib(built: Built, place: Path) -> None:
    container = built.container
    # A tick of another test may have judged this minute's slots: without its journal the job begins with this minute.
    shutil.rmtree(container.app / "var" / "agent", ignore_errors=True)
    with platform(place) as (variables, request_log):
        outcome, codes = run_to_its_end(container, variables)
        assert (outcome, codes[-1]) == ("succeeded", 0)
        assert tick(container, variables)[0] == 0
    acted = [each["path"] for each in request_log["requests"] if each["method"] == "POST" and each["acted"]]
    asked = [path.rsplit("/", 1)[1] for path in acted if path.endswith(("/backup", "/source-operation"))]
    assert asked == ["backup", "source-operation"]


@pytest.mark.parametrize("home", [{}, {"HOME": "/app"}], ids=["no home", "read-only home"])
def test_a_certificate_is_loaded(built: Built, place: Path, home: dict[str, str]) -> None:
    with platform(place) as (variables, _):
        command = (
            '.upsun-agent/bin/upsun-agent ssh load --json && eval "$(.upsun-agent/bin/upsun-agent ssh env)" && env'
        )
        done = built.container.start(command, {**variables, **home})
    assert done.returncode == 0, done.stdout + done.stderr
    loaded, end = json.JSONDecoder().raw_decode(done.stdout)
    assert loaded["renewed"]
    assert loaded["certificate"]["principals"]
    assert re.search(rf"^GIT_SSH_COMMAND=.*{re.escape(loaded['directory'])}", done.stdout[end:], re.MULTILINE)


def test_every_root_can_run_what_another_built(built: Built, place: Path) -> None:
    """Built with one Python and moved elsewhere: each of the others runs it, libraries and all."""
    mine = built.container.root
    for other in roots.SUITES:
        if other == mine.version or mine.prefix or obtain(other).prefix:
            continue
        theirs = build(other, place / other).container
        container = Container.create(mine, place / f"{other}-in-{mine.version}")
        shutil.copytree(theirs.app / ".upsun-agent", container.app / "moved here")
        container.hand_over()
        done = container.start('exec "moved here/bin/upsun-agent" check --phase build', {})
        assert done.returncode == 0, done.stdout + done.stderr
        assert re.search(rf"python +{re.escape(mine.version)}\.", done.stdout)
        assert "cryptography" in done.stdout
        assert tick(container, {"UPSUN_CLI_TOKEN": CANARY}, '"moved here"') == (0, "")


def test_a_python_that_the_install_does_not_serve_is_said(built: Built) -> None:
    launcher = built.container.app / ".upsun-agent" / "bin" / "upsun-agent"
    text = launcher.read_text()
    own = built.container.root.version.replace(".", ", ")
    try:
        launcher.write_text(text.replace(f"({own}),", ""))
        done = built.container.start("exec .upsun-agent/bin/upsun-agent tick", {})
    finally:
        launcher.write_text(text)
    assert done.returncode == 78
    assert "build the app again" in done.stderr


@pytest.mark.parametrize("helper", ["uv", "nothing"])
def test_an_image_without_pip_and_without_pips_wheel(tmp_path: Path, helper: str) -> None:
    root = obtain("3.13")
    if root.prefix:
        pytest.skip("this machine's own Python has pip")
    source = tmp_path / "source"
    shutil.copytree(wheelhouse(), source, ignore=shutil.ignore_patterns("pip-*"))
    tools = tmp_path / "tools"
    tools.mkdir()
    if helper == "uv":
        shutil.copy(Path(sys.executable).parent / "uv", tools)
    container = Container.create(root, tmp_path / "here")
    variables = {**FROM_WHEELHOUSE, "PATH": "/usr/bin:/bin:/tools"}
    done = container.build(INSTALL, variables, source=source, tools=tools)
    if helper == "nothing":
        assert done.returncode == 1
        assert "there is neither pip nor uv nor venv for /usr/bin/python3" in done.stderr
        assert "dependencies: { python3: { pip: '*' } }" in done.stderr
        return
    assert done.returncode == 0, done.stdout + done.stderr
    assert tick(container, {"UPSUN_CLI_TOKEN": CANARY}) == (0, "")

    flip(next(source.glob("structlog-*")))
    spoiled = Container.create(root, tmp_path / "spoiled")
    done = spoiled.build(INSTALL, variables, source=source, tools=tools)
    assert done.returncode == 1, done.stdout
    assert "has to hold the very wheels that are pinned" in done.stderr


# --- the state in a database -------------------------------------------------------------------------------------


def shared_source(place: Path, minor: str) -> Path:
    """The release with the wheels of the extra ``shared`` for that Python beside it."""
    source = place / f"shared-{minor}"
    shutil.copytree(wheelhouse(), source)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    pip += ["--require-hashes", "--only-binary", ":all:", "--python-version", minor, "--dest", str(source)]
    for each in PLATFORMS[os.uname().machine]:
        pip += ["--platform", each]
    subprocess.run([*pip, "-r", str(wheelhouse().parent / "source/requirements/shared.txt")], check=True)
    for file in source.iterdir():
        file.chmod(0o644)
    source.chmod(0o755)
    return source


@pytest.mark.parametrize(("minor", "kind"), [("3.13", Postgres), ("3.14", MariaDb)])
def test_a_state_in_a_database_is_worked_with_within_64_mib(place: Path, minor: str, kind: type[Server]) -> None:
    container = Container.create(obtain(minor), place / f"with-database-{minor}")
    variables = {**FROM_WHEELHOUSE, "UPSUN_AGENT_PYTHON": container.root.python, "UPSUN_AGENT_EXTRA": "shared"}
    done = container.build(INSTALL, variables, source=shared_source(place, minor))
    assert done.returncode == 0, done.stdout + done.stderr
    agent = "exec .upsun-agent/bin/upsun-agent"
    with running(database(kind, "a state in a database")) as server, platform(place) as (surroundings, request_log):
        login = {"host": "127.0.0.1", "port": server.port, "username": OWNER, "password": server.password}
        scheme = {"postgresql": "pgsql", "mysql": "mysql"}[server.scheme]
        found = {"db": [{"scheme": scheme, "path": DATABASE, "query": {"is_master": True}, **login}]}
        surroundings["PLATFORM_RELATIONSHIPS"] = base64.b64encode(json.dumps(found).encode()).decode()
        surroundings["UPSUN_AGENT_STATE"] = "relationship:db"
        outcome, codes = run_to_its_end(container, surroundings)
        assert (outcome, set(codes)) == ("succeeded", {0})
        said = container.start(f"{agent} check --json", surroundings)
        checked = json.loads(said.stdout)
        assert "findings" in checked, said.stdout + said.stderr
        assert {"state", "tables", "grants"} <= {each["name"] for each in checked["findings"] if each["level"] == "ok"}
        schedule(container, f"0 3 1 {(datetime.now(UTC).month + 5) % 12 + 1} *")
        assert tick(container, surroundings) == (0, "")
        assert tick(container, surroundings) == (0, ""), "and an idle one"
    acted = [each["path"] for each in request_log["requests"] if each["method"] == "POST" and each["acted"]]
    assert sum(path.endswith("/backup") for path in acted) == 1
