"""Of slots that were not to run nobody is told, of many that were missed once; and messages outlive a wrong clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from upsun_agent.runtime.session import open_session
from upsun_agent.runtime.suspension import pause_job, resume

from tests.harness import receivers
from tests.harness.receivers import Receiver
from tests.harness.stage import SLOT, START, TOKEN, Stage

Make = Callable[..., Stage]
ALL = '[notify.hook]\nwebhook = { url-variable = "HOOK" }\n[agent]\nnotify = { on = ["failed", "missed", "recovered"] }'
COMMAND = '\n[[jobs.look.steps]]\ncommand = { shell = "echo hello", changes = false }\n'
WEEKDAYS = 'when = { days = ["mon", "tue", "wed", "thu", "fri"] }\n'


def stage_of(make: Make, ear: Receiver, more: str = "") -> Stage:
    jobs = f'[jobs.look]\nschedule = "0 3 * * *"\n{more}{COMMAND}'
    return make(ALL, environ={"HOOK": f"{ear.url}/canary-hook-path"}, jobs=jobs)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("more", "before", "tick"),
    [
        ('when = { not-on = ["2026-12-24"] }\n', "2026-12-23T12:00", "2026-12-24T12:00"),
        (WEEKDAYS, "2026-12-25T12:00", "2026-12-27T12:00"),
        ('when = { window = "04:00-05:00" }\n', "2026-12-23T12:00", "2026-12-24T12:00"),
        ('when = { branches = ["release-*"] }\n', "2026-12-23T12:00", "2026-12-24T12:00"),
        ("", "2026-12-23T12:00", "2026-12-24T12:00"),
    ],
    ids=["not-on", "days", "window", "branches", "pause"],
)
def test_nobody_hears_that_a_slot_did_not_run_which_was_not_to_run(
    make: Make, ear: Receiver, more: str, before: str, tick: str
) -> None:
    stage = stage_of(make, ear, more)
    stage.at(utc(before)).tick()
    if not more:
        with open_session(stage.site()) as desk:
            pause_job(desk.journal, "look", "Christmas", stage.manual_clock.now())
    stage.at(utc(tick)).tick()
    if not more:
        with open_session(stage.site()) as desk:
            resume(desk.journal, "look", stage.manual_clock.now())
        stage.later(minutes=5).tick()
    assert {row.outcome for row in stage.rows()} == {"skipped"}
    assert ear.requests == []


def test_of_nights_missed_over_weekends_people_hear_once_and_of_all(make: Make, ear: Receiver) -> None:
    stage = stage_of(make, ear, WEEKDAYS)
    stage.at(utc("2026-12-06T12:00")).tick()
    stage.at(utc("2026-12-27T12:00")).tick()
    (told,) = ear.requests
    assert "with those before, 15 slots since 2026-12-07T03:00 were missed" in told.body.decode()


def test_a_failure_is_told_while_the_platform_is_away_and_ticks_are_far_apart(make: Make, ear: Receiver) -> None:
    stage = stage_of(make, ear, 'misfire-grace = "30m"\n')
    stage.at(START).tick()
    stage.simulator.add_fault("* * cut-before x*")
    stage.at(SLOT).tick()
    stage.at(SLOT + timedelta(minutes=45)).tick()
    assert stage.waiting() == []
    (told,) = ear.requests
    assert "too-late" in told.body.decode()


def test_a_message_is_not_given_up_by_a_clock_that_leapt_and_is_delivered_when_it_is_right(
    make: Make, ear: Receiver
) -> None:
    ear.behave = receivers.status(500)
    stage = stage_of(make, ear)
    stage.at(START).tick()
    stage.at(SLOT + timedelta(hours=8)).tick()
    assert len(stage.waiting()) == 1
    stage.token, stage.ahead = None, timedelta(days=1200)
    stage.later(minutes=5).tick()
    assert stage.said("notice-lost") == []
    waits = [message.again_at for message in stage.waiting()]
    assert max(moment for moment in waits if moment is not None) > stage.manual_clock.now() + timedelta(days=1000)
    stage.token, stage.ahead = TOKEN, timedelta()
    ear.behave = receivers.status(204)
    sent = len(ear.requests)
    stage.later(minutes=5).tick()
    assert stage.waiting() == []
    assert len(ear.requests) == sent + 1, "what the wrong clock booked is not told"
