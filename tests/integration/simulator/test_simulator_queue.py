from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st
from upsun_simulator import ManualClock, Scenario, Simulator

from tests.harness.simulator_client import START, Talker

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_backup_runs_for_its_time_and_then_exists_under_the_name_known_from_the_start(
    ask: Talker, clock: ManualClock
) -> None:
    activity = ask.back_up()
    name = activity["payload"]["backup_name"]
    assert activity["state"] == "in_progress"
    assert ask("GET", f"{ask.main}/backups/{name}").status == 404
    clock.advance(19.9)
    assert ask.get(f"{ask.project}/activities/{activity['id']}")["completion_percent"] == 99
    assert ask.get(f"{ask.main}/backups") == []
    clock.advance(0.1)
    done = ask.get(f"{ask.project}/activities/{activity['id']}")
    assert (done["state"], done["result"], done["completion_percent"]) == ("complete", "success", 100)
    backup = ask.get(f"{ask.main}/backups/{name}")
    assert (backup["status"], backup["restorable"], backup["safe"]) == ("CREATED", True, True)
    assert backup["commit_id"] == ask.get(ask.main)["head_commit"]
    assert ask.get(ask.main)["last_backup_at"] == backup["created_at"]


def test_with_no_durations_the_answer_to_the_request_shows_the_activity_complete(
    make: Callable[..., Talker],
) -> None:
    ask = make(backup_seconds=0, source_operation_seconds=0, deploy_seconds=0)
    assert (ask.back_up()["state"], ask.back_up()["result"]) == ("complete", "success")
    assert ask.update()["completion_percent"] == 100
    assert ask.states()[-1] == ("push", "complete")


def test_an_environment_works_on_one_activity_at_a_time_first_come_first_served(
    ask: Talker, clock: ManualClock
) -> None:
    ask.back_up()
    ask.update()
    assert ask.states() == [("backup", "in_progress"), ("source-operation", "pending")]
    clock.advance(20)
    assert ask.states() == [("backup", "complete"), ("source-operation", "in_progress")]
    clock.advance(15)
    assert ask.states() == [
        ("backup", "complete"),
        ("source-operation", "complete"),
        ("push", "in_progress"),
    ]


def test_a_project_works_on_two_activities_at_a_time_production_first(sim: Simulator) -> None:
    sim.add_environment("other")
    first = sim.start_activity("staging", seconds=10)
    second = sim.start_activity("feature/login", seconds=20)
    third = sim.start_activity("other", seconds=10)
    fourth = sim.start_activity("main", seconds=10)
    assert [one.state for one in (first, second, third, fourth)] == [
        "in_progress",
        "in_progress",
        "pending",
        "pending",
    ]
    assert isinstance(sim.clock, ManualClock)
    sim.clock.advance(10)
    sim.request_log()
    assert (third.state, fourth.state) == ("pending", "in_progress")


def test_a_cron_that_never_ends_holds_the_backup_until_somebody_cancels_it(ask: Talker, clock: ManualClock) -> None:
    cron = ask.simulator.start_activity(seconds=None)
    backup = ask.back_up()
    clock.advance(86_400)
    assert ask.states() == [("cron", "in_progress"), ("backup", "pending")]
    assert ask.get(ask.main)["is_dirty"]
    ask.simulator.cancel_activity(cron.id)
    clock.advance(20)
    assert ask.get(f"{ask.project}/activities/{backup['id']}")["result"] == "success"
    assert not ask.get(ask.main)["is_dirty"]


def test_an_activity_stays_pending_for_the_queue_time_even_when_nothing_runs(
    make: Callable[..., Talker], clock: ManualClock
) -> None:
    ask = make(queue_seconds=5)
    ask.back_up()
    clock.advance(4.9)
    assert ask.states() == [("backup", "pending")]
    clock.advance(0.1)
    assert ask.states() == [("backup", "in_progress")]


def test_events_that_nobody_watched_happened_at_their_own_time(ask: Talker, clock: ManualClock) -> None:
    ask.back_up()
    ask.update()
    clock.advance(86_400)
    push, update, backup = ask.get(f"{ask.main}/activities")
    assert backup["completed_at"] == update["started_at"] == "2026-03-01T12:00:20.000000+00:00"
    assert update["completed_at"] == push["started_at"] == "2026-03-01T12:00:35.000000+00:00"
    assert push["completed_at"] == "2026-03-01T12:00:55.000000+00:00"


def test_a_clock_that_goes_back_undoes_nothing(ask: Talker, clock: ManualClock) -> None:
    ask.back_up()
    clock.advance(30)
    assert ask.states() == [("backup", "complete")]
    clock.set(START)
    assert ask.states() == [("backup", "complete")]
    assert len(ask.get(f"{ask.main}/backups")) == 1


def test_an_operation_keeps_the_scenario_it_was_asked_for_in(ask: Talker, clock: ManualClock) -> None:
    ask.back_up()
    ask.simulator.change(backup_outcome="failure", backup_seconds=1)
    ask.back_up()
    clock.advance(60)
    later, earlier = ask.get(f"{ask.main}/activities")
    assert (earlier["result"], later["result"]) == ("success", "failure")


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("back_up"), st.sampled_from(["main", "staging", "feature/login"])),
        st.tuples(st.just("update"), st.sampled_from(["main", "staging"])),
        st.tuples(st.just("cron"), st.sampled_from(["main", "staging", "feature/login"])),
        st.tuples(st.just("push"), st.sampled_from(["main", "staging"])),
        st.tuples(st.just("merge"), st.sampled_from(["staging", "feature/login"])),
        st.tuples(st.just("synchronize"), st.sampled_from(["staging", "feature/login"])),
        st.tuples(st.just("branch"), st.sampled_from(["main", "staging"])),
        st.tuples(st.just("restore"), st.sampled_from(["main", "staging"])),
        st.tuples(st.just("wait"), st.sampled_from([0.5, 7, 20, 33])),
        st.tuples(st.just("change"), st.sampled_from(["commit", "no-commit", "failure", "cancelled"])),
        st.tuples(st.just("mode"), st.sampled_from(["follows", "inclusive"])),
    ),
    max_size=18,
)


def _play(steps: list[tuple[str, Any]], *, look_every: float | None) -> dict[str, Any]:
    """Do the steps; between them look at the world often, or never."""
    clock = ManualClock(START)
    sim = Simulator(Scenario(backup_limit=2), clock)
    kinds = {"back_up": "environment.backup", "update": "environment.source-operation", "cron": "environment.cron"}
    for name, value in [*steps, ("wait", 400)]:
        if name == "wait":
            until = clock.now().timestamp() + value
            while look_every and clock.now().timestamp() + look_every < until:
                clock.advance(look_every)
                _check(sim)
            clock.advance(until - clock.now().timestamp())
        elif name == "push":
            sim.push(value)
        elif name == "change":
            sim.change(update_outcome=value)
        elif name in ("merge", "synchronize"):
            getattr(sim, name)(value)
        elif name == "branch":
            sim.branch(f"branch-{len(sim.state.environments)}", value)
        elif name == "restore":
            sim.restore(sim.add_backup(value).id)
        elif name == "mode":
            sim.change(deploy_mode=value)
        else:
            sim.start_activity(value, kinds[name], seconds=10)
    return _check(sim)


def _check(sim: Simulator) -> dict[str, Any]:
    request_log = sim.request_log()
    running = [one for one in request_log["activities"] if one["state"] == "in_progress"]
    assert len(running) <= 2
    assert len({one["environments"][0] for one in running}) == len(running)
    for name in request_log["environments"]:
        assert len([one for one in request_log["backups"] if one["environment"] == name]) <= 2
    for place in request_log["environments"].values():
        assert place["head_commit"] == place["commits"][-1]["sha"]
        assert (
            place["deployed_commit"] in {None, *(one["sha"] for one in place["commits"])} or place["data_restored_from"]
        )
    moments = [one["created_at"] for one in request_log["activities"]]
    assert moments == sorted(moments)
    return request_log


@given(STEPS)
@settings(max_examples=40, deadline=None)
def test_the_same_things_happen_whether_anybody_looks_or_not(steps: list[tuple[str, Any]]) -> None:
    assert _play(steps, look_every=None) == _play(steps, look_every=3)
