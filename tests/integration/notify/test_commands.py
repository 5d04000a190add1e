"""``notify test``, ``notify list``, the doctor's findings and ``logs``, as processes in a container."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import receivers
from tests.harness.agent_process import TOKEN, ended
from tests.harness.container import Container, due_container
from tests.harness.receivers import Mailbox, Receiver

CHANNELS = """
[agent]
heartbeat = { url-variable = "BEAT" }
[notify.hook]
webhook = { url-variable = "HOOK", secret-variable = "HOOK_SECRET" }
[notify.checks]
healthchecks = { url-variable = "PING" }
[notify.mail]
email = { to = ["ops@example.com"], from = "agent@example.com" }
"""
SECRET = "canary-webhook-secret-0123456789"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Container]:
    with due_container(tmp_path, backup_seconds=0, source_operation_seconds=0, deploy_seconds=0) as container:
        jobs = tmp_path / "agent.toml"
        jobs.write_text(CHANNELS + jobs.read_text())
        yield container


def variables(ear: Receiver, box: Mailbox) -> dict[str, str | None]:
    return {
        "HOOK": f"{ear.url}/canary-hook-path",
        "HOOK_SECRET": SECRET,
        "PING": f"{ear.url}/canary-ping-path",
        "BEAT": f"{ear.url}/canary-beat-path",
        "PLATFORM_SMTP_HOST": box.host,
    }


def test_a_test_message_goes_to_every_channel(place: Container, ear: Receiver, box: Mailbox) -> None:
    said = place.agent("notify", "test", "--json", **variables(ear, box))
    assert said.code == 0, said.said
    found = {each["channel"]: each["outcome"] for each in said.document["channels"]}
    assert found == {"hook": "delivered", "checks": "delivered", "mail": "delivered", "heartbeat": "delivered"}
    assert sorted(ear.paths) == ["/canary-beat-path", "/canary-hook-path", "/canary-ping-path/log"]
    assert "test message" in box.mails[0]["Subject"]
    assert "canary" not in said.said


def test_one_channel_alone_and_one_that_fails(place: Container, ear: Receiver, box: Mailbox) -> None:
    ear.behave = receivers.status(403)
    said = place.agent("notify", "test", "hook", **variables(ear, box))
    assert (said.code, said.out) == (1, "hook (webhook): failed: the receiver answered 403\n")
    assert len(ear.requests) == 1
    off = place.agent("notify", "test", "mail", **{**variables(ear, box), "PLATFORM_SMTP_HOST": ""})
    assert off.code == 0
    assert "off: mail is disabled here" in off.out
    nobody = place.agent("notify", "test", "nobody")
    assert nobody.code == 78
    assert "hook, checks, mail, heartbeat" in nobody.err


def test_without_channels_the_command_says_so(tmp_path: Path) -> None:
    with due_container(tmp_path) as container:
        for command in ("test", "list"):
            said = container.agent("notify", command, "--json")
            assert said.code == 78
            assert "names no channel" in said.document["error"]["message"]


def test_what_waits_is_listed_and_the_doctor_tells_of_it(place: Container, ear: Receiver, box: Mailbox) -> None:
    ear.behave = receivers.status(500)
    place.simulator.change(backup_outcome="failure")
    given = variables(ear, box)
    jobs = place.agent.home / "agent.toml"
    jobs.write_text(jobs.read_text().replace("backup = {}", "backup = { retries = 0 }"))
    assert place.agent("tick", **given).code in {0, 1}
    assert place.agent("tick", **given).code in {0, 1}
    said = place.agent("notify", "list", "--json", **given)
    waiting = said.document["waiting"]
    assert {(each["channel"], each["event"]) for each in waiting} >= {("hook", "failed"), ("checks", "failed")}
    assert any(each["attempts"] and each["reason"] == "the receiver answered 500" for each in waiting)
    assert len(box.mails) == 1
    shown = place.agent("notify", "list", **given)
    assert "the receiver answered 500" in shown.out
    assert "heartbeat: last pinged never" in shown.out
    findings = place.agent("check", "--json", **given).document["findings"]
    told = [each for each in findings if each["name"] == "outbox"]
    assert [each["level"] for each in told] == ["warn"]
    named = {each["name"]: each["level"] for each in findings if each["name"].startswith(("notify", "heartbeat"))}
    assert named == {"notify hook": "ok", "notify checks": "ok", "notify mail": "ok", "heartbeat": "ok"}


def test_the_doctor_says_which_variables_are_missing(place: Container) -> None:
    said = place.agent("check", "--json", PING="http://example.org/canary-ping", HOOK="nonsense-canary")
    findings = {each["name"]: each for each in said.document["findings"]}
    assert "HOOK_SECRET is not set" in findings["notify hook"]["message"]
    assert "plain http" in findings["notify checks"]["message"]
    assert (findings["notify mail"]["level"], findings["heartbeat"]["level"]) == ("warn", "fail")
    assert said.code == 78
    elsewhere = place.agent("check", "--json", PLATFORM_ENVIRONMENT_TYPE="development").document["findings"]
    assert [each["message"] for each in elsewhere if each["name"] == "notify"] == [
        "no job runs on development: nobody is notified from here"
    ]


# --- logs --------------------------------------------------------------------------------------------------------


def quiet(place: Container) -> None:
    jobs = place.agent.home / "agent.toml"
    jobs.write_text("[jobs" + jobs.read_text().partition("[jobs")[2])


def test_the_lines_of_a_run_are_those_that_its_ticks_wrote(place: Container) -> None:
    quiet(place)
    written = []
    for _ in range(4):
        said = place.agent("tick")
        written += said.err.splitlines()
        place.clock.advance(300)
    run = place.rows()[0]
    assert run.outcome == "succeeded"
    said = place.agent("logs", "nightly", UPSUN_CLI_TOKEN=None)
    assert said.out.splitlines() == written
    by_id = place.agent("logs", run.run, "--json").document
    assert by_id["run"] == run.run
    assert by_id["lines"] == [json.loads(line) for line in written]
    assert by_id["activities"] == []
    errors = place.agent("logs", "nightly", "--log-level", "error")
    assert errors.out == ""


def test_the_platform_s_log_comes_with_it_where_it_is_asked_for(place: Container) -> None:
    quiet(place)
    place.tick_until_done()
    said = place.agent("logs", "nightly", "--platform", "--json").document
    backup, update = said["activities"]
    assert (backup["step"], update["step"]) == (1, 2)
    assert backup["sealed"]
    assert backup["lines"][0] == "Starting environment.backup"
    assert any(line.startswith("Committed ") for line in update["lines"])
    lines = [json.loads(line) for line in place.agent("logs", "nightly", "--platform").out.splitlines()]
    assert {"event": "activity-log", "message": "Starting environment.backup", "step": 1}.items() <= next(
        each for each in lines if each["event"] == "activity-log"
    ).items()


COLOURS = r"\u001b[31mred\u001b[0m \u001b]0;title\u0007"
HOSTILE = f"{COLOURS} token {TOKEN} and https://me:canary-password@example.org/ \\r over"


def test_a_platform_log_is_foreign_text(place: Container) -> None:
    quiet(place)
    place.tick_until_done()
    half = len(TOKEN) // 2
    body = "\n".join(
        [
            '{"_id":"1","data":{"message":"' + HOSTILE + '\\n"}}',
            "no json",
            '{"_id":"1","data":{"message":"twice\\n"}}',
            '{"_id":"2","data":{"message":"' + f"split {TOKEN[:half]}" + '"}}',
            '{"_id":"3","data":{"message":"' + f"{TOKEN[half:]} here" + '\\n"}}',
            '{"_id":4,"data":7}',
            "[" * 5000,
        ]
    )
    place.simulator.add_fault(f"GET */log json x9 body={body}")
    said = place.agent("logs", "nightly", "--platform")
    assert said.code == 0
    assert "\\u001b" not in said.out
    assert "canary-password" not in said.out
    assert TOKEN[:half] not in said.out.replace(TOKEN, "")
    assert "twice" not in said.out
    messages = [json.loads(line).get("message", "") for line in said.out.splitlines()]
    assert "split [hidden] here" in messages
    assert any(json.loads(line)["event"] == "activity-log-unsealed" for line in said.out.splitlines())


def test_a_log_that_goes_on_is_read_as_far_as_it_is(place: Container) -> None:
    """The activity still runs: the platform holds the answer open, and we do not wait for its end."""
    quiet(place)
    place.simulator.change(backup_seconds=3600)
    place.tick()
    said = place.agent("logs", "nightly", "--platform", "--json")
    assert said.code == 0
    (backup,) = said.document["activities"]
    assert backup["lines"] == ["Starting environment.backup"]
    assert not backup["sealed"]


def test_what_the_api_refuses_is_said_beside_the_lines(place: Container) -> None:
    quiet(place)
    place.tick_until_done()
    place.simulator.add_fault("GET */log 404 x9")
    said = place.agent("logs", "nightly", "--platform")
    assert said.code == 78
    assert "run-closed" in said.out
    assert "activity-log-unread" in said.out


def test_a_log_file_gets_every_line_and_a_broken_one_fails_no_tick(place: Container, tmp_path: Path) -> None:
    quiet(place)
    jobs = tmp_path / "agent.toml"
    text = jobs.read_text()
    jobs.write_text(f"[agent]\nlog-file = true\n{text}")
    first = place.agent("tick", "--log-level", "error")
    assert (first.code, first.err) == (0, "")
    kept = [json.loads(line) for line in (place.state / "agent.log").read_text().splitlines()]
    assert kept[0]["event"] == "run-opened"
    assert (place.state / "agent.log").stat().st_mode & 0o777 == 0o600
    jobs.write_text(f'[agent]\nlog-file = "/proc/nowhere/agent.log"\n{text}')
    place.clock.advance(300)
    assert place.agent("tick").code == 0
    findings = place.agent("check", "--json").document["findings"]
    assert [each["level"] for each in findings if each["name"] == "log file"] == ["warn"]


# --- SIGTERM -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["a receiver that hangs", "a relay that says nothing"])
def test_a_tick_that_is_told_to_end_ends_while_it_tells(place: Container, ear: Receiver, way: str) -> None:
    """P4: within two seconds of SIGTERM; the run's events are kept, the message is told by a later tick."""
    ear.behave = receivers.hang
    jobs = place.agent.home / "agent.toml"
    more = '[agent]\nnotify = { on = ["succeeded"] }\n[notify.it]\n'
    kind = 'webhook = { url-variable = "HOOK" }'
    if way != "a receiver that hangs":
        kind = 'email = { to = ["ops@example.com"], from = "agent@example.com" }'
    jobs.write_text(f"{more}{kind}\n[jobs{jobs.read_text().partition('[jobs')[2]}")
    with receivers.silent() as relay:
        place.agent.variables |= {"HOOK": f"{ear.url}/canary-hook-path", "PLATFORM_SMTP_HOST": relay}
        process = place.start()
        place.wait_until(lambda: bool(place.rows()) and place.rows()[0].outcome is not None)
        time.sleep(0.5)
        began = time.monotonic()
        said = ended(process, signal.SIGTERM)
        assert time.monotonic() - began < 4, "the receiver would be waited for for five seconds"
    assert said.code == 143
    (waiting,) = place.agent("notify", "list", "--json").document["waiting"]
    assert (waiting["event"], waiting["attempts"]) == ("succeeded", 0)
    assert place.lease() is None
