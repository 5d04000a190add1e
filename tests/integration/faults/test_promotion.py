"""The flagship job met with everything that can go wrong: each branch of it, and each request with each bad answer.

Judged from the platform's request log: what was asked for how often, and in which state production was left.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from upsun_agent.config import load, parse
from upsun_agent.model import events as ev
from upsun_agent.model.events import Event
from upsun_agent.platform.container import Container
from upsun_simulator.rehearsal.play import Played, Rehearsal
from upsun_simulator.user import MACHINE

from tests.harness.sources import REPOSITORY

START = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
JOB_FILE = REPOSITORY / ".upsun" / "agent.toml"
#: No retries, so that every request is to be seen once at most.
ONCE = (
    JOB_FILE.read_text()
    .replace("data = true }", "data = true, retries = 0 }")
    .replace(
        'backup = { environment = ".", when = "updated" }',
        'backup = { environment = ".", when = "updated", retries = 0 }',
    )
)
CHANGING = ("synchronize", "source-operation", "backup", "merge", "restore")


class Promotion:
    """The flagship job played to its end with these faults."""

    def __init__(self, *faults: str) -> None:
        job_file = parse(ONCE)
        container = Container("runtime", project="abcdefgh1234z", environment="main", app="app")
        self.rehearsal = Rehearsal(job_file, job_file.job("flagship"), container, faults, START)
        self.simulator = self.rehearsal.simulator
        self.events: list[Event] = []

    def play(self) -> Played:
        self.played = self.rehearsal.play(lambda _, event: self.events.append(event))
        assert "simulated-token" not in self.played.log
        assert "Traceback" not in self.played.log
        return self.played

    @property
    def closed(self) -> ev.RunClosed:
        assert self.played.run is not None
        assert self.played.run.closed is not None, f"the run is stuck: {self.played.run.wait_message}"
        return self.played.run.closed

    def mine(self, kind: str) -> list[dict[str, Any]]:
        listed = self.simulator.request_log()["activities"]
        return [each for each in listed if each["type"] == f"environment.{kind}" and each["user"] == MACHINE.id]

    def done(self) -> list[str]:
        """What the platform did for the agent, in order."""
        listed = [each for each in self.simulator.request_log()["activities"] if each["user"] == MACHINE.id]
        words = []
        for each in sorted(listed, key=lambda one: one["number"]):
            name = each["parameters"].get("operation", "")
            words.append(f"{each['type'].removeprefix('environment.')}{f' {name}' if name else ''}")
        return [word for word in words if word.split()[0] in CHANGING]

    def assert_promises(self) -> None:
        """P1 to P3, from the request log alone."""
        assert self.closed
        counts = Counter(self.done())
        assert all(count == 1 for count in counts.values()), f"P1: {counts}"
        for merge in self.mine("merge"):
            before = [each for each in self.mine("backup") if each["number"] < merge["number"]]
            assert any(each["result"] == "success" for each in before), "P2: a merge without a proved backup"
            assert all(each["environments"] == ["main"] for each in before)
        if self.closed.outcome == "succeeded" and self.mine("merge"):
            assert self.done() == ["synchronize", "source-operation update", "backup", "merge"]


BRANCHES = [
    ((), "succeeded", None, ["synchronize", "source-operation update", "backup", "merge"]),
    (("no-update",), "succeeded", None, ["synchronize", "source-operation update"]),
    (("sync-fails",), "failed", "activity-failed", ["synchronize"]),
    (("update-fails",), "failed", "activity-failed", ["synchronize", "source-operation update"]),
    (("staging-breaks",), "failed", "check-failed", ["synchronize", "source-operation update"]),
    (("backup-fails",), "failed", "activity-failed", ["synchronize", "source-operation update", "backup"]),
    (("backup-unrestorable",), "failed", "proof-failed", ["synchronize", "source-operation update", "backup"]),
    (
        ("merge-fails",),
        "failed",
        "activity-failed",
        ["synchronize", "source-operation update", "backup", "merge", "source-operation revert", "restore"],
    ),
    (
        ("production-breaks",),
        "failed",
        "check-failed",
        ["synchronize", "source-operation update", "backup", "merge", "source-operation revert", "restore"],
    ),
    (
        ("production-breaks", "revert-fails"),
        "failed",
        "rollback-failed",
        ["synchronize", "source-operation update", "backup", "merge", "source-operation revert", "restore"],
    ),
    (
        ("production-breaks", "restore-fails"),
        "failed",
        "rollback-failed",
        ["synchronize", "source-operation update", "backup", "merge", "source-operation revert", "restore"],
    ),
    (("no-permission",), "failed", "permission", []),
    (("token-refused",), "failed", "token", []),
]


@pytest.mark.parametrize(("faults", "outcome", "failure", "done"), BRANCHES, ids=lambda value: str(value)[:40])
def test_every_branch_ends_as_it_should(
    faults: tuple[str, ...], outcome: str, failure: str | None, done: list[str]
) -> None:
    promotion = Promotion(*faults)
    promotion.play()
    assert (promotion.closed.outcome, promotion.closed.failure) == (outcome, failure)
    assert promotion.done() == done
    promotion.assert_promises()


def test_production_is_as_before_where_it_was_rolled_back() -> None:
    promotion = Promotion("production-breaks")
    before = promotion.simulator.request_log()["environments"]["main"]
    promotion.play()
    after = promotion.simulator.request_log()["environments"]["main"]
    assert after["deployed_commit"] == before["deployed_commit"]
    assert after["head_commit"] != before["head_commit"], "the revert is a commit of its own"
    assert "is lost" in promotion.closed.message
    assert promotion.closed.detail["rolled-back"] is True


def test_production_is_untouched_where_staging_breaks() -> None:
    promotion = Promotion("staging-breaks")
    before = promotion.simulator.request_log()["environments"]["main"]
    promotion.play()
    assert promotion.simulator.request_log()["environments"]["main"] == before


REQUESTS = (
    "GET */environments/main",
    "GET */environments/staging",
    "POST */synchronize",
    "POST */source-operation",
    "GET */activities/*",
    "GET */deployments/current",
    "POST */backup",
    "GET */backups/*",
    "POST */merge",
    "POST */restore",
)
ANSWERS = ("cut-before", "cut-after", "half-body", "reset", "empty status=202", "html", "401 x2", "403", "404", "409",
           "429 retry-after=soon", "500", "503", "status-after status=502", "json body=[]")  # fmt: skip


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("request_", REQUESTS)
def test_one_bad_answer_breaks_no_promise(request_: str, answer: str) -> None:
    breaks = ("production-breaks",) if request_ == "POST */restore" else ()
    promotion = Promotion(f"{request_} {answer}", *breaks)
    promotion.play()
    promotion.assert_promises()


@pytest.mark.parametrize("answer", ["cut-after", "status-after status=502", "empty status=202"])
@pytest.mark.parametrize("end", CHANGING)
def test_a_request_that_was_acted_on_is_found_again_and_never_repeated(end: str, answer: str) -> None:
    breaks = ("production-breaks",) if end == "restore" else ()
    promotion = Promotion(f"POST */{end} {answer} x*", *breaks)
    promotion.play()
    promotion.assert_promises()
    assert any(isinstance(event, ev.ActivityAdopted) for event in promotion.events)
    assert (promotion.closed.outcome == "succeeded") is not bool(breaks)


def test_the_example_and_the_page_are_the_same_job() -> None:
    page = (JOB_FILE.parents[1] / "docs" / "how-to" / "pipelines.md").read_text()
    told = parse(page.split("```toml\n")[1].split("```")[0]).job("flagship")
    shipped = load(str(JOB_FILE)).job("flagship")
    assert (told.steps, told.on_failure) == (shipped.steps, shipped.on_failure)


KINDS = """
[jobs.all]

[[jobs.all.steps]]
branch = {{ environment = ".", name = "trial" }}

[[jobs.all.steps]]
pause = {{ environment = "staging" }}

[[jobs.all.steps]]
resume = {{ environment = "staging" }}

[[jobs.all.steps]]
activate = {{ environment = "staging" }}

[[jobs.all.steps]]
runtime-operation = {{ environment = ".", app = "app", name = "clear-cache" }}

[[jobs.all.steps]]
task = {{ environment = ".", name = "migrate" }}

[[jobs.all.steps]]
command = {{ run = ["true"] }}

[[jobs.all.steps]]
wait = {{ for = "10m" }}

[[jobs.all.steps]]
approval = {{}}

[[jobs.all.steps]]
redeploy = {{ environment = "." }}
{more}"""
ASKED = {
    "branch": "POST */branch",
    "pause": "POST */pause",
    "resume": "POST */resume",
    "operation": "POST */operations",
    "task": "POST */tasks/migrate/run",
    "redeploy": "POST */redeploy",
}


def play_all(*faults: str) -> tuple[Played, Counter[str]]:
    job_file = parse(KINDS.format(more=""))
    container = Container("runtime", project="abcdefgh1234z", environment="main", app="app")
    rehearsal = Rehearsal(job_file, job_file.job("all"), container, faults, START)
    played = rehearsal.play()
    listed = [each for each in rehearsal.simulator.request_log()["activities"] if each["user"] == MACHINE.id]
    return played, Counter(each["type"].removeprefix("environment.") for each in listed)


def test_the_other_kinds_work_in_one_run() -> None:
    played, counts = play_all()
    assert played.run is not None
    assert played.run.closed is not None
    assert played.run.closed.outcome == "succeeded", played.run.closed.message
    assert counts == Counter(list(ASKED))
    outcomes = {step.plan.kind: step.outcome for step in played.run.steps}
    assert outcomes.pop("activate") == "nothing-to-do"
    assert set(outcomes.values()) == {"done"}


@pytest.mark.parametrize("answer", ["cut-before", "cut-after", "403", "404", "409", "500", "html", "empty status=202"])
@pytest.mark.parametrize("kind", ASKED)
def test_no_kind_is_asked_for_twice_whatever_is_answered(kind: str, answer: str) -> None:
    played, counts = play_all(f"{ASKED[kind]} {answer}")
    assert played.run is not None
    assert played.run.closed is not None
    assert counts[kind] <= 1
    assert played.run.closed.outcome in {"succeeded", "failed"}
    if answer in {"cut-before", "cut-after", "409", "500", "html", "empty status=202"}:
        assert played.run.closed.outcome == "succeeded", played.run.closed.message


@pytest.mark.parametrize(
    ("fault", "kind", "failure"),
    [
        ("operation-fails", "runtime-operation", "activity-failed"),
        ("task-fails", "task", "activity-failed"),
        ("command-fails", "command", "command-failed"),
        ("not-approved", "approval", "not-approved"),
    ],
)
def test_each_kind_can_fail(fault: str, kind: str, failure: str) -> None:
    played, _ = play_all(fault)
    assert played.run is not None
    assert [step.plan.kind for step in played.run.steps if step.failure == failure] == [kind]
    assert played.exit_code == 1
