"""Each channel against a real receiver: what arrives when a run starts, succeeds, fails, is missed, works again."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest

from tests.harness.receivers import Mailbox, Receiver
from tests.harness.stage import RUN, SLOT, START, Stage

Make = Callable[..., Stage]
HEALTHCHECKS = '[notify.hc]\nhealthchecks = { url-variable = "PING" }'
WEBHOOK = '[notify.hook]\nwebhook = { url-variable = "HOOK", secret-variable = "HOOK_SECRET" }'
SLACK = '[notify.chat]\nslack = { url-variable = "SLACK" }'
MAIL = '[notify.mail]\nemail = { to = ["ops@example.com", "dev@example.com"], from = "agent@example.com" }'
SECRET = "canary-webhook-secret-0123456789"


# --- healthchecks ------------------------------------------------------------------------------------------------


def test_a_run_is_pinged_at_its_start_and_at_its_success(make: Make, ear: Receiver) -> None:
    stage = make(HEALTHCHECKS, environ={"PING": f"{ear.url}/canary-check-uuid-1"})
    run = stage.play()
    assert run.closed is not None
    assert run.closed.outcome == "succeeded"
    start, end = ear.requests
    assert (start.path.partition("?")[0], start.body) == ("/canary-check-uuid-1/start", b"")
    assert end.path.partition("?")[0] == "/canary-check-uuid-1"
    assert "run succeeded" in end.text
    rids = [each.path.partition("rid=")[2] for each in (start, end)]
    assert rids[0] == rids[1]
    assert UUID(rids[0]).version == 5
    assert stage.waiting() == []


def test_a_failure_is_pinged_with_what_happened(make: Make, ear: Receiver) -> None:
    stage = make(
        HEALTHCHECKS,
        environ={"PING": f"{ear.url}/canary-check-uuid-1?tag=a"},
        jobs='[jobs.nightly]\nschedule = "0 3 * * *"\n[[jobs.nightly.steps]]\nbackup = { retries = 0 }\n',
        backup_outcome="failure",
    )
    stage.play()
    _start, fail = ear.requests
    assert fail.path.startswith("/canary-check-uuid-1/fail?tag=a&rid=")
    assert "nightly FAILED on main (abcdefgh1234z)" in fail.text
    assert "activity" in fail.text
    assert f"upsun-agent show {RUN}" in fail.text


def test_each_job_can_have_a_check_of_its_own_below_a_ping_key(make: Make, ear: Receiver) -> None:
    more = '[notify.hc]\nhealthchecks = { url-variable = "PING", per-job = true }'
    stage = make(more, environ={"PING": f"{ear.url}/canary-ping-key-000001/"})
    stage.play()
    assert ear.paths == ["/canary-ping-key-000001/nightly/start", "/canary-ping-key-000001/nightly"]
    assert all("create=1" in each.path for each in ear.requests)


def test_a_missed_batch_is_pinged_once_as_a_failure(make: Make, ear: Receiver) -> None:
    stage = make(HEALTHCHECKS, environ={"PING": f"{ear.url}/canary-check-uuid-1"})
    stage.at(START).tick()
    stage.at(SLOT + timedelta(days=3, hours=8)).tick()
    assert ear.paths == ["/canary-check-uuid-1/fail"]
    assert "4 slots" in ear.requests[0].text
    stage.later(minutes=5).tick()
    assert len(ear.requests) == 1


# --- what messages are about -------------------------------------------------------------------------------------

NIGHTLY = '[jobs.nightly]\nschedule = "0 3 * * *"\n{more}\n[[jobs.nightly.steps]]\nbackup = {{ retries = 0 }}\n'


def events(ear: Receiver) -> list[str]:
    return [json.loads(each.body)["event"] for each in ear.requests]


def night(stage: Stage, number: int, outcome: str) -> None:
    """The slot of that night, with a backup that ends like that, and an idle tick after it."""
    stage.simulator.change(backup_outcome=outcome)
    stage.at(SLOT + timedelta(days=number, seconds=7)).settle()
    stage.later(minutes=5).tick()


def hooked(make: Make, ear: Receiver, more: str = "", top: str = "") -> Stage:
    hook = '[notify.hook]\nwebhook = { url-variable = "HOOK" }'
    stage = make(f"{top}\n{hook}", environ={"HOOK": f"{ear.url}/canary-hook-path"}, jobs=NIGHTLY.format(more=more))
    stage.at(START).tick()
    return stage


def test_every_failure_is_told_and_recovery_once_and_success_not(make: Make, ear: Receiver) -> None:
    stage = hooked(make, ear)
    for number, outcome in enumerate(["success", "failure", "failure", "success", "success"]):
        night(stage, number, outcome)
    assert events(ear) == ["failed", "failed", "recovered"]
    assert len({each.headers["webhook-id"] for each in ear.requests}) == 3


def test_success_is_told_where_it_is_asked_for(make: Make, ear: Receiver) -> None:
    stage = hooked(make, ear, more='notify = { on = ["succeeded"] }')
    for number, outcome in enumerate(["success", "failure", "success"]):
        night(stage, number, outcome)
    assert events(ear) == ["succeeded", "recovered"]


def test_nothing_is_told_of_a_job_that_says_so(make: Make, ear: Receiver) -> None:
    stage = hooked(make, ear, more="notify = { on = [] }")
    night(stage, 0, "failure")
    assert ear.requests == []
    assert stage.facts() == {}


def test_one_line_for_all_jobs_and_a_job_that_says_otherwise(make: Make, ear: Receiver) -> None:
    stage = hooked(make, ear, top='[agent]\nnotify = { on = ["succeeded"] }')
    night(stage, 0, "success")
    night(stage, 1, "failure")
    assert events(ear) == ["succeeded"]


def test_a_missed_slot_is_told_and_the_next_success_is_a_recovery(make: Make, ear: Receiver) -> None:
    stage = hooked(make, ear)
    stage.at(SLOT + timedelta(hours=8)).tick()
    assert events(ear) == ["missed"]
    assert "no tick ran" in json.loads(ear.requests[0].body)["message"]
    night(stage, 1, "success")
    assert events(ear) == ["missed", "recovered"]


def test_a_job_that_is_suspended_is_told_after_the_run_that_did_it(make: Make, ear: Receiver) -> None:
    stage = hooked(make, ear, more="suspend-after = 2")
    night(stage, 0, "failure")
    night(stage, 1, "failure")
    night(stage, 2, "success")  # its slot is skipped: nobody needs to hear of that too
    assert events(ear) == ["failed", "failed", "suspended"]
    assert "the last 2 runs failed" in json.loads(ear.requests[-1].body)["message"]


def test_a_run_whose_events_make_no_sense_is_told_too(make: Make, ear: Receiver) -> None:
    import sqlite3

    stage = hooked(make, ear)
    stage.simulator.change(backup_seconds=3600)
    stage.at(SLOT + timedelta(seconds=7)).tick()
    db = sqlite3.connect(stage.directory / "journal.sqlite")
    db.execute("UPDATE events SET data = replace(data, 'nightly', 7) WHERE kind = 'run-opened'")
    db.execute("DELETE FROM events WHERE kind = 'intent-recorded'")
    db.commit()
    db.close()
    stage.later(minutes=5).tick()
    assert events(ear) == ["failed"]
    assert "the run is foreign" in json.loads(ear.requests[-1].body)["message"]


# --- webhook -----------------------------------------------------------------------------------------------------


def test_a_webhook_says_everything_that_a_program_needs(make: Make, ear: Receiver) -> None:
    environ = {"HOOK": f"{ear.url}/canary-hook-path", "HOOK_SECRET": SECRET}
    stage = make(WEBHOOK, environ=environ, jobs=NIGHTLY.format(more=""), backup_outcome="failure")
    stage.play()
    (request,) = ear.requests
    said = json.loads(request.body)
    assert said.pop("id") == request.headers["webhook-id"]
    assert said.pop("steps")[0]["failure"] == "activity-failed"
    assert said.pop("duration_s") > 0
    assert said.pop("message")
    assert said.pop("subject").startswith("nightly FAILED on main (abcdefgh1234z): ")
    assert said.pop("at").startswith("2026-03-02T03:")
    remedy = said.pop("remedy")
    assert isinstance(remedy, str)
    assert said == {
        "version": 1,
        "event": "failed",
        "project": "abcdefgh1234z",
        "environment": "main",
        "environment_type": "production",
        "app": "app",
        "job": "nightly",
        "run": RUN,
        "slot": "2026-03-02T03:00",
        "trigger": "schedule",
        "outcome": "failed",
        "failure": "activity-failed",
        "changes": [],
        "lost": 0,
    }
    assert SECRET.encode() not in request.body
    assert SECRET not in str(request.headers)


@pytest.mark.parametrize("secret", ["", "short", "whsec_%%%not-base64%%%", "whsec_YWJj"])
def test_without_a_usable_secret_nothing_leaves_unsigned(make: Make, ear: Receiver, secret: str) -> None:
    environ = {"HOOK": f"{ear.url}/canary-hook-path", "HOOK_SECRET": secret}
    stage = make(WEBHOOK, environ=environ, jobs=NIGHTLY.format(more=""), backup_outcome="failure")
    stage.play()
    assert ear.requests == []
    assert stage.waiting()[0].reason.startswith(("the variable HOOK_SECRET", "the secret in HOOK_SECRET"))


# --- Slack -------------------------------------------------------------------------------------------------------

HOSTILE = (
    "<!channel> <https://evil.example|click> @here ```rm -rf``` *bold* & \x1b[31mred\x1b]0;title\x07 \r\nSubject: x"
)


def test_slack_shows_foreign_text_as_it_is(make: Make, ear: Receiver) -> None:
    stage = make(SLACK, environ={"SLACK": f"{ear.url}/services/canary-slack"}, jobs=NIGHTLY.format(more=""))
    stage.at(START).tick()
    stage.simulator.add_fault(f"POST */backup json status=403 body={json.dumps({'message': HOSTILE})}")
    stage.at(SLOT + timedelta(seconds=7)).settle()
    (request,) = ear.requests
    said = json.loads(request.body)
    assert set(said) == {"text", "unfurl_links", "unfurl_media"}
    text = said["text"]
    assert text.startswith(":red_circle: nightly FAILED on main")
    assert "click" in text
    for harm in ("<", "@here", "\x1b", "\r", "://evil"):
        assert harm not in text.replace("```", "").partition("\n")[0]
    assert "<" not in text
    assert text.count("```") == 2, "the block of the story is the only one"
    assert "\x1b" not in text


# --- mail --------------------------------------------------------------------------------------------------------


def test_mail_goes_through_the_relay(make: Make, box: Mailbox) -> None:
    stage = make(MAIL, environ={"PLATFORM_SMTP_HOST": box.host}, jobs=NIGHTLY.format(more=""), backup_outcome="failure")
    stage.play()
    (mail,) = box.mails
    assert box.recipients == [["ops@example.com", "dev@example.com"]]
    assert mail["From"] == "agent@example.com"
    assert mail["Subject"].startswith("[upsun-agent] nightly FAILED on main (abcdefgh1234z): ")
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"] == f"<{mail['Upsun-Agent-Id']}@example.com>"
    assert "run failed" in mail.get_content()


def test_foreign_text_makes_no_header_of_a_mail(make: Make, box: Mailbox) -> None:
    stage = make(MAIL, environ={"PLATFORM_SMTP_HOST": box.host}, jobs=NIGHTLY.format(more=""))
    stage.at(START).tick()
    hostile = "x\r\nBcc: victim@example.org\r\n\r\n<script>" + "é" * 400
    stage.simulator.add_fault(f"POST */backup json status=403 body={json.dumps({'message': hostile})}")
    stage.at(SLOT + timedelta(seconds=7)).settle()
    (mail,) = box.mails
    assert mail["Bcc"] is None
    assert box.recipients == [["ops@example.com", "dev@example.com"]]
    assert "Bcc: victim" in mail["Subject"].replace("\n", "")


def test_where_mail_is_off_nothing_waits_and_nothing_fails(make: Make) -> None:
    stage = make(MAIL, jobs=NIGHTLY.format(more=""), backup_outcome="failure")
    stage.play()
    assert stage.facts() == {}
    (line,) = stage.said("notice-dropped")
    assert "mail is disabled here" in line["reason"]
    assert line["level"] == "info"


def test_a_relay_that_does_not_want_the_mail_is_asked_no_more(make: Make, box: Mailbox) -> None:
    box.refuse = "550 no such user"
    stage = make(MAIL, environ={"PLATFORM_SMTP_HOST": box.host}, jobs=NIGHTLY.format(more=""), backup_outcome="failure")
    stage.play()
    assert box.mails == []
    assert stage.waiting() == []
    assert "550" in stage.said("notice-lost")[0]["message"]


def test_a_relay_that_says_later_is_asked_again(make: Make, box: Mailbox) -> None:
    box.refuse_text = "451 try again"
    stage = make(MAIL, environ={"PLATFORM_SMTP_HOST": box.host}, jobs=NIGHTLY.format(more=""), backup_outcome="failure")
    stage.play()
    assert stage.waiting()[0].reason == "the relay answered 451"
    box.refuse_text = None
    stage.later(minutes=5).tick()
    assert len(box.mails) == 1


# --- a journal that is lost ----------------------------------------------------------------------------------------


def test_a_lost_journal_is_told_on_every_channel_once_and_the_check_of_the_lost_run_is_ended(
    make: Make, ear: Receiver, box: Mailbox
) -> None:
    environ = {"PING": f"{ear.url}/canary-check-uuid-1", "HOOK": f"{ear.url}/canary-hook-path-1"}
    environ |= {"HOOK_SECRET": SECRET, "SLACK": f"{ear.url}/canary-slack-path-1", "PLATFORM_SMTP_HOST": box.host}
    stage = make(f"{HEALTHCHECKS}\n{WEBHOOK}\n{SLACK}\n{MAIL}", environ=environ)
    stage.at(START).tick()
    stage.at(SLOT + timedelta(seconds=7)).tick()
    assert ear.paths == ["/canary-check-uuid-1/start"]
    rid = ear.requests[0].path.partition("rid=")[2]
    (stage.directory / "journal.sqlite").write_bytes(b"")
    ear.requests.clear()
    stage.later(minutes=5).tick()
    pings = [each for each in ear.requests if each.path.startswith("/canary-check")]
    assert [each.path.partition("?")[0] for each in pings] == ["/canary-check-uuid-1/fail"] * 2
    assert [each for each in pings if each.path.endswith(f"rid={rid}")], "the run that was begun is ended"
    events = [json.loads(each.body)["event"] for each in ear.requests if each.path == "/canary-hook-path-1"]
    assert sorted(events) == ["failed", "state-lost"]
    slack = [each.text for each in ear.requests if each.path == "/canary-slack-path-1"]
    assert any("journal was LOST on main" in text and "activities" in text for text in slack)
    assert any("journal was LOST on main" in str(mail["subject"]) for mail in box.mails)
    told = len(ear.requests)
    stage.later(minutes=5).tick()
    assert len(ear.requests) == told
    assert stage.waiting() == []


def test_a_foreign_journal_is_nobodys_loss(make: Make, ear: Receiver) -> None:
    stage = make(WEBHOOK, environ={"HOOK": f"{ear.url}/canary-hook-path-1", "HOOK_SECRET": SECRET})
    stage.at(START).tick()
    stage.with_container(app="worker").later(minutes=5).tick()
    assert ear.requests == []


@pytest.mark.parametrize(
    "more",
    [
        '[notify.hc]\nhealthchecks = { url-variable = "PING", per-job = true }',
        f"[agent]\nnotify = {{ on = [] }}\n{SLACK}",
    ],
    ids=["checks of single jobs", "silence"],
)
def test_a_channel_that_cannot_or_will_not_hear_of_a_lost_journal_does_not(
    make: Make, ear: Receiver, more: str
) -> None:
    stage = make(more, environ={"PING": f"{ear.url}/canary-ping-key-000001", "SLACK": f"{ear.url}/canary-slack-path-1"})
    stage.at(START).tick()
    (stage.directory / "journal.sqlite").unlink()
    stage.later(minutes=1).tick()
    assert [each for each in stage.logged() if each["event"] == "journal-set-aside"]
    assert ear.requests == []
