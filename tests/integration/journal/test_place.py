"""Which database a state is in: from relationships and URLs, every mistake named, no password in any word."""

from __future__ import annotations

import base64
import json
import ssl
import struct
from typing import Any

import pytest
from upsun_agent.config import JobFileInvalid, parse
from upsun_agent.database import errors
from upsun_agent.database.errors import DatabaseRefused, DatabaseUnreachable, code_of, translated, translated_errors
from upsun_agent.database.location import Endpoint, endpoint_of
from upsun_agent.errors import AgentError, Bug, ConfigInvalid
from upsun_agent.journal.server.opening import hold
from upsun_agent.journal.server.session import Session
from upsun_agent.journal.state import DatabaseState

from tests.harness.journal_forms import DatabaseForm, place_of
from tools.databases import Server

SECRET = "canary-database-password"
#: As https://developer.upsun.com/docs/add-services/postgresql#relationship-reference shows it.
DOCUMENTED: dict[str, Any] = {
    "username": "main",
    "scheme": "pgsql",
    "service": "postgresql",
    "fragment": None,
    "ip": "198.51.100.7",
    "hostname": "azertyuiopqsdfghjklm.postgresql.service._.eu-1.example",
    "port": 5432,
    "cluster": "azertyuiopqsdf-main-afdwftq",
    "host": "postgresql.internal",
    "rel": "postgresql",
    "path": "main",
    "query": {"is_master": True},
    "password": SECRET,
    "type": "postgresql:17",
    "public": False,
    "host_mapped": False,
}


def related(*instances: Any) -> Endpoint:
    text = base64.b64encode(json.dumps({"database": list(instances)}).encode()).decode()
    return endpoint_of("relationship:database", {"PLATFORM_RELATIONSHIPS": text})


def shown(endpoint: Endpoint) -> tuple[Any, ...]:
    return (endpoint.scheme, endpoint.host, endpoint.port, endpoint.database, endpoint.user, endpoint.password)


def test_a_relationship_as_the_platform_gives_it() -> None:
    assert shown(related(DOCUMENTED)) == ("pgsql", "postgresql.internal", 5432, "main", "main", SECRET)
    maria = {**DOCUMENTED, "scheme": "mysql", "port": None, "password": ""}
    assert shown(related(maria)) == ("mysql", "postgresql.internal", 3306, "main", "main", "")
    assert SECRET not in repr(related(DOCUMENTED))


def test_of_several_instances_the_primary_is_taken() -> None:
    replica = {**DOCUMENTED, "host": "replica", "query": {"is_master": False}}
    assert related(replica, DOCUMENTED).host == "postgresql.internal"
    assert related({**replica, "query": None, "is_primary": False}, DOCUMENTED).host == "postgresql.internal"
    with pytest.raises(ConfigInvalid, match="no primary"):
        related(replica)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scheme": "redis"}, "scheme"),
        ({"scheme": None}, "scheme"),
        ({"host": None}, "host"),
        ({"host": ""}, "host"),
        ({"host": 7}, "host"),
        ({"path": ""}, "path"),
        ({"username": None}, "username"),
        ({"password": [SECRET]}, "password"),
        ({"password": SECRET + "\0"}, "password"),
        ({"username": "x" * 2000}, "username"),
        ({"port": 0}, "port"),
        ({"port": 70_000}, "port"),
        ({"port": "٣"}, "port"),
        ({"port": -1}, "port"),
        ({"port": "9" * 10_000}, "port"),
    ],
    ids=str,
)
def test_a_relationship_that_makes_no_sense_is_said(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigInvalid, match=words) as refused:
        related({**DOCUMENTED, **change})
    assert SECRET not in f"{refused.value}{refused.value.remedy}"


@pytest.mark.parametrize("found", [[], None, "x", [7], {}], ids=str)
def test_a_relationship_without_instances_is_said(found: Any) -> None:
    text = base64.b64encode(json.dumps({"database": found}).encode()).decode()
    with pytest.raises(ConfigInvalid):
        endpoint_of("relationship:database", {"PLATFORM_RELATIONSHIPS": text})


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:p%40%2F@h:1/d", ("pgsql", "h", 1, "d", "u", "p@/")),
        ("postgres://u@h/d", ("pgsql", "h", 5432, "d", "u", "")),
        ("mysql://u:p@[::1]/d?serverVersion=10.11&charset=utf8mb4", ("mysql", "::1", 3306, "d", "u", "p")),
        ("mariadb+pymysql://u:p@h/d", ("mysql", "h", 3306, "d", "u", "p")),
        ("postgresql://u:p@/d?host=/run/postgresql", ("pgsql", "/run/postgresql", 5432, "d", "u", "p")),
    ],
)
def test_urls_in_every_usual_spelling(url: str, expected: tuple[Any, ...]) -> None:
    assert shown(endpoint_of("url-variable:U", {"U": f" {url}\n"})) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        SECRET,
        f"https://u:{SECRET}@h/d",
        f"postgresql://u:{SECRET}@h:port/d",
        f"postgresql://u:{SECRET}@h:99999/d",
        f"postgresql://u:{SECRET}@h",
        f"postgresql://:{SECRET}@h/d",
        f"postgresql://u:{SECRET}@/d",
        f"postgresql://u:{SECRET}#x@h/d",
        f"postgresql://u:{SECRET}@[::1/d",
        f"postgresql://u:{SECRET}@h/d?sslmode=perhaps",
    ],
)
def test_a_url_that_is_none_is_said_without_a_word_of_it(url: str) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        endpoint_of("url-variable:U", {"U": url})
    assert SECRET not in f"{refused.value}{refused.value.remedy}{refused.value.__cause__}"
    assert refused.value.remedy


@pytest.mark.parametrize("state", ["relationship:database", "url-variable:STATE_URL", "/app/var/agent"])
def test_the_job_file_takes_a_path_or_a_name(state: str) -> None:
    assert parse(f'[agent]\nstate = "{state}"\n[jobs.a]\nsteps = [{{ backup = {{}} }}]\n').state == state


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (f"mysql://u:{SECRET[:6]}@h/d", "must not be a URL"),
        ("relationship:", "relationship:NAME"),
        ("relationship:a b", "relationship:NAME"),
        ("url-variable:1", "the name of a variable"),
        ("var/agent", "an absolute path"),
    ],
)
def test_the_job_file_never_holds_a_url(state: str, words: str) -> None:
    with pytest.raises(JobFileInvalid, match=words) as refused:
        parse(f'[agent]\nstate = "{state}"\n[jobs.a]\nsteps = [{{ backup = {{}} }}]\n')
    assert SECRET[:6] not in str(refused.value)


def test_no_form_of_a_state_shows_the_password() -> None:
    state = DatabaseState.of("url-variable:STATE", {"STATE": f"postgresql://u:{SECRET}@h/d"})
    assert state.endpoint.password == SECRET
    assert str(state) == f"{state}" == "url-variable:STATE"
    assert SECRET not in f"{state!r}"


# --- what goes wrong, in our words ----------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["disable", "prefer", "require", "verify-full"])
def test_tls_as_it_is_asked_for(server: Server, mode: str) -> None:
    more = f"&sslrootcert={server.certificate}" if mode == "verify-full" else ""
    session = Session(place_of(server.url(query=f"sslmode={mode}{more}")), 30)
    from upsun_agent.doctor.database import ENCRYPTED

    assert bool(session.say(ENCRYPTED[session.scheme]).scalar()) is (mode != "disable")
    session.close()


def test_a_certificate_that_nobody_vouches_for_is_refused_where_that_is_asked_for(server: Server) -> None:
    for mode in ("verify-ca", "verify-full"):
        with pytest.raises(DatabaseRefused, match="TLS"):
            Session(place_of(server.url(query=f"sslmode={mode}")), 30)


def test_a_commit_is_on_the_disk_whatever_the_databases_default(postgres: Server) -> None:
    postgres.fresh_database("unsynced")
    postgres.execute("ALTER DATABASE unsynced SET synchronous_commit = off")
    session = Session(place_of(postgres.url(database="unsynced", query="sslmode=disable")), 30)
    assert session.say("SHOW synchronous_commit").scalar() == "on"
    session.close()


@pytest.mark.parametrize("what", ["password", "database", "user"])
def test_what_a_driver_says_is_never_repeated(server: Server, what: str) -> None:
    url = {
        "password": server.url().replace("canary", "canary-wrong"),
        "database": server.url(database="canary_nothing"),
        "user": server.url(user="canary_nobody"),
    }[what]
    with pytest.raises(AgentError) as refused:
        hold(place_of(url), ("p", "e", "a"))
    told = f"{refused.value}{refused.value.remedy}{refused.value.__cause__}"
    assert "canary" not in told
    assert refused.value.exit_code == 73


def test_no_statement_and_no_value_is_repeated(shared: DatabaseForm) -> None:
    session = Session(shared.place, 30)
    for statement, values in (("SELECT canary", ()), ("SELECT 1 / canary(%s)", (SECRET,)), ("canary", ())):
        with pytest.raises(DatabaseRefused) as refused:
            session.say(statement, values)
        assert "canary" not in f"{refused.value}{refused.value.__cause__}"
    session.close()


@pytest.mark.parametrize("code", [*errors.PASSING, *errors.LASTING], ids=str)
def test_every_code_has_words_and_a_remedy(code: str | int) -> None:
    class OperationalError(Exception):
        sqlstate = code if isinstance(code, str) else None

    error = OperationalError(code, SECRET)
    if isinstance(code, str):
        error = OperationalError(SECRET)
    assert code_of(error) == code
    found = translated("relationship:x", error)
    assert isinstance(found, DatabaseUnreachable) is (code in errors.PASSING)
    assert found.exit_code == (75 if code in errors.PASSING else 73)
    assert SECRET not in f"{found}{found.remedy}"
    assert found.remedy


@pytest.mark.parametrize(
    "error", [ConnectionRefusedError(111, "x"), TimeoutError(), ssl.SSLError("x"), EOFError(), OSError()], ids=repr
)
def test_a_socket_that_fails_is_a_database_that_is_not_to_be_had(error: Exception) -> None:
    with pytest.raises(DatabaseUnreachable), translated_errors("relationship:x", connecting=True):
        raise error


@pytest.mark.parametrize(
    "error",
    [
        IndexError(1045),
        struct.error("x"),
        UnboundLocalError(),
        RuntimeError("**WARN**"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x"),
        MemoryError(),
        AttributeError(),
        OverflowError(),
        ZeroDivisionError(),
        AssertionError(),
    ],
    ids=repr,
)
def test_whatever_is_raised_over_an_answer_means_that_the_answer_makes_no_sense(error: Exception) -> None:
    for connecting in (True, False):
        with (
            pytest.raises(DatabaseUnreachable, match="cannot be read"),
            translated_errors("relationship:x", connecting=connecting),
        ):
            raise error


@pytest.mark.parametrize("error", [Bug("x"), ConfigInvalid("x"), ImportError("x"), KeyboardInterrupt()], ids=repr)
def test_errors_of_ours_missing_modules_and_the_end_of_the_process_pass_as_they_are(error: BaseException) -> None:
    with pytest.raises(type(error)), translated_errors("relationship:x"):
        raise error


def test_a_code_that_is_none_is_not_repeated() -> None:
    class OperationalError(Exception):
        sqlstate = "\033[31m" + SECRET * 1000

    found = translated("relationship:x", OperationalError(SECRET))
    assert SECRET not in str(found)
    assert "\033" not in str(found)
    shown = errors.narrow("relationship:x", "\033]0;" + SECRET * 1000)
    assert "\033" not in str(shown)
    assert len(str(shown)) < 250
