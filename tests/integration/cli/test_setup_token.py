"""``setup token``: what is stored where and how, what follows, what is never claimed, and rotation."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from upsun_agent.cli import token_variable

from tests.harness.agent_process import TOKEN, Result, ended
from tests.harness.cli_app import App
from tests.integration.cli.test_setup import NEW, OWNER, no_secret, writes
from tests.integration.cli.test_token import piped, typed

NAME = "env:UPSUN_CLI_TOKEN"
RUNTIME_ONLY: dict[str, Any] = {
    "is_sensitive": True,
    "is_inheritable": False,
    "visible_build": False,
    "visible_runtime": True,
    "is_enabled": True,
    "is_json": False,
}


def store(app: App, *arguments: str, value: str = NEW, **changes: str | None) -> Result:
    said_so = () if "--dry-run" in arguments else ("--yes",)
    said = piped(app, value, "setup", "token", *arguments, *said_so, **changes)
    no_secret(app, said)
    assert '"value"' not in said.said
    return said


@pytest.fixture
def ready(make_app: Callable[..., App]) -> App:
    """A platform on which the machine user has a second token, to be stored."""
    app = make_app(other_role=None)
    app.simulator.add_token(NEW, name="new")
    return app


def flags(app: App, environment: str | None = None) -> dict[str, bool]:
    found = app.simulator.variable(NAME, environment)
    assert found is not None
    return {name: getattr(found, name) for name in RUNTIME_ONLY}


def value(app: App, environment: str | None = None) -> str | None:
    found = app.simulator.variable(NAME, environment)
    return found.value if found else None


def test_a_token_is_stored_for_runtime_only_and_read_back(ready: App) -> None:
    said = store(ready)
    assert said.code == 0
    assert "stored as env:UPSUN_CLI_TOKEN of main, and reads back as requested" in said.out
    assert "The environment redeploys now" in said.out
    assert (value(ready), flags(ready)) == (NEW, RUNTIME_ONLY)
    last = [each for each in ready.simulator.requests if "variables" in each.path][-1]
    assert last.method == "GET"


def test_storing_again_changes_it_and_says_so(ready: App) -> None:
    assert store(ready, "--visible-build", "true", "--inheritable", "true").code == 0
    found = store(ready, "--json").document
    assert (found["action"], found["changed"], found["follows"], found["rebuilds"]) == ("change", True, "deploys", True)
    assert found["flags"] == RUNTIME_ONLY
    assert found["flags_before"] == {"visible_build": True, "is_inheritable": True}
    assert (value(ready), flags(ready)) == (NEW, RUNTIME_ONLY)


def test_the_guides_form_is_stored_and_its_price_is_named(ready: App) -> None:
    said = store(ready, "--sensitive", "true", "--inheritable", "false", "--visible-build", "true")
    assert said.code == 0
    assert flags(ready) == {**RUNTIME_ONLY, "visible_build": True}
    assert "rebuilds and redeploys" in said.out
    assert "visible to the build: install scripts see it" in said.out


@pytest.mark.parametrize("option", ["sensitive", "inheritable", "visible-build", "visible-runtime", "enabled"])
def test_every_flag_can_be_given_both_ways(ready: App, option: str) -> None:
    flag = {"sensitive": "is_sensitive", "inheritable": "is_inheritable", "enabled": "is_enabled"}
    for word in ("false", "true"):
        assert store(ready, f"--{option}", word).code == 0
        assert flags(ready)[flag.get(option, option.replace("-", "_"))] is (word == "true")


def test_what_is_sensitive_stays_so(ready: App) -> None:
    assert store(ready).code == 0
    said = store(ready, "--sensitive", "false")
    assert said.code == 64
    assert "variable:delete env:UPSUN_CLI_TOKEN" in said.err


def test_for_some_apps_only_and_for_all_again_by_hand(ready: App) -> None:
    assert store(ready, "--app", "api", "--app", "app").code == 0
    variable = ready.simulator.variable(NAME)
    assert variable is not None
    assert variable.application_scope == ["api", "app"]
    assert store(ready, "--json").document["apps"] is None, "left as they are"
    assert store(ready, "--app", "app").code == 0
    variable = ready.simulator.variable(NAME)
    assert variable is not None
    assert variable.application_scope == ["app"]


@pytest.mark.parametrize(
    "body",
    [
        {"visible_build": True},
        {"is_sensitive": False},
        {"is_inheritable": True},
        {"inherited": True},
        {"application_scope": ["other"]},
    ],
)
def test_what_reads_back_otherwise_is_a_failure(ready: App, body: dict[str, Any]) -> None:
    stored = json.dumps({"name": NAME, **RUNTIME_ONLY, "application_scope": [], "inherited": False, **body})
    ready.simulator.add_fault(f"GET */environments/main/variables/* json #2 body={stored}")
    said = store(ready)
    assert said.code == 1
    assert "is not stored as requested" in said.err
    assert "in the Console" in said.err


@pytest.mark.parametrize("before", [{}, {"visible_build": True}, {"application_scope": ["app"]}])
def test_a_variable_that_was_marked_as_json_is_not_any_more(ready: App, before: dict[str, Any]) -> None:
    ready.simulator.add_variable(NAME, json.dumps("old"), **{**RUNTIME_ONLY, "is_json": True, **before})
    assert "is marked as JSON" in ready.call("check").out
    said = store(ready)
    assert said.code == 0
    assert "It is not marked as JSON any more." in said.out
    assert (value(ready), flags(ready)) == (NEW, RUNTIME_ONLY)
    assert "JSON" not in ready.call("check").out
    assert "JSON" not in store(ready).out


def test_a_json_mark_that_stays_is_a_failure(ready: App) -> None:
    stored = json.dumps({"name": NAME, **RUNTIME_ONLY, "is_json": True, "application_scope": [], "inherited": False})
    ready.simulator.add_fault(f"GET */environments/main/variables/* json #2 x* body={stored}")
    said = store(ready)
    assert (said.code, "is_json is true, not false" in said.err) == (1, True)


@pytest.mark.parametrize("there", [True, False])
def test_a_variable_that_reads_back_late_is_waited_for(
    ready: App, monkeypatch: pytest.MonkeyPatch, *, there: bool
) -> None:
    monkeypatch.setattr(token_variable, "READ_BACK_PAUSES", (0.01, 0.01, 0.01))
    late = "404"
    if there:
        before = {**RUNTIME_ONLY, "visible_build": True}
        ready.simulator.add_variable(NAME, "old", **before)
        shown = {"name": NAME, **before, "application_scope": [], "inherited": False}
        late = f"json body={json.dumps(shown)}"
    kind, _, body = late.partition(" ")
    ready.simulator.add_fault(f"GET */environments/main/variables/* {kind} #2 x2 {body}")
    said = store(ready)
    assert said.code == 0
    assert "and reads back as requested" in said.out
    ready.simulator.remove_variable(NAME)
    ready.simulator.add_fault("GET */environments/main/variables/* 404 #2 x*")
    said = store(ready)
    assert said.code == 0
    assert "reads back as requested" not in said.out
    assert "the platform answered that it is stored, but still shows the old one" in said.out
    assert "upsun-agent check" in said.out
    assert (value(ready), flags(ready)) == (NEW, RUNTIME_ONLY)


def test_a_variable_that_never_reads_back_and_that_no_answer_showed_is_a_failure(
    ready: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_variable, "READ_BACK_PAUSES", (0.01,))
    ready.simulator.add_fault("POST */environments/main/variables json status=201 body={}")
    ready.simulator.add_fault("GET */environments/main/variables/* 404 #2 x*")
    said = store(ready)
    assert (said.code, "it does not exist" in said.err) == (1, True)


def test_an_app_that_the_variable_leaves_out_is_named(ready: App) -> None:
    ready.simulator.add_variable(NAME, "old", **RUNTIME_ONLY, application_scope=["other"])
    said = store(ready)
    assert said.code == 0
    assert "only for other" in said.out
    assert "app does not see it" in said.out
    assert "does not see it" not in store(ready, "--app", "app").out


def test_what_cannot_be_read_back_is_said_to_be_stored_and_no_more(ready: App) -> None:
    ready.simulator.add_fault("GET */environments/main/variables/* 503 #2 x*")
    said = store(ready)
    assert said.code == 69
    assert "is stored, but cannot be read back" in said.err
    assert value(ready) == NEW


LOST = ["cut-before", "cut-after", "500", "502", "503", "status-after status=502", "reset", "reset-after", "half-body"]


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize("there", [True, False])
def test_lost_answers_end_in_what_is_true(ready: App, fault: str, *, there: bool) -> None:
    if there:
        ready.simulator.add_variable(NAME, "old", **RUNTIME_ONLY)
    ready.simulator.add_fault(f"POST */environments/main/variables {fault} x1")
    ready.simulator.add_fault(f"PATCH */variables/* {fault} x1")
    said = store(ready)
    assert value(ready) == NEW
    assert said.code == 0
    assert "reads back as requested" in said.out


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize("there", [True, False])
def test_where_no_answer_comes_at_all_nothing_is_claimed(ready: App, fault: str, *, there: bool) -> None:
    if there:
        ready.simulator.add_variable(NAME, "old", **RUNTIME_ONLY)
    ready.simulator.add_fault(f"POST */environments/main/variables {fault} x*")
    ready.simulator.add_fault(f"PATCH */variables/* {fault} x*")
    said = store(ready)
    assert said.code == 69
    assert "may hold the old value or the new one" in said.err
    assert "run the command again" in said.err
    assert "stored as" not in said.out


def test_somebody_who_was_faster_is_overwritten(ready: App) -> None:
    ready.simulator.add_variable(NAME, "theirs", **{**RUNTIME_ONLY, "visible_build": True})
    ready.simulator.add_fault("GET */environments/main/variables/* 404")
    assert store(ready).code == 0
    assert (value(ready), flags(ready)) == (NEW, RUNTIME_ONLY)


def test_somebody_who_deleted_it_meanwhile_does_no_harm(ready: App) -> None:
    ready.simulator.add_variable(NAME, "old", **RUNTIME_ONLY)
    ready.simulator.add_fault("PATCH */variables/* 404")
    ready.simulator.add_fault("POST */variables 409 #1")
    assert store(ready).code == 0
    assert value(ready) == NEW


def test_a_variable_that_is_busy_is_tried_again_later(ready: App) -> None:
    ready.simulator.add_variable(NAME, "old", **RUNTIME_ONLY)
    ready.simulator.add_fault("PATCH */variables/* 409 x*")
    assert store(ready).code == 75
    assert value(ready) == "old"


def test_a_dry_run_stores_nothing(ready: App) -> None:
    said = store(ready, "--dry-run")
    assert said.code == 0
    assert "Would store the token of update-bot@example.invalid as env:UPSUN_CLI_TOKEN of main." in said.out
    assert "Nothing was changed. To apply this, add --yes." in said.out
    found = store(ready, "--dry-run", "--json").document
    assert (found["changed"], found["follows"]) == (False, None)
    assert (writes(ready), value(ready)) == ([], None)


def test_on_a_terminal_the_token_is_typed_once_and_stored_when_somebody_says_yes(ready: App) -> None:
    for answer, stored in (("n", None), ("", None), ("y", NEW)):
        code, shown = typed(ready, ("is not shown", "[y/N]"), (f"{NEW}\n", f"{answer}\n"), "setup", "token")
        assert (code, NEW in shown, value(ready)) == (0, False, stored)
        assert "Would store the token of update-bot@example.invalid" in shown
        assert shown.count("is not shown") == 1
        assert ("Nothing was changed." in shown) is (stored is None)
        assert ("reads back as requested" in shown) is (stored is not None)
    code, shown = typed(ready, "is not shown", f"{NEW}\n", "setup", "token", "--yes")
    assert (code, NEW in shown, "[y/N]" in shown) == (0, False, False)


@pytest.mark.parametrize("more", [(), ("--json",), ("--rotate",), ("--stdin",)])
def test_without_a_terminal_nothing_is_stored_unless_yes_is_said(ready: App, more: tuple[str, ...]) -> None:
    said = piped(ready, NEW, "setup", "token", *more)
    assert said.code == 64
    assert "--yes" in said.said
    assert ready.simulator.requests == [], "nobody was asked anything"


def test_each_token_is_exchanged_once(ready: App) -> None:
    for arguments, exchanges in ((("--dry-run",), 2), ((), 2)):
        before = len([each for each in ready.simulator.requests if each.path == "/oauth2/token"])
        store(ready, *arguments)
        after = len([each for each in ready.simulator.requests if each.path == "/oauth2/token"])
        assert after - before == exchanges
    before = after
    assert store(ready, UPSUN_CLI_TOKEN=None).code == 0
    after = len([each for each in ready.simulator.requests if each.path == "/oauth2/token"])
    assert after - before == 1


def test_a_token_that_is_not_good_is_never_stored(ready: App) -> None:
    for bad, words in (("wrong-token-xyz", "not accepted"), ("a b", "not a valid API token"), ("", "holds no token")):
        said = store(ready, value=bad)
        assert said.code == 77
        assert words in said.err
    ready.simulator.add_token("strangers-token-xyz", user="grace")
    ready.simulator.set_permissions([], user="grace")
    said = store(ready, value="strangers-token-xyz")
    assert said.code == 77
    assert "nothing was stored: the user has no access" in said.err
    assert writes(ready) == []


def test_with_manual_deployments_the_change_is_staged(make_app: Callable[..., App]) -> None:
    app = make_app(manual_deployment=True)
    app.simulator.add_token(NEW)
    said = store(app)
    assert "the change is staged" in said.out
    assert "upsun environment:deploy" in said.out
    assert store(app, "--json").document["follows"] == "staged"


@pytest.mark.parametrize("state", ["pending", "in_progress", "staged"])
def test_an_activity_that_is_pending_yet_may_end_staged_and_the_settings_say_so(
    make_app: Callable[..., App], state: str
) -> None:
    app = make_app(manual_deployment=True)
    app.simulator.add_token(NEW)
    entity = {"name": NAME, **RUNTIME_ONLY, "application_scope": [], "inherited": False}
    body = json.dumps({"_embedded": {"activities": [{"id": "a", "state": state}], "entity": entity}})
    app.simulator.add_variable(NAME, NEW, **RUNTIME_ONLY)
    app.simulator.add_fault(f"PATCH */variables/* json status=200 body={body}")
    said = store(app)
    assert "the change is staged until the next deploy" in said.out
    assert "redeploys now" not in said.out


def test_on_an_inactive_environment_nothing_is_deployed(make_app: Callable[..., App]) -> None:
    app = make_app(status="inactive")
    app.simulator.add_token(NEW)
    assert "No deployment starts by itself" in store(app).out


def test_a_variable_of_the_project_and_one_of_the_parent_are_told_apart(ready: App) -> None:
    ready.simulator.set_permissions(["admin"])
    ready.simulator.add_variable(NAME, "projects", project=True)
    assert "the project also has a variable env:UPSUN_CLI_TOKEN" in store(ready).out
    store(ready, "--inheritable", "true")
    said = store(ready, "--environment", "staging", "--dry-run")
    assert "inherited so far, is not changed" in said.out
    assert store(ready, "--environment", "staging", value=TOKEN).code == 0
    assert (value(ready), value(ready, "staging")) == (NEW, TOKEN)


def test_a_variable_of_the_project_that_may_not_be_seen_is_passed_over(ready: App) -> None:
    ready.simulator.add_fault("GET /projects/*/variables/env:* 403 #2 x*")
    ready.simulator.add_fault("GET /projects/abcdefgh1234z/variables/* 403 x*")
    assert value(ready) is None
    store(ready)
    assert value(ready) == NEW


def test_who_may_not_change_variables_is_told_whose_token_does(ready: App) -> None:
    ready.simulator.set_permissions(["viewer", "production:viewer"])
    said = store(ready)
    assert said.code == 77
    assert "the API token of an admin of main" in said.err


def test_rotation_replaces_the_token_and_names_the_one_to_revoke(ready: App) -> None:
    store(ready, value=TOKEN)
    ready.clock.advance(60)
    said = store(ready, "--rotate")
    assert said.code == 0
    assert value(ready) == NEW
    assert "revoke 'Agent' of update-bot@example.invalid" in said.out
    assert "A token cannot create or revoke tokens" in said.out
    ready.simulator.revoke_token()
    assert ready.call("token", "check", UPSUN_CLI_TOKEN=NEW).code == 0


def test_rotation_keeps_flags_and_apps_that_are_not_named(ready: App) -> None:
    store(ready, "--visible-build", "true", "--inheritable", "true", "--app", "app", value=TOKEN)
    found = store(ready, "--rotate", "--inheritable", "false", "--json").document
    assert found["flags"] == {**RUNTIME_ONLY, "visible_build": True}
    variable = ready.simulator.variable(NAME)
    assert variable is not None
    assert variable.application_scope == ["app"]


def test_rotation_to_a_bad_token_or_to_the_same_changes_nothing(ready: App) -> None:
    store(ready, value=TOKEN)
    before = writes(ready)
    assert store(ready, "--rotate", value=TOKEN).code == 64
    assert store(ready, "--rotate", value="wrong-token-xyz").code == 77
    assert (writes(ready), value(ready)) == (before, TOKEN)


def test_rotation_needs_something_to_rotate(ready: App) -> None:
    said = store(ready, "--rotate")
    assert said.code == 78
    assert "give the command without --rotate" in said.err


def test_an_old_token_that_is_revoked_already_stands_in_nobodys_way(ready: App) -> None:
    store(ready, value=TOKEN)
    ready.simulator.revoke_token()
    said = store(ready, "--rotate")
    assert said.code == 0
    assert value(ready) == NEW
    assert "is already refused: there is nothing to revoke" in said.out


def test_an_admin_who_rotates_a_machine_users_token_is_never_told_to_revoke_the_own_one(ready: App) -> None:
    store(ready, value=TOKEN)
    both = store(ready, "--rotate", UPSUN_CLI_TOKEN=OWNER).out
    assert "revoke 'Agent' or 'new', whichever was stored until now, of" in both, "both were used in this very second"
    ready.clock.advance(60)
    said = store(ready, "--rotate", UPSUN_CLI_TOKEN=OWNER)
    assert said.code == 0
    assert "revoke 'Agent' of update-bot@example.invalid" in said.out
    assert "revoke 'Owner" not in said.out
    ready.clock.advance(60)
    again = store(ready, "--rotate", "--json", value=TOKEN, UPSUN_CLI_TOKEN=OWNER).document
    assert [each["name"] for each in again["revocable_tokens"]] == ["new"]


def test_an_app_that_nobody_knows_is_pointed_out(ready: App) -> None:
    said = store(ready, "--app", "app", "--app", "aap", "--dry-run")
    assert said.code == 0
    assert "no deployed app is called aap" in said.out
    assert "is called" not in store(ready, "--app", "app", "--dry-run").out
    ready.simulator.add_fault("GET */deployments/current 404 x*")
    assert store(ready, "--app", "aap").code == 0, "what is not deployed yet may still come"


def test_a_machine_users_token_is_stored_with_the_token_of_somebody_else(ready: App) -> None:
    ready.simulator.set_permissions(["viewer", "production:viewer"])
    said = store(ready, UPSUN_CLI_TOKEN=OWNER)
    assert said.code == 0
    assert "The token of update-bot@example.invalid is stored" in said.out
    assert "production:admin is missing" in said.out


def test_without_project_or_environment_it_is_not_known_where(ready: App) -> None:
    assert store(ready, PLATFORM_PROJECT=None).code == 78
    assert store(ready, PLATFORM_BRANCH=None).code == 78


@pytest.mark.holds_secret("file */value", reason="the new token is piped in from this file")
def test_the_value_is_in_no_argument_list_and_no_log_of_a_real_process(ready: App, tmp_path: Path) -> None:
    (tmp_path / "value").write_text(NEW)
    ready.simulator.add_fault("POST */variables delay seconds=2")
    with open(tmp_path / "value") as stdin:
        process = ready.agent.start("setup", "token", "--yes", "--log-level", "debug", stdin=stdin)
    until = time.monotonic() + 60
    while not any(each.path.endswith("/variables") for each in ready.simulator.requests):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.02)
    lists = [_read(each) for each in Path("/proc").glob("[0-9]*/cmdline")]
    out, err = process.communicate(timeout=60)
    no_secret(ready, Result(process.returncode, out, err))
    assert process.returncode == 0
    assert any(b"setup\0token" in each for each in lists)
    assert not any(NEW.encode() in each for each in lists)
    assert NEW not in json.dumps(ready.simulator.request_log())
    assert value(ready) == NEW


@pytest.mark.holds_secret("file */value", reason="what is piped into the command")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_end_while_it_is_stored_claims_nothing(ready: App, tmp_path: Path, sent: signal.Signals) -> None:
    (tmp_path / "value").write_text(NEW)
    ready.simulator.add_fault("POST */variables delay seconds=5")
    with open(tmp_path / "value") as stdin:
        process = ready.agent.start("setup", "token", "--yes", stdin=stdin)
    until = time.monotonic() + 60
    while not any(each.path.endswith("/variables") for each in ready.simulator.requests):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.02)
    said = ended(process, sent)
    no_secret(ready, said)
    assert (said.code, said.out) == (128 + sent, "")
    assert "env:UPSUN_CLI_TOKEN may or may not have been changed; run the command again" in said.err
    assert "journal" not in said.err


def test_at_the_prompt_ctrl_c_leaves_everything_as_it_was(ready: App) -> None:
    code, shown = typed(ready, "is not shown", "\x03", "setup", "token", "--yes")
    assert (code, shown.splitlines()[-1]) == (130, "interrupted")
    assert writes(ready) == []


def test_on_a_terminal_standard_input_is_a_prompt_that_shows_nothing(ready: App) -> None:
    code, shown = typed(ready, "is not shown", f"{NEW}\n", "setup", "token", "--stdin", "--yes")
    assert (code, value(ready)) == (0, NEW)
    assert NEW not in shown


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""
