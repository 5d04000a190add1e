"""A relay that takes a mail for some of its recipients: the rest get it later, or are known to get it never."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from upsun_agent.notify.outbox import lost

from tests.harness.container import Container, due_container
from tests.harness.receivers import Mailbox
from tests.harness.stage import SLOT, START, Stage

Make = Callable[..., Stage]
BACKUP = '[jobs.nightly]\nschedule = "0 3 * * *"\n[[jobs.nightly.steps]]\nbackup = { retries = 0 }\n'
TO = ["ok@example.com", "slow@example.com", "third@example.com"]
MAIL = (
    f'[notify.mail]\nemail = {{ to = {TO}, from = "agent@example.com" }}\n[agent]\nnotify = {{ on = ["succeeded"] }}'
).replace("'", '"')
GREY, GONE = "450 4.2.0 greylisted, try again", "550 5.1.1 no such user"


@pytest.fixture
def stage(make: Make, box: Mailbox) -> Stage:
    made = make(MAIL, environ={"PLATFORM_SMTP_HOST": box.host}, jobs=BACKUP)
    made.at(START)
    return made


def night(stage: Stage, days: int = 0) -> None:
    """Play one night to its end."""
    stage.at(START + timedelta(days=days)).tick()
    stage.at(SLOT + timedelta(days=days, seconds=7)).settle()


def test_a_recipient_that_is_refused_for_now_gets_it_later_and_the_others_once(stage: Stage, box: Mailbox) -> None:
    box.answers = {"slow@example.com": GREY}
    night(stage)
    (waiting,) = stage.waiting()
    assert (waiting.to, waiting.attempts) == (("slow@example.com",), 1)
    assert "slow@example.com: 450" in waiting.reason
    assert stage.said("notice-delayed")
    stage.later(hours=1).tick()
    box.answers = {}
    stage.later(hours=7).tick()
    assert box.recipients == [["ok@example.com", "third@example.com"], ["slow@example.com"]]
    assert len({mail["Message-ID"] for mail in box.mails}) == 1
    assert stage.facts() == {}


def test_one_that_is_refused_for_good_is_a_finding_and_not_tried_again(stage: Stage, box: Mailbox) -> None:
    box.answers = {"slow@example.com": GONE}
    night(stage)
    assert stage.waiting() == []
    (refused,) = stage.said("notice-refused")
    assert refused["level"] == "warning"
    assert "slow@example.com: 550" in refused["message"]
    assert lost(stage.facts())["mail"].count == 1
    stage.later(hours=9).tick()
    assert len(box.mails) == 1
    box.answers = {}
    night(stage, 1)
    assert stage.facts() == {}, "a message that all have got ends it"


def test_both_kinds_at_once_are_kept_apart(stage: Stage, box: Mailbox) -> None:
    box.answers = {"slow@example.com": GREY, "third@example.com": GONE}
    night(stage)
    assert [each.to for each in stage.waiting()] == [("slow@example.com",)]
    box.answers = {"third@example.com": GONE}
    stage.later(hours=7).tick()
    assert box.recipients == [["ok@example.com"], ["slow@example.com"]]
    assert stage.waiting() == []
    assert "third@example.com: 550" in lost(stage.facts())["mail"].reason


def test_where_none_has_it_those_that_may_are_asked_again(stage: Stage, box: Mailbox) -> None:
    box.answers = {"ok@example.com": GREY, "slow@example.com": GREY, "third@example.com": GONE}
    night(stage)
    assert [each.to for each in stage.waiting()] == [("ok@example.com", "slow@example.com")]
    box.answers = {}
    stage.later(hours=7).tick()
    assert box.recipients == [["ok@example.com", "slow@example.com"]]


def test_a_recipient_that_is_refused_for_days_holds_up_no_message_of_the_others(stage: Stage, box: Mailbox) -> None:
    box.answers = {"slow@example.com": GREY}
    night(stage)
    night(stage, 1)
    assert [to for to in box.recipients if "ok@example.com" in to] == [["ok@example.com", "third@example.com"]] * 2
    first = {each.id for each in stage.waiting()}
    assert len(first) == 2
    for hours in range(7, 100, 7):
        stage.at(SLOT + timedelta(days=1, hours=hours)).tick()
    assert not first & {each.id for each in stage.waiting()}, "and is given up in the end"
    assert len(stage.said("notice-lost")) >= 2


def test_a_recipient_that_the_job_file_does_not_name_any_more_is_dropped(stage: Stage, box: Mailbox) -> None:
    box.answers = {"slow@example.com": GREY}
    night(stage)
    stage.jobs = stage.jobs.replace('"slow@example.com", ', "")
    stage.later(hours=7).tick()
    assert stage.waiting() == []
    assert len(box.mails) == 1


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Container]:
    with due_container(tmp_path) as container:
        yield container


def test_it_is_said_by_list_check_and_test(place: Container, box: Mailbox) -> None:
    box.answers = {"slow@example.com": GREY, "third@example.com": GONE}
    jobs = Path(place.agent.home, "agent.toml")
    jobs.write_text(
        MAIL.replace("succeeded", "failed") + "\n[jobs.look]\n[[jobs.look.steps]]\ncommand = { shell = 'exit 1' }\n"
    )
    place.agent.variables["PLATFORM_SMTP_HOST"] = box.host
    place.agent("run", "look")
    place.agent("tick")
    listed = place.agent("notify", "list")
    assert "slow@example.com: 450" in listed.out
    assert "third@example.com: 550" in listed.out
    checked = place.agent("check")
    assert "third@example.com: 550" in checked.out
    tested = place.agent("notify", "test", "mail")
    assert tested.code == 1
    assert "refused 2 of 3 recipients" in tested.out
