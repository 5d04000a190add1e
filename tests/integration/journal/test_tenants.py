"""Tenants of one server, with exactly the rights of docs/how-to/shared-database.md: none can touch another."""

from __future__ import annotations

from contextlib import closing

import pytest
from upsun_agent.database.errors import DatabaseRefused
from upsun_agent.errors import ConfigInvalid
from upsun_agent.journal.fleet import fleet
from upsun_agent.journal.server.lock import secret_lock
from upsun_agent.journal.server.migrate import LOCK, making
from upsun_agent.journal.server.opening import hold
from upsun_agent.journal.server.session import Session
from upsun_agent.journal.state import DatabaseState

from tests.harness.journal_forms import NAME, VARIABLE, DatabaseForm, place_of
from tests.harness.stage import SharedStage, build_shared
from tests.harness.tenants import (
    ATTACKER,
    HOME,
    MAKE,
    VICTIM,
    Tenant,
    forget,
    runs_through,
    said_by_page,
    tables_of,
    url_of,
)
from tests.integration.journal.test_conformance import opened
from tools.databases import Postgres, Server


def on_tables(server: Server) -> list[str]:
    """What is tried with each table of the other tenant."""
    postgres = (
        "SELECT * FROM {t}", "SELECT count(*) FROM {t}", "INSERT INTO {t} DEFAULT VALUES", "DELETE FROM {t}",
        "UPDATE {t} SET {c} = {c}", "TRUNCATE {t}", "DROP TABLE {t}", "ALTER TABLE {t} ADD COLUMN x integer",
        "ALTER TABLE {t} OWNER TO tenantb", "LOCK TABLE {t} IN ACCESS SHARE MODE", "LOCK TABLE {t}",
        "CREATE TRIGGER x BEFORE UPDATE ON {t} EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "CREATE RULE x AS ON UPDATE TO {t} DO INSTEAD NOTHING", "CREATE INDEX ON {t} ({c})",
        "CREATE VIEW tenantb.v AS SELECT * FROM {t}", "CREATE TABLE tenantb.heir () INHERITS ({t})",
        "GRANT ALL ON {t} TO tenantb", "COPY {t} TO STDOUT", "ALTER TABLE {t} ENABLE ROW LEVEL SECURITY",
        "SELECT * FROM {t} FOR UPDATE", "CREATE POLICY p ON {t}", "ALTER TABLE {t} SET SCHEMA tenantb",
        "CREATE TABLE tenantb.keyed (x bigint REFERENCES {t})",
        "CREATE STATISTICS tenantb.s ON {c}, {c} FROM {t}",
    )  # fmt: skip
    mariadb = (
        "SELECT * FROM {t}", "SELECT count(*) FROM {t}", "INSERT INTO {t} VALUES ()", "DELETE FROM {t}",
        "UPDATE {t} SET {c} = {c}", "TRUNCATE {t}", "DROP TABLE {t}", "ALTER TABLE {t} ADD COLUMN x integer",
        "LOCK TABLES {t} READ", "LOCK TABLES {t} WRITE", "REPLACE INTO {t} VALUES ()",
        "CREATE TRIGGER tenanta.x BEFORE UPDATE ON {t} FOR EACH ROW SET @x = 1",
        "CREATE INDEX x ON {t} ({c})", "CREATE VIEW tenantb.v AS SELECT * FROM {t}",
        "CREATE TABLE tenantb.l LIKE {t}", "CREATE TABLE tenantb.l AS SELECT * FROM {t}",
        "RENAME TABLE {t} TO tenantb.stolen", "SELECT * FROM {t} FOR UPDATE", "GRANT ALL ON {t} TO tenantb",
        "CREATE TABLE tenantb.k (x bigint, FOREIGN KEY (x) REFERENCES {t} ({c}))", "SHOW CREATE TABLE {t}",
        "FLUSH TABLES {t} WITH READ LOCK", "HANDLER {t} OPEN", "CHECKSUM TABLE {t}", "OPTIMIZE TABLE {t}",
    )  # fmt: skip
    columns = ("version", "id", "journal", "seq", "number", "journal", "journal", "journal")
    kinds = postgres if isinstance(server, Postgres) else mariadb
    return [
        kind.format(t=table, c=column)
        for table, column in zip(tables_of(server), columns, strict=True)
        for kind in kinds
    ]


def around_tables(server: Server) -> list[str]:
    """What is tried with the other tenant's schema, user and sessions."""
    if isinstance(server, Postgres):
        return [
            "CREATE TABLE tenanta.x ()", "CREATE VIEW tenanta.x AS SELECT 1", "DROP SCHEMA tenanta CASCADE",
            "CREATE FUNCTION tenanta.x() RETURNS int LANGUAGE sql AS 'SELECT 1'", "ALTER SCHEMA tenanta RENAME TO y",
            "CREATE OPERATOR tenanta.= (LEFTARG = text, RIGHTARG = text, FUNCTION = texteq)",
            "CREATE SCHEMA upsun_agent", "GRANT CREATE ON SCHEMA tenanta TO tenantb", "SET ROLE tenanta",
            "SET SESSION AUTHORIZATION tenanta", "GRANT tenanta TO tenantb", "ALTER ROLE tenanta NOLOGIN",
            "ALTER ROLE tenanta SET search_path = public", "DROP ROLE tenanta",
            f"ALTER DATABASE {HOME} SET search_path = public", "COMMENT ON SCHEMA tenanta IS 'x'",
            "CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            "CREATE FUNCTION pg_catalog.x() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "CREATE CAST (text AS bigint) WITH INOUT AS IMPLICIT",
        ]  # fmt: skip
    return [
        "CREATE TABLE tenanta.x (x int)", "CREATE VIEW tenanta.x AS SELECT 1", "DROP DATABASE tenanta",
        "CREATE FUNCTION tenanta.x() RETURNS int RETURN 1", "USE tenanta", "CREATE DATABASE other",
        "GRANT ALL ON tenanta.* TO tenantb", "SET GLOBAL read_only = 1", "SET GLOBAL sql_mode = ''",
        "FLUSH TABLES WITH READ LOCK", "DROP USER tenanta", "SET PASSWORD FOR tenanta = PASSWORD('x')",
        "SET GLOBAL init_connect = 'SELECT 1'", "SELECT * FROM mysql.global_priv",
    ]  # fmt: skip


def test_what_a_tenant_tries_with_another_is_refused(tenants: Server, victim: SharedStage, attacker: Tenant) -> None:
    tried = [*on_tables(tenants), *around_tables(tenants)]
    done = [text for text in tried if not attacker.tries(text)]
    harmless = [text for text in done if text.startswith(("CHECKSUM", "OPTIMIZE"))]  # a refusal is a row of the answer
    assert done == harmless
    runs_through(victim)


def test_rows_of_another_tenant_are_in_no_catalogue_that_a_tenant_reads(tenants: Server, attacker: Tenant) -> None:
    if isinstance(tenants, Postgres):
        query = f"SELECT * FROM pg_stats WHERE schemaname = '{VICTIM}'"  # noqa: S608  names of ours
    else:
        query = f"SELECT * FROM information_schema.tables WHERE table_schema = '{VICTIM}'"  # noqa: S608  names of ours
    assert attacker.says(query) == []


def test_locks_that_others_can_take_keep_no_tenant_out(tenants: Server, victim: SharedStage, attacker: Tenant) -> None:
    """Those of earlier versions, by number and name; and in PostgreSQL all that anybody shows to hold."""
    from hashlib import sha256

    identity, database = victim.container.identity, victim.place.endpoint.database
    for name in ("\0".join(("journal", *identity)), "migrate", "check"):
        digest = sha256(f"upsun-agent\0{database}\0{name}".encode()).digest()
        number = int.from_bytes(digest[:8], "big", signed=True)
        taken = (
            f"SELECT pg_advisory_lock({number})"
            if isinstance(tenants, Postgres)
            else f"SELECT GET_LOCK('upsun-agent-{digest.hex()[:40]}', 0)"
        )
        attacker.says(taken)
    held = hold(victim.place, identity)
    if isinstance(tenants, Postgres):
        assert attacker.says(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
        ) == [(0,)]
    held.release()
    runs_through(victim)


def test_another_tenant_cannot_see_or_take_the_lock_for_making_tables(
    tenants: Server, victim: SharedStage, attacker: Tenant
) -> None:
    with closing(Session(victim.place, 30)) as session, making(session) as standing:
        assert standing is not None
        if isinstance(tenants, Postgres):
            assert attacker.tries("LOCK TABLE tenanta.activities IN SHARE MODE")
            return
        shown = attacker.says("SELECT info FROM information_schema.processlist")
        assert not [row for row in shown if "GET_LOCK" in str(row[0])]
        assert victim.place.endpoint.password not in str(shown)


def test_the_name_of_the_lock_for_making_tables_hangs_on_the_password(mariadb: Server) -> None:
    """Whoever knows all but the password cannot take it: with another password it is another lock."""
    place = place_of(mariadb.url(query="sslmode=disable"))
    with closing(Session(place, 30)) as mine, closing(Session(place, 30)) as guesser:
        guesser.state = DatabaseState.of(NAME, {VARIABLE: mariadb.url(query="sslmode=disable")})
        guesser.state.endpoint.password = "guessed"
        with secret_lock(guesser, LOCK) as taken, secret_lock(mine, LOCK) as held:
            assert (taken, held) == (True, True)
        with closing(Session(place, 30)) as third, secret_lock(mine, LOCK), secret_lock(third, LOCK) as held:
            assert not held


def test_sessions_of_another_tenant_cannot_be_ended(tenants: Server, victim: SharedStage, attacker: Tenant) -> None:
    held = hold(victim.place, victim.container.identity)
    if isinstance(tenants, Postgres):
        ends = (
            "SELECT pg_terminate_backend(pid), pg_cancel_backend(pid) FROM pg_stat_activity WHERE usename = 'tenanta'"
        )
        assert attacker.says("SELECT count(*) FROM pg_stat_activity WHERE usename = 'tenanta'") == [(1,)]
        assert "InsufficientPrivilege" in attacker.tries(ends)
    else:
        number = tenants.execute("SELECT id FROM information_schema.processlist WHERE user = 'tenanta'")
        assert attacker.says("SELECT count(*) FROM information_schema.processlist WHERE user = 'tenanta'") == [(0,)]
        assert attacker.tries(f"KILL {number}")
        assert attacker.tries(f"KILL QUERY {number}")
    held.journal.note("still", "mine")
    held.release()
    runs_through(victim)


TRAP = "CREATE FUNCTION public.{name}({arguments}) RETURNS {type} LANGUAGE plpgsql AS $$ BEGIN {act} END $$"
CAUGHT = "INSERT INTO public.caught VALUES (current_user); RETURN {value};"


def test_nothing_that_another_tenant_makes_is_used_in_our_statements(
    postgres: Server, request: pytest.FixtureRequest
) -> None:
    """Operators and functions that fit our values better than the built-in ones, in public, where all may make some."""
    forget(postgres)
    postgres.execute(f"CREATE DATABASE {HOME}")
    request.addfinalizer(lambda: forget(postgres))
    postgres.execute("GRANT CREATE ON SCHEMA public TO PUBLIC", database=HOME)
    for tenant in (VICTIM, ATTACKER):
        postgres.execute(*said_by_page(postgres, MAKE, tenant), database=HOME)
    with closing(Tenant(place_of(url_of(postgres, ATTACKER)))) as attacker:
        attacker.says("CREATE TABLE public.caught (who text)")
        attacker.says("GRANT ALL ON public.caught TO PUBLIC")
        for number, (sign, left, right, value) in enumerate(TRAPS):
            act = CAUGHT.format(value=value)
            kind = "boolean" if value == "true" else "bigint" if value == "7" else "double precision"
            attacker.says(TRAP.format(name=f"trap{number}", arguments=f"{left}, {right}", type=kind, act=act))
            attacker.says(
                f"CREATE OPERATOR public.{sign} (LEFTARG = {left}, RIGHTARG = {right}, FUNCTION = public.trap{number})"
            )
        for name, arguments, kind, value in FUNCTIONS:
            attacker.says(TRAP.format(name=name, arguments=arguments, type=kind, act=CAUGHT.format(value=value)))
        victim = build_shared(postgres, "main", url=url_of(postgres, VICTIM))
        victim.tick()
        runs_through(victim)
        with fleet(victim.place) as found:
            assert len(found.members()) == 1
        assert attacker.says("SELECT count(*) FROM public.caught") == [(0,)]
        with closing(Session(victim.place, 30)) as session:
            assert session.say("SHOW search_path").scalar() == "pg_catalog,pg_temp"


TRAPS = [
    ("=", "text", "varchar", "true"), ("=", "varchar", "varchar", "true"),
    ("=", "bigint", "varchar", "true"), ("=", "smallint", "smallint", "true"), ("=", "bigint", "smallint", "true"),
    ("<=", "bigint", "smallint", "true"), ("+", "bigint", "smallint", "7"), (">", "float8", "numeric", "true"),
    ("+", "float8", "integer", "7.0"), ("+", "float8", "smallint", "7.0"), ("<", "float8", "numeric", "true"),
]  # fmt: skip
FUNCTIONS = [
    ("left", "text, smallint", "text", "''"), ("left", "varchar, integer", "text", "''"),
    ("coalesce_", "bigint, integer", "bigint", "0"), ("count", "text", "bigint", "0"),
    ("starts_with", "name, varchar", "boolean", "true"), ("obj_description", "oid, varchar", "text", "''"),
    ("pg_backend_pid", "", "integer", "0"), ("clock_timestamp", "", "timestamptz", "now()"),
]  # fmt: skip


def test_tables_that_another_laid_in_public_are_not_taken_for_ours(postgres: Server) -> None:
    """A tenant without a schema of its own, on a server where everybody may make tables in public."""
    forget(postgres)
    postgres.execute(f"CREATE DATABASE {HOME}")
    postgres.execute("GRANT CREATE ON SCHEMA public TO PUBLIC", database=HOME)
    for tenant in (VICTIM, ATTACKER):
        postgres.execute(f"CREATE ROLE {tenant} LOGIN PASSWORD '{postgres.password}'")
    mine, theirs = (DatabaseForm(postgres, ("p", "main", "app"), database=HOME, user=u) for u in (VICTIM, ATTACKER))
    with theirs.work() as journal:
        journal.open_run(opened("planted"))
    postgres.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC", database=HOME)
    with pytest.raises(DatabaseRefused, match="belongs to another user") as refused:
        hold(mine.place, mine.identity)
    assert refused.value.exit_code == 73
    with pytest.raises(DatabaseRefused), mine.look():
        pass
    assert mine.idle("", 1.0) is False
    forget(postgres)


@pytest.mark.parametrize("kind", ["VIEW", "MATERIALIZED VIEW"])
def test_a_view_in_the_place_of_a_table_is_refused(postgres: Server, kind: str, request: pytest.FixtureRequest) -> None:
    forget(postgres)
    request.addfinalizer(lambda: forget(postgres))
    postgres.execute(f"CREATE DATABASE {HOME}")
    postgres.execute(*said_by_page(postgres, MAKE, VICTIM), database=HOME)
    place = place_of(url_of(postgres, VICTIM))
    hold(place, ("p", "main", "app")).release()
    postgres.execute("ALTER TABLE tenanta.notes RENAME TO notes_before", database=HOME)
    postgres.execute(f"CREATE {kind} tenanta.notes AS SELECT * FROM tenanta.notes_before", database=HOME)  # noqa: S608  names of ours
    with pytest.raises(DatabaseRefused, match="is not a table"):
        hold(place, ("p", "main", "app"))


def test_a_schema_that_is_missing_or_anothers_is_said_and_no_other_is_taken(
    postgres: Server, request: pytest.FixtureRequest
) -> None:
    forget(postgres)
    request.addfinalizer(lambda: forget(postgres))
    postgres.execute(f"CREATE DATABASE {HOME}")
    postgres.execute("GRANT CREATE ON SCHEMA public TO PUBLIC", database=HOME)
    for tenant in (VICTIM, ATTACKER):
        postgres.execute(*said_by_page(postgres, MAKE, tenant), database=HOME)
    for schema, words in ((VICTIM, "may not make tables"), ("nowhere", "there is no schema nowhere")):
        url = postgres.url(database=HOME, user=ATTACKER, query=f"schema={schema}")
        with pytest.raises(DatabaseRefused, match=words) as refused:
            hold(place_of(url), ("p", "main", "app"))
        assert "docs/how-to/shared-database.md" in refused.value.remedy
    assert postgres.execute("SELECT count(*) FROM pg_class WHERE relname ~ '^upsun_agent_'", database=HOME) == "0"


@pytest.mark.parametrize("name", ["", "Tenant", "a-b", "a;b", "pg_x", "public", "1a", "a" * 64, 'a"b', "é", "a.b"])
def test_a_name_that_no_schema_of_ours_can_have_is_refused(name: str) -> None:
    from urllib.parse import quote

    with pytest.raises(ConfigInvalid, match="schema"):
        place_of(f"postgresql://u:p@h/d?sslmode=disable&schema={quote(name)}")
    with pytest.raises(ConfigInvalid, match="only PostgreSQL"):
        place_of("mysql://u:p@h/d?schema=a")
