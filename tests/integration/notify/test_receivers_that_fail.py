"""Whatever a receiver does, the job is not delayed and does not fail; the message is told later, once it can be."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from upsun_agent import limits
from upsun_agent.notify import notifier

from tests.harness import receivers
from tests.harness.receivers import Mailbox, Receiver
from tests.harness.stage import JOB, SLOT, START, Stage

Make = Callable[..., Stage]
HOOK = '[notify.hook]\nwebhook = { url-variable = "HOOK" }\n[agent]\nnotify = { on = ["failed", "succeeded"] }'
ON = '[agent]\nnotify = { on = ["succeeded"] }'
MAIL = f'[notify.mail]\nemail = {{ to = ["ops@example.com"], from = "agent@example.com" }}\n{ON}'
BACKUP = '[jobs.nightly]\nschedule = "0 3 * * *"\n[[jobs.nightly.steps]]\nbackup = { retries = 0 }\n'
WAYS = {
    "hangs": receivers.hang,
    "drips": receivers.drip,
    "answers 500": receivers.status(500),
    "answers 429": receivers.status(429, Retry_After="99999"),
    "answers 404": receivers.status(404),
    "closes mid-answer": receivers.cut,
}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message has half a second instead of five."""
    monkeypatch.setattr(notifier, "NOTICE_DEADLINE", 0.5)
    monkeypatch.setattr(notifier, "SECOND", 0.1)


def succeeded(stage: Stage) -> Stage:
    """Play the night: it goes as if nobody was told, with the same requests and the same exit codes."""
    assert stage.at(START).tick().exit_code() == 0
    stage.at(SLOT + timedelta(seconds=7))
    for _ in range(20):
        assert stage.tick().exit_code() == 0
        if not stage.rows(open_only=True):
            break
        stage.later(minutes=5)
    run = stage.run()
    assert run.closed is not None
    assert run.closed.outcome == "succeeded"
    assert stage.backups_asked == 1
    return stage


@pytest.mark.parametrize("way", WAYS)
def test_the_run_is_as_without_and_the_message_comes_later(make: Make, ear: Receiver, quick: None, way: str) -> None:
    ear.behave = WAYS[way]
    stage = make(HOOK, environ={"HOOK": f"{ear.url}/canary-hook-path"}, jobs=BACKUP)
    began = time.monotonic()
    succeeded(stage)
    assert time.monotonic() - began < 8
    (waiting,) = stage.waiting()
    assert waiting.attempts >= 1
    assert waiting.reason
    assert stage.said("notice-delayed")
    ear.behave = receivers.status(204)
    tried = len(ear.requests)
    assert stage.later(minutes=5).tick().exit_code() == 0
    assert stage.waiting() == []
    assert len(ear.requests) == tried + 1
    assert {each.headers["webhook-id"] for each in ear.requests} == {waiting.id}, "a double is known by its id"


def test_a_redirect_leads_nowhere(make: Make, ear: Receiver) -> None:
    with receivers.receiver() as elsewhere:
        ear.behave = receivers.status(307, Location=f"{elsewhere.url}/taken")
        stage = succeeded(make(HOOK, environ={"HOOK": f"{ear.url}/canary-hook-path"}, jobs=BACKUP))
        assert elsewhere.requests == []
    assert stage.waiting()[0].reason == "the receiver answered 307: redirects are not followed"


@pytest.mark.parametrize(
    "url", ["http://{closed}/canary-hook-1", "https://{closed}/canary-hook-1", "", "ftp://x/canary-1"]
)
def test_a_place_where_nobody_is(make: Make, url: str) -> None:
    stage = succeeded(make(HOOK, environ={"HOOK": url.format(closed=receivers.closed_port())}, jobs=BACKUP))
    assert stage.waiting()[0].reason
    assert "canary" not in stage.log.getvalue()


def test_a_message_that_a_receiver_refuses_for_good_holds_up_no_other(make: Make, ear: Receiver) -> None:
    ear.behave = receivers.status(422)
    stage = succeeded(make(HOOK, environ={"HOOK": f"{ear.url}/canary-hook-path"}, jobs=BACKUP))
    assert stage.waiting() == []
    assert len(ear.requests) == 1
    (lost,) = stage.said("notice-lost")
    assert (lost["level"], lost["message"]) == ("error", "the receiver answered 422")
    ear.behave = receivers.status(200)
    stage.at(SLOT + timedelta(days=1, seconds=7)).settle()
    assert json.loads(ear.requests[-1].body)["lost"] == 1, "the next message tells that one was lost"
    assert stage.facts() == {}


def test_after_many_attempts_a_message_is_given_up_and_that_is_known(make: Make, ear: Receiver) -> None:
    ear.behave = receivers.status(503)
    stage = succeeded(make(HOOK, environ={"HOOK": f"{ear.url}/canary-hook-path"}, jobs=BACKUP))
    (first,) = stage.waiting()
    while known := [each for each in stage.waiting() if each.id == first.id]:
        assert known[0].again_at is not None
        stage.at(known[0].again_at).tick()
    asked = [each for each in ear.requests if each.headers["webhook-id"] == first.id]
    assert len(asked) == limits.NOTICE_ATTEMPTS
    assert timedelta(hours=20) < stage.manual_clock.now() - SLOT < timedelta(days=3), "it was tried for a day at least"
    assert "outbox-lost:hook" in stage.facts()


def test_news_of_last_week_is_no_news(make: Make, ear: Receiver) -> None:
    ear.behave = receivers.status(503)
    stage = succeeded(make(HOOK, environ={"HOOK": f"{ear.url}/canary-hook-path"}, jobs=BACKUP))
    ear.behave = receivers.status(200)
    known = len(ear.requests)
    stage.later(days=14).tick()
    assert [json.loads(each.body)["event"] for each in ear.requests[known:]] == []
    assert stage.said("notice-lost")


def test_a_slow_channel_does_not_keep_the_others_waiting(make: Make, ear: Receiver, quick: None) -> None:
    with receivers.receiver() as slow:
        slow.behave = receivers.hang
        more = f'[notify.a-slow]\nwebhook = {{ url-variable = "SLOW" }}\n{HOOK}'
        environ = {"HOOK": f"{ear.url}/canary-hook-path", "SLOW": f"{slow.url}/canary-slow-path"}
        stage = succeeded(make(more, environ=environ, jobs=BACKUP))
        assert len(ear.requests) == 1
        assert [each.channel for each in stage.waiting()] == ["a-slow"]


def test_no_more_time_than_its_share_is_used_however_much_waits(
    make: Make, ear: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six jobs end at once and their receivers hang: the tick still ends in time, the rest is told later."""
    monkeypatch.setattr(notifier, "NOTICE_DEADLINE", 0.1)
    channels = "\n".join(f'[notify.c{n}]\nwebhook = {{ url-variable = "HOOK" }}' for n in range(5))
    ear.behave = receivers.hang
    jobs = BACKUP + "\n".join(BACKUP.replace("nightly", f"job{n}") for n in range(5))
    stage = make(
        f'{channels}\n[agent]\nnotify = {{ on = ["succeeded"] }}', environ={"HOOK": f"{ear.url}/canary-x1"}, jobs=jobs
    )
    stage.at(START).tick()
    stage.at(SLOT + timedelta(seconds=7))
    for _ in range(8):
        stage.manual_clock.advance(300)
        began = time.monotonic()
        stage.tick()
        assert time.monotonic() - began < 5 * 0.1 + 3
    assert stage.rows(open_only=True) == []
    assert len(stage.waiting()) == 30
    ear.behave = receivers.status(200)
    stage.later(hours=7).tick()
    assert stage.waiting() == []


# --- mail --------------------------------------------------------------------------------------------------------


def test_a_relay_that_says_nothing_or_drips_holds_nobody_up(make: Make, quick: None, box: Mailbox) -> None:
    for silent in (receivers.silent, receivers.dripping_mail):
        with silent() as host:
            stage = make(MAIL, environ={"PLATFORM_SMTP_HOST": host}, jobs=BACKUP)
            began = time.monotonic()
            succeeded(stage)
            assert time.monotonic() - began < 6
            reason = stage.waiting()[0].reason
            assert "no complete answer" in reason or "connection to the relay failed" in reason
        stage.environ["PLATFORM_SMTP_HOST"] = box.host
        stage.later(minutes=5).tick()
        assert stage.waiting() == []
    assert len(box.mails) == 2


def test_a_relay_whose_answer_has_lines_without_end_is_read_for_some_of_them_only(make: Make, box: Mailbox) -> None:
    heard: list[int] = []
    with receivers.endless_mail(heard) as host:
        stage = succeeded(make(MAIL, environ={"PLATFORM_SMTP_HOST": host}, jobs=BACKUP))
        assert stage.waiting()[0].reason == "the connection to the relay failed: SMTPServerDisconnected"
    assert heard[0] < 16 * 1024 * 1024, "what is not read stays in the sockets"
    stage.environ["PLATFORM_SMTP_HOST"] = box.host
    stage.later(minutes=5).tick()
    assert stage.waiting() == []


@pytest.mark.parametrize("host", ["{closed}", "no such host", "x:99999", "[::1", "user@host"])
def test_a_relay_that_is_none(make: Make, host: str) -> None:
    stage = succeeded(
        make(MAIL, environ={"PLATFORM_SMTP_HOST": host.format(closed=receivers.closed_port())}, jobs=BACKUP)
    )
    assert stage.waiting()[0].reason


def test_both_jobs_of_a_whole_run_are_told_in_the_end(make: Make, ear: Receiver) -> None:
    """A receiver that fails every second time: nothing is lost, nothing is told twice with another id."""
    turns = iter(range(10**6))
    ear.behave = lambda handler: receivers.answer(handler, 200 if next(turns) % 2 else 500)
    more = '[notify.hc]\nhealthchecks = { url-variable = "HOOK" }'
    stage = make(more, environ={"HOOK": f"{ear.url}/canary-check"}, jobs=JOB)
    stage.play()
    for _ in range(4):
        stage.later(minutes=5).tick()
    assert stage.waiting() == []
    good = ear.paths[1::2]
    assert good == ["/canary-check/start", "/canary-check"]
