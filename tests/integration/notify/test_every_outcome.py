"""Every way in which a run can end, on every channel: what is sent, whoever recorded the end."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from upsun_agent.platform.product import Product, product_words
from upsun_agent.runtime.session import open_session
from upsun_agent.runtime.suspension import pause_job

from tests.harness.container import Container, due_container
from tests.harness.receivers import Mailbox, Receiver
from tests.harness.stage import SLOT, START, Stage

Make = Callable[..., Stage]
CHANNELS = """
[agent]
notify = { on = ["failed", "missed", "recovered", "succeeded", "suspended"] }
[notify.checks]
healthchecks = { url-variable = "PING" }
[notify.hook]
webhook = { url-variable = "HOOK" }
[notify.chat]
slack = { url-variable = "SLACK" }
[notify.mail]
email = { to = ["ops@example.com"], from = "agent@example.com" }
"""
NIGHTLY = '[jobs.nightly]\nschedule = "0 3 * * *"\n{more}\n[[jobs.nightly.steps]]\nbackup = {{ retries = 0 }}\n'


#: What texts must not name on a product: the files and the CLI of the other one.
OTHER: dict[Product, str] = {
    "flex": r"\.platform\.app\.yaml|\bplatform [a-z]+(?:-[a-z]+)*:[a-z]",
    "fixed": r"\.upsun/config\.yaml|\bupsun (?:ssh|redeploy|[a-z]+(?:-[a-z]+)*:[a-z])|source 'storage'",
}


def variables(ear: Receiver, box: Mailbox) -> dict[str, str]:
    return {
        "PING": f"{ear.url}/canary-ping-path",
        "HOOK": f"{ear.url}/canary-hook-path",
        "SLACK": f"{ear.url}/canary-slack-path",
        "PLATFORM_SMTP_HOST": box.host,
    }


@dataclass(frozen=True)
class Heard:
    """What each channel got."""

    pings: tuple[str, ...]
    events: tuple[str, ...]
    chats: int
    mails: int


def heard(ear: Receiver, box: Mailbox) -> Heard:
    paths = ear.paths
    pings = tuple(path.removeprefix("/canary-ping-path") for path in paths if path.startswith("/canary-ping"))
    hooks = [each for each in ear.requests if each.path == "/canary-hook-path"]
    events = tuple(json.loads(each.body)["event"] for each in hooks)
    return Heard(pings, events, paths.count("/canary-slack-path"), len(box.mails))


def people(*events: str) -> tuple[tuple[str, ...], int, int]:
    """The same messages for everybody who is no check."""
    return events, len(events), len(events)


def night(stage: Stage, outcome: str, number: int = 0) -> None:
    stage.simulator.change(backup_outcome=outcome)
    stage.at(SLOT + timedelta(days=number, seconds=7)).settle()


def succeeded(stage: Stage) -> None:
    night(stage, "success")


def failed(stage: Stage) -> None:
    night(stage, "failure")


def recovered(stage: Stage) -> None:
    night(stage, "failure")
    night(stage, "success", 1)


def missed(stage: Stage) -> None:
    stage.at(SLOT + timedelta(hours=8)).tick()


def skipped(stage: Stage) -> None:
    site = stage.site()
    with open_session(site) as desk:
        pause_job(desk.journal, "nightly", "paused by hand", site.clock.now())
    stage.at(SLOT).tick()


def suspended(stage: Stage) -> None:
    night(stage, "failure")
    night(stage, "failure", 1)


def lost(stage: Stage) -> None:
    stage.at(SLOT).tick()
    (stage.directory / "journal.sqlite").unlink()
    stage.later(minutes=5).tick()


TABLE: dict[Callable[[Stage], None], Heard] = {
    succeeded: Heard(("/start", ""), *people("succeeded")),
    failed: Heard(("/start", "/fail"), *people("failed")),
    recovered: Heard(("/start", "/fail", "/start", ""), *people("failed", "recovered")),
    missed: Heard(("/fail",), *people("missed")),
    skipped: Heard(("/log",), *people()),
    suspended: Heard(("/start", "/fail", "/start", "/fail"), *people("failed", "failed", "suspended")),
    lost: Heard(("/start", "/fail", "/fail"), *people("failed", "state-lost")),
}


def foreign_words(product: Product, texts: Iterable[str]) -> list[str]:
    """The calls of the CLI and the files of the other product that the texts name."""
    return [found for text in texts for found in re.findall(OTHER[product], text)]


@pytest.mark.parametrize("product", ["flex", "fixed"])
@pytest.mark.parametrize("play", TABLE, ids=lambda play: play.__name__)
def test_each_outcome_is_told_on_each_channel_as_the_table_says(
    make: Make, ear: Receiver, box: Mailbox, play: Callable[[Stage], None], product: Product
) -> None:
    more = "suspend-after = 2" if play is suspended else ""
    slow = {"backup_seconds": 3600} if play is lost else {}
    stage = make(CHANNELS, environ=variables(ear, box), jobs=NIGHTLY.format(more=more), **slow)
    stage.reword = lambda text: product_words(text, product)
    stage.at(START).tick()
    play(stage)
    stage.later(minutes=5).tick()
    texts = [each.text for each in ear.requests] + [str(each) for each in box.mails] + [stage.log.getvalue()]
    assert foreign_words(product, texts) == []
    if play is failed:
        own = "platform" if product == "fixed" else "upsun"
        assert all(f"{own} activity:log" in text for text in [*texts[1:4], *texts[-2:]])
    found = heard(ear, box)
    assert Heard(found.pings, tuple(sorted(found.events)), found.chats, found.mails) == TABLE[play]
    assert stage.waiting() == []
    recorded = [line for line in stage.logged() if line["event"] == "run-closed"]
    assert len(recorded) == len(stage.rows()), "and each end is a line of the log"


# --- by a person ----------------------------------------------------------------------------------------------------

APPROVAL = """
[jobs.promote]
notify = { to = ["hook"] }
[[jobs.promote.steps]]
approval = { message = "to production" }
"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Container]:
    with due_container(tmp_path, backup_seconds=3600) as container:
        jobs = tmp_path / "agent.toml"
        jobs.write_text(CHANNELS.replace("[agent]", "[agent]\nlog-file = true") + jobs.read_text() + APPROVAL)
        yield container


def logged(text: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def test_a_cancelled_run_ends_its_check_and_is_logged(place: Container, ear: Receiver, box: Mailbox) -> None:
    said = place.agent("tick", **variables(ear, box))
    assert said.code == 0, said.said
    assert heard(ear, box).pings == ("/start",)
    (run,) = [row.run for row in place.rows(open_only=True)]
    cancelled = place.agent("cancel", run, "--by", "ada", **variables(ear, box))
    assert cancelled.code == 0, cancelled.said
    (line,) = [line for line in logged(cancelled.err) if line["event"] == "run-closed"]
    assert (line["run"], line["outcome"], line["level"]) == (run, "cancelled", "info")
    assert line in logged((place.state / "agent.log").read_text())
    assert place.agent("tick", **variables(ear, box)).code == 0
    assert heard(ear, box) == Heard(("/start", "/fail"), *people())
    start, end = ear.requests
    assert start.path.partition("rid=")[2] == end.path.partition("rid=")[2] != ""
    assert "cancelled by ada" in end.text
    assert place.agent("tick", **variables(ear, box)).code == 0
    assert len(ear.requests) == 2


@pytest.mark.parametrize(("options", "granted", "end"), [((), "yes", "succeeded"), (("--deny",), "no", "failed")])
def test_an_approval_is_logged_as_a_tick_would_and_the_run_goes_on_from_it(
    place: Container, ear: Receiver, box: Mailbox, options: tuple[str, ...], granted: str, end: str
) -> None:
    assert place.agent("run", "promote", **variables(ear, box)).code == 0
    assert place.agent("tick", **variables(ear, box)).code == 0
    said = place.agent("approve", "promote", "--by", "ada", *options, **variables(ear, box))
    assert said.code == 0, said.said
    (line,) = [line for line in logged(said.err) if line["event"] == "approval-given"]
    assert (line["granted"], line["by"], line["job"]) == (granted, "ada", "promote")
    place.agent("tick", **variables(ear, box))
    story = place.agent("show", "promote").out
    assert story.count("approved by ada") == (granted == "yes")
    assert story.count("denied by ada") >= (granted == "no")
    told = [json.loads(each.body) for each in ear.requests if each.path == "/canary-hook-path"]
    assert [each["event"] for each in told if each["job"] == "promote"] == [end]
