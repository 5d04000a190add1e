"""``check --prove`` over real HTTP: every row as the simulator has it, each bent once, and what is rolled back."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from upsun_agent.api.client import Client
from upsun_agent.api.endpoints import Endpoints
from upsun_agent.api.http import Transport
from upsun_agent.clock import SystemClock
from upsun_agent.prove import cleanup, place
from upsun_agent.prove.container import NAME
from upsun_agent.prove.rows import ASSUMPTIONS
from upsun_simulator.proof import read_proof

from tests.harness.agent_process import TOKEN
from tests.harness.cli_app import IDENTITY
from tests.harness.prove_stage import LAB, Lab, lab

QUESTIONS = {1, 2, 3, 4, 5, 6, 7, 8}
Make = Callable[..., Lab]


@pytest.fixture
def make(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Lab]]:
    with ExitStack() as stack:

        def build(**scenario: Any) -> Lab:
            return stack.enter_context(lab(tmp_path, monkeypatch, capsys, **scenario))

        yield build


def test_each_open_question_has_a_row() -> None:
    assert {each.question for each in ASSUMPTIONS.values()} - {None} == QUESTIONS


def test_on_a_platform_as_assumed_nothing_differs_and_nothing_is_left(make: Make, tmp_path: Path) -> None:
    stage, file = make(), tmp_path / "proof.json"
    said = stage.prove("--json", "--operation", "update", "--to", str(file))
    assert said.code == 0, said.said
    rows = {each["name"]: each for each in said.document["rows"]}
    assert list(rows) == list(ASSUMPTIONS)
    assert {name: each["outcome"] for name, each in rows.items()} == dict.fromkeys(ASSUMPTIONS, "as assumed")
    assert all(each["then"] == "" for each in rows.values())
    assert said.document["left"] == []
    assert stage.backups() == []
    assert not (stage.app.state / NAME).exists()
    assert json.loads(file.read_text()) == said.document


def test_the_file_holds_no_secret_and_nobodys_name(make: Make, tmp_path: Path) -> None:
    stage, file = make(), tmp_path / "proof.json"
    stage.prove("--to", str(file), "--operation", "update")
    text = file.read_text()
    for word in (TOKEN, "eyJ", "@", IDENTITY[0], "http", stage.simulator.state.environments[LAB].head):
        assert word not in text, word


def test_the_table_says_what_is_assumed_and_seen(make: Make) -> None:
    stage = make()
    stage.simulator.add_fault("POST */backup 409 #2")
    said = stage.prove()
    assert said.code == 0
    assert "second-backup: a second backup while one runs" in said.out
    assert "seen:       it is refused with 409" in said.out
    assert f"the agent:  {ASSUMPTIONS['second-backup'].then}" in said.out
    assert "not tried:  name one with --operation NAME" in said.out
    assert said.out.splitlines()[-1].endswith("3 not tried.")


@dataclass
class Bend:
    """One thing that is not as assumed, and the rows that say so."""

    rows: tuple[str, ...]
    words: str
    faults: tuple[str, ...] = ()
    scenario: dict[str, Any] = field(default_factory=dict)
    arrange: Callable[[Lab], object] = lambda _: None
    variables: Callable[[Lab], dict[str, str]] = lambda _: {}


AUTHOR = {"author": {"email": "somebody@example.invalid"}, "parents": []}


def overlapping(stage: Lab) -> None:
    stage.simulator.start_activity(LAB, seconds=90, age=300)
    stage.simulator.start_activity(LAB, seconds=30, age=260)


def old_python(stage: Lab) -> dict[str, str]:
    folder = stage.app.directory / "bin"
    folder.mkdir()
    (folder / "python3").write_text("#!/bin/sh\necho Python 3.9.2\n")
    (folder / "python3").chmod(0o755)
    application = b64encode(json.dumps({"type": "php:8.4"}).encode()).decode()
    return {"PATH": f"{folder}:{os.environ['PATH']}", "PLATFORM_APPLICATION": application}


def held_elsewhere(stage: Lab) -> None:
    (stage.app.state / NAME).write_text(f"another-instance\n{int(time.time())}\n")
    (stage.app.state / NAME).chmod(0o600)


BENT: dict[str, Bend] = {
    "pages of another size": Bend(("page-size",), "7 without a count", scenario={"page_size": 7}),
    "a rate limit": Bend(
        ("rate-limit",), "with 429, with Retry-After of 1 s", ("GET */activities 429 x2 retry-after=1",)
    ),
    "an admin without source operations": Bend(
        ("operation-role",), "offered #backup", scenario={"absent_links": ("#source-operation",)}
    ),
    "crons at the same time": Bend(("cron-overlap",), "1 of", arrange=overlapping),
    "another python": Bend(("python",), "php:8.4 has Python 3.9; the table says 3.11", variables=old_python),
    "locks that two instances hold": Bend(("locks",), "this one got it too", arrange=held_elsewhere),
    "an answer without an activity": Bend(
        ("backup-activity",), "embeds no readable activity", ("POST */backup json body={}",)
    ),
    "a second backup that is refused": Bend(("second-backup",), "refused with 409", ("POST */backup 409 #2",)),
    "crons that hold nothing up": Bend(
        ("cron-backup", "cron-deploy"),
        "while the cron ran",
        scenario={"crons_hold_others": False, "backup_seconds": 4, "deploy_seconds": 4},
    ),
    "a backup that cannot be restored": Bend(
        ("backup-proof",), "not restorable", scenario={"backup_outcome": "unrestorable"}
    ),
    "no backup at all": Bend(("backup-proof",), "no such backup", scenario={"backup_outcome": "missing"}),
    "a trace of a cancelled backup": Bend(
        ("failed-backup",), "not as restorable", scenario={"cancelled_backups_listed": True}
    ),
    "a commit of somebody else": Bend(
        ("source-operation", "commit-author"),
        "",
        (f"GET */git/commits/* json body={json.dumps(AUTHOR)}",),
    ),
}


@pytest.mark.parametrize("name", BENT)
def test_a_row_that_is_bent_differs_and_says_what_the_agent_does(make: Make, name: str) -> None:
    bend = BENT[name]
    stage = make(**bend.scenario)
    bend.arrange(stage)
    for fault in bend.faults:
        stage.simulator.add_fault(fault)
    rows = stage.rows("--operation", "update", **bend.variables(stage))
    for row in bend.rows:
        assert rows[row]["outcome"] == "differs", rows[row]
        assert rows[row]["then"] == ASSUMPTIONS[row].then
        assert bend.words in rows[row]["seen"] or row == "cron-deploy", rows[row]
    others = {row for row, each in rows.items() if each["outcome"] == "differs"} - set(bend.rows)
    assert others <= ({"source-operation"} if "source-operation" in str(bend.scenario) else set()), others


def test_every_assumption_is_bent_once() -> None:
    assert {row for bend in BENT.values() for row in bend.rows} == set(ASSUMPTIONS)


def test_never_on_production(make: Make) -> None:
    stage = make()
    said = stage.app.call("check", "--prove", "main", "--yes", "--json")
    assert said.code == 78
    assert "nothing is tried there" in said.said
    posts = [each for each in stage.simulator.request_log()["requests"] if each["method"] != "GET"]
    assert {each["path"] for each in posts} == {"/oauth2/token"}


@pytest.mark.parametrize("option", [("--yes",), ("--operation", "x"), ("--to", "x"), ("--dry-run",)])
def test_its_options_mean_nothing_without_it(make: Make, option: tuple[str, ...]) -> None:
    assert make().app.call("check", *option).code == 64


def test_without_a_terminal_it_needs_yes_and_a_dry_run_changes_nothing(make: Make) -> None:
    stage = make()
    assert stage.app.call("check", "--prove", LAB).code == 64
    said = stage.app.call("check", "--prove", LAB, "--dry-run")
    assert said.code == 0
    assert "Would take two backups of lab and delete them, redeploy lab once" in said.out
    posts = [each for each in stage.simulator.request_log()["requests"] if each["method"] != "GET"]
    assert {each["path"] for each in posts} == {"/oauth2/token"}


def test_backups_of_people_are_never_pushed_out(make: Make) -> None:
    stage = make(backup_limit=4)
    kept = [stage.simulator.add_backup(LAB, age=100 * number).id for number in range(3)]
    rows = stage.rows()
    assert rows["backup-proof"]["outcome"] == "not tried"
    assert "would push them out" in rows["backup-proof"]["seen"]
    assert sorted(stage.backups()) == sorted(kept)


def test_outside_the_container_what_needs_it_is_not_tried(make: Make) -> None:
    rows = make().rows(PLATFORM_BRANCH="main", PLATFORM_ENVIRONMENT_TYPE="production")
    for name in ("python", "locks"):
        assert rows[name]["outcome"] == "not tried"
        assert "upsun ssh" in rows[name]["seen"]
    assert rows["backup-proof"]["outcome"] == "as assumed"


@contextmanager
def passing(stage: Lab) -> Iterator[None]:
    """Let time pass on the platform, fifty times as fast as here, for a command in a process of its own."""
    over = threading.Event()

    def clock() -> None:
        while not over.wait(0.05):
            stage.pass_time(2.5)

    thread = threading.Thread(target=clock)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_what_was_made_is_deleted(make: Make, sent: signal.Signals) -> None:
    stage = make(backup_seconds=120)
    words = ["check", "--prove", LAB, "--yes"]
    script = "import sys; from upsun_agent.prove import place; place.POLL = 0.1; place.CRON_PATIENCE = 3.0\n"
    script += "from upsun_agent.cli.main import run; sys.exit(run(sys.argv[1:]))"
    process = subprocess.Popen(
        [sys.executable, "-c", script, *words],
        env=stage.app.agent.environment(),
        cwd=stage.app.directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with passing(stage):
        until = time.monotonic() + 40
        while stage.app.asked("backup") < 2 and time.monotonic() < until:
            time.sleep(0.05)
        assert stage.app.asked("backup") == 2
        process.send_signal(sent)
        _, said = process.communicate(timeout=60)
    assert process.returncode in {130, 143, -sent}
    assert stage.backups() == []
    assert not (stage.app.state / NAME).exists()
    running = any(one.type == "environment.backup" and one.unfinished for one in stage.simulator.state.open)
    assert not running or "may have been made" in said, "the signal came between a request and its answer"


def test_a_request_without_an_answer_is_told_as_left_behind(make: Make) -> None:
    stage = make()
    stage.simulator.add_fault("POST */backup cut-after")
    said = stage.prove("--json")
    assert said.code == 1
    assert "may have been made" in " ".join(said.document["left"])
    outcomes = {each["name"]: each["outcome"] for each in said.document["rows"]}
    assert outcomes["backup-proof"] == "not tried"


def test_a_backup_that_cannot_be_deleted_is_told(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = make()
    monkeypatch.setattr(cleanup, "TRIES", 3)
    stage.simulator.add_fault("DELETE */backups/* 503 x*")
    said = stage.prove()
    assert said.code == 1
    assert f"Left behind: the backup {stage.backups()[0]}" in said.out


def test_the_simulator_behaves_as_a_proof_says(make: Make, tmp_path: Path) -> None:
    stage, file = make(absent_links=("#source-operation",)), tmp_path / "proof.json"
    stage.prove("--to", str(file))
    words = [sys.executable, "-m", "upsun_agent", "simulate", "--port", "0", "--json", "--proof", str(file)]
    log = tmp_path / "log.json"
    process = subprocess.Popen(
        [*words, "--request-log", str(log)], env=stage.app.agent.environment(), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    document = ""
    while not document.endswith("}\n") or document.count("{") > document.count("}"):
        document += process.stdout.readline()
    given = json.loads(document)["variables"]
    endpoints = Endpoints.of(given, None, None, tuple)
    client = Client(Transport("test"), endpoints, given["UPSUN_CLI_TOKEN"], clock=SystemClock())
    with closing(client):
        links = client.environment(given["PLATFORM_PROJECT"], "main").links
    assert "#source-operation" not in links
    assert "#backup" in links
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 0


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"proof": 2, "rows": []}', '{"proof": 1}', '{"proof": 1, "rows": [1]}', "[" * 5000]
)
def test_what_is_no_proof_is_refused(make: Make, tmp_path: Path, text: str) -> None:
    file = tmp_path / "proof.json"
    file.write_text(text)
    said = make().app.call("simulate", "--port", "0", "--proof", str(file))
    assert (said.code, "Traceback" in said.said) == (64, False)
    assert "check --prove" in said.said


def test_two_instances_at_the_same_time_see_each_others_lock(make: Make) -> None:
    stage = make()
    path = stage.app.state / NAME
    path.write_text(f"another-instance\n{int(time.time())}\n")
    path.chmod(0o600)
    with path.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        found = stage.rows()["locks"]
    assert (found["outcome"], found["facts"]) == ("as assumed", {"instances": True, "works": True})


def test_earlier_activities_tell_what_no_cron_of_now_does(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = make()
    stage.rows()  # its activities are those that the next call finds
    stage.stop_crons()
    monkeypatch.setattr(place, "CRON_PATIENCE", 0.1)
    rows = stage.rows()
    for name in ("cron-backup", "cron-deploy"):
        assert rows[name]["outcome"] == "as assumed"
        assert rows[name]["seen"].startswith("in an earlier case it began")


FACTS = ("page-size", "operation-role", "second-backup", "failed-backup", "cron-backup", "backup-proof")


@pytest.mark.parametrize(
    "bend", ["pages of another size", "a second backup that is refused", "a backup that cannot be restored",
             "an admin without source operations", "a trace of a cancelled backup", "crons that hold nothing up"],
)  # fmt: skip
def test_a_proof_is_played_as_a_scenario_and_gives_the_same_proof(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], bend: str
) -> None:
    stage, file = make(**BENT[bend].scenario), tmp_path / "proof.json"
    for fault in BENT[bend].faults:
        stage.simulator.add_fault(fault)
    stage.prove("--to", str(file))
    document = json.loads(file.read_text())
    seen = {each["name"]: each["outcome"] for each in document["rows"]}
    assert "differs" in seen.values()
    proved = read_proof(document)
    (tmp_path / "again").mkdir()
    with lab(tmp_path / "again", monkeypatch, capsys, **proved.settings) as again:
        for fault in proved.faults:
            again.simulator.add_fault(fault)
        rows = again.rows()
    assert {name: rows[name]["outcome"] for name in FACTS} == {name: seen[name] for name in FACTS}


@pytest.mark.parametrize(("plan", "tried"), [("professional", "not tried"), ("enterprise", "as assumed")])
def test_on_upsun_fixed_it_says_what_the_plan_leaves_out(make: Make, tmp_path: Path, plan: str, tried: str) -> None:
    stage, file = make(product="fixed", fixed_plan=plan), tmp_path / "proof.json"
    words = ["--json", "--operation", "update", "--to", str(file)]
    said = stage.prove(*words, UPSUN_CLI_TOKEN=None, PLATFORMSH_CLI_TOKEN=TOKEN)
    assert said.code == 0, said.said
    of_the_plan = dict.fromkeys(("source-operation", "commit-author"), tried)
    outcomes = {each["name"]: each["outcome"] for each in said.document["rows"]}
    assert outcomes == dict.fromkeys(ASSUMPTIONS, "as assumed") | of_the_plan
    assert TOKEN not in file.read_text()
    assert read_proof(json.loads(file.read_text()))
    stage.stop_crons()
    assert stage.backups() == []
