"""What the commands say: for people in words, for programs as one JSON document each."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from jsonschema import Draft202012Validator, ValidationError
from upsun_agent.cli.main import commands
from upsun_agent.config.definitions import json_schema

from tests.harness.agent_process import Result
from tests.harness.cli_app import App
from tools.documents import DOCUMENTS, SILENT, schema, schema_of

# one call of every command whose --json is one document; the others have tests of their own
CALLS: dict[str, tuple[tuple[str, ...], set[str]]] = {
    "tick": (("tick",), {"runs", "elsewhere", "trouble", "next_due", "exit_code"}),
    "run": (("run", "hand"), {"run", "state", "steps", "exit_code"}),
    "show": (("show", "nightly"), {"run", "outcome", "steps", "events"}),
    "status": (("status",), {"project", "environment", "state", "last_tick", "jobs", "in_flight"}),
    "history": (("history",), {"at", "found", "runs"}),
    "changes": (("changes", "nightly"), {"run", "job", "commits"}),
    "report": (("report", "--html", "page.html"), {"at", "written"}),
    "next": (("next",), {"timezones", "slots"}),
    "validate": (("validate",), {"file", "valid", "mistakes", "jobs"}),
    "why": (("why", "nightly"), {"job", "slot", "run", "explanation"}),
    "pause": (("pause", "nightly", "--reason", "deep freeze"), {"job", "suspended"}),
    "resume": (("resume", "nightly"), {"job", "suspended"}),
    "token check": (("token", "check"), {"valid", "source", "user", "roles", "token", "warnings"}),
    "token list": (("token", "list"), {"tokens"}),
    "ssh load": (("ssh", "load"), {"certificate", "renewed", "directory", "configuration", "included_in"}),
    "ssh env": (("ssh", "env"), {"GIT_SSH_COMMAND", "GIT_SSH_VARIANT", "RSYNC_RSH"}),
    "state move": (
        ("state", "move", "--to", "/nowhere/else", "--dry-run"),
        {"from", "to", "dry_run", "runs", "events"},
    ),
    "completion": (("completion", "bash"), {"shell", "script"}),
    "check": (("check",), {"phase", "findings", "exit_code"}),
    "logs": (("logs", "nightly"), {"run", "lines", "activities"}),
    "rehearse": (("rehearse", "nightly"), {"run", "ticks", "requests", "exit_code"}),
}


def test_every_command_has_a_call_in_this_file() -> None:
    elsewhere = {
        "init",
        "upgrade",
        "approve",
        "cancel",
        "simulate",
        "ssh exec",
        "setup machine-user",
        "setup token",
        "notify test",
        "notify list",
    }
    assert set(CALLS) | elsewhere == set(commands())


def test_the_document_of_every_command_has_a_schema() -> None:
    assert set(DOCUMENTS) | SILENT == set(commands())
    Draft202012Validator.check_schema(schema())


def test_a_key_that_is_not_documented_fails_the_test_that_meets_it(ticked: App) -> None:
    found = ticked.call("status", "--json")
    document = found.document
    for spoiled in ({**document, "surprise": 1}, {key: value for key, value in document.items() if key != "ticks"}):
        with pytest.raises(ValidationError):
            _ = Result(0, json.dumps(spoiled), "", found.arguments).document
    document["jobs"][0]["runs"][0]["surprise"] = None
    with pytest.raises(ValidationError):
        _ = Result(0, json.dumps(document), "", found.arguments).document


@pytest.fixture
def ticked(app: App) -> App:
    """A container whose nightly job has just run."""
    app.make_due()
    assert app.call("tick").code == 0
    (app.directory / "composer.lock").write_text('{"packages": []}', encoding="utf-8")
    return app


@pytest.mark.parametrize("command", CALLS)
def test_json_is_one_document_on_standard_output_and_nothing_else(ticked: App, command: str) -> None:
    arguments, keys = CALLS[command]
    said = ticked.agent(*arguments, "--json")
    assert said.code == 0
    assert keys <= set(said.document)
    assert said.out.isascii()
    assert said.document.get("exit_code", 0) == 0


@pytest.mark.parametrize("command", CALLS)
def test_words_are_words_without_colours_where_nobody_looks(ticked: App, command: str) -> None:
    said = ticked.call(*CALLS[command][0])
    assert said.code == 0
    assert "\x1b" not in said.said
    assert "\r" not in said.said
    if command != "tick":  # a cron's mail is for what went wrong
        assert said.out
        assert not said.out.startswith("{") or command == "logs", "lines of a log are JSON for whoever pipes them"
        assert said.err == ""


# --- the story of a run ------------------------------------------------------------------------------------------


def test_show_tells_the_story_of_a_run(ticked: App) -> None:
    said = ticked.call("show", "nightly").out
    lines = [
        rf"nightly@{ticked.slot} on main, .* \(times are UTC\)",
        r".*opened \(slot .*\)",
        r".*backup requested: activity \w+, backup \w+",
        r".*backup \w+ proved restorable",
        r".*source operation update requested: activity \w+",
        r".*commit \w{8} is live",
        r".*run succeeded",
    ]
    places = [re.search(line, said) for line in lines]
    assert all(places), said
    starts = [place.start() for place in places if place]
    assert starts == sorted(starts)


def test_show_knows_a_run_by_its_id_and_by_its_job(ticked: App) -> None:
    by_job = ticked.call("show", "nightly", "--json").document
    by_id = ticked.call("show", by_job["run"], "--json").document
    assert by_job == by_id
    kinds = [event["kind"] for event in by_job["events"]]
    assert (kinds[0], kinds[-1]) == ("run-opened", "run-closed")
    assert [step["outcome"] for step in by_job["steps"]] == ["done", "done"]
    assert ticked.call("show", "nobody").code == 78


def test_show_says_where_a_run_in_flight_stands(make_app: Callable[..., App]) -> None:
    app = make_app(backup_seconds=600)
    app.call("run", "hand")
    said = app.call("show", "hand").out
    assert "in flight: backup" in said
    assert app.call("show", "hand", "--json").document["state"] == "open"


def test_a_failed_run_is_told_with_what_helps(make_app: Callable[..., App]) -> None:
    app = make_app(role="viewer")
    assert app.call("run", "hand").code == 77
    said = app.call("show", "hand").out
    assert "does not offer #backup on main" in said
    assert "production:admin" in said
    assert "run failed (permission)" in said


# --- status --------------------------------------------------------------------------------------------------------


def test_status_shows_each_job_with_its_last_run_and_its_next_slot(ticked: App) -> None:
    said = ticked.call("status").out
    when = r"(\d\d [A-Z][a-z]{2} \d\d|[A-Z][a-z]{2} \d{4} \d\d):\d\d UTC \(in \d+ d\)"
    assert re.search(rf"^nightly +succeeded \d+ s ago +\d+ s +\d+ s +{when}$", said, re.MULTILINE)
    assert re.search(r"^hand +never +- +- +manual only$", said, re.MULTILINE)
    assert re.search(rf"^last proved backup of main: \w+, \d+ s ago \(nightly@{ticked.slot}\)$", said, re.MULTILINE)
    assert f"abcdefgh1234z, main (production); last tick 0 s ago; state in {ticked.state}" in said or "s ago" in said
    document = ticked.call("status", "--json").document
    (run,) = document["jobs"][0]["runs"]
    assert (run["slot"], run["outcome"]) == (ticked.slot, "succeeded")
    assert document["in_flight"] == []
    assert document["last_tick"] is not None


def test_status_shows_what_is_in_flight_and_what_it_waits_for(make_app: Callable[..., App]) -> None:
    app = make_app(backup_seconds=600)
    app.call("run", "hand")
    assert "in flight: hand@manual-" in app.call("status").out
    (in_flight,) = app.call("status", "--json").document["in_flight"]
    assert in_flight["waits_on"] == "activity"
    assert in_flight["steps"][0]["phase"] == "accepted"


def test_status_before_the_first_tick_is_no_error_and_leaves_nothing_behind(app: App) -> None:
    assert app.call("status").code == 0
    assert not app.state.exists()


def test_looking_changes_nothing(ticked: App) -> None:
    before = {path.name: path.read_bytes() for path in ticked.state.iterdir()}
    for command in ("status", "show", "next", "validate", "why"):
        assert ticked.call(*CALLS[command][0]).code == 0
    assert {path.name: path.read_bytes() for path in ticked.state.iterdir()} == before


# --- next and validate -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "changes", "missing"),
    [
        ("H 3 * * *", {"PLATFORM_PROJECT": None, "PLATFORM_BRANCH": None}, "--project and --environment"),
        ("5,H(1-9) 3 * * *", {"PLATFORM_BRANCH": None}, "--environment"),
        ("h/15 * * * *", {"PLATFORM_PROJECT": None}, "--project"),
        ("H 3 * * thu", {}, None),
        ("5 3 * mar thu", {"PLATFORM_PROJECT": None}, None),
    ],
)
def test_next_says_that_h_is_another_value_elsewhere_where_it_is_not_known_which_environment_is_meant(
    app: App, schedule: str, changes: dict[str, str | None], missing: str | None
) -> None:
    file = app.directory / "own.toml"
    file.write_text(f'[jobs.own]\nschedule = "{schedule}"\n[[jobs.own.steps]]\nbackup = {{}}\n')
    text = " ".join(app.call("next", "own", "--config", str(file), **changes).out.split())
    if missing is None:
        assert "H has another value" not in text
    else:
        assert text.endswith(f"own: H has another value in each project and environment; choose with {missing}")


def test_next_lists_slots_in_the_zone_of_the_job(app: App) -> None:
    app.write_jobs(
        '[jobs.paris]\nschedule = "30 2 * * *"\ntimezone = "Europe/Paris"\n[[jobs.paris.steps]]\nbackup = {}\n'
    )
    document = app.call("next", "paris", "--count", "400", "--json").document
    slots = document["slots"]["paris"]
    assert document["timezones"] == {"paris": "Europe/Paris"}
    assert len(slots) == 400
    assert {slot["slot"][-5:] for slot in slots} == {"02:30"}, "also in the night that has no 02:30"
    assert {slot["due_at"][11:16] for slot in slots} == {"00:30", "01:30", "01:00"}
    text = app.call("next", "paris").out
    assert len(text.splitlines()) == 6
    assert "Europe/Paris" in text


def test_next_says_which_jobs_have_no_slots_here(app: App) -> None:
    said = app.call("next", PLATFORM_ENVIRONMENT_TYPE="staging").out
    assert "hand has no schedule" in said
    assert "nightly only runs on production, not here (staging)" in said


def test_validate_names_every_mistake_with_its_line_and_its_remedy(app: App) -> None:
    app.jobs.write_text('[jobs.hand]\nshcedule = "0 3 * * *"\n[[jobs.hand.steps]]\nbackup = { live = "yes" }\n')
    said = app.call("validate")
    assert said.code == 78
    assert f"{app.jobs}:2: jobs.hand.shcedule: unknown key 'shcedule' (did you mean 'schedule'?)" in said.err
    assert f"{app.jobs}:4: " in said.err
    document = app.call("validate", "--json").document
    assert [mistake["line"] for mistake in document["mistakes"]] == [2, 4]
    assert document["valid"] is False


def test_validate_takes_a_file_and_prints_the_schema(app: App) -> None:
    other = app.directory / "other.toml"
    other.write_text("[jobs.one]\n[[jobs.one.steps]]\nbackup = {}\n")
    assert app.call("validate", str(other), "--json").document["jobs"] == ["one"]
    assert json.loads(app.call("validate", "--schema").out) == json_schema()


# --- rehearse, pause, simulate ------------------------------------------------------------------------------------


def test_a_rehearsal_touches_neither_the_platform_nor_the_state(app: App) -> None:
    said = app.call("rehearse", "nightly", "--fault", "deploy-fails", UPSUN_CLI_TOKEN=None)
    assert said.code == 1
    assert "its deployment failed" in said.out
    assert "run failed (deployment-failed)" in said.out
    assert app.simulator.requests == []
    assert not app.state.exists()


def test_a_paused_job_is_skipped_until_it_is_resumed(app: App) -> None:
    app.make_due()
    app.call("pause", "nightly", "--reason", "deep freeze")
    assert app.call("tick").code == 0
    (row,) = app.call("status", "--json").document["jobs"][0]["runs"]
    assert row["outcome"] == "skipped"
    assert "deep freeze" in app.call("why", "nightly").out
    assert app.asked("backup") == 0
    app.call("resume", "nightly")
    assert app.call("status", "--json").document["jobs"][0]["suspended"] is None


def test_the_simulator_says_where_it_is_and_writes_its_books_at_the_end(app: App) -> None:
    request_log = app.directory / "request-log.json"
    process = app.agent.start(
        "simulate", "--port", "0", "--json", "--request-log", str(request_log), "--set", "backup_seconds=1"
    )
    try:
        lines: list[str] = []
        while not lines or lines[-1] != "}\n":
            lines.append(process.stdout.readline())
        document = json.loads("".join(lines))
        url = document["variables"]["UPSUN_CLI_API_URL"]
        assert url == document["url"]
        changes = {"UPSUN_CLI_API_URL": url, "UPSUN_CLI_AUTH_URL": url, "UPSUN_CLI_TOKEN": "simulated-token"}
        assert app.call("run", "hand", **changes).code == 0
        process.terminate()
        process.wait(30)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0
    Draft202012Validator(schema_of("simulate")).validate(document)
    asked = [each["path"] for each in json.loads(request_log.read_text())["requests"] if each["method"] == "POST"]
    assert asked[-1].endswith("/environments/main/backup")
