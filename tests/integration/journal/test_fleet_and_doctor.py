"""What people see of a database that holds journals: all of them (``status --all``), and how it is (``check``)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from upsun_agent.journal.fleet import fleet
from upsun_agent.journal.sqlite import SqliteJournal
from upsun_agent.journal.state import MountState
from upsun_agent.model import events as ev

from tests.harness.cli_app import IDENTITY, App, apps
from tests.harness.journal_forms import NAME, VARIABLE, DatabaseForm, place_of
from tests.integration.journal.test_conformance import NOW, accepted, closed, opened
from tools.databases import Postgres, Server


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[App]:
    with apps(tmp_path, monkeypatch, capsys) as build:
        yield build()


@pytest.fixture
def form(app: App, server: Server, fresh: str) -> DatabaseForm:
    """An empty database that the app's state is in."""
    found = DatabaseForm(server, IDENTITY, database=fresh, query="")
    app.agent.variables[VARIABLE] = found.url
    app.write_jobs(f'[agent]\nstate = "{NAME}"\n')
    return found


def proof() -> ev.StepDone:
    return ev.StepDone(at=NOW, step=0, outcome=ev.StepOutcome.DONE, message="", detail={"backup": "b-1", "safe": True})


def fill(form: DatabaseForm, ticked: datetime) -> None:
    """Three environments of two projects: one that works, one in the middle of a run, one whose ticks have stopped."""
    for identity, hours, later in (
        (("a", "main", "app"), 0.0, [accepted("x"), proof(), closed()]),
        (("a", "staging", "app"), 0.1, [accepted("x")]),
        (("b", "main", "web"), 50.0, [closed(outcome=ev.RunOutcome.FAILED)]),
    ):
        with form.work(identity) as journal:
            journal.open_run(opened("older", at=NOW - timedelta(days=1)), [closed(outcome=ev.RunOutcome.MISSED)])
            journal.open_run(opened("r", job="nightly"), later)
            journal.mark_tick((ticked - timedelta(hours=hours)).timestamp())


def test_the_whole_fleet_is_seen_at_a_glance_and_one_by_one(form: DatabaseForm) -> None:
    fill(form, NOW)
    with fleet(form.place) as found:
        members = found.members()
        assert [member.identity for member in members] == [
            ("a", "main", "app"),
            ("a", "staging", "app"),
            ("b", "main", "web"),
        ]
        works, flies, stopped = members
        assert (works.last_job, works.last_outcome, works.in_flight) == ("nightly", "succeeded", 0)
        assert (works.proved_backup, works.proved_at, works.last_opened) == ("b-1", NOW, NOW)
        assert (flies.last_outcome, flies.in_flight, flies.proved_at) == (None, 1, None)
        assert stopped.last_outcome == "failed"
        assert [event.kind for event in found.journal(("b", "main", "web")).events("r")] == ["run-opened", "run-closed"]


def test_an_empty_database_has_no_members(form: DatabaseForm) -> None:
    with fleet(form.place) as found:
        assert found.members() == []


def test_a_directory_is_a_fleet_of_one(tmp_path: Path) -> None:
    with fleet(MountState(str(tmp_path))) as found:
        assert found.members() == []
    journal = SqliteJournal(str(tmp_path), IDENTITY)
    journal.open_run(opened("r", job="nightly"), [proof(), closed()])
    journal.mark_tick(5)
    journal.close()
    with fleet(MountState(str(tmp_path))) as found:
        (member,) = found.members()
        assert (member.identity, member.last_job, member.proved_backup) == (IDENTITY, "nightly", "b-1")
        assert member.last_tick == datetime.fromtimestamp(5, UTC)
        assert len(found.journal(IDENTITY).events("r")) == 3
        with pytest.raises(LookupError):
            found.journal(("x", "y", "z"))


def test_status_all_shows_every_environment_and_says_which_is_overdue(app: App, form: DatabaseForm) -> None:
    fill(form, datetime.now(UTC))
    told = app.call("status", "--all")
    assert told.code == 0
    assert "3 journals, 1 overdue" in told.out
    assert "overdue: b/main/web" in told.out
    document = app.call("status", "--all", "--json").document
    assert document["overdue"] == 1
    first = document["journals"][0]
    assert (first["project"], first["environment"], first["overdue"]) == ("a", "main", False)
    assert first["proved_backup"]["backup"] == "b-1"
    assert [each["in_flight"] for each in document["journals"]] == [0, 1, 0]
    assert form.server.password not in told.said


def test_report_all_writes_a_page_and_metrics_of_every_environment(
    app: App, form: DatabaseForm, tmp_path: Path
) -> None:
    fill(form, datetime.now(UTC))
    page, metrics = tmp_path / "fleet.html", tmp_path / "fleet.prom"
    told = app.call("report", "--all", "--html", str(page), "--prometheus", str(metrics))
    assert told.code == 0
    assert "html: 3 environments to" in told.out
    assert page.read_text().count('<th scope="row">') == 3
    assert 'upsun_agent_fleet_overdue{project="b",environment="main",app="web"} 1' in metrics.read_text()
    document = app.call("report", "--all", "--prometheus", str(metrics), "--json").document
    assert [each["kind"] for each in document["written"]] == ["prometheus"]
    refused = app.call("report", "--all", "--job", "nightly", "--html", "-")
    assert refused.code == 64
    assert form.server.password not in page.read_text() + metrics.read_text() + told.said


def test_every_view_of_one_environment_is_had_from_a_server_too(app: App, form: DatabaseForm) -> None:
    assert app.call("run", "hand").code == 0
    assert app.call("tick").code == 0
    for words in (
        ("status",),
        ("history",),
        ("show", "hand"),
        ("logs", "hand"),
        ("report", "--html", "-"),
        ("report", "--prometheus", "-"),
    ):
        said = app.call(*words)
        assert said.code == 0, said.said
        assert "hand" in said.out
    assert "upsun_agent_ticks_total{project=" in said.out
    assert app.call("status", "--json").document["ticks"] >= 1


def findings(app: App, *more: str) -> dict[str, tuple[str, str]]:
    document = app.call("check", "--json", *more).document
    return {each["name"]: (each["level"], each["message"]) for each in document["findings"]}


def test_the_doctor_looks_at_the_database_and_changes_nothing(app: App, form: DatabaseForm) -> None:
    before = findings(app)
    assert before["state"] == ("ok", f"the database of {NAME} answers, over TLS")
    assert "not there yet" in before["tables"][1]
    assert "grants" not in before
    with form.look() as journal:
        assert list(journal.rows()) == []
    assert app.call("tick").code == 0
    after = findings(app)
    assert "schema 1, writable" in after["tables"][1]
    wide = not isinstance(form.server, Postgres)  # the user of these tests has the databases of other tests besides
    assert after["grants"][0] == ("warn" if wide and "other databases" in after["grants"][1] else "ok")
    assert "this environment's own; 1 in the database" in after["journal"][1]
    durable = "durability" not in after
    assert durable is isinstance(form.server, Postgres), "this MariaDB does not sync, and the doctor says so"


def test_the_doctor_says_what_is_missing(app: App, form: DatabaseForm, monkeypatch: pytest.MonkeyPatch) -> None:
    app.agent.variables[VARIABLE] = form.server.url(port=1)
    down = app.call("check")
    assert down.code == 75
    assert "not available now" in down.out
    app.agent.variables.pop(VARIABLE)
    assert "is not set" in findings(app)["state"][1]
    assert findings(app, "--phase", "build")["state"][0] == "ok"
    monkeypatch.setattr("upsun_agent.doctor.database.DRIVERS", ("no_such_driver",))
    missing = app.call("check", "--phase", "build")
    assert missing.code == 78
    assert "UPSUN_AGENT_EXTRA=shared" in missing.out


def test_a_missing_extra_is_said_with_the_line_for_the_build_hook(
    app: App, form: DatabaseForm, monkeypatch: pytest.MonkeyPatch
) -> None:
    for arguments in (["tick"], ["status"]):
        with monkeypatch.context() as patch:
            for name in ("psycopg", "pymysql"):
                patch.setitem(sys.modules, name, None)
            refused = app.call(*arguments)
        assert refused.code == 78
        assert "UPSUN_AGENT_EXTRA=shared" in refused.err


def test_reading_rights_alone_are_not_enough_and_said(app: App, form: DatabaseForm) -> None:
    assert app.call("tick").code == 0
    if isinstance(form.server, Postgres):
        form.say("REVOKE UPDATE ON {p}events FROM upsun_agent_owner")
    else:
        user = "upsun_agent_owner@'127.0.0.1'"
        database = form.place.endpoint.database
        form.server.execute(f"REVOKE ALL ON {database}.* FROM {user}", f"GRANT SELECT ON {database}.* TO {user}")
    level, message = findings(app)["tables"]
    assert level == "fail"
    assert "not writable" in message
    if not isinstance(form.server, Postgres):
        refused = app.call("run", "hand")
        assert refused.code == 73
        assert "lacks a right" in refused.err
    assert place_of(form.url).endpoint.password not in message
