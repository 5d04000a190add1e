"""``state move``: between all forms, killed at every step, and never two journals in use."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from upsun_agent.journal.directory import reading
from upsun_agent.journal.move import contents
from upsun_agent.journal.server.journal import ServerJournal
from upsun_agent.journal.sqlite import SqliteJournal
from upsun_agent.journal.state import DatabaseState, MountState, State

from tests.harness.cli_app import IDENTITY, App, apps
from tests.harness.journal_forms import NAME, VARIABLE, place_of
from tools.databases import Server

OTHER = "OTHER_URL"
PLACES = ("file", "postgres", "mariadb")


class Killed(BaseException):
    """The process is no more."""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[App]:
    with apps(tmp_path, monkeypatch, capsys) as build:
        yield build()


@pytest.fixture
def places(app: App, postgres: Server, mariadb: Server) -> dict[str, str]:
    """The names of three places, empty."""
    for server, variable in ((postgres, VARIABLE), (mariadb, OTHER)):
        server.fresh_database("moving")
        app.agent.variables[variable] = server.url(database="moving", query="sslmode=disable")
    return {"file": str(app.state), "postgres": NAME, "mariadb": f"url-variable:{OTHER}"}


def use(app: App, place: str) -> None:
    """Name the place in the job file."""
    app.write_jobs(f'[agent]\nstate = "{place}"\n')


def resolved(app: App, place: str) -> State:
    variable = place.removeprefix("url-variable:")
    return MountState(place) if variable == place else place_of(app.agent.variables[variable])


def held(app: App, place: str) -> Any:
    with reading(resolved(app, place), IDENTITY) as journal:
        return contents(journal)


def work(app: App, place: str) -> None:
    """Some nights and a pause, at that place."""
    use(app, place)
    for _ in range(2):
        assert app.call("run", "hand").code == 0
        for _ in range(4):
            app.clock.advance(300)
            assert app.call("tick").code == 0
    assert app.call("pause", "hand", "--reason", "ünï %s").code == 0
    app.simulator.change(backup_seconds=600)
    assert app.call("run", "hand").code == 0, "and a run in flight"


def move(app: App, source: str, target: str, *more: str) -> Any:
    return app.call("state", "move", "--from", source, "--to", target, *more)


@pytest.mark.parametrize(("source", "target"), [(a, b) for a in PLACES for b in PLACES if a != b])
def test_a_state_goes_from_any_form_to_any_other_and_the_run_in_flight_goes_on(
    app: App, places: dict[str, str], source: str, target: str
) -> None:
    work(app, places[source])
    before = held(app, places[source])
    assert (before.runs, before.notes) == (3, 5), "the container, the quota, the pause, a seal and that runs are sealed"
    planned = move(app, places[source], places[target], "--dry-run", "--json").document
    assert (planned["dry_run"], planned["runs"], planned["events"]) == (True, 3, before.events)
    done = move(app, places[source], places[target])
    assert done.code == 0, done.said
    assert f'state = "{places[target]}"' in done.out
    assert held(app, places[target]) == before
    refused = app.call("tick")
    assert refused.code == 78
    assert f"moved to {places[target]}" in refused.err
    assert app.call("resume", "hand").code == 78
    assert app.call("show", "hand").code == 0, "the old one can still be read"
    use(app, places[target])
    assert "ünï %s" in app.call("status").out
    for _ in range(6):
        app.clock.advance(300)
        assert app.call("tick").code == 0
    runs = app.call("status", "--json").document
    assert runs["in_flight"] == []
    assert runs["last_tick"] is not None
    assert [each["outcome"] for job in runs["jobs"] if job["job"] == "hand" for each in job["runs"]] == [
        "succeeded"
    ] * 3
    assert (app.asked("backup"), app.asked("source-operation")) == (3, 3)


def test_a_state_that_comes_back_takes_the_place_of_what_it_left_there(app: App, places: dict[str, str]) -> None:
    work(app, places["file"])
    assert move(app, places["file"], places["postgres"]).code == 0
    use(app, places["postgres"])
    assert app.call("tick").code == 0
    before = held(app, places["postgres"])
    assert move(app, places["postgres"], places["file"]).code == 0
    use(app, places["file"])
    assert held(app, places["file"]) == before
    assert app.call("tick").code == 0
    assert move(app, places["file"], places["postgres"]).code == 0, "and away again"
    assert app.call("tick").code == 78


def test_whoever_looks_at_a_state_that_was_moved_is_told(app: App, places: dict[str, str]) -> None:
    source, target = places["file"], places["postgres"]
    use(app, source)
    assert app.call("run", "hand").code == 0
    assert move(app, source, target).code == 0
    told = f"was moved to {target}"
    status = app.call("status")
    assert told in " ".join(status.out.split())
    assert told in app.call("status", "--json").document["unused"]
    found = {each["name"]: each for each in app.call("check", "--json").document["findings"]}
    assert found["state moved"]["level"] == "fail"
    assert told in found["state moved"]["message"]
    use(app, target)
    assert app.call("status", "--json").document["unused"] is None
    assert "state moved" not in {each["name"] for each in app.call("check", "--json").document["findings"]}


def test_a_place_with_a_journal_of_its_own_is_left_alone(app: App, places: dict[str, str]) -> None:
    work(app, places["file"])
    work(app, places["postgres"])
    before = held(app, places["postgres"]), held(app, places["file"])
    refused = move(app, places["file"], places["postgres"])
    assert refused.code == 73
    assert "journal of its own" in refused.err
    assert (held(app, places["postgres"]), held(app, places["file"])) == before
    use(app, places["file"])
    assert app.call("tick").code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--to", "var/agent"], 64, "absolute path"),
        (["--to", "postgresql://u:canary@h/d"], 64, "must not be a URL"),
        (["--to", "url-variable:NOT_SET"], 78, "NOT_SET"),
        (["--to", "relationship:nothing"], 78, "no relationship"),
        ([], 64, "--to"),
    ],
)
def test_a_place_that_is_none_is_refused(app: App, arguments: list[str], code: int, words: str) -> None:
    app.write_jobs()
    result = app.call("state", "move", *arguments)
    assert result.code == code
    assert words in result.err
    assert "canary@" not in result.said


def test_nothing_to_move_and_nowhere_to_go_are_said(app: App, places: dict[str, str]) -> None:
    use(app, places["file"])
    nothing = move(app, places["mariadb"], places["postgres"])
    assert nothing.code == 78
    assert "nothing has run yet" in nothing.err
    here = move(app, places["file"], places["file"])
    assert here.code == 64


def test_a_state_at_work_is_not_moved(app: App, places: dict[str, str]) -> None:
    from upsun_agent.journal.server.opening import hold

    work(app, places["postgres"])
    state = resolved(app, places["postgres"])
    assert isinstance(state, DatabaseState)
    busy = hold(state, IDENTITY)
    try:
        assert move(app, places["postgres"], places["file"]).code == 75
    finally:
        busy.release()
    assert move(app, places["postgres"], places["file"]).code == 0


# --- killed ---------------------------------------------------------------------------------------------------

CHANGES = ("note", "take_in", "drop", "set_cursor", "forget_cursors", "mark_tick", "set_idle_hint", "copied")


@contextmanager
def killing(number: int) -> Iterator[list[int]]:
    """Kill after the call of that number to either journal."""
    calls = [0]

    def deadly(call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **named: Any) -> Any:
            answer = call(*arguments, **named)
            calls[0] += 1
            if calls[0] == number:
                raise Killed
            return answer

        return called

    patches = [
        patch.object(kind, name, deadly(getattr(kind, name)))
        for kind in (SqliteJournal, ServerJournal)
        for name in CHANGES
    ]
    for each in patches:
        each.start()
    try:
        yield calls
    finally:
        for each in patches:
            each.stop()


def in_use(app: App, place: str) -> bool:
    """Whether a tick at that place acts."""
    use(app, place)
    result = app.call("tick")
    assert result.code in {0, 78}, result.said
    return result.code == 0


@pytest.mark.parametrize(("source", "target"), [("file", "postgres"), ("postgres", "mariadb"), ("mariadb", "file")])
def test_killed_after_any_step_the_same_command_goes_on_and_never_are_two_in_use(
    app: App, places: dict[str, str], monkeypatch: pytest.MonkeyPatch, source: str, target: str
) -> None:
    monkeypatch.setattr("upsun_agent.journal.move.MOVED_AT_ONCE", 1)
    work(app, places[source])
    number, ended = 0, False
    while not ended:
        number += 1
        with killing(number) as calls:
            try:
                result = move(app, places[source], places[target])
            except Killed:
                pass
            else:
                ended = calls[0] < number
                assert result.code == 0, result.said
        if not ended:
            old = in_use(app, places[source])
            new = in_use(app, places[target]) if (target == "file" or calls[0]) else False
            assert not (old and new), f"both are in use after step {number}"
            use(app, places[source])
    assert number > 15
    assert [in_use(app, places[each]) for each in (source, target)] == [False, True]
    with reading(resolved(app, places[target]), IDENTITY) as journal:
        rows = journal.rows()
        assert len({row.run for row in rows}) == len(rows) == 3


def test_what_the_source_did_after_a_killed_move_is_moved_too(
    app: App, places: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("upsun_agent.journal.move.MOVED_AT_ONCE", 1)
    work(app, places["file"])
    with killing(6), pytest.raises(Killed):
        move(app, places["file"], places["postgres"])
    for _ in range(4):
        app.clock.advance(300)
        assert app.call("tick").code == 0
    assert app.call("resume", "hand").code == 0
    before = held(app, places["file"])
    assert move(app, places["file"], places["postgres"]).code == 0
    assert held(app, places["postgres"]) == before


def test_a_copy_that_differs_is_not_handed_over(app: App, places: dict[str, str], postgres: Server) -> None:
    work(app, places["file"])
    take_in = ServerJournal.take_in

    def forgetful(self: ServerJournal, copies: Any) -> None:
        take_in(self, [*copies][:-1])

    with patch.object(ServerJournal, "take_in", forgetful):
        result = move(app, places["file"], places["postgres"])
    assert result.code == 73
    assert "2 of 3 runs" in result.err
    assert app.call("tick").code == 0, "nothing was given up"
    assert move(app, places["file"], places["postgres"]).code == 0


def test_the_password_is_in_no_output(app: App, places: dict[str, str], postgres: Server) -> None:
    work(app, places["file"])
    result = move(app, places["file"], places["postgres"])
    assert postgres.password not in result.said
    db = sqlite3.connect(app.state / "journal.sqlite")
    marks = [str(row) for row in db.execute("SELECT * FROM notes")]
    db.close()
    assert not any("canary" in mark for mark in marks)
