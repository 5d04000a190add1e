"""``run --wait`` and ``check`` outside a container: on CI and on a laptop, with some of the platform's variables."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from upsun_agent.clock import SystemClock

from tests.harness.agent_process import Result
from tests.harness.cli_app import IDENTITY, App
from tests.integration.cli.test_exit_codes import AWAY

GONE: dict[str, str | None] = dict.fromkeys(
    (
        "PLATFORM_PROJECT",
        "PLATFORM_BRANCH",
        "PLATFORM_APP_DIR",
        "PLATFORM_ENVIRONMENT_TYPE",
        "PLATFORM_APPLICATION_NAME",
    )
)
OPTIONS = ("--project", IDENTITY[0], "--environment", "main")
PLACES: dict[str, dict[str, str | None]] = {
    "nothing": {},
    "project": {"PLATFORM_PROJECT": IDENTITY[0]},
    "project and branch": {"PLATFORM_PROJECT": IDENTITY[0], "PLATFORM_BRANCH": "main"},
    "project and environment": {"PLATFORM_PROJECT": IDENTITY[0], "PLATFORM_ENVIRONMENT": "main-bvxea6i"},
    "project, branch and type": {
        "PLATFORM_PROJECT": IDENTITY[0],
        "PLATFORM_BRANCH": "main",
        "PLATFORM_ENVIRONMENT_TYPE": "production",
    },
    "a tunnel": {"PLATFORM_PROJECT": IDENTITY[0], "PLATFORM_BRANCH": "main", "PLATFORM_RELATIONSHIPS": "e30="},
}


@pytest.fixture(params=PLACES)
def some(request: pytest.FixtureRequest) -> dict[str, str | None]:
    """Some variables of the platform, as people set them outside of containers."""
    return {**GONE, **PLACES[request.param]}


@pytest.fixture(params=["true", None], ids=["ci", "laptop"])
def ci(request: pytest.FixtureRequest) -> str | None:
    """What the variable CI is."""
    value: str | None = request.param
    return value


def outside(app: App, *arguments: str, **changes: str | None) -> Result:
    """The command where there is no terminal and no SSH session, and no container either."""
    return app.call(*arguments, *OPTIONS, "--config", str(app.jobs), **{**GONE, **changes})


def open_runs(app: App, **changes: str | None) -> list[str]:
    said = app.call("history", "--json", *OPTIONS, "--config", str(app.jobs), **{**GONE, **changes})
    return [each["run"] for each in said.document["runs"] if each["outcome"] is None]


def test_check_asks_the_api_wherever_only_some_variables_are_set(
    app: App, some: dict[str, str | None], ci: str | None
) -> None:
    said = app.call("check", "--json", *OPTIONS, "--config", str(app.jobs), **some, CI=ci)
    assert said.document["phase"] == "runtime"
    assert app.simulator.requests
    found = {each["name"] for each in said.document["findings"]}
    assert {"reachability", "environment", "cron"} <= found
    app.simulator.revoke_token()
    assert app.call("check", *OPTIONS, "--config", str(app.jobs), **some, CI=ci).code == 77


def test_a_run_is_waited_for_and_its_state_is_the_users_own(
    app: App, tmp_path: Path, some: dict[str, str | None], ci: str | None
) -> None:
    mount = tmp_path / "mount-of-the-container"
    app.jobs.write_text(f'[agent]\nstate = "{mount}"\n{app.jobs.read_text()}')
    said = outside(app, "run", "hand", "--wait", **some, CI=ci, XDG_STATE_HOME=str(tmp_path / "own"))
    assert said.code == 0, said.said
    assert not mount.exists()
    assert (tmp_path / "own" / "upsun-agent" / IDENTITY[0] / "main" / "journal.sqlite").exists()
    assert app.asked("source-operation") == 1


def test_a_tick_leaves_nothing_where_the_job_file_says_the_container_has_its_state(
    app: App, tmp_path: Path, ci: str | None
) -> None:
    mount = tmp_path / "mount-of-the-container"
    mount.mkdir()
    app.jobs.write_text(f'[agent]\nstate = "{mount}"\n{app.jobs.read_text()}')
    places = {"PLATFORM_PROJECT": IDENTITY[0], "PLATFORM_BRANCH": "main", "UPSUN_AGENT_CONFIG": str(app.jobs)}
    for _ in range(2):
        assert app.agent("tick", **{**GONE, **places}, CI=ci, XDG_STATE_HOME=str(tmp_path / "own")).code == 0
    assert list(mount.iterdir()) == []
    assert (tmp_path / "own" / "upsun-agent" / IDENTITY[0] / "main" / "journal.sqlite").exists()


@pytest.mark.parametrize("state", ["PLACE/app/var/agent", "relationship:database"])
def test_what_only_the_container_has_is_never_asked_for(app: App, tmp_path: Path, state: str, ci: str | None) -> None:
    app.jobs.write_text(f'[agent]\nstate = "{state.replace("PLACE", str(tmp_path))}"\n{app.jobs.read_text()}')
    home = tmp_path / "home"
    home.mkdir()
    for arguments in (("run", "hand", "--wait"), ("status",), ("history",), ("pause", "hand"), ("next",)):
        assert outside(app, *arguments, CI=ci, HOME=str(home)).code == 0
    assert not (tmp_path / "app" / "var").exists()
    assert (home / ".local" / "state" / "upsun-agent" / IDENTITY[0] / "main").is_dir()


def test_with_the_api_away_waiting_ends_with_69_within_its_bound_and_the_next_call_goes_on(
    make_app: Callable[..., App], ci: str | None
) -> None:
    app = make_app()
    said = outside(app, "run", "hand", "--wait", "--within", "1s", CI=ci, **AWAY)
    assert said.code == 69
    lines = [line for line in said.out.splitlines() if "cannot be reached" in line]
    assert len(lines) == 1
    assert "waiting up to 1 s for it" in lines[0]
    assert "no usable answer from the API for" in said.err
    assert "stays open" in said.err
    assert "run hand --wait" in said.err
    (run,) = open_runs(app, CI=ci)
    said = outside(app, "run", "hand", "--wait", CI=ci)
    assert said.code == 0, said.said
    assert f"Run {run} is in flight already: following it" in said.out
    assert "run succeeded" in said.out
    assert (app.asked("backup"), app.asked("source-operation")) == (1, 1)
    assert open_runs(app, CI=ci) == []


def test_as_json_it_is_the_run_as_it_stands_with_the_code(app: App) -> None:
    said = outside(app, "run", "hand", "--wait", "--within", "1s", "--json", CI="true", **AWAY)
    assert said.code == 69
    found = said.document
    assert (found["outcome"], found["exit_code"]) == (None, 69)


@pytest.mark.parametrize("fault", ["503", "cut-before", "html", "json body=7"])
def test_an_api_that_falls_away_in_the_middle_is_waited_for_too(make_app: Callable[..., App], fault: str) -> None:
    app = make_app(backup_seconds=600)
    kind, _, body = fault.partition(" ")
    for path in ("*/environments/main/backups*", "*/activities*"):
        app.simulator.add_fault(f"GET {path} {kind} x* {body}")
    said = outside(app, "run", "hand", "--wait", "--within", "1s", CI="true")
    assert said.code == 69, said
    assert "backup requested" in said.out
    assert len([line for line in said.out.splitlines() if "waiting up to 1 s for it" in line]) == 1
    assert app.asked("backup") == 1
    assert len(open_runs(app, CI="true")) == 1


def test_an_api_that_answers_again_is_gone_on_with_and_said(make_app: Callable[..., App]) -> None:
    app = make_app()
    app.simulator.add_fault("GET */environments/main 503 x3")
    said = outside(app, "run", "hand", "--wait", CI="true")
    assert said.code == 0, said.said
    assert "The API cannot be reached" in said.out
    assert "The API answers again." in said.out


def test_a_run_whose_time_ran_out_while_the_api_was_away_is_no_failure_of_the_job(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.jobs.write_text(app.jobs.read_text().replace("[jobs.hand]", '[jobs.hand]\nmisfire-grace = "1m"'))
    ssh = {"SSH_CONNECTION": "192.0.2.1 1 192.0.2.2 22", **AWAY}
    assert app.call("run", "hand", **ssh).code == 69
    later = datetime.now(UTC) + timedelta(hours=1)
    monkeypatch.setattr(SystemClock, "now", lambda _: later)
    said = app.call("run", "hand", "--wait", "--within", "30s", **ssh)
    assert "the run could not begin within" in said.said
    assert said.code == 69


def test_a_run_that_fails_by_itself_is_a_failure_whatever_the_api_did_before(make_app: Callable[..., App]) -> None:
    app = make_app(update_outcome="failure")
    app.simulator.add_fault("GET */environments/main 503 x3")
    assert outside(app, "run", "hand", "--wait", CI="true").code == 1


@pytest.mark.parametrize("text", ["", "5", "-1s", "0s", "8d", "soon", "1h1"])
def test_a_bound_that_is_none_is_a_usage_error(app: App, text: str) -> None:
    said = app.call("run", "hand", "--wait", f"--within={text}")
    assert said.code == 64
    assert app.simulator.requests == []


def test_without_waiting_a_second_run_is_refused_and_how_to_follow_is_said(make_app: Callable[..., App]) -> None:
    app = make_app(backup_seconds=600)
    first = app.call("run", "hand")
    assert first.code == 0
    for said, stream in ((first, first.out), (second := app.call("run", "hand"), second.err)):
        assert "upsun-agent run hand --wait" in stream, said.said
        assert "upsun-agent status --watch" in stream
    assert second.code == 75
    assert app.asked("backup") == 1


def test_what_is_said_outside_a_container_can_be_done_there(make_app: Callable[..., App], ci: str | None) -> None:
    app = make_app(backup_seconds=600)
    said = outside(app, "run", "hand", CI=ci)
    assert said.code == 0
    assert "Ticks continue the run" not in said.out
    assert "Continue it with: upsun-agent run hand --wait, or: upsun-agent tick" in said.out
    for arguments in (("token", "check"), ("token", "list"), ("check",)):
        said = outside(app, *arguments, CI=ci, UPSUN_CLI_TOKEN=None)
        assert said.code == 77
        assert "set UPSUN_CLI_TOKEN here" in said.said
        assert "redeploy" not in said.said
    assert "redeploy" in app.call("token", "list", UPSUN_CLI_TOKEN=None).err, (
        "in a container it comes with a deployment"
    )
