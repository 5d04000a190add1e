"""Every error path of the main job, by hand as it were: the code, the words, the remedy, and the same as JSON."""

from __future__ import annotations

import base64
import os
import socket
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from tests.harness.agent_process import TOKEN
from tests.harness.cli_app import App


@dataclass(frozen=True)
class Path:
    """One way that a call ends: how it is brought about, the call, its code, and words that must be said."""

    code: int
    words: str
    arguments: tuple[str, ...] = ("run", "hand")
    variables: dict[str, str | None] = field(default_factory=dict)
    scenario: dict[str, object] = field(default_factory=dict)
    arrange: Callable[[App], object] = lambda _: None
    kind: str = ""  # the name of the error as JSON; none where the call ends with a document of its own


def nobody() -> str:
    """An address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        return f"http://127.0.0.1:{closed.getsockname()[1]}"


def break_jobs(text: str) -> Callable[[App], object]:
    return lambda app: app.jobs.write_text(text)


def a_file_for_the_state(app: App) -> None:
    app.state.parent.mkdir()
    app.state.write_text("")


AWAY: dict[str, str | None] = {"UPSUN_CLI_API_URL": nobody(), "UPSUN_CLI_AUTH_URL": nobody()}
LIST = base64.b64encode(b"[1]").decode()

PATHS: dict[str, Path] = {
    "missing token": Path(77, "UPSUN_CLI_TOKEN is not set", variables={"UPSUN_CLI_TOKEN": None}),
    "empty token": Path(77, "UPSUN_CLI_TOKEN is not set", variables={"UPSUN_CLI_TOKEN": " \n"}),
    "revoked token": Path(77, "is not accepted", arrange=lambda app: app.simulator.revoke_token()),
    "two tokens": Path(77, "is not a valid API token", variables={"UPSUN_CLI_TOKEN": "one two"}),
    "no link": Path(77, "does not offer #backup", scenario={"role": "viewer"}),
    "inactive": Path(1, "is inactive", scenario={"status": "inactive"}),
    "paused": Path(1, "is paused", scenario={"status": "paused"}),
    "failed backup": Path(1, "was cancelled", scenario={"backup_outcome": "cancelled"}),
    "wrong type": Path(0, "Not here: hand only runs on production", variables={"PLATFORM_ENVIRONMENT_TYPE": "staging"}),
    "wrong type at the API": Path(0, "run skipped", variables={"PLATFORM_BRANCH": "staging"}),
    "no such environment": Path(78, "has no environment 'gone'", variables={"PLATFORM_BRANCH": "gone"}),
    "no such project": Path(78, "no project 'wrongproject0'", variables={"PLATFORM_PROJECT": "wrongproject0"}),
    "API away": Path(69, "Connection refused", variables=AWAY),
    "bad reply": Path(65, "", arrange=lambda app: app.simulator.add_fault("GET */environments/main html x*")),
    "state is a file": Path(73, "is not a directory", arrange=a_file_for_the_state, kind="state-not-writable"),
    "state below a file": Path(
        73, "cannot be created", variables={"UPSUN_AGENT_STATE": "/etc/hostname/x"}, kind="state-not-writable"
    ),
    "broken job file": Path(78, ":2: ", arrange=break_jobs("[jobs.hand]\nsteps = 7\n"), kind="job-file-invalid"),
    "no TOML": Path(78, "not valid TOML", arrange=break_jobs("[jobs\n"), kind="job-file-invalid"),
    "no job file": Path(78, "no job file", arrange=lambda app: app.jobs.unlink(), kind="config-invalid"),
    "a job file elsewhere": Path(78, "no job file", ("run", "hand", "--config", "/none"), kind="config-invalid"),
    "an environment of a variable that is not set": Path(
        64, "argument --environment: the value is empty", ("run", "hand", "--environment", ""), kind="usage-error"
    ),
    "a job file of one": Path(64, "argument --config: the value is empty", ("status", "--config="), kind="usage-error"),
    "unknown job": Path(78, "defines no job 'hnad'", ("run", "hnad"), kind="config-invalid"),
    "broken relationships": Path(
        78, "PLATFORM_RELATIONSHIPS is not base64", variables={"PLATFORM_RELATIONSHIPS": "§"}, kind="config-invalid"
    ),
    "relationships that are no object": Path(
        78,
        "PLATFORM_RELATIONSHIPS holds a JSON list",
        variables={"PLATFORM_RELATIONSHIPS": LIST},
        kind="config-invalid",
    ),
    "no project": Path(78, "no project is known", variables={"PLATFORM_PROJECT": None}, kind="config-invalid"),
    "no environment": Path(78, "no environment is known", variables={"PLATFORM_BRANCH": None}, kind="config-invalid"),
    "an id that is none": Path(78, "is not a valid id", variables={"PLATFORM_BRANCH": ".."}, kind="config-invalid"),
    "no address": Path(
        78, "is not a valid address", variables={"UPSUN_CLI_API_URL": "api.upsun.com"}, kind="config-invalid"
    ),
    "half an option": Path(64, "unrecognized arguments: --js", ("status", "--js"), kind="usage-error"),
    "a port that is none": Path(
        78,
        "is not a valid address",
        variables={"UPSUN_CLI_API_URL": "http://api.upsun.com:99999"},
        kind="config-invalid",
    ),
    "waiting in a cron": Path(64, "refused in a cron", ("run", "hand", "--wait"), kind="usage-error"),
    "nothing has run yet": Path(75, "hand has not run yet", ("show", "hand"), kind="nothing-yet"),
    "nothing has logged yet": Path(75, "nightly has not run yet", ("logs", "nightly"), kind="nothing-yet"),
    "no run or job of that name": Path(78, "there is no run or job 'hnad'", ("show", "hnad"), kind="not-found"),
}


def arranged(make_app: Callable[..., App], name: str) -> App:
    path = PATHS[name]
    app = make_app(**path.scenario)
    path.arrange(app)
    return app


@pytest.mark.parametrize("name", PATHS)
def test_a_way_to_fail_has_its_code_its_words_and_its_remedy(make_app: Callable[..., App], name: str) -> None:
    path, app = PATHS[name], arranged(make_app, name)
    said = app.agent(*path.arguments, **path.variables)
    assert said.code == path.code
    assert path.words in said.said
    assert said.said.count("\n") >= (1 if path.code == 0 else 2), "what is wrong, and what helps"
    assert app.asked("source-operation") == 0


@pytest.mark.parametrize("name", PATHS)
def test_the_same_as_json_is_one_document_with_the_code_in_it(make_app: Callable[..., App], name: str) -> None:
    path, app = PATHS[name], arranged(make_app, name)
    said = app.call(*path.arguments, "--json", **path.variables)
    assert said.code == path.code
    if path.kind:
        error = said.document["error"]
        assert (error["kind"], error["exit_code"]) == (path.kind, path.code)
        assert path.words in error["message"]
        assert error["message"]
    else:
        assert said.document.get("exit_code", 0) == path.code


@pytest.mark.parametrize(
    ("fault", "code"),
    [("503 x*", 69), ("cut-before x*", 69), ("html x*", 65), ("403 x*", 77), ("expired-bearer x*", 77)],
)
def test_a_tick_of_a_cron_ends_with_the_code_of_what_stands_in_the_way(app: App, fault: str, code: int) -> None:
    app.make_due()
    app.simulator.add_fault(f"GET */environments/main {fault}")
    said = app.call("tick")
    assert said.code == code
    assert said.out == "", "a cron's mail holds the log only"
    assert '"event": "run-opened"' in said.err


def test_a_tick_where_the_job_does_not_run_says_so_and_is_no_failure(app: App) -> None:
    app.make_due()
    said = app.agent("tick", PLATFORM_ENVIRONMENT_TYPE="staging")
    assert said.code == 0
    assert "job-not-here" in said.err
    assert app.simulator.requests == []


@pytest.mark.parametrize(
    "name", ["PLATFORM_BRANCH", "PLATFORM_PROJECT", "PLATFORM_APPLICATION_NAME", "PLATFORM_ENVIRONMENT_TYPE"]
)
def test_a_variable_that_is_no_text_is_named(app: App, name: str) -> None:
    said = app.call("tick", **{name: "m\udcffin"})
    assert said.code == 78
    assert name in said.err


def test_a_job_file_that_is_a_pipe_is_not_waited_for(app: App) -> None:
    os.mkfifo(app.directory / "pipe")
    assert app.agent("tick", UPSUN_AGENT_CONFIG=str(app.directory / "pipe")).code == 78


@pytest.mark.parametrize("command", ["status", "show", "why"])
def test_a_damaged_journal_is_named_by_those_who_only_look_and_left_where_it_is(app: App, command: str) -> None:
    app.make_due()
    file = app.state / "journal.sqlite"
    file.write_bytes(b"garbage" * 1000)
    said = app.call(command, *(["nightly"] if command != "status" else []))
    assert said.code == 73
    assert "file is not a database" in said.err
    assert file.read_bytes() == b"garbage" * 1000


def test_an_event_of_a_newer_version_is_refused_in_words(app: App) -> None:
    app.make_due()
    assert app.call("tick").code == 0
    db = sqlite3.connect(app.state / "journal.sqlite")
    db.execute("UPDATE events SET kind = 'step-postponed' WHERE kind = 'request-accepted'")
    db.commit()
    db.close()
    said = app.call("show", "nightly", "--json")
    assert said.code == 73
    assert said.document["error"]["kind"] == "event-unreadable"
    assert "step-postponed" in said.document["error"]["message"]


def test_a_run_that_is_in_flight_is_busy(make_app: Callable[..., App]) -> None:
    app = make_app(backup_seconds=600)
    assert app.call("run", "hand").code == 0
    said = app.agent("run", "hand")
    assert said.code == 75
    assert "is in flight" in said.err
    assert "upsun-agent show hand@manual-" in said.err
    assert app.call("run", "hand", "--json").document["error"]["kind"] == "busy"
    assert app.asked("backup") == 1


def test_a_tick_at_work_elsewhere_is_busy(app: App) -> None:
    app.simulator.add_fault("GET */environments/main delay seconds=20")
    process = app.agent.start("run", "hand")
    try:
        while not any(each.path.endswith("/environments/main") for each in app.simulator.requests):
            assert process.poll() is None
        said = app.call("run", "nightly")
        assert said.code == 75
        assert "another tick is using" in said.err
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("option", ["--project", "--environment", "--api-url", "--auth-url"])
def test_options_win_over_variables(app: App, option: str) -> None:
    right = {
        "--project": "PLATFORM_PROJECT",
        "--environment": "PLATFORM_BRANCH",
        "--api-url": "UPSUN_CLI_API_URL",
        "--auth-url": "UPSUN_CLI_AUTH_URL",
    }[option]
    wrong = {"PLATFORM_PROJECT": "wrongproject0", "PLATFORM_BRANCH": "gone"}.get(right, nobody())
    assert app.call("run", "hand", **{right: wrong}).code != 0
    app.call("run", "nightly", option, app.agent.variables[right], **{right: wrong})
    assert app.asked("backup") == 1


def test_an_unforeseen_error_is_a_bug_without_a_traceback_and_without_its_words(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError(f"holds the secret {TOKEN}")

    monkeypatch.setattr("upsun_agent.cli.jobs.find", fail)
    said = app.call("validate")
    assert said.code == 70
    assert "unexpected RuntimeError at test_exit_codes.py:" in said.err
    assert "report it, with the command" in said.err
    assert app.call("validate", "--json").document["error"]["kind"] == "bug"
