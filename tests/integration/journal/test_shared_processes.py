"""Real processes whose state is in a database, crowded, killed and cut off. The request log is the simulator's own."""

from __future__ import annotations

import base64
import json
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from upsun_agent.journal import Cursor, RunRow
from upsun_agent.journal.directory import reading
from upsun_agent.journal.server.opening import hold

from tests.harness.agent_process import ended
from tests.harness.container import FIVE_MINUTES, IDENTITY, Container, due_container
from tests.harness.database_proxy import Proxy
from tests.harness.journal_forms import NAME, VARIABLE, place_of
from tests.harness.receivers import receiver
from tools.databases import Server

_numbers = count(1)
#: Seconds: far less than the database takes in these tests (30), and time for a busy machine to end a process.
SOON = 8


@dataclass
class SharedContainer(Container):
    """A container with its state in a database."""

    url: str = ""
    identity: tuple[str, str, str] = IDENTITY

    def rows(self, *, open_only: bool = False) -> list[RunRow]:
        with reading(place_of(self.url), self.identity) as journal:
            return list(journal.rows(open_only=open_only))


def more_than(door: Proxy, count: int) -> bool:
    """Return whether more messages than that passed."""
    return door.messages > count


@pytest.fixture
def container(server: Server, tmp_path: Path) -> Iterator[SharedContainer]:
    """A container whose job fell due ten minutes ago."""
    app = f"app{next(_numbers)}"
    identity = (IDENTITY[0], IDENTITY[1], app)
    with due_container(tmp_path) as found:
        url = server.url()
        variables = {"UPSUN_AGENT_STATE": NAME, VARIABLE: url, "PLATFORM_APPLICATION_NAME": app}
        held = hold(place_of(url), identity)
        due = datetime.now(UTC) - timedelta(minutes=10)
        key = f"{due.minute} {due.hour} {due.day} {due.month} *|UTC"
        held.journal.set_cursor(Cursor("nightly", key, due - timedelta(minutes=10)))
        held.release()
        text = (tmp_path / "agent.toml").read_text()
        (tmp_path / "agent.toml").write_text(text.replace(text.split('"')[1], key.partition("|")[0]))
        agent = replace(found.agent, variables={**found.agent.variables, **variables})
        shared = SharedContainer(agent, found.simulator, found.clock, found.state, url=url, identity=identity)
        yield shared
        found.started += shared.started


#: How many connections of the agent's there are.
SESSIONS = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'upsun-agent'",
    "mysql": "SELECT count(*) FROM information_schema.processlist WHERE user LIKE 'upsun%'",
}


def settled(container: SharedContainer) -> None:
    for _ in range(12):
        container.clock.advance(FIVE_MINUTES)
        assert container.agent("tick").code in {0, 75}
        if not container.rows(open_only=True):
            return
    raise AssertionError("the run never ends")


def done_once(container: SharedContainer) -> None:
    assert container.rows()[0].outcome == "succeeded"
    assert (container.happened("backup"), container.happened("source-operation")) == (1, 1)
    assert (container.asked("backup"), container.asked("source-operation")) == (1, 1)


def test_ten_processes_at_once_do_the_work_once(container: SharedContainer, server: Server) -> None:
    results = [ended(process) for process in [container.start() for _ in range(10)]]
    assert {result.code for result in results} <= {0, 75}
    assert 0 in {result.code for result in results}
    for result in results:
        assert result.code == 0 or "another tick" in result.err
        assert server.password not in result.said
    assert container.asked("backup") == container.happened("backup") == 1
    settled(container)
    done_once(container)
    before = len(container.simulator.requests)
    idle = container.agent("tick")
    assert (idle.code, idle.said) == (0, "")
    assert len(container.simulator.requests) == before


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_that_ends_while_its_request_is_on_the_way_is_taken_up_by_the_next(
    container: SharedContainer, number: signal.Signals
) -> None:
    container.simulator.hold("/backup")
    process = container.start()
    container.simulator.wait_for_held()
    assert server_secret_hidden(container)
    result = ended(process, number)
    assert result.code == (143 if number == signal.SIGTERM else -signal.SIGKILL)
    container.wait_until(lambda: container.agent("tick").code == 0)
    assert container.asked("backup") == 0, "what became of the held request is not known yet: nothing is asked"
    container.simulator.let_go()
    container.wait_until(lambda: container.happened("backup") == 1)
    settled(container)
    done_once(container)


def server_secret_hidden(container: SharedContainer) -> bool:
    """No command line on this machine holds the database's password."""
    secret = place_of(container.url).endpoint.password.encode()
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(file.read_bytes())
        except OSError:
            continue
    return not any(secret in line for line in lines)


def test_sigterm_is_obeyed_at_once_though_the_database_does_not_answer(
    container: SharedContainer, server: Server
) -> None:
    door = Proxy(server.port)
    try:
        container.agent.variables[VARIABLE] = server.url(port=door.port)
        container.simulator.hold("/backup")
        process = container.start()
        container.simulator.wait_for_held()
        door.slow(30)
        began = time.monotonic()
        result = ended(process, signal.SIGTERM)
        assert time.monotonic() - began < SOON
        assert result.code == 143
    finally:
        door.close()


def test_sigterm_is_obeyed_at_once_wherever_in_its_statements_the_tick_waits(
    container: SharedContainer, server: Server
) -> None:
    door = Proxy(server.port)
    try:
        container.agent.variables[VARIABLE] = server.url(port=door.port)
        for after in (14, 23, 24, 25, 26):
            door.arm()
            door.slow(30, after)
            process = container.start()
            container.wait_until(partial(more_than, door, after))
            time.sleep(0.2)
            began = time.monotonic()
            result = ended(process, signal.SIGTERM)
            assert time.monotonic() - began < SOON, f"after message {after}"
            assert result.code == 143
            door.slow(0)
            door.drop()
            container.wait_until(lambda: server.execute(SESSIONS[server.scheme]) == "0")
    finally:
        door.close()


def test_a_relationship_leads_to_the_database(container: SharedContainer, server: Server) -> None:
    endpoint = place_of(container.url).endpoint
    instance = {
        "scheme": endpoint.scheme,
        "host": endpoint.host,
        "port": endpoint.port,
        "path": endpoint.database,
        "username": endpoint.user,
        "password": endpoint.password,
        "query": {"is_master": True},
    }
    replica = {**instance, "host": "replica.invalid", "query": {"is_master": False}}
    found = relationships({"database": [replica, instance], "cache": [{"scheme": "redis"}]})
    jobs = Path(container.agent.variables["UPSUN_AGENT_CONFIG"])
    jobs.write_text('[agent]\nstate = "relationship:database"\n' + jobs.read_text())
    settings = {"UPSUN_AGENT_STATE": None, VARIABLE: None, "PLATFORM_RELATIONSHIPS": found}
    assert container.agent("tick", **settings).code == 0
    assert container.happened("backup") == 1
    shown = container.agent("status", **settings)
    assert "state in relationship:database" in shown.out
    missing = container.agent("tick", **{**settings, "PLATFORM_RELATIONSHIPS": relationships({"cache": []})})
    assert missing.code == 78
    assert "no relationship 'database'" in missing.err
    only = container.agent("tick", **{**settings, "PLATFORM_RELATIONSHIPS": relationships({"database": [replica]})})
    assert only.code == 78
    assert server.password not in shown.said + missing.said + only.said


def relationships(found: Any) -> str:
    return base64.b64encode(json.dumps(found).encode()).decode()


def test_a_database_that_is_down_ends_a_tick_with_75_and_the_password_is_nowhere(
    container: SharedContainer, server: Server
) -> None:
    for url in (server.url(port=1), server.url().replace("@127.0.0.1", "@no-such-host.invalid")):
        result = container.agent("tick", **{VARIABLE: url})
        assert result.code == 75, result.said
        assert server.password not in result.said
        assert "%21" not in result.said
    assert container.simulator.requests == []
    refused = container.agent("tick", **{VARIABLE: server.url().replace("canary", "wrong")})
    assert refused.code == 73
    assert "password" in refused.err
    assert "wrong" not in refused.err


def test_a_database_that_is_down_is_a_failure_of_the_heartbeat(container: SharedContainer, server: Server) -> None:
    jobs = Path(container.agent.variables["UPSUN_AGENT_CONFIG"])
    jobs.write_text('[agent]\nheartbeat = { url-variable = "BEAT", every = "1h" }\n' + jobs.read_text())
    with receiver() as ear:
        result = container.agent("tick", BEAT=f"{ear.url}/canary-beat", **{VARIABLE: server.url(port=1)})
        assert result.code == 75
        assert ear.paths == ["/canary-beat/fail"]
        assert "database" in ear.requests[0].text
        assert server.password not in ear.requests[0].text
        assert container.agent("tick", BEAT=f"{ear.url}/canary-beat").code == 0
        assert ear.paths == ["/canary-beat/fail", "/canary-beat"]
