"""Tables that vanished from a database are a loss and no fresh start: no slot runs twice, paused jobs stay paused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from upsun_agent.database.errors import DatabaseRefused
from upsun_agent.doctor import database
from upsun_agent.engine.fold import fold
from upsun_agent.journal.damage import JournalDamaged
from upsun_agent.journal.fleet import fleet
from upsun_agent.journal.server.opening import hold
from upsun_agent.journal.server.schema import PARTS
from upsun_agent.runtime.session import open_session
from upsun_agent.runtime.suspension import pause_job, resume

from tests.harness.journal_forms import DatabaseForm
from tests.harness.stage import JOB, RUN, SLOT, START, TWO_JOBS, SharedStage
from tools.databases import Postgres, Server

TABLES = ("journals", *PARTS)


@pytest.fixture
def form(server: Server, fresh: str) -> DatabaseForm:
    return DatabaseForm(server, ("abcdefgh1234z", "main", "app"), database=fresh)


@pytest.fixture
def alone(form: DatabaseForm, make: Callable[..., SharedStage]) -> Callable[..., SharedStage]:
    """Builds a stage in a database of its own, so that its tables can be dropped."""

    def build_here(jobs: str = TWO_JOBS, **scenario: object) -> SharedStage:
        stage = make(jobs=jobs, **scenario)
        stage.url = form.url
        return stage

    return build_here


def pause(stage: SharedStage, job: str) -> None:
    site = stage.site()
    with open_session(site) as desk:
        pause_job(desk.journal, job, "paused by hand", site.clock.now())
    site.client.close()


def ran(stage: SharedStage) -> list[tuple[str, str | None]]:
    return sorted((row.job, row.outcome) for row in stage.rows())


def lines(stage: SharedStage) -> list[dict[str, str]]:
    return [line for line in stage.logged() if line["event"] == "journal-set-aside"]


def drop(form: DatabaseForm, *tables: str) -> None:
    for table in tables:
        form.say(f"DROP TABLE {{p}}{table}")


@pytest.mark.parametrize("table", [*TABLES, "all but one", "all but the versions"])
def test_a_journal_whose_tables_vanished_runs_nothing_again_and_no_paused_job(
    alone: Callable[..., SharedStage], form: DatabaseForm, table: str
) -> None:
    stage = alone()
    stage.at(START).tick()
    pause(stage, "held")
    stage.at(SLOT + timedelta(seconds=5)).tick()
    assert ran(stage) == [("held", "skipped"), ("look", "succeeded")]
    several = {"all but one": (*TABLES[1:], "schema_version"), "all but the versions": TABLES}
    gone = several.get(table, (table,))
    drop(form, *gone)
    stage.later(seconds=20).tick()
    assert ran(stage) == [], "both slots of this minute were judged before"
    (line,) = lines(stage)
    assert line["level"] == "error"
    assert "vanished" in line["reason"]
    stage.later(seconds=10).tick()
    assert ran(stage) == []
    stage.at(SLOT + timedelta(days=1)).tick()
    held = "succeeded" if table == "all but the versions" else "skipped"
    assert ran(stage) == [("held", held), ("look", "succeeded")], "with every table the pauses are gone too"
    assert len(lines(stage)) == 1


def test_where_every_table_vanished_the_schema_still_says_so(
    alone: Callable[..., SharedStage], form: DatabaseForm
) -> None:
    if not isinstance(form.server, Postgres):
        pytest.skip("MariaDB has no schema of ours: a database without tables is a new one")
    stage = alone()
    stage.at(SLOT + timedelta(seconds=5)).tick()
    drop(form, *TABLES, "schema_version")
    stage.later(seconds=20).tick()
    assert ran(stage) == []
    (line,) = lines(stage)
    assert "vanished" in line["reason"]
    stage.at(SLOT + timedelta(days=1)).tick()
    assert ran(stage) == [("held", "succeeded"), ("look", "succeeded")]
    assert len(lines(stage)) == 1


@pytest.mark.parametrize("table", ["notes", "cursors", "idle_hints", "activities"])
def test_a_run_that_was_in_flight_is_closed_where_its_events_are_still_there(
    alone: Callable[..., SharedStage], form: DatabaseForm, table: str
) -> None:
    stage = alone(jobs=JOB)
    stage.at(START).tick()
    stage.at(SLOT).tick()
    assert [row.run for row in stage.rows(open_only=True)] == [RUN]
    drop(form, table)
    assert stage.later(minutes=5).tick().exit_code() == 1
    closed = fold(stage.events(RUN)).closed
    assert closed is not None
    assert (closed.outcome, closed.failure) == ("failed", "lost")
    stage.later(minutes=5).tick()
    assert (stage.backups_asked, stage.updates_asked) == (1, 0)


def test_an_older_number_is_never_given_again_where_the_table_of_journals_vanished(
    alone: Callable[..., SharedStage], form: DatabaseForm
) -> None:
    stage = alone()
    stage.at(SLOT + timedelta(seconds=5)).tick()
    (before,) = form.say("SELECT max(journal) FROM {p}events").split()
    drop(form, "journals")
    stage.later(minutes=5).tick()
    (after,) = form.say("SELECT id FROM {p}journals WHERE present = 1").split()
    assert int(after) > int(before)
    assert stage.rows() == []


def test_a_first_tick_that_was_killed_between_its_tables_is_no_loss(form: DatabaseForm) -> None:
    """MariaDB takes no table back; PostgreSQL takes all of them back, but for the schema."""
    hold(form.place, form.identity).release()
    drop(form, *TABLES[4:])
    form.say("DELETE FROM {p}schema_version")
    held = hold(form.place, ("another", "main", "app"))
    assert held.lost == ""
    held.release()


def test_a_process_that_is_killed_while_it_makes_them_again_leaves_no_journal_that_looks_sound(
    alone: Callable[..., SharedStage], form: DatabaseForm, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = alone()
    stage.at(START).tick()
    pause(stage, "held")
    stage.at(SLOT + timedelta(seconds=5)).tick()
    drop(form, "notes", "cursors")

    def killed(*_: object, **__: object) -> None:
        raise DatabaseRefused("killed here")

    with monkeypatch.context() as patch:
        patch.setattr("upsun_agent.journal.server.opening.Held", killed)
        with pytest.raises(DatabaseRefused):
            stage.later(seconds=10).tick()
    stage.later(seconds=10).tick()
    assert ran(stage) == []
    assert len(lines(stage)) == 1
    stage.at(SLOT + timedelta(days=1)).tick()
    assert ran(stage) == [("held", "skipped"), ("look", "succeeded")]


def test_a_job_that_was_resumed_is_not_held_after_a_loss(alone: Callable[..., SharedStage], form: DatabaseForm) -> None:
    stage = alone()
    stage.at(START).tick()
    pause(stage, "held")
    site = stage.site()
    with open_session(site) as desk:
        assert resume(desk.journal, "held")
    drop(form, "notes")
    stage.at(SLOT).tick()
    stage.at(SLOT + timedelta(days=1)).tick()
    assert ran(stage) == [("held", "succeeded"), ("look", "succeeded")]


def test_commands_that_only_look_say_the_loss_and_make_nothing(
    alone: Callable[..., SharedStage], form: DatabaseForm
) -> None:
    stage = alone()
    stage.at(START).tick()
    drop(form, "notes", "runs")
    with pytest.raises(JournalDamaged, match="has lost the tables") as said, form.look():
        pass
    assert said.value.exit_code == 73
    with pytest.raises(JournalDamaged), fleet(stage.place) as found:
        found.members()
    findings = {each.name: each for each in database.state(stage.place, form.identity)}
    assert (findings["journal"].level, "runs, notes" in findings["journal"].message) == ("warn", True)
    stage.at(SLOT).tick()
    assert len(lines(stage)) == 1, "and the next tick finds it"
