"""What drivers and libraries say by themselves never reaches stderr; a database that lacks characters is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from upsun_agent.database.errors import DatabaseRefused
from upsun_agent.journal.server.opening import hold
from upsun_simulator import ManualClock, Scenario, Simulator, serve

from tests.harness.agent_process import Agent
from tests.harness.journal_forms import VARIABLE, DatabaseForm
from tools.databases import MariaDb, Postgres, Server

IDENTITY = ("abcdefgh1234z", "main", "app")
JOBS = """
[agent]
state = "url-variable:STATE_URL"

[jobs.speaks]
[[jobs.speaks.steps]]
command = { shell = "printf '\\\\360\\\\237\\\\230\\\\200'; echo run >> RAN", changes = false }

[jobs.yearly]
schedule = "0 0 1 1 *"
[[jobs.yearly.steps]]
command = { shell = "true", changes = false }
"""


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    jobs = tmp_path / "agent.toml"
    jobs.write_text(JOBS.replace("RAN", str(tmp_path / "ran")))
    simulator = Simulator(Scenario(token="canary-api-token-1234567890"), ManualClock(datetime.now(UTC)))
    with serve(simulator) as server:
        yield Agent(
            tmp_path,
            {
                "PLATFORM_PROJECT": IDENTITY[0],
                "PLATFORM_BRANCH": IDENTITY[1],
                "PLATFORM_APPLICATION_NAME": IDENTITY[2],
                "PLATFORM_ENVIRONMENT_TYPE": "production",
                "UPSUN_AGENT_CONFIG": str(jobs),
                "UPSUN_CLI_API_URL": server.url,
                "UPSUN_CLI_AUTH_URL": server.url,
                "UPSUN_CLI_TOKEN": "canary-api-token-1234567890",
            },
        )


def only_ours(err: str) -> bool:
    """Whether every line of stderr is a line of the log, or an error of the agent's with its remedy."""
    lines = [line for line in err.splitlines() if line]
    return all(line.startswith(("{", "upsun-agent: ", "  ")) for line in lines)


# --- what servers remark --------------------------------------------------------------------------------------------


def test_a_servers_warning_at_each_connection_is_not_heard(agent: Agent, postgres: Server) -> None:
    postgres.fresh_database("collated")
    postgres.execute("UPDATE pg_database SET datcollversion = '1.0' WHERE datname = 'collated'")
    url = postgres.url(database="collated", query="sslmode=disable")
    for tick in ("first", "idle", "idle again"):
        said = agent("tick", **{VARIABLE: url})
        assert (said.code, said.err) == (0, ""), tick
    form = DatabaseForm(postgres, IDENTITY, database="collated")
    assert form.say("SELECT ticks FROM {p}idle_hints") == "3"
    for command in (("status",), ("check",), ("run", "speaks")):
        said = agent(*command, **{VARIABLE: url})
        assert "WARNING" not in said.said
        assert "collation" not in said.said
        assert only_ours(said.err)


def test_a_statement_that_is_refused_in_a_pipeline_is_said_in_our_words_alone(agent: Agent, server: Server) -> None:
    server.fresh_database("refusing")
    form = DatabaseForm(server, IDENTITY, database="refusing")
    with form.work():
        pass
    name = "refusing_user"
    login = name if isinstance(server, Postgres) else f"{name}@'127.0.0.1'"
    if isinstance(server, Postgres):
        server.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{server.password}'")
        inserts = ", ".join(f"upsun_agent.{table}" for table in ("runs", "notes", "cursors", "idle_hints"))
        server.execute(
            f"GRANT USAGE ON SCHEMA upsun_agent TO {name}",
            f"GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA upsun_agent TO {name}",
            f"GRANT INSERT ON {inserts} TO {name}",
            database="refusing",
        )
    else:
        server.execute(f"CREATE USER {login} IDENTIFIED BY '{server.password}'")
        server.execute(f"GRANT SELECT, UPDATE ON refusing.* TO {login}")
        for table in ("runs", "notes", "cursors", "idle_hints", "journals"):
            server.execute(f"GRANT INSERT ON refusing.upsun_agent_{table} TO {login}")
    url = server.url(database="refusing", user=name, query="sslmode=disable")
    said = agent("run", "speaks", **{VARIABLE: url})
    assert said.code == 73, said.said
    assert only_ours(said.err), said.err
    assert "psycopg" not in said.err
    assert name not in said.err
    if isinstance(server, Postgres):
        server.execute(f"DROP OWNED BY {name} CASCADE", database="refusing")
    server.execute(f"DROP USER {login}")


LOUD = """
import logging, sys, threading, warnings
from upsun_agent.log.quiet_libraries import keep_libraries_quiet
from upsun_agent.cli.streams import complain
keep_libraries_quiet(complain)
logging.getLogger("psycopg").warning("error ignored terminating <host=h user=canary-user-1>")
logging.getLogger().error("canary-user-1")
warnings.warn("canary-user-1", stacklevel=1)
class Odd:
    def __del__(self):
        raise OSError("canary-user-1")
Odd()
def fail():
    raise ValueError("canary-user-1")
thread = threading.Thread(target=fail, name="canary-user-1")
thread.start()
thread.join()
"""


def test_what_libraries_say_by_themselves_is_not_repeated() -> None:
    done = subprocess.run([sys.executable, "-c", LOUD], capture_output=True, text=True, check=True, timeout=60)
    assert "canary-user-1" not in done.stdout + done.stderr
    assert done.stderr.splitlines() == [
        "upsun-agent: unexpected OSError in the background; please report it if it stays",
        "upsun-agent: unexpected ValueError in the background; please report it if it stays",
    ]


# --- what a database can hold ---------------------------------------------------------------------------------------


@pytest.fixture(params=["LATIN1", "WIN1252", "EUC_JP", "LATIN9"])
def narrow(request: pytest.FixtureRequest, postgres: Server) -> Iterator[str]:
    name = f"narrow_{request.param.lower()}"
    made = f"CREATE DATABASE {name} ENCODING '{request.param}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    postgres.execute(
        made, f"GRANT ALL ON DATABASE {name} TO PUBLIC", f"ALTER DATABASE {name} OWNER TO upsun_agent_owner"
    )
    yield name
    postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_a_database_that_lacks_characters_is_refused_before_anything_is_done(
    agent: Agent, postgres: Server, narrow: str, tmp_path: Path
) -> None:
    url = {VARIABLE: postgres.url(database=narrow, query="sslmode=disable")}
    for command in (("run", "speaks"), ("tick",), ("status",)):
        said = agent(*command, **url)
        assert said.code == 73, said.said
        assert "which cannot hold every character" in said.err
        assert "ENCODING 'UTF8'" in said.err
        assert only_ours(said.err)
    assert not (tmp_path / "ran").exists()
    checked = agent("check", "--json", **url)
    assert checked.code == 73
    (found,) = [each for each in json.loads(checked.out)["findings"] if each["name"] == "state"]
    assert (found["level"], "encoding" in found["message"]) == ("fail", True)


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "UTF8"])
def test_a_database_that_holds_every_character_is_taken(
    agent: Agent, postgres: Server, encoding: str, tmp_path: Path
) -> None:
    name = f"whole_{encoding.lower()}"
    made = f"CREATE DATABASE {name} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    postgres.execute(made, f"ALTER DATABASE {name} OWNER TO upsun_agent_owner")
    url = {VARIABLE: postgres.url(database=name, query="sslmode=disable")}
    assert agent("run", "speaks", **url).code == 0
    assert (tmp_path / "ran").read_text() == "run\n"
    assert "\N{GRINNING FACE}" in agent("show", "speaks", "--json", **url).document["events"].__repr__()
    postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_tables_of_ours_hold_every_character_though_mariadbs_database_does_not(
    agent: Agent, mariadb: Server, tmp_path: Path
) -> None:
    mariadb.fresh_database("narrow")
    mariadb.execute("ALTER DATABASE narrow CHARACTER SET latin1")
    url = {VARIABLE: mariadb.url(database="narrow", query="sslmode=disable")}
    assert agent("run", "speaks", **url).code == 0
    assert "\N{GRINNING FACE}" in agent("show", "speaks", "--json", **url).document["events"].__repr__()
    (tmp_path / "ran").unlink()
    convert = "ALTER TABLE upsun_agent_events CONVERT TO CHARACTER SET latin1"
    mariadb.execute("DELETE FROM upsun_agent_events", convert, database="narrow")
    for command in (("run", "speaks"), ("tick",), ("status",), ("check",)):
        said = agent(*command, **url)
        assert said.code == 73, said.said
        assert "upsun_agent_events" in said.said
        assert "utf8mb4" in said.said
    assert not (tmp_path / "ran").exists()


def test_looking_refuses_such_a_database_too(postgres: Server, narrow: str) -> None:
    form = DatabaseForm(postgres, IDENTITY, database=narrow)
    with pytest.raises(DatabaseRefused), form.look():
        pass
    with pytest.raises(DatabaseRefused):
        hold(form.place, IDENTITY)


def test_the_servers_are_what_these_tests_take_them_for(postgres: Server, mariadb: Server) -> None:
    assert (isinstance(postgres, Postgres), isinstance(mariadb, MariaDb)) == (True, True)
