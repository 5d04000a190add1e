"""Database servers that mean harm: real ticks against them end with 75, in bounded memory, and show no password."""

from __future__ import annotations

import json
import os
import resource
import ssl
import subprocess
import sys
import threading
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from upsun_agent.database.location import endpoint_of
from upsun_agent.database.meter import growth_limited, resident
from upsun_agent.errors import AgentError

from tests.harness import bounded
from tests.harness.corrupting_proxy import Spoiling
from tests.harness.hostile_databases import (
    CLEAR_MARIADB,
    COMPLETE,
    MARIADB,
    NOTICE,
    PASSWORD,
    POSTGRES,
    Talk,
    answers,
    asks_for_nothing,
    clear_postgres,
    endless,
    hostile,
    nonsense,
)
from tests.harness.journal_forms import DatabaseForm
from tests.harness.sources import SOURCES
from tests.harness.stage import START, SharedStage
from tools.databases import Server

SOAK = os.environ.get("UPSUN_SOAK") == "1"
MEMORY_MOST = 600 * 1024  # kibibytes: a tick has 60 MB, an answer may cost 256 MiB, and its rows as much again
PATIENCE = 100  # seconds: a tick has 60, and what is here besides makes it slow
JOBS = """
[agent]
state = "url-variable:STATE_URL"
heartbeat = { url-variable = "ALARM" }
[jobs.yearly]
schedule = "0 0 1 1 *"
[[jobs.yearly.steps]]
command = { shell = "true", changes = false }
"""


class Ended:
    """How a process ended: its code, what it said, and the kibibytes that it had at most."""

    def __init__(self, code: int, said: str, memory: int) -> None:
        self.code, self.said, self.memory = code, said, memory


Call = Callable[..., Ended]


@pytest.fixture
def alarms() -> Iterator[tuple[str, list[str]]]:
    """A dead-man's switch: its address, and the paths that it was asked for."""
    heard: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            heard.append(self.path)
            self.send_response(200)
            self.end_headers()

        do_GET = do_POST  # noqa: N815  the name that http.server calls

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/switch", heard
        server.shutdown()


@pytest.fixture
def call(tmp_path: Path, alarms: tuple[str, list[str]]) -> Call:
    """The command in a process of its own, with a URL of a database, its memory measured."""
    (tmp_path / "agent.toml").write_text(JOBS)

    def called(url: str, *arguments: str, before: Callable[[], object] | None = None) -> Ended:
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "PYTHONPATH": SOURCES,
            "PLATFORM_PROJECT": "abcdefgh1234z",
            "PLATFORM_BRANCH": "main",
            "PLATFORM_APPLICATION_NAME": "app",
            "PLATFORM_ENVIRONMENT_TYPE": "production",
            "UPSUN_AGENT_CONFIG": str(tmp_path / "agent.toml"),
            "STATE_URL": url,
            "ALARM": alarms[0],
        }
        with (tmp_path / "said").open("w+b") as said:
            command = [sys.executable, "-m", "upsun_agent", *arguments]
            process = subprocess.Popen(
                command,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                cwd=tmp_path,
                preexec_fn=before,  # noqa: PLW1509  one system call, in a process of few threads
            )
            watch = threading.Timer(PATIENCE, process.kill)
            watch.start()
            _, status, usage = os.wait4(process.pid, 0)
            watch.cancel()
            process.returncode = os.waitstatus_to_exitcode(status)
            said.seek(0)
            return Ended(process.returncode, said.read().decode(), usage.ru_maxrss)

    return called


def url_of(scheme: str, port: int, query: str = "") -> str:
    return f"{scheme}://user:{PASSWORD}@127.0.0.1:{port}/main{query}"


def holds(ended: Ended, code: int = 75) -> None:
    """What holds whatever a server does."""
    assert "Traceback" not in ended.said, ended.said
    assert PASSWORD not in ended.said
    assert ended.code == code, ended.said
    assert ended.memory < MEMORY_MOST, f"{ended.memory} KiB"


CASES = [("postgresql", name, talk) for name, talk in POSTGRES.items()]
CASES += [("mysql", name, talk) for name, talk in MARIADB.items()]


@pytest.mark.parametrize(("scheme", "name", "talk"), CASES, ids=[f"{scheme}: {name}" for scheme, name, _ in CASES])
def test_a_tick_against_a_server_that_means_harm_ends_with_75_and_an_alarm(
    call: Call, alarms: tuple[str, list[str]], scheme: str, name: str, talk: Talk
) -> None:
    with hostile(talk) as server:
        ended = call(url_of(scheme, server.port), "tick")
    holds(ended)
    assert server.met == 2, "the idle way and the whole tick both met it"
    assert PASSWORD.encode() not in server.heard
    assert any(path == "/switch/fail" for path in alarms[1]), (name, alarms[1])


@pytest.mark.parametrize("name", [name for name in POSTGRES if name.endswith("of a gigabyte")])
def test_a_server_that_sends_faster_than_a_tick_reads_costs_no_more_memory(call: Call, name: str) -> None:
    usual = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(usual)})  # the server's thread has this processor first: its socket is never empty
    try:
        with hostile(POSTGRES[name]) as server:
            ended = call(url_of("postgresql", server.port), "tick", before=lambda: os.nice(19))
    finally:
        os.sched_setaffinity(0, usual)
    holds(ended)
    assert server.met == 2, "the idle way and the whole tick both met it"


def test_the_limit_on_memory_is_lifted_when_the_last_of_several_threads_has_read() -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    began, ended = threading.Event(), threading.Event()

    def other() -> None:
        with growth_limited:
            began.set()
            ended.wait(10)

    reader = threading.Thread(target=other)
    with growth_limited:
        assert resource.getrlimit(resource.RLIMIT_DATA) != before
        reader.start()
        began.wait(10)
    assert resource.getrlimit(resource.RLIMIT_DATA) != before
    ended.set()
    reader.join()
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


COMMANDS = (("status",), ("status", "--all"), ("history",), ("report", "--html", "page.html"), ("run", "yearly"))


@pytest.mark.parametrize("command", COMMANDS, ids=[" ".join(each) for each in COMMANDS])
def test_every_command_that_reads_the_journal_ends_with_75(call: Call, command: tuple[str, ...]) -> None:
    bad = [("mysql", MARIADB["a greeting of one byte"]), ("mysql", MARIADB["rows without end"])]
    bad += [("postgresql", POSTGRES["ends of commands without end"]), ("postgresql", nonsense(b"\0" * 99))]
    for scheme, talk in bad:
        with hostile(talk) as server:
            holds(call(url_of(scheme, server.port), *command))


def test_check_tells_of_a_server_that_makes_no_sense(call: Call) -> None:
    for scheme, talk in (("mysql", MARIADB["a greeting of one byte"]), ("postgresql", POSTGRES["rows without end"])):
        with hostile(talk) as server:
            ended = call(url_of(scheme, server.port), "check")
        holds(ended, 77)  # it has no token, which counts for more
        assert "fail  state" in ended.said
        assert "is not available now" in ended.said


@pytest.fixture
def tls(postgres: Server) -> ssl.SSLContext:
    """TLS with a certificate of nobody's, as who stands in the way has it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(postgres.certificate, postgres.directory / "server.key")
    return context


def test_postgresqls_password_is_not_shown_to_a_server_that_asks_for_it(call: Call, tls: ssl.SSLContext) -> None:
    for query, context in (("", None), ("?sslmode=disable", None), ("", tls), ("?sslmode=require", tls)):
        with hostile(clear_postgres(context)) as server:
            ended = call(url_of("postgresql", server.port, query), "tick")
        holds(ended, 73)
        assert "asks for the password in clear text" in ended.said
        assert (server.met, PASSWORD.encode() in server.heard) == (2, False)


def test_a_server_that_asks_for_no_proof_of_a_password_is_refused_and_the_message_says_so(call: Call) -> None:
    with hostile(asks_for_nothing) as server:
        ended = call(url_of("postgresql", server.port), "tick")
        holds(ended, 73)
        assert "it does not ask for a proof of the password" in ended.said
        without = call(f"postgresql://user@127.0.0.1:{server.port}/main", "tick")
    assert "proof" not in without.said, "where there is no password there is none to prove"
    holds(without)


@pytest.mark.parametrize("piece", [COMPLETE, NOTICE], ids=["ends of commands", "notices"])
def test_an_answer_over_tls_is_bounded_too(call: Call, tls: ssl.SSLContext, piece: bytes) -> None:
    with hostile(answers(endless(piece), tls)) as server:
        ended = call(url_of("postgresql", server.port), "tick")
    holds(ended)
    assert "it sends more than an answer can be" in ended.said
    assert server.met == 2


@pytest.mark.parametrize("way", CLEAR_MARIADB)
def test_mariadbs_password_is_not_shown_to_a_server_that_asks_for_it(call: Call, way: str) -> None:
    with hostile(CLEAR_MARIADB[way]) as server:
        ended = call(url_of("mysql", server.port), "tick")
    holds(ended, 73)
    assert "asks for the password in clear text" in ended.said
    assert (server.met, PASSWORD.encode() in server.heard) == (2, False)


def test_a_file_is_not_sent_to_a_server_that_asks_for_it(call: Call) -> None:
    with hostile(MARIADB["a request for a file"]) as server:
        holds(call(url_of("mysql", server.port), "tick"))
    assert b"root:" not in server.heard


def test_who_wants_to_show_the_password_says_so_and_knows_the_server(call: Call) -> None:
    ended = call(url_of("postgresql", 1, "?require_auth=password"), "tick")
    holds(ended, 78)
    assert "sslmode=verify-full" in ended.said
    holds(call(url_of("mysql", 1, "?require_auth=anything"), "tick"), 78)


def test_a_relationship_that_says_so_is_shown_the_password() -> None:
    instance = {"scheme": "pgsql", "host": "h", "path": "main", "username": "u", "password": "p", "port": 5432}
    for query, clear in (({}, False), ({"require_auth": "password"}, True), ([], False), ({"require_auth": 1}, False)):
        known = json.dumps({"database": [{**instance, "query": query}]})
        environ = {"PLATFORM_RELATIONSHIPS": b64encode(known.encode()).decode()}
        assert endpoint_of("relationship:database", environ).clear is clear


def test_a_large_answer_of_a_real_server_is_no_attack(server: Server) -> None:
    server.fresh_database("large")
    form = DatabaseForm(server, ("abcdefgh1234z", "main", "app"), database="large")
    with form.work() as journal:
        for number in range(60):
            journal.note(f"large{number}", "x" * 60_000)
    with form.look() as journal:
        assert len(journal.notes("large")) == 60


def test_a_column_of_another_kind_is_an_answer_that_makes_no_sense(server: Server, call: Call) -> None:
    server.fresh_database("kinds")
    form = DatabaseForm(server, ("abcdefgh1234z", "main", "app"), database="kinds")
    with form.work():
        pass
    mariadb = "ALTER TABLE upsun_agent_journals MODIFY fence text"
    postgres = "ALTER TABLE upsun_agent.journals ALTER fence DROP DEFAULT, ALTER fence TYPE text"
    server.execute(mariadb if server.scheme == "mysql" else postgres, database="kinds")
    ended = call(server.url(database="kinds", query="sslmode=disable"), "tick")
    holds(ended)
    assert "its answer cannot be read" in ended.said


@pytest.mark.parametrize("part", range(40 if SOAK else 2))
def test_answers_of_a_real_server_that_were_spoiled_on_the_way_end_with_an_error_of_ours(
    server: Server, make: Callable[..., SharedStage], part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("connect", "meter"):  # many of them are lengths that are waited for
        monkeypatch.setattr(f"upsun_agent.database.{module}.DATABASE_STATEMENT", 0.5)
    monkeypatch.setattr("upsun_agent.database.meter.GRACE", 0.2)
    door = Spoiling(server.port)
    stage = make(url=server.url(port=door.port, query="sslmode=disable"))
    stage.at(START).tick()
    ended = Counter[object]()
    try:
        for seed in range(part * 30, part * 30 + 30):
            door.seed = seed
            stage.later(minutes=5)
            try:
                with bounded.time(), bounded.memory():
                    stage.tick()
                ended["well"] += 1
            except AgentError as error:
                assert error.exit_code in {73, 75}, (seed, error)  # noqa: PT017  either may follow, nothing else
                ended[error.exit_code] += 1
            except Exception as error:
                raise AssertionError(f"seed {seed}: {error!r}") from error
    finally:
        door.close()
    assert ended[75] > 0, ended
    assert resident() < MEMORY_MOST * 1024
