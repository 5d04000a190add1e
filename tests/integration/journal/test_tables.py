"""The tables: made by whoever comes first, taken forward beside older versions, with no more rights than needed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from upsun_agent.database.errors import DatabaseRefused
from upsun_agent.errors import AgentError, Busy
from upsun_agent.journal.server.migrate import Standing, TablesTooNew, find, making, migrate
from upsun_agent.journal.server.migrations import MIGRATIONS, Migration
from upsun_agent.journal.server.opening import hold
from upsun_agent.journal.server.session import Session

from tests.harness.journal_forms import DatabaseForm, place_of
from tests.harness.sources import REPOSITORY
from tests.integration.journal.test_conformance import opened, warned
from tools.databases import Postgres, Server

IDENTITY = ("project", "main", "app")
MAKER, RUNNER = "upsun_agent_maker", "upsun_agent_runner"
#: What the next versions might bring.
MORE = "ALTER TABLE {p}runs ADD COLUMN IF NOT EXISTS note text; CREATE TABLE IF NOT EXISTS {p}more (x integer)"
SECOND = Migration(2, 1, {"pgsql": MORE, "mysql": MORE})
THIRD = Migration(3, 3, {"pgsql": "SELECT 1", "mysql": "SELECT 1"})


@pytest.fixture
def form(server: Server, fresh: str) -> DatabaseForm:
    """A place in an empty database."""
    return DatabaseForm(server, IDENTITY, database=fresh)


def session(form: DatabaseForm) -> Session:
    return Session(form.place, 30)


def test_the_first_tick_makes_the_tables_and_looking_makes_none(form: DatabaseForm) -> None:
    with form.look() as journal:
        assert list(journal.rows()) == []
    opened_session = session(form)
    assert find(opened_session) == Standing(0, 0)
    opened_session.close()
    with form.work():
        pass
    opened_session = session(form)
    assert find(opened_session) == Standing(1, 1)
    assert opened_session.tables.own_schema is isinstance(form.server, Postgres)
    opened_session.close()


def test_many_that_come_first_at_once_make_them_once(form: DatabaseForm) -> None:
    def one(number: int) -> str:
        try:
            hold(form.place, ("project", f"env{number}", "app")).release()
        except Busy:
            return "busy"
        return "done"

    with ThreadPoolExecutor(12) as crowd:
        ends = list(crowd.map(one, range(12)))
    assert "done" in ends
    assert form.say("SELECT count(*) FROM {p}schema_version") == "1"
    assert int(form.say("SELECT count(*) FROM {p}journals")) == ends.count("done")


def test_a_schema_that_another_process_makes_at_the_same_time_is_not_taken_for_one_without_rights(
    form: DatabaseForm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tables would lie in two places: one process works in the schema, the other one beside it."""
    if not isinstance(form.server, Postgres):
        pytest.skip("MariaDB has no schemas: a lock that others do not know keeps the second process out")
    say = Session.say
    others: list[bool] = []

    def and_then_the_other(self: Session, text: str, *more: Any) -> Any:
        answer = say(self, text, *more)
        if "has_schema_privilege" in text and not others:
            others.append(True)
            hold(form.place, ("project", "other", "app")).release()
        return answer

    monkeypatch.setattr(Session, "say", and_then_the_other)
    with pytest.raises(Busy, match="another process is making the tables"):
        hold(form.place, IDENTITY)
    hold(form.place, IDENTITY).release()
    assert form.say("SELECT count(*) FROM {p}journals") == "2"


def test_a_process_that_makes_tables_keeps_others_from_it(form: DatabaseForm) -> None:
    first, second = session(form), session(form)
    with making(first) as standing:
        assert standing == Standing(0, 0)
        with pytest.raises(Busy, match="making the tables"):
            migrate(second)
    migrate(second)
    first.close()
    second.close()


def test_a_newer_version_takes_the_tables_forward_and_the_older_one_works_on_beside_it(form: DatabaseForm) -> None:
    old = hold(form.place, IDENTITY)
    old.journal.open_run(opened("r"))
    newer = session(form)
    migrate(newer, (*MIGRATIONS, SECOND))
    assert find(newer) == Standing(2, 1)
    old.journal.append("r", warned("beside"))
    old.release()
    with form.work() as journal:
        journal.open_run(opened("s"))
        assert len(journal.rows()) == 2
    assert form.say("SELECT max(version) FROM {p}schema_version") == "2", "an older version takes nothing back"
    newer.close()


def test_tables_that_this_version_cannot_work_with_are_refused(form: DatabaseForm) -> None:
    with form.work():
        pass
    newer = session(form)
    migrate(newer, (*MIGRATIONS, SECOND, THIRD))
    newer.close()
    with pytest.raises(TablesTooNew) as refused:
        hold(form.place, IDENTITY)
    assert refused.value.exit_code == 73
    with pytest.raises(TablesTooNew), form.look():
        pass


def test_a_migration_that_was_killed_in_the_middle_is_made_again(form: DatabaseForm) -> None:
    with form.work():
        pass
    half = session(form)
    broken = Migration(2, 1, {kind: f"{text}; SELECT no_such_thing" for kind, text in SECOND.text.items()})
    with pytest.raises(AgentError):
        migrate(half, (*MIGRATIONS, broken))
    assert find(half) == Standing(1, 1)
    migrate(half, (*MIGRATIONS, SECOND))
    assert find(half) == Standing(2, 1)
    half.close()


def test_tables_that_are_not_as_they_were_made_are_said_and_no_traceback(form: DatabaseForm) -> None:
    with form.work():
        pass
    form.say("ALTER TABLE {p}notes RENAME COLUMN value TO other")
    with form.work() as journal, pytest.raises(DatabaseRefused) as refused:
        journal.noted("x")
    assert refused.value.exit_code == 73
    assert "notes" not in str(refused.value), "no words of the driver's"


# --- rights: the statements of docs/how-to/shared-database.md --------------------------------------------------

PAGE = REPOSITORY / "docs" / "how-to" / "shared-database.md"


def granted(form: DatabaseForm, block: int, user: str) -> None:
    """Carry out the page's statements of that block for the user."""
    text = re.findall(r"```sql\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[block]
    _, postgres, mariadb = re.split(r"-- \w+\n", text)
    chosen = postgres if isinstance(form.server, Postgres) else mariadb
    database = form.place.endpoint.database
    named = re.sub(r"\bTO \w+", f"TO {login(form, user)}", re.sub(r"\bmain\b", database, chosen))
    form.server.execute(*[each for each in named.split(";") if each.strip()], database=database)


def login(form: DatabaseForm, user: str) -> str:
    return user if isinstance(form.server, Postgres) else f"{user}@'127.0.0.1'"


def user_of(form: DatabaseForm, user: str) -> DatabaseForm:
    """The same place for a new user, who has no rights."""
    server, password = form.server, form.server.password
    if isinstance(server, Postgres):
        server.execute(f"CREATE ROLE {user} LOGIN PASSWORD '{password}'")
        server.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC", database=form.place.endpoint.database)
    else:
        server.execute(f"CREATE USER {login(form, user)} IDENTIFIED BY '{password}'")
    return DatabaseForm(server, IDENTITY, database=form.place.endpoint.database, user=user)


@pytest.fixture
def users(form: DatabaseForm) -> Iterator[tuple[DatabaseForm, DatabaseForm]]:
    """The same place for one user who is to make the tables, and one who is to run."""
    yield user_of(form, MAKER), user_of(form, RUNNER)
    for user in (MAKER, RUNNER):
        if isinstance(form.server, Postgres):
            form.server.execute(f"DROP OWNED BY {user} CASCADE", database=form.place.endpoint.database)
        form.server.execute(f"DROP USER {login(form, user)}")


def everything(form: DatabaseForm) -> None:
    """Every kind of write."""
    with form.work() as journal:
        assert journal.open_run(opened("r"), [warned("x")], notes={"k": "v"})
        journal.append("r", warned("y"), notes={"k": None})
        journal.mark_tick(5)
        journal.take_in(journal.copied(journal.rows()))
        journal.drop(["r"])


def test_the_rights_that_the_page_names_are_enough_and_none_is_more(
    form: DatabaseForm, users: tuple[DatabaseForm, DatabaseForm]
) -> None:
    maker, runner = users
    with pytest.raises(DatabaseRefused):
        hold(maker.place, IDENTITY)
    granted(form, 0, MAKER)
    with pytest.raises(DatabaseRefused):
        hold(runner.place, IDENTITY)
    everything(maker)
    granted(form, 1, RUNNER)
    everything(runner)
    newer = session(runner)
    with pytest.raises(DatabaseRefused, match="lacks a right"):
        migrate(newer, (*MIGRATIONS, SECOND))
    newer.close()
    newer = session(maker)
    migrate(newer, (*MIGRATIONS, SECOND))
    newer.close()
    with runner.work() as journal:
        journal.note("after", "a change of the tables")


def test_without_the_right_to_make_tables_the_first_tick_says_what_is_missing(
    form: DatabaseForm, users: tuple[DatabaseForm, DatabaseForm]
) -> None:
    runner = users[1]
    if not isinstance(form.server, Postgres):
        form.server.execute(f"GRANT SELECT ON {form.place.endpoint.database}.* TO {login(form, RUNNER)}")
    with pytest.raises(DatabaseRefused, match="lacks a right") as refused:
        hold(runner.place, IDENTITY)
    assert "docs/how-to/shared-database.md" in refused.value.remedy


def test_where_no_schema_may_be_made_the_tables_have_a_prefix(postgres: Server) -> None:
    postgres.fresh_database("plain")
    postgres.execute(f"CREATE ROLE {RUNNER} LOGIN PASSWORD '{postgres.password}'")
    postgres.execute(f"GRANT CREATE ON SCHEMA public TO {RUNNER}", database="plain")
    form = DatabaseForm(postgres, IDENTITY, database="plain", user=RUNNER)
    for number in (1, 2):
        with form.work() as journal:
            journal.open_run(opened(f"r{number}"))
            assert len(journal.rows()) == number
    assert postgres.execute("SELECT count(*) FROM public.upsun_agent_runs", database="plain") == "2"
    assert postgres.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'upsun_agent'", database="plain") == "0"
    owner = place_of(postgres.url(database="plain"))
    with pytest.raises(DatabaseRefused):
        hold(owner, IDENTITY)  # it may make a schema, but finds the tables that are there already
    postgres.execute(f"DROP OWNED BY {RUNNER} CASCADE", f"DROP ROLE {RUNNER}", database="plain")
