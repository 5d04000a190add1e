"""The dead-man's switch: ticks ping it, idle ticks stay idle in between, and nobody pings in another's place."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from upsun_agent.errors import Busy, StateNotWritable
from upsun_agent.runtime.tick import ticking

from tests.harness import receivers
from tests.harness.container import due_container
from tests.harness.receivers import Receiver
from tests.harness.stage import START, Stage

Make = Callable[..., Stage]
BEAT = '[agent]\nheartbeat = { url-variable = "BEAT", every = "1h" }'


def next_due(directory: Path) -> datetime:
    """Until when ticks look at one row only."""
    db = sqlite3.connect(directory / "journal.sqlite")
    row = db.execute("SELECT next_due FROM idle_hint").fetchone()
    db.close()
    return datetime.fromtimestamp(row[0], UTC)


def test_ticks_ping_it_when_it_is_time_and_are_idle_until_then(make: Make, ear: Receiver) -> None:
    stage = make(BEAT, environ={"BEAT": f"{ear.url}/canary-beat"})
    begin = START - timedelta(hours=6)
    stage.at(begin).tick()
    assert ear.paths == ["/canary-beat"]
    assert "main" in ear.requests[0].text
    assert next_due(stage.directory) == begin + timedelta(hours=1)
    stage.at(begin + timedelta(minutes=30)).tick()
    assert len(ear.requests) == 1
    stage.at(begin + timedelta(hours=1, minutes=2)).tick()
    assert len(ear.requests) == 2
    assert next_due(stage.directory) == begin + timedelta(hours=2, minutes=2)
    assert stage.simulator.request_log()["requests"] == [], "a ping asks nothing of the API"


def test_a_run_by_hand_is_no_sign_of_the_cron_and_pings_nobody(make: Make, ear: Receiver) -> None:
    stage = make(BEAT, environ={"BEAT": f"{ear.url}/canary-beat"})
    site = stage.at(START).site()
    with ticking(site) as tick:
        tick.advance(tick.open_by_hand(site.job_file.job("nightly")))
        tick.finish(by_hand=True)
    assert ear.paths == []
    stage.later(minutes=5).tick()
    assert ear.paths == ["/canary-beat"]


def test_what_is_due_earlier_comes_earlier(make: Make, ear: Receiver) -> None:
    stage = make(BEAT, environ={"BEAT": f"{ear.url}/canary-beat"})
    stage.at(START).tick()
    assert next_due(stage.directory) == START + timedelta(minutes=5), "the slot, not the next ping"


def test_a_ping_that_fails_fails_no_tick_and_the_next_tick_tries_again(make: Make, ear: Receiver) -> None:
    ear.behave = receivers.status(500)
    stage = make(BEAT, environ={"BEAT": f"{ear.url}/canary-beat"})
    begin = START - timedelta(hours=6)
    assert stage.at(begin).tick().exit_code() == 0
    assert stage.said("heartbeat-failed")[0]["message"] == "the receiver answered 500"
    assert next_due(stage.directory) == begin
    ear.behave = receivers.status(200)
    stage.later(minutes=5).tick()
    assert next_due(stage.directory) == begin + timedelta(hours=1, minutes=5)


def test_an_environment_on_which_no_job_runs_pings_nobody(make: Make, ear: Receiver) -> None:
    """A child environment inherits the variable, and would hide that its parent is dead."""
    stage = make(BEAT, environ={"BEAT": f"{ear.url}/canary-beat"}).with_container(environment_type="development")
    stage.at(START).tick()
    assert ear.requests == []


def test_a_clock_that_was_ahead_does_not_silence_it(make: Make, ear: Receiver) -> None:
    stage = make(BEAT, environ={"BEAT": f"{ear.url}/canary-beat"})
    stage.at(START + timedelta(days=300)).tick()
    stage.at(START).tick()
    stage.at(START + timedelta(hours=2)).tick()
    assert len(ear.requests) >= 2


def test_a_message_that_waits_makes_the_next_tick_look(make: Make, ear: Receiver) -> None:
    ear.behave = receivers.status(500)
    more = '[notify.hook]\nwebhook = { url-variable = "HOOK" }\n[agent]\nnotify = { on = ["succeeded"] }'
    stage = make(more, environ={"HOOK": f"{ear.url}/canary-hook-path"})
    stage.play()
    (message,) = stage.waiting()
    assert message.again_at is not None
    assert next_due(stage.directory) == message.again_at.replace(microsecond=0)
    assert message.again_at - stage.manual_clock.now() < timedelta(minutes=5)


def test_a_real_tick_pings_and_the_next_one_is_idle(tmp_path: Path, ear: Receiver) -> None:
    with due_container(tmp_path) as container:
        jobs = tmp_path / "agent.toml"
        later = datetime.now(UTC) + timedelta(hours=5)
        schedule = f'schedule = "{later.minute} {later.hour} * * *"'
        jobs.write_text(f"{BEAT}\n[jobs.nightly]\n{schedule}\n[[jobs.nightly.steps]]\nbackup = {{}}\n")
        url = f"{ear.url}/canary-beat"
        for _ in range(3):
            said = container.agent("tick", BEAT=url)
            assert said.code == 0, said.said
            assert "canary-beat" not in said.said
        assert ear.paths == ["/canary-beat"]
        assert b"canary-beat" not in (container.state / "journal.sqlite").read_bytes()


def test_a_tick_that_cannot_have_its_state_says_so_at_once(make: Make, ear: Receiver) -> None:
    stage = make(BEAT, environ={"BEAT": f"{ear.url}/canary-beat"})
    stage.directory.parent.mkdir(parents=True, exist_ok=True)
    stage.directory.write_text("a file in the place of a directory")
    for number in (1, 2):
        with pytest.raises(StateNotWritable):
            stage.tick()
        assert ear.paths == ["/canary-beat/fail"] * number, "every tick says so: the service knows what is new"
    assert "main" in ear.requests[0].text
    assert "could not work" in ear.requests[0].text
    assert "canary" not in ear.requests[0].text


def test_a_service_that_does_not_take_a_failure_changes_nothing(make: Make, ear: Receiver) -> None:
    ear.behave = receivers.status(404)
    stage = make(BEAT, environ={"BEAT": f"{ear.url}/canary-beat"})
    stage.directory.parent.mkdir(parents=True, exist_ok=True)
    stage.directory.write_text("a file in the place of a directory")
    with pytest.raises(StateNotWritable):
        stage.tick()
    assert [line["message"] for line in stage.said("heartbeat-failed")] == ["the receiver answered 404"]


def test_another_tick_at_work_alarms_nobody(make: Make, ear: Receiver) -> None:
    stage = make(BEAT, environ={"BEAT": f"{ear.url}/canary-beat"})
    with ticking(stage.site()), pytest.raises(Busy):
        stage.tick()
    assert ear.requests == []


def test_where_no_job_runs_a_missing_state_alarms_nobody(make: Make, ear: Receiver) -> None:
    stage = make(BEAT, environ={"BEAT": f"{ear.url}/canary-beat"}).with_container(environment_type="development")
    stage.directory.parent.mkdir(parents=True, exist_ok=True)
    stage.directory.write_text("a file in the place of a directory")
    with pytest.raises(StateNotWritable):
        stage.tick()
    assert ear.requests == []
