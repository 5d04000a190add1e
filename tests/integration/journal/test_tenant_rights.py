"""Who may see more than one tenant, how a tenant gets a place of its own, and what check says of wider rights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from upsun_agent.journal.fleet import fleet
from upsun_agent.journal.server.opening import hold

from tests.harness.cli_app import App, apps
from tests.harness.journal_forms import NAME, VARIABLE, place_of
from tests.harness.stage import SharedStage
from tests.harness.tenants import (
    ATTACKER,
    HOME,
    MAKE,
    READ,
    READER,
    VICTIM,
    Tenant,
    forget,
    runs_through,
    said_by_page,
    tables_of,
    url_of,
)
from tools.databases import Postgres, Server

# --- who may see more -------------------------------------------------------------------------------------------


def test_the_user_who_sees_all_reads_every_tenant_and_changes_none(
    tenants: Server, victim: SharedStage, attacker: Tenant
) -> None:
    for number, tenant in enumerate((VICTIM, ATTACKER)):
        said = said_by_page(tenants, READ, tenant)
        wanted = said if number == 0 else [each for each in said if not each.startswith("CREATE")]
        tenants.execute(*wanted, database=HOME if isinstance(tenants, Postgres) else "")
    home = HOME if isinstance(tenants, Postgres) else VICTIM
    place = place_of(tenants.url(database=home, user=READER, query="sslmode=disable"))
    with fleet(place) as found:
        assert {member.identity[0] for member in found.members()} == {"other", victim.container.project}
        assert list(found.journal(("other", "main", "app")).rows()) == []
    with fleet(victim.place) as found:
        assert [member.identity for member in found.members()] == [victim.container.identity]
    with closing(Tenant(place)) as reader:
        for table in tables_of(tenants):
            assert reader.tries(f"DELETE FROM {table}")  # noqa: S608  names of ours
            assert reader.tries(f"INSERT INTO {table} SELECT * FROM {table}")  # noqa: S608  names of ours
    runs_through(victim)


# --- from shared tables to a place of one's own -----------------------------------------------------------------


def test_a_tenant_moves_out_of_shared_tables_and_no_slot_runs_twice(
    tenants: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tenants.fresh_database("earlier")
    with apps(tmp_path, monkeypatch, capsys) as make:
        app: App = make()
        app.agent.variables |= {VARIABLE: tenants.url(database="earlier"), "OWN": url_of(tenants, VICTIM)}
        app.write_jobs(f'[agent]\nstate = "{NAME}"\n')
        assert app.call("run", "hand").code == 0
        before = app.call("history", "--json").document
        moved = app.call("state", "move", "--to", "url-variable:OWN")
        assert moved.code == 0, moved.said
        assert app.call("tick").code == 78, "the original is given up"
        app.write_jobs('[agent]\nstate = "url-variable:OWN"\n')
        assert app.call("tick").code == 0
        after = app.call("history", "--json").document
        assert [each["run"] for each in after["runs"]] == [each["run"] for each in before["runs"]]


# --- what check says -------------------------------------------------------------------------------------------


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[App]:
    with apps(tmp_path, monkeypatch, capsys) as make:
        yield make()


def grants_of(app: App, url: str) -> list[tuple[str, str]]:
    app.agent.variables[VARIABLE] = url
    app.write_jobs(f'[agent]\nstate = "{NAME}"\n')
    found = app.call("check", "--json").document["findings"]
    return [(each["level"], each["message"]) for each in found if each["name"] == "grants"]


WIDER = [
    ("GRANT SELECT ON tenanta.runs TO tenantb", "tenantb can select the tables"),
    ("GRANT UPDATE (next_due) ON tenanta.idle_hints TO tenantb", "tenantb can update the tables"),
    ("GRANT ALL ON ALL TABLES IN SCHEMA tenanta TO PUBLIC", "everybody (PUBLIC) can delete"),
    ("GRANT INSERT ON tenanta.notes TO upsun_agent_fleet", "upsun_agent_fleet can insert the tables"),
    ("GRANT CREATE ON SCHEMA tenanta TO PUBLIC", "everybody (PUBLIC) can create objects in the schema"),
    ("GRANT tenanta TO tenantb", "tenantb is a member of tenanta"),
    ("ALTER TABLE tenanta.runs OWNER TO tenantb; GRANT ALL ON tenanta.runs TO tenanta", "tenantb owns tables"),
    ("CREATE RULE x AS ON DELETE TO tenanta.runs DO ALSO NOTHING", "triggers or rules"),
]


@pytest.mark.parametrize(("grant", "words"), WIDER)
def test_check_names_a_grant_that_is_wider_than_the_page(
    postgres: Server, app: App, request: pytest.FixtureRequest, grant: str, words: str
) -> None:
    forget(postgres)
    request.addfinalizer(lambda: forget(postgres))
    postgres.execute(f"CREATE DATABASE {HOME}")
    for tenant in (VICTIM, ATTACKER):
        postgres.execute(*said_by_page(postgres, MAKE, tenant), database=HOME)
    url = url_of(postgres, VICTIM)
    hold(place_of(url), ("p", "main", "app")).release()
    postgres.execute(*said_by_page(postgres, READ, VICTIM), database=HOME)
    assert [level for level, _ in grants_of(app, url)] == ["ok"], "the documented reader is none"
    postgres.execute(*grant.split("; "), database=HOME)
    found = grants_of(app, url)
    assert {level for level, _ in found} == {"warn"}
    assert [text for _, text in found if words in text], found


@pytest.mark.parametrize(
    ("grant", "words"),
    [("GRANT SELECT ON *.* TO tenanta", "*.*"), ("GRANT INSERT ON tenantb.* TO tenanta", "tenantb")],
)
def test_check_names_rights_of_our_own_user_that_reach_further(
    mariadb: Server, app: App, request: pytest.FixtureRequest, grant: str, words: str
) -> None:
    forget(mariadb)
    request.addfinalizer(lambda: forget(mariadb))
    for tenant in (VICTIM, ATTACKER):
        mariadb.execute(*said_by_page(mariadb, MAKE, tenant))
        hold(place_of(url_of(mariadb, tenant)), ("p", "main", "app")).release()
    url = url_of(mariadb, VICTIM)
    assert [level for level, _ in grants_of(app, url)] == ["ok"]
    mariadb.execute(grant)
    found = grants_of(app, url)
    assert {level for level, _ in found} == {"warn"}
    assert [text for _, text in found if words in text], found
