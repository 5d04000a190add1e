"""One process at a time on a journal of a server; whoever lost it writes nothing more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from upsun_agent.database.errors import DatabaseUnreachable, LeaseLost
from upsun_agent.errors import Bug, Busy
from upsun_agent.journal import Cursor, IdleHint
from upsun_agent.journal.server.lease import Held
from upsun_agent.journal.server.opening import hold

from tests.harness.journal_forms import DatabaseForm, place_of
from tests.integration.journal.test_conformance import NOW, closed, opened, warned
from tools.databases import Postgres, Server


@pytest.fixture
def first(shared: DatabaseForm) -> Iterator[Held]:
    """A process at work, which has a run open."""
    held = hold(shared.place, shared.identity)
    held.journal.open_run(opened("r"))
    yield held
    held.abandon()


def end_sessions(form: DatabaseForm) -> None:
    """Let the server end every connection of the agent's."""
    if isinstance(form.server, Postgres):
        form.server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'upsun-agent'"
        )
        return
    for number in form.server.execute(
        "SELECT id FROM information_schema.processlist WHERE user LIKE 'upsun%'"
    ).splitlines():
        form.server.execute(f"KILL {number}")


def test_a_second_process_is_kept_out_until_the_first_is_done(shared: DatabaseForm, first: Held) -> None:
    with pytest.raises(Busy, match="another tick is using") as refused:
        hold(shared.place, shared.identity)
    assert refused.value.exit_code == 75
    assert refused.value.remedy
    first.release()
    second = hold(shared.place, shared.identity)
    assert second.journal.fence == 2
    assert (second.is_new, second.is_copy) == (False, False)
    second.release()
    assert (
        shared.say("SELECT holder IS NULL AND session IS NULL AND lease_until IS NULL FROM {p}journals WHERE {mine}")
        == "1"
    )


def test_other_environments_and_databases_are_nobodys_business(
    shared: DatabaseForm, first: Held, server: Server
) -> None:
    project = shared.identity[0]
    for identity in ((project, "other", "app"), (f"{project}x", "main", "app"), (project, "main", "worker")):
        hold(shared.place, identity).release()
    server.fresh_database("elsewhere")
    hold(place_of(server.url(database="elsewhere")), shared.identity).release()


@pytest.mark.parametrize("end", [Held.release, Held.abandon], ids=["released", "abandoned"])
def test_however_a_process_ends_the_next_one_begins(shared: DatabaseForm, end: Callable[[Held], None]) -> None:
    for number in range(1, 4):
        held = patiently(lambda: hold(shared.place, shared.identity))
        assert held.journal.fence == number
        end(held)


def patiently(call: Callable[[], Held]) -> Held:
    """The server may need a moment to see that a connection is gone."""
    end = datetime.now(UTC) + timedelta(seconds=10)
    while True:
        try:
            return call()
        except Busy:
            if datetime.now(UTC) > end:
                raise


def writes() -> list[tuple[str, Callable[[Any], object]]]:
    """Every call that changes something."""
    return [
        ("open_run", lambda journal: journal.open_run(opened("late"))),
        ("append", lambda journal: journal.append("r", warned("late"), notes={"late": "1"})),
        ("note", lambda journal: journal.note("later", "1")),
        ("set_cursor", lambda journal: journal.set_cursor(Cursor("late", "x", NOW))),
        ("forget_cursors", lambda journal: journal.forget_cursors([])),
        ("set_idle_hint", lambda journal: journal.set_idle_hint(IdleHint(journal.identity, "late", 9))),
        ("mark_tick", lambda journal: journal.mark_tick(9)),
        ("take_in", lambda journal: journal.take_in(journal.copied(journal.rows()))),
        ("drop", lambda journal: journal.drop(["late"])),
        ("prune", lambda journal: journal.prune(NOW + timedelta(days=1), 100)),
    ]


def test_after_a_takeover_nothing_more_is_written(shared: DatabaseForm, first: Held) -> None:
    first.journal.append("r", closed())
    first.journal.set_cursor(Cursor("j", "x", NOW))
    for name, write in writes():
        before = shared.contents()
        shared.say("UPDATE {p}journals SET fence = fence + 1 WHERE {mine}")
        with pytest.raises(LeaseLost) as lost:
            write(first.journal)
        assert lost.value.exit_code == 75
        assert shared.contents() == before, name
        shared.say("UPDATE {p}journals SET fence = fence - 1 WHERE {mine}")
        write(first.journal)
        assert shared.contents() != before or name == "take_in", f"{name} would have written"


def test_a_journal_that_was_set_aside_by_another_is_not_written_to(shared: DatabaseForm, first: Held) -> None:
    shared.say("UPDATE {p}journals SET present = NULL WHERE {mine}")
    with pytest.raises(LeaseLost):
        first.journal.append("r", warned("late"))
    with pytest.raises(LeaseLost):
        first.begin_anew("rewound")


def test_a_process_that_lost_its_connection_writes_nothing_more_and_does_not_connect_again(
    shared: DatabaseForm, first: Held
) -> None:
    end_sessions(shared)
    for _ in range(2):
        with pytest.raises(DatabaseUnreachable) as lost:
            first.journal.append("r", warned("late"))
        assert lost.value.exit_code == 75
    with pytest.raises(DatabaseUnreachable):
        first.journal.rows()
    second = patiently(lambda: hold(shared.place, shared.identity))
    assert [event.kind for event in second.journal.events("r")] == ["run-opened"]
    second.journal.append("r", warned("mine"))
    second.release()


def test_every_event_bears_the_fence_of_its_writer(shared: DatabaseForm) -> None:
    for number in range(3):
        held = hold(shared.place, shared.identity)
        held.journal.open_run(opened(f"r{number}"), [warned("x")])
        held.journal.append("r0", warned("y"))
        held.release()
    assert shared.say(
        "SELECT fence FROM {p}events WHERE journal IN (SELECT id FROM {p}journals WHERE {mine}) ORDER BY seq"
    ).split() == list("111222333")


def test_a_journal_that_is_looked_at_cannot_be_written(shared: DatabaseForm, first: Held) -> None:
    with shared.look() as journal, pytest.raises(Bug):
        journal.note("x", "y")  # type: ignore[attr-defined]  # it has none, by its type


# --- whose the lease is, and until when ----------------------------------------------------------------------


def test_the_lease_alone_keeps_processes_apart_while_its_session_lives(shared: DatabaseForm, first: Held) -> None:
    with pytest.raises(Busy, match="holds the lease"):
        hold(shared.place, shared.identity)
    first.journal.append("r", warned("still mine"))


def test_a_lease_expires_by_the_databases_clock_alone(
    shared: DatabaseForm, first: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: NOW.timestamp() + 10 * 86400)
    with pytest.raises(Busy, match="holds the lease"):
        hold(shared.place, shared.identity)
    shared.say("UPDATE {p}journals SET lease_until = lease_until - 121 WHERE {mine}")
    second = hold(shared.place, shared.identity)
    assert second.journal.fence == 2
    with pytest.raises(LeaseLost):
        first.journal.append("r", warned("late"))
    second.release()


def test_a_lease_of_a_session_that_ended_is_broken_at_once(shared: DatabaseForm, first: Held) -> None:
    first.abandon()
    patiently(lambda: hold(shared.place, shared.identity)).release()


def test_a_lease_that_the_servers_clock_dated_while_it_was_ahead_is_not_believed(
    shared: DatabaseForm, first: Held
) -> None:
    shared.say("UPDATE {p}journals SET lease_until = lease_until + 1000000 WHERE {mine}")
    second = hold(shared.place, shared.identity)
    with pytest.raises(LeaseLost):
        first.journal.append("r", warned("late"))
    second.release()


@pytest.mark.parametrize("session", ["NULL", "''", "'what'", "'999999999@1'"])
def test_a_lease_whose_session_is_not_known_holds_until_it_expires(
    shared: DatabaseForm, first: Held, session: str
) -> None:
    first.release()
    now = "extract(epoch from now())" if isinstance(shared.server, Postgres) else "unix_timestamp()"
    left = f"holder = 'x', session = {session}, lease_until = {now} + 120"
    shared.say(f"UPDATE {{p}}journals SET {left} WHERE {{mine}}")  # noqa: S608  texts of ours
    if session == "'999999999@1'" and isinstance(shared.server, Postgres):  # in MariaDB: of a user who is not known
        hold(shared.place, shared.identity).release()
        return
    with pytest.raises(Busy):
        hold(shared.place, shared.identity)


# --- set aside and begun anew ---------------------------------------------------------------------------------


def test_a_journal_that_is_set_aside_is_kept_and_never_seen_again(shared: DatabaseForm, first: Held) -> None:
    first.journal.note("k", "old")
    kept = first.begin_anew("rewound: a restore")
    assert "kept as journal " in kept
    assert (list(first.journal.rows()), first.journal.noted("k"), first.journal.fence) == ([], None, 2)
    first.journal.open_run(opened("r"))
    first.release()
    with shared.look() as journal:
        assert len(journal.events("r")) == 1
    assert (
        shared.say("SELECT count(*) FROM {p}events WHERE journal IN (SELECT id FROM {p}journals WHERE {mine})") == "2"
    )
    assert "restore" in shared.say("SELECT why FROM {p}journals WHERE present IS NULL AND {mine}")


def test_a_journal_begun_beside_anothers_of_the_same_app_may_be_a_clones(shared: DatabaseForm, first: Held) -> None:
    project = shared.identity[0]
    for identity, is_copy in (
        ((project, "child", "app"), True),
        ((project, "main", "worker"), False),
        ((f"{project}x", "main", "app"), False),
    ):
        held = hold(shared.place, identity)
        assert (held.is_new, held.is_copy) == (True, is_copy)
        held.release()
