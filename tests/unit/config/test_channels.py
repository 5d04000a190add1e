"""Channels in the job file: what is read, and every mistake with its line and remedy."""

from __future__ import annotations

import pytest
from upsun_agent.config import JobFileInvalid, parse
from upsun_agent.config.notifications import Channel, Heartbeat

JOBS = "\n[jobs.a]\n[[jobs.a.steps]]\nbackup = {}\n[jobs.b]\n[[jobs.b.steps]]\nbackup = {}\n"
SLACK = '[notify.ops]\nslack = { url-variable = "SLACK" }\n'


def test_a_job_file_without_channels_tells_nobody() -> None:
    assert parse(JOBS).notify is None
    assert parse(JOBS).log_file is False


def test_every_channel_hears_of_every_job_until_something_else_is_said() -> None:
    more = '[notify.mail]\nemail = { to = ["a@example.com"], from = "b@example.com" }\n'
    found = parse(
        f'{SLACK}{more}{JOBS}[jobs.c]\nnotify = {{ to = ["mail"] }}\n[[jobs.c.steps]]\nbackup = {{}}\n'
    ).notify
    assert found is not None
    assert found.channels["mail"] == Channel("mail", "email", to=("a@example.com",), sender="b@example.com")
    assert found.notices("a").to == {"ops", "mail"}
    assert found.notices("a").on == {"failed", "missed", "recovered", "suspended"}
    assert found.notices("c").to == {"mail"}
    assert found.notices("a job that is gone") == found.default


def test_what_is_said_for_all_holds_for_what_a_job_leaves_open() -> None:
    text = f'[agent]\nnotify = {{ on = ["succeeded"] }}\n{SLACK}{JOBS}[jobs.b.notify]\non = []\n'
    found = parse(text).notify
    assert found is not None
    assert found.notices("a").on == {"succeeded"}
    assert found.notices("b").on == frozenset()


def test_a_heartbeat_alone() -> None:
    found = parse(f'[agent]\nheartbeat = {{ url-variable = "BEAT", every = "30m" }}\n{JOBS}').notify
    assert found is not None
    assert found.heartbeat == Heartbeat("BEAT", 1800)
    assert found.variables() == ["BEAT"]


STEPS = """
[[jobs.a.steps]]
source-operation = { name = "u", backup = "not-needed", variables = { env = { R = "URL" } } }
"""
HEALTHCHECKS = '[notify.hc]\nhealthchecks = { url-variable = "PING" }\n'
MISTAKES = {
    '[notify.x]\nslack = { url-variable = "https://hooks.slack.com/T/canary" }\n': (2, "upsun variable:create"),
    '[notify.x]\nslack = { url = "https://hooks.slack.com/services/T/B/canary" }\n': (2, "url-variable"),
    '[notify.x]\nslack = { url-variable = "A" }\nwebhook = { url-variable = "B" }\n': (
        1,
        "exactly one kind of channel",
    ),
    "[notify.x]\n": (1, "healthchecks, webhook, slack, email"),
    '[notify.heartbeat]\nslack = { url-variable = "X" }\n': (1, "another name"),
    '[agent]\nnotify = { to = ["nobody"] }\n': (2, "there is no channel 'nobody'"),
    f'{SLACK}[agent]\nnotify = {{ on = ["fail"] }}\n': (4, "failed"),
    HEALTHCHECKS: (1, "per-job"),
    '[notify.x]\nemail = { to = [], from = "a@example.com" }\n': (2, "1 to 20 items"),
    '[notify.x]\nemail = { to = ["a@b.cc\\nBcc: d@e.ff"], from = "a@b.cc" }\n': (2, "an e-mail address"),
    '[agent]\nheartbeat = { url-variable = "X", every = "10s" }\n': (2, "between 300"),
    '[agent]\nlog-file = "relative.log"\n': (2, "true, false or an absolute path"),
    "[agent]\nlog-file = 7\n": (2, "true, false or an absolute path"),
    '[agent]\nlog-file = "/app/var/agent/journal.sqlite"\n': (2, "must not be a file of the state"),
    '[agent]\nstate = "/s"\nlog-file = "/s/x/../journal.sqlite-journal"\n': (3, "must not be a file of the state"),
    '[agent]\nlog-file = "/app//var/agent/tick.lock"\n': (2, "must not be a file of the state"),
    '[agent]\nlog-file = "/app/var/agent/last-tick"\n': (2, "must not be a file of the state"),
    '[agent]\nlog-file = "/app/var/agent/job-file.json"\n': (2, "must not be a file of the state"),
    '[agent]\nlog-file = "/app/var/agent/sidecar.json"\n': (2, "must not be a file of the state"),
    '[agent]\nlog-file = "/journal.sqlite.damaged-20261127T010025Z"\n': (2, "must not be a file of the state"),
    '[agent]\nstate = "/app/var/agent"\nlog-file = "/app/var/agent"\n': (3, "must be a file, not a directory"),
    '[agent]\nlog-file = "/app/var/agent/"\n': (2, "must be a file, not a directory"),
    '[agent]\nstate = "https://me:canary@example.com/x"\n': (2, "a user or password"),
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_is_named_with_its_line_and_what_helps(text: str) -> None:
    line, words = MISTAKES[text]
    with pytest.raises(JobFileInvalid) as caught:
        parse(text + JOBS)
    assert {each.line for each in caught.value.mistakes} == {line}
    assert words in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["https://me:canary@example.com/x", "https://canary-token@github.com/a/b", "postgresql://u:canary@db/x"],
)
def test_a_url_with_credentials_is_refused_wherever_it_stands(url: str) -> None:
    steps = STEPS.replace("URL", url)
    with pytest.raises(JobFileInvalid, match="holds a URL with a user or password") as caught:
        parse(f"[jobs.a]\n{steps}")
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://example.com/a@b", "ssh://git@example.com/x", "https://example.com:8080/x?a=b@c"]
)
def test_other_urls_are_none_of_our_business(url: str) -> None:
    steps = STEPS.replace("URL", url)
    assert parse(f"[jobs.a]\n{steps}").jobs


def test_two_jobs_may_share_a_check_with_a_ping_key_or_on_other_environments() -> None:
    assert parse(HEALTHCHECKS.replace("}", ", per-job = true }") + JOBS).notify
    apart = JOBS.replace("[jobs.b]\n", '[jobs.b]\nenvironment-types = ["staging"]\n')
    assert parse(HEALTHCHECKS + apart).notify
