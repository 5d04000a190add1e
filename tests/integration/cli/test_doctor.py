"""``check``: every finding as ok, warn and fail, in the build and at runtime; nothing is changed by looking."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from upsun_agent.journal.replacement import notes_of
from upsun_agent.journal.sidecar import Beside
from upsun_agent.journal.sqlite import SqliteJournal
from upsun_agent.platform.paths import mark_tick

from tests.harness.agent_process import TOKEN, Result
from tests.harness.cli_app import IDENTITY, STEPS, App
from tests.integration.cli.test_exit_codes import AWAY
from tests.integration.cli.test_token import typed

NAME = "env:UPSUN_CLI_TOKEN"
GOOD: dict[str, Any] = {"is_sensitive": True, "is_inheritable": False, "visible_build": False}
BUILD: dict[str, str | None] = {"PLATFORM_BRANCH": None, "PLATFORM_ENVIRONMENT_TYPE": None, "UPSUN_CLI_TOKEN": None}


def variable(**flags: Any) -> Callable[[App], object]:
    def arrange(app: App) -> None:
        app.simulator.remove_variable(NAME)
        app.simulator.add_variable(NAME, TOKEN, **{**GOOD, **flags})

    return arrange


def no_variable(app: App) -> None:
    app.simulator.remove_variable(NAME)


def inherited(app: App) -> None:
    app.simulator.remove_variable(NAME)
    app.simulator.add_variable(NAME, TOKEN, is_sensitive=True)
    app.simulator.add_environment("feature", parent="main")


def on_project(app: App) -> None:
    app.simulator.add_variable(NAME, TOKEN, project=True, is_sensitive=True, visible_build=False)


def roles(*permissions: str) -> Callable[[App], object]:
    return lambda app: app.simulator.set_permissions(list(permissions))


def jobs(text: str) -> Callable[[App], object]:
    return lambda app: app.jobs.write_text(text + STEPS.replace("NAME", "nightly"))


def fault(text: str) -> Callable[[App], object]:
    return lambda app: app.simulator.add_fault(text)


def read_only(app: App) -> None:
    app.state.parent.mkdir(mode=0o755)
    app.state.write_text("a file in its place")


def ticked(app: App) -> None:
    app.state.mkdir(parents=True)
    mark_tick(str(app.state), time.time())


def ticked_long_ago(app: App) -> None:
    app.state.mkdir(parents=True)
    mark_tick(str(app.state), time.time() - 3 * 3600)


def deployed_now(app: App) -> None:
    app.simulator.redeploy()


def script(text: str, mode: int = 0o755) -> Callable[[App], object]:
    def arrange(app: App) -> None:
        (app.directory / "nightly.sh").write_text(text)
        (app.directory / "nightly.sh").chmod(mode)

    return arrange


def application(command: str) -> str:
    """PLATFORM_APPLICATION with an old cron, as the build has it."""
    app = {"name": "web", "crons": {"old": {"spec": "0 3 * * *", "commands": {"start": command}}}}
    return base64.b64encode(json.dumps(app).encode()).decode()


def cloned(app: App) -> None:
    app.state.mkdir(parents=True)
    SqliteJournal(str(app.state), ("abcdefgh1234z", "feature", "app")).close()


def own_journal(app: App) -> None:
    app.state.mkdir(parents=True)
    SqliteJournal(str(app.state), IDENTITY).close()


def damaged(app: App) -> None:
    app.state.mkdir(parents=True)
    (app.state / "journal.sqlite").write_bytes(b"garbage" * 1000)


def lost(name: str) -> Callable[[App], object]:
    """A state directory in which a tick was, and the journal is emptied, missing, or without a table."""

    def arrange(app: App) -> None:
        own_journal(app)
        ticked_in(app)
        file = app.state / "journal.sqlite"
        if name == "empty":
            os.truncate(file, 0)
        elif name == "missing":
            file.unlink()
        else:
            with sqlite3.connect(file) as db:
                db.execute("DROP TABLE idle_hint")
            db.close()

    return arrange


def ticked_in(app: App) -> None:
    mark_tick(str(app.state), time.time())


def begun_anew(app: App) -> None:
    app.state.mkdir(parents=True)
    kept = Beside(suspended={}, flights={})
    notes = notes_of(app.clock.now(), "damaged", "the file was empty; kept as journal.sqlite.damaged-x", kept)
    SqliteJournal(str(app.state), IDENTITY, notes=notes).close()


def with_older_ones(app: App) -> None:
    own_journal(app)
    for number in range(3):
        (app.state / f"journal.sqlite.foreign-2026010{number + 1}T000000Z").write_bytes(b"x")


def pull_request(app: App) -> None:
    app.simulator.add_environment("pr-7", parent="main", is_pr=True)
    jobs('[jobs.nightly]\nenvironment-types = ["development"]\n')(app)


@dataclass(frozen=True)
class Case:
    """One thing that is not as it should be: how it comes about, and the finding that says so."""

    name: str
    level: str
    words: str
    code: int = 0
    arrange: Callable[[App], object] = lambda _: None
    scenario: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, str | None] = field(default_factory=dict)


ELSEWHERE: dict[str, str | None] = {"PLATFORM_BRANCH": "staging", "PLATFORM_ENVIRONMENT_TYPE": "staging"}
CASES: dict[str, Case] = {
    "no job file": Case("job file", "fail", "no job file", 78, lambda app: app.jobs.unlink()),
    "a broken job file": Case("job file", "fail", ":1: ", 78, lambda app: app.jobs.write_text("[jobs\n")),
    "no type in the container": Case(
        "environment type", "warn", "is not set", variables={"PLATFORM_ENVIRONMENT_TYPE": None}
    ),
    "another type in the container": Case(
        "environment", "warn", "the container's type is staging", variables={"PLATFORM_ENVIRONMENT_TYPE": "staging"}
    ),
    "no job here": Case("environment", "ok", "no job of the job file runs here", variables=ELSEWHERE),
    "no token": Case("token", "fail", "is not set", 77, variables={"UPSUN_CLI_TOKEN": None}),
    "a line break": Case("token", "warn", "ends with a line break", variables={"UPSUN_CLI_TOKEN": f"{TOKEN}\n"}),
    "a wrong token": Case("token", "fail", "is not accepted", 77, variables={"UPSUN_CLI_TOKEN": "wrong-token-xyz"}),
    "a revoked token": Case("token", "fail", "is not accepted", 77, lambda app: app.simulator.revoke_token()),
    "an old token": Case("token age", "warn", "300 days old", scenario={"token_age_seconds": 300 * 86400}),
    "no age": Case("token age", "warn", "cannot be read", arrange=fault("GET */api-tokens 403 x*")),
    "no network": Case("reachability", "fail", "Connection refused", 69, variables=dict(AWAY)),
    "no API": Case("environment", "fail", "cannot be read", 69, fault("GET /projects/* 503 x*")),
    "nonsense": Case("reachability", "fail", "", 65, fault("POST /oauth2/token html x*")),
    "no such environment": Case("environment", "fail", "has no environment", 78, variables={"PLATFORM_BRANCH": "x"}),
    "no environment": Case(
        "environment",
        "fail",
        "no project or environment",
        78,
        variables={"PLATFORM_BRANCH": None, "PLATFORM_ENVIRONMENT": "main-abc"},
    ),
    "no access": Case("roles", "fail", "has no access", 77, roles()),
    "a second factor": Case("roles", "fail", "requires a second factor", 77, scenario={"mfa_required": True}),
    "the guide's roles": Case(
        "roles", "fail", "jobs need production:admin", 77, roles("viewer", "development:contributor")
    ),
    "the project's admin": Case("roles", "warn", "admin of the whole project", arrange=roles("admin")),
    "roles that nobody can read": Case("roles", "warn", "cannot be read", arrange=fault("GET *-access* html x*")),
    "an inactive environment": Case("environment", "fail", "is inactive", 78, scenario={"status": "inactive"}),
    "a paused environment": Case("environment", "fail", "is paused", 78, scenario={"status": "paused"}),
    "no backup link": Case("backup", "fail", "the role is not the reason", 78, scenario={"absent_links": ("#backup",)}),
    "no backup link for a viewer": Case("backup", "fail", "lacks the role", 77, roles("viewer", "production:viewer")),
    "no source operations on the plan": Case(
        "source-operation",
        "fail",
        "the project has no source operations",
        78,
        fault('GET */capabilities json x* body={"source_operations": {"enabled": false}}'),
        scenario={"absent_links": ("#source-operation",)},
    ),
    "access through a team": Case(
        "roles", "ok", "production:admin", arrange=fault("GET */user-access/* 404 x*"), scenario={}
    ),
    "access that no list names": Case(
        "roles",
        "warn",
        "no roles of the user are listed",
        arrange=lambda app: [fault("GET */user-access/* 404 x*")(app), fault("GET */extended-access 403 x*")(app)],
    ),
    "no link while busy": Case(
        "backup",
        "warn",
        "while an activity runs",
        arrange=lambda app: app.simulator.start_activity(seconds=None),
        scenario={"links_vanish_when_busy": True},
    ),
    "a pull request": Case(
        "environment",
        "warn",
        "source operations are refused",
        arrange=pull_request,
        scenario={"other_role": "admin"},
        variables={"PLATFORM_BRANCH": "pr-7", "PLATFORM_ENVIRONMENT_TYPE": "development"},
    ),
    "no source operation": Case("operation", "fail", "no app defines update", 78, scenario={"source_operations": ()}),
    "in another app": Case(
        "operation", "ok", "defined by api, web", scenario={"source_operations": ("api:update", "web:update")}
    ),
    "no variable": Case("variable", "warn", "is not stored on the platform", arrange=no_variable),
    "not sensitive": Case("variable", "warn", "is not sensitive", arrange=variable(is_sensitive=False)),
    "inheritable": Case("variable", "warn", "is inheritable", arrange=variable(is_inheritable=True)),
    "build-visible": Case("variable", "warn", "is visible to the build", arrange=variable(visible_build=True)),
    "not at runtime": Case("variable", "warn", "not visible at runtime", arrange=variable(visible_runtime=False)),
    "disabled": Case("variable", "warn", "is disabled", arrange=variable(is_enabled=False)),
    "for another app": Case("variable", "warn", "is only for api", arrange=variable(application_scope=["api"])),
    "inherited": Case(
        "variable", "warn", "inherited from the parent", arrange=inherited, variables={"PLATFORM_BRANCH": "feature"}
    ),
    "on the project": Case("variable", "warn", "stored on the project", arrange=on_project),
    "no cron": Case("cron", "warn", "no app has a cron", arrange=jobs("[jobs.nightly]\n"), scenario={"cron_spec": ""}),
    "no cron for a schedule": Case("cron", "fail", "no app has a cron", 78, scenario={"cron_spec": ""}),
    "no cron, and ticks all the same": Case(
        "cron", "warn", "no app has a cron", arrange=ticked, scenario={"cron_spec": ""}
    ),
    "a paused cron": Case("cron", "fail", "crons are paused", 78, lambda app: app.simulator.set_crons("paused")),
    "a sleeping cron": Case(
        "cron", "warn", "the platform may start no ticks", arrange=lambda app: app.simulator.set_crons("sleeping")
    ),
    "a cron that never ran": Case("last tick", "warn", "the cron has never run"),
    "a cron that may not have run yet": Case("last tick", "ok", "none yet; the environment", arrange=deployed_now),
    "a cron that ran": Case("last tick", "ok", "s ago", arrange=ticked),
    "a cron that stopped": Case("last tick", "warn", "the last tick was 3 h ago", arrange=ticked_long_ago),
    "a cron once a day": Case(
        "last tick", "ok", "3 h ago", arrange=ticked_long_ago, scenario={"cron_spec": "0 3 * * *"}
    ),
    "a cron of the guide beside ours": Case(
        "CLI cron",
        "warn",
        "the cron agent of app takes backups and runs source operations with the official CLI",
        scenario={
            "cron_command": "upsun-agent tick; upsun backup:create --yes && upsun source-operation:run --yes update"
        },
    ),
    "a cron that calls the CLI in a script": Case(
        "CLI cron",
        "warn",
        "the cron agent of app takes backups with",
        arrange=script("#!/bin/sh\nplatform backup:create --live\n"),
        scenario={"cron_command": "upsun-agent tick; sh ./nightly.sh"},
    ),
    "a CLI cron in the build": Case(
        "CLI cron",
        "warn",
        "the cron old of web runs source operations",
        variables={**BUILD, "PLATFORM_APPLICATION": application("upsun source-operation:run update")},
    ),
    "not on a mount": Case("mount", "fail", "is not on a mount", 73, scenario={"mounts": ()}),
    "an ignored mount": Case("mount", "fail", "is not on a mount", 73, scenario={"mounts": (".var/agent=storage",)}),
    "a mount that vanishes": Case("mount", "warn", "may be deleted", scenario={"mounts": ("var/agent=tmp",)}),
    "a mount around it": Case("mount", "ok", "mount var (storage)", scenario={"mounts": ("var=storage", "x=tmp")}),
    "one backup": Case("backup quota", "warn", "keeps 1 manual backup", scenario={"backup_limit": 1}),
    "backups to the limit": Case(
        "backup quota",
        "warn",
        "the next one replaces the oldest, and 4 of them were not taken by jobs: nightly will replace those",
        arrange=lambda app: [app.simulator.add_backup(age=9 - n) for n in range(4)],
    ),
    "backups that will be replaced later": Case(
        "backup quota",
        "warn",
        "2 of 4 manual backups, and 2 of them were not taken by jobs: nightly will replace those once 2 more are taken",
        arrange=lambda app: [app.simulator.add_backup(age=9 - n) for n in range(2)],
    ),
    "manual deployments": Case("deployment type", "warn", "staged until", scenario={"manual_deployment": True}),
    "a source integration": Case(
        "source integration", "ok", "comes from github", arrange=roles("admin"), scenario={"source_integration": True}
    ),
    "clocks apart": Case("clock", "warn", "differ by", arrange=lambda app: app.clock.advance(300)),
    "no state": Case("state", "ok", "the first tick creates it"),
    "a file for the state": Case("state", "fail", "cannot be created", 73, read_only),
    "a place without rights": Case(
        "state", "fail", "cannot be created", 73, variables={"UPSUN_AGENT_STATE": "/proc/self/status/x"}
    ),
    "a cloned journal": Case("journal", "warn", "abcdefgh1234z/feature/app", arrange=cloned),
    "a journal of its own": Case("journal", "ok", "this environment's own", arrange=own_journal),
    "a damaged journal": Case("journal", "warn", "cannot be read as a journal", arrange=damaged),
    "a journal of no bytes": Case("journal", "warn", "lost: ", arrange=lost("empty")),
    "a journal that is missing": Case("journal", "warn", "is missing, but there is last-tick", arrange=lost("missing")),
    "a journal without a table": Case("journal", "warn", "the tables idle_hint are missing", arrange=lost("a table")),
    "a journal in the place of a lost one": Case("journal", "warn", "the file was empty", arrange=begun_anew),
    "older journals beside it": Case("journal", "ok", "3 older ones are set aside", arrange=with_older_ones),
    "a token in the build": Case(
        "token", "warn", "visible to the build", variables={**BUILD, "UPSUN_CLI_TOKEN": TOKEN}
    ),
    "no token in the build": Case("token", "ok", "not visible to the build", variables=BUILD),
    "no job file in the build": Case(
        "job file", "warn", "nothing to run yet", 0, lambda app: app.jobs.unlink(), {}, BUILD
    ),
    "a broken job file in the build": Case(
        "job file", "fail", ":1: ", 78, lambda app: app.jobs.write_text("[jobs\n"), {}, BUILD
    ),
    "no place in the build": Case(
        "places", "warn", "the app's directory, is not writable", variables={**BUILD, "PLATFORM_APP_DIR": "/none"}
    ),
    "no cache in the build": Case(
        "places", "warn", "the build cache", variables={**BUILD, "PLATFORM_CACHE_DIR": "/etc/passwd"}
    ),
}


@pytest.fixture
def arranged(make_app: Callable[..., App]) -> Callable[[Case], App]:
    def build(case: Case) -> App:
        app = make_app(**{"other_role": None, **case.scenario})
        app.simulator.add_variable(NAME, TOKEN, **GOOD)
        case.arrange(app)
        return app

    return build


def everything(app: App) -> dict[str, tuple[int, bytes]]:
    """Every file of the container, with its time and content."""
    return {
        str(each): (each.stat().st_mtime_ns, each.read_bytes() if each.is_file() else b"")
        for each in sorted(app.directory.rglob("*"))
    }


def only_reads(app: App) -> None:
    """The simulator's request log: nothing was asked for but tokens and reads."""
    requests = app.simulator.request_log()["requests"]
    assert all(each["method"] == "GET" or each["path"] == "/oauth2/token" for each in requests)


@pytest.mark.parametrize("name", CASES)
def test_a_finding_has_its_level_its_words_its_remedy_and_its_code(arranged: Callable[[Case], App], name: str) -> None:
    case = CASES[name]
    app = arranged(case)
    before = everything(app)
    said = app.call("check", "--json", **case.variables)
    assert everything(app) == before
    only_reads(app)
    findings = said.document["findings"]
    found = [each for each in findings if each["name"] == case.name and case.words in each["message"]]
    assert [each["level"] for each in found] == [case.level], findings
    assert said.code == said.document["exit_code"] == case.code
    assert (said.document["worst"] == "fail") is (case.code != 0)
    for each in findings:
        assert each["level"] == "ok" or each["remedy"] or "check again" in each["message"], each


@pytest.mark.parametrize("name", list(CASES)[::7])
def test_the_same_as_a_table(arranged: Callable[[Case], App], name: str) -> None:
    case = CASES[name]
    said = arranged(case).call("check", **case.variables)
    assert said.code == case.code
    assert any(
        line.startswith(f"{case.level:<4}  {case.name}") and case.words in line for line in said.out.splitlines()
    )


def healthy(make_app: Callable[..., App], **scenario: Any) -> App:
    app = make_app(other_role=None, **scenario)
    app.simulator.add_variable(NAME, TOKEN, **GOOD)
    return app


def names(said: Result) -> list[str]:
    return [each["name"] for each in said.document["findings"]]


def test_where_all_is_well_everything_is_ok(make_app: Callable[..., App]) -> None:
    app = healthy(make_app)
    own_journal(app)
    ticked_in(app)
    said = app.call("check", "--json")
    assert (said.code, said.document["worst"], said.document["phase"]) == (0, "ok", "runtime")
    for name in (
        "python", "job file", "environment type", "state", "reachability", "token", "clock", "environment", "roles",
        "token age", "backup", "source-operation", "operation", "variable", "cron", "last tick", "mount",
        "backup quota", "deployment type", "source integration",
    ):  # fmt: skip
        assert name in names(said)


def test_backups_that_jobs_took_may_be_replaced_and_others_are_spoken_for(make_app: Callable[..., App]) -> None:
    app = healthy(make_app, backup_limit=2)
    for _ in range(2):
        assert app.call("run", "hand").code == 0
        app.clock.advance(5)
    assert (level(app.call("check", "--json"), "backup quota")) == "ok"
    app.clock.advance(5)
    app.simulator.add_backup()
    said = app.call("check", "--json")
    assert level(said, "backup quota") == "warn"
    (text,) = [each for each in said.document["findings"] if each["name"] == "backup quota"]
    assert "1 of them were not taken by jobs" in text["message"] or "1 of them was not taken" in text["message"]
    assert "reuse-within" in text["remedy"]
    assert "retention" in text["remedy"]


@pytest.mark.parametrize("count", [2, 4])
def test_a_quota_is_only_warned_of_where_a_schedule_will_fill_it(make_app: Callable[..., App], count: int) -> None:
    app = healthy(make_app)
    app.jobs.write_text("[jobs.hand2]\n[[jobs.hand2.steps]]\nbackup = {}\n")
    for number in range(count):
        app.simulator.add_backup(age=9 - number)
    assert level(app.call("check", "--json"), "backup quota") == "ok", "nothing runs by itself"


@pytest.mark.parametrize(
    "harmless",
    ["upsun-agent tick", "upsun-agent tick; upsun url", "echo upsun backup:create", "upsun-agent tick; sh ../../x.sh"],
)
def test_a_cron_that_does_no_jobs_work_is_no_finding(make_app: Callable[..., App], harmless: str) -> None:
    app = healthy(make_app, cron_command=f"{harmless}; upsun-agent tick")
    assert "CLI cron" not in names(app.call("check", "--json"))


def test_a_run_that_a_person_starts_is_not_a_tick(make_app: Callable[..., App]) -> None:
    app = healthy(make_app)
    app.simulator.change(deploy_seconds=0)
    app.write_jobs("[jobs.look]\nsteps = [{ backup = {} }]\n")
    assert app.call("run", "look").code == 0
    assert level(app.call("check", "--json"), "last tick") == "warn"
    assert app.call("tick").code == 0
    assert level(app.call("check", "--json"), "last tick") == "ok"


def test_elsewhere_it_is_not_known_whether_the_cron_ran(make_app: Callable[..., App]) -> None:
    app = healthy(make_app)
    app.simulator.add_environment("feature", parent="main")
    assert "last tick" not in names(app.call("check", "--json", "--environment", "feature"))


def test_the_build_asks_nobody(make_app: Callable[..., App]) -> None:
    app = healthy(make_app)
    said = app.call("check", "--json", **{**BUILD, "UPSUN_CLI_TOKEN": TOKEN})
    assert (said.code, said.document["phase"], app.simulator.requests) == (0, "build", [])
    assert names(said) == ["python", "libraries", "places", "job file", "token", "environment type"]


def test_the_phase_can_be_named(make_app: Callable[..., App]) -> None:
    app = healthy(make_app)
    assert app.call("check", "--phase", "build", "--json").document["phase"] == "build"
    assert app.call("check", "--phase", "runtime", "--json").document["phase"] == "runtime"


def test_on_ci_project_and_environment_are_options(make_app: Callable[..., App]) -> None:
    app = healthy(make_app)
    gone: dict[str, str | None] = dict.fromkeys(
        (
            "PLATFORM_PROJECT",
            "PLATFORM_BRANCH",
            "PLATFORM_APP_DIR",
            "PLATFORM_ENVIRONMENT_TYPE",
            "PLATFORM_APPLICATION_NAME",
        )
    )
    said = app.call("check", "--project", IDENTITY[0], "--environment", "main", "--json", CI="true", **gone)
    assert said.code == 0
    assert "mount" not in names(said)
    assert level(said, "environment type") == "ok"


def level(said: Result, name: str) -> str:
    found: str = next(each["level"] for each in said.document["findings"] if each["name"] == name)
    return found


def test_on_ci_nothing_fails_for_want_of_a_cron_in_the_app(make_app: Callable[..., App]) -> None:
    app = healthy(make_app, cron_spec="")
    assert app.call("check").code == 78, "in the container nobody else starts runs"
    gone: dict[str, str | None] = dict.fromkeys(each for each in app.agent.variables if each.startswith("PLATFORM_"))
    options = ("--project", IDENTITY[0], "--environment", "main", "--config", str(app.jobs))
    said = app.call("check", "--json", *options, CI="true", **gone)
    assert (said.code, level(said, "cron")) == (0, "warn")


def test_a_build_cache_that_is_not_there_is_not_said_to_be_writable(make_app: Callable[..., App]) -> None:
    said = healthy(make_app).call("check", "--json", PLATFORM_CACHE_DIR="/not/there", **BUILD)
    assert (said.code, level(said, "places")) == (0, "ok")
    assert "/not/there" not in said.out


def test_it_ends_with_how_many_there_are_of_each_kind(make_app: Callable[..., App]) -> None:
    app = healthy(make_app, cron_spec="")
    said = app.call("check", "--json").document["findings"]
    count = {name: len([each for each in said if each["level"] == name]) for name in ("ok", "warn", "fail")}
    last = app.call("check").out.splitlines()[-1]
    assert last == f"{count['ok']} ok, {count['warn']} to look at, {count['fail']} failed."
    assert count["fail"] == 1


def test_on_a_narrow_terminal_the_table_is_folded_and_commands_to_copy_are_not(make_app: Callable[..., App]) -> None:
    app = healthy(make_app)
    app.simulator.set_permissions(["viewer", "development:contributor"])
    code, shown = typed(app, "python", "", "check", columns=60, NO_COLOR="1")
    lines = shown.replace("\r", "").splitlines()
    roles = next(number for number, line in enumerate(lines) if line.startswith("fail  roles "))
    assert code == 77
    assert all(len(line) <= 60 for line in lines[roles : roles + 3])
    assert lines[roles + 1].startswith(" " * 26)
    assert any("setup machine-user update-bot@example.invalid --role viewer --role dev" in line for line in lines)


def test_the_worst_finding_decides_the_code(make_app: Callable[..., App]) -> None:
    app = make_app(mounts=(), cron_spec="", other_role=None)
    app.simulator.set_permissions(["viewer", "production:viewer"])
    codes = {each["name"] for each in app.call("check", "--json").document["findings"] if each["level"] == "fail"}
    assert codes == {"roles", "backup", "source-operation", "mount", "cron"}
    assert app.call("check").code == 78


def test_a_lock_that_a_tick_holds_is_not_touched(make_app: Callable[..., App]) -> None:
    app = healthy(make_app)
    app.state.mkdir(parents=True)
    with open(app.state / "tick.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        said = app.call("check", "--json")
    assert said.code == 0
    assert any("locks work" in each["message"] for each in said.document["findings"])


def test_no_secret_is_told_whatever_is_found(make_app: Callable[..., App], tmp_path: Path) -> None:
    app = healthy(make_app)
    app.simulator.add_fault('GET */variables/* json body={"name": "env:X", "value": "' + TOKEN + '"}')
    said = app.agent("check", "--json", "--log-level", "debug")
    assert "eyJ" not in said.said
    assert json.loads(said.out)["findings"]
