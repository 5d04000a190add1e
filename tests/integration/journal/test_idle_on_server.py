"""An idle tick with its journal on a server: one connection, one statement, and never idle when it is not sure."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from upsun_agent.database import libpq
from upsun_agent.database.idle import digest_of
from upsun_agent.idle import basis
from upsun_agent.journal import Cursor, IdleHint
from upsun_agent.journal.notes import MOVED_TO

from tests.harness.database_proxy import Proxy
from tests.harness.journal_forms import DatabaseForm
from tests.harness.sources import SOURCES
from tests.integration.journal.test_conformance import opened
from tools.databases import Postgres, Server

TEXT = "[jobs.nightly]\n"
NOW = 1_700_000_000


@pytest.fixture
def ticked(shared: DatabaseForm) -> DatabaseForm:
    """A journal in which a whole tick has left its answer."""
    with shared.work() as journal:
        journal.set_idle_hint(IdleHint(shared.identity, basis(TEXT, "production"), NOW + 600))
        journal.mark_tick(NOW)
    return shared


def idle(form: DatabaseForm, now: float = NOW + 300, *, text: str = TEXT, kind: str | None = "production") -> bool:
    return form.idle(text, now, kind=kind)


def test_no_tick_is_idle_before_a_whole_one_has_looked(shared: DatabaseForm) -> None:
    assert idle(shared) is False
    with shared.work():
        pass
    assert idle(shared) is False


def test_an_idle_tick_leaves_its_own_trace(ticked: DatabaseForm) -> None:
    with ticked.look() as journal:
        before = journal.ticks()
    assert idle(ticked) is True
    with ticked.look() as journal:
        assert journal.last_tick() == NOW + 300
        assert journal.ticks() == before + 1, "idle ticks are counted too"


def test_whatever_changed_is_looked_at(ticked: DatabaseForm) -> None:
    assert idle(ticked, NOW + 599.9) is True
    assert idle(ticked, NOW + 600) is False
    assert idle(ticked, text=TEXT + "\n") is False
    assert idle(ticked, kind="staging") is False
    assert idle(ticked, kind=None) is False
    for part in range(3):
        own = list(ticked.identity)
        own[part] += "x"
        assert DatabaseForm(ticked.server, (own[0], own[1], own[2])).idle(TEXT, NOW + 300, kind="production") is False
    assert idle(ticked, NOW + 599 - 3600) is True, "a clock may go back by less than an hour"
    assert idle(ticked, NOW - 3001 - 3601) is False
    assert idle(ticked) is True
    with ticked.work() as journal:
        journal.set_idle_hint(IdleHint(ticked.identity, "", 0))
    assert idle(ticked) is False


def test_a_journal_that_was_set_aside_answers_nobody(ticked: DatabaseForm) -> None:
    ticked.say("UPDATE {p}journals SET present = NULL WHERE {mine}")
    assert idle(ticked) is False


def test_without_a_last_tick_no_tick_is_idle(ticked: DatabaseForm) -> None:
    ticked.say("UPDATE {p}idle_hints SET last_tick = NULL WHERE journal IN (SELECT id FROM {p}journals WHERE {mine})")
    assert idle(ticked) is False


@pytest.mark.parametrize("change", ["1", "no-such-host.invalid", "wrong"])
def test_a_database_that_is_not_to_be_had_is_no_idle_answer(ticked: DatabaseForm, change: str) -> None:
    port = str(ticked.server.port)
    old, new = {"1": (f":{port}/", ":1/"), "wrong": ("canary", "wrong")}.get(change, ("@127.0.0.1", f"@{change}"))
    ticked.url = ticked.url.replace(old, new)
    assert idle(ticked) is False


def test_a_database_that_does_not_answer_is_given_up_in_time(
    ticked: DatabaseForm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("upsun_agent.database.idle.IDLE_DATABASE", 1.0)
    monkeypatch.setattr("upsun_agent.database.connect.DATABASE_CONNECT", 1.0)
    door = Proxy(ticked.server.port)
    try:
        ticked.url = ticked.url.replace(str(ticked.server.port), str(door.port))
        assert idle(ticked) is True
        time.sleep(0.1)
        messages = door.messages - 1  # the last one says goodbye: the answer is here by then
        for after in range(messages):
            door.slow(3, after)
            assert idle(ticked) is False
        door.slow(0)
        for number in range(1, messages + 1):
            door.arm(number, "before")
            assert idle(ticked) is False
        door.arm()
        assert idle(ticked) is True
    finally:
        door.close()


def test_it_takes_one_connection_and_one_statement(ticked: DatabaseForm) -> None:
    if isinstance(ticked.server, Postgres):
        ticked.server.execute("ALTER SYSTEM SET log_statement = 'all'", "ALTER SYSTEM SET log_connections = on")
        ticked.server.execute("SELECT pg_reload_conf()", "SELECT pg_sleep(0.2)")
    else:
        ticked.server.execute("SET GLOBAL log_output = 'TABLE'", "SET GLOBAL general_log = 1")
    before = len(ticked.server.log.read_bytes())
    assert idle(ticked) is True
    if isinstance(ticked.server, Postgres):
        told = ticked.server.log.read_bytes()[before:].decode()
        ticked.server.execute("ALTER SYSTEM RESET ALL", "SELECT pg_reload_conf()")
        assert told.count("connection authorized: user=upsun_agent_owner") == 1
        assert told.count("UPDATE upsun_agent.idle_hints") == 1
        assert told.count("execute <unnamed>") == 1
        return
    ticked.server.execute("SET GLOBAL general_log = 0")
    query = "SELECT command_type, argument FROM mysql.general_log WHERE user_host LIKE '%upsun%'"
    told = ticked.server.execute(query, "TRUNCATE mysql.general_log")
    assert told.count("Connect|") == 1
    kept = [line for line in told.splitlines() if line.startswith("Query|") and "|SET " not in line]
    assert len(kept) == 1
    assert "UPDATE upsun_agent_idle_hints" in kept[0]


def test_tables_in_a_schema_where_others_may_make_some_are_not_asked_before_their_owner_is_known(
    postgres: Server,
) -> None:
    postgres.fresh_database("prefixed")
    postgres.execute("ALTER DATABASE prefixed OWNER TO postgres", database="prefixed")
    postgres.execute("GRANT CREATE ON SCHEMA public TO upsun_agent_owner", database="prefixed")
    form = DatabaseForm(postgres, ("p", "main", "app"), database="prefixed")
    with form.work() as journal:
        journal.open_run(opened("r"))
        journal.set_cursor(Cursor("j", "x", opened("r").at))
        journal.set_idle_hint(IdleHint(form.identity, basis(TEXT, "production"), NOW + 600))
        journal.mark_tick(NOW)
        journal.note(MOVED_TO, "x")
    assert idle(form) is False


def test_without_psycopgs_library_nothing_is_idle_and_nothing_fails(
    postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = DatabaseForm(postgres, ("p", "alone", "app"))
    with form.work() as journal:
        journal.set_idle_hint(IdleHint(form.identity, basis(TEXT, "production"), NOW + 600))
        journal.mark_tick(NOW)

    def none(_: str) -> None:
        raise OSError

    monkeypatch.setattr(libpq.ctypes, "CDLL", none)  # type: ignore[attr-defined]  # the module's own import is replaced
    assert idle(form) is False


def test_the_digest_is_sha_256_however_it_is_come_by() -> None:
    import hashlib

    for text in ("", "ü", "\ud800"):
        assert digest_of(text) == hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


HEAVY = {"psycopg", "sqlalchemy", "httpx", "structlog", "croniter", "cryptography", "dataclasses", "typing", "logging"}


def test_it_loads_no_heavy_module(ticked: DatabaseForm, tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_text(TEXT)
    probe = (
        "import sys; sys.argv = ['upsun-agent', 'tick']\n"
        "from upsun_agent.__main__ import main\n"
        "code = main()\n"
        "print(*(name for name, module in sys.modules.items() if type(module).__name__ != 'Deferred'))\n"
        "sys.exit(code)"
    )
    names = ("PLATFORM_PROJECT", "PLATFORM_BRANCH", "PLATFORM_APPLICATION_NAME")
    with ticked.work() as journal:
        journal.set_idle_hint(IdleHint(ticked.identity, basis(TEXT, None), int(time.time()) + 600))
        journal.mark_tick(time.time())
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path += {sys.path!r}\n{probe}"],
        env={
            "UPSUN_AGENT_STATE": "url-variable:STATE_URL",
            "STATE_URL": ticked.url,
            "UPSUN_AGENT_CONFIG": str(tmp_path / "agent.toml"),
            "PYTHONPATH": SOURCES,
            **dict(zip(names, ticked.identity, strict=True)),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    allowed = {"typing", "logging"} if not isinstance(ticked.server, Postgres) else set()
    assert not (HEAVY - allowed) & set(done.stdout.split())
