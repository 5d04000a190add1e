"""The unmodified official CLI manages variables."""

from __future__ import annotations

import json

import pytest

from tests.harness import openapi_document
from tests.harness.official_cli import OWNER_TOKEN, Cli

pytestmark = [
    pytest.mark.official_cli,
    pytest.mark.holds_secret("file */.upsun-cli/*", reason="the official CLI keeps its session there"),
]

NAME = "env:UPSUN_CLI_TOKEN"
VALUE = "the-token-of-the-machine-user"
# The command of the platform's guide (https://developer.upsun.com/docs/administration/cli/api-tokens).
GUIDE = (
    "variable:create", "-e", "main", "--level", "environment", "--prefix", "env", "--name", "UPSUN_CLI_TOKEN",
    "--sensitive", "true", "--value", VALUE, "--inheritable", "false", "--visible-build", "true", "--no-interaction",
)  # fmt: skip
RUNTIME_ONLY = (
    "variable:create", NAME, "-e", "main", "--level", "environment", "--value", VALUE, "--sensitive", "true",
    "--inheritable", "false", "--visible-build", "false", "--visible-runtime", "true", "--enabled", "true",
)  # fmt: skip
SENT = {
    "application_scope": [],
    "name": NAME,
    "value": "<secret>",
    "is_json": False,
    "is_sensitive": True,
    "is_enabled": True,
    "is_inheritable": False,
}


def test_the_command_of_the_guide_stores_the_token_and_waits_for_the_deployment(cli: Cli) -> None:
    done = cli(*GUIDE)
    assert done.code == 0, done.err
    assert done.writes == [("POST", "/environments/main/variables", {**SENT, "visible_build": True})]
    assert "The activity succeeded" in done.err
    assert "Rebuilding" in done.err
    stored = cli.simulator.variable(NAME)
    assert stored is not None
    assert (stored.value, stored.is_sensitive, stored.is_inheritable) == (VALUE, True, False)
    assert (stored.visible_build, stored.visible_runtime, stored.is_enabled) == (True, True, True)
    assert VALUE not in json.dumps(cli.simulator.request_log())
    assert cli.simulator.request_log()["activities"][-1]["type"] == "environment.variable.create"
    if openapi_document.path().is_file():
        assert openapi_document.problems_of_requests(cli.simulator.requests) == []


def test_a_token_for_the_runtime_only_is_not_built_in(cli: Cli) -> None:
    done = cli(*RUNTIME_ONLY)
    assert (done.code, done.writes) == (0, [("POST", "/environments/main/variables", SENT)]), done.err
    assert "Rebuilding" not in done.err
    stored = cli.simulator.variable(NAME)
    assert stored is not None
    assert (stored.visible_build, stored.visible_runtime, stored.is_enabled) == (False, True, True)


def test_a_variable_that_exists_is_not_created_again_but_updated_when_asked_to(cli: Cli) -> None:
    cli.simulator.add_variable(NAME, "old", is_sensitive=True)
    done = cli(*GUIDE)
    assert (done.code, done.writes) == (1, []), done.err
    assert "already exists" in done.err
    done = cli(*RUNTIME_ONLY, "--update", "--no-wait")
    assert done.code == 0, done.err
    path = f"/environments/main/variables/{NAME}"
    assert done.writes == [("PATCH", path, {"value": "<secret>", "is_inheritable": False})]
    stored = cli.simulator.variable(NAME)
    assert stored is not None
    assert stored.value == VALUE


def test_a_conflict_that_shows_only_at_the_request_ends_with_255(cli: Cli) -> None:
    cli.simulator.add_fault("POST */variables 409")
    assert cli(*GUIDE).code == 255


def test_too_small_a_role_ends_with_1_and_stores_nothing(cli: Cli) -> None:
    cli.simulator.change(role="contributor")
    done = cli(*GUIDE)
    assert (done.code, done.writes) == (1, []), done.err
    assert "Link not found: #manage-variables" in done.err


def test_variables_are_listed_read_changed_and_deleted(cli: Cli) -> None:
    cli.simulator.add_variable(NAME, VALUE, is_sensitive=True)
    cli.simulator.add_variable("FOO", "of the project", project=True)
    listed = cli("variable:list", "--format=plain", "--no-header")
    assert (listed.code, NAME in listed.out, "of the project" in listed.out) == (0, True, True), listed.err
    read = cli("variable:get", NAME, "--property=is_sensitive")
    assert (read.code, read.out.strip(), VALUE in read.out) == (0, "true", False), read.err
    changed = cli("variable:update", NAME, "--enabled", "false", "--yes")
    assert (changed.code, [one[2] for one in changed.writes]) == (0, [{"is_enabled": False}]), changed.err
    gone = cli("variable:delete", NAME, "--yes", "--no-wait")
    assert (gone.code, cli.simulator.variable(NAME)) == (0, None), gone.err


def test_an_inherited_variable_can_be_overridden_and_not_deleted(cli: Cli) -> None:
    cli.simulator.add_variable("env:SHARED", "above")
    done = cli("variable:delete", "env:SHARED", "--yes", PLATFORM_BRANCH="staging")
    assert (done.code, done.writes) == (1, []), done.err
    assert "is inherited" in done.err
    done = cli("variable:update", "env:SHARED", "--value", "here", "--yes", PLATFORM_BRANCH="staging")
    assert done.code == 0, done.err
    found = [cli.simulator.variable("env:SHARED", name) for name in ("main", "staging")]
    assert [one.value if one else None for one in found] == ["above", "here"]


def test_a_variable_of_the_project_needs_an_admin_of_the_project_and_a_later_deployment(cli: Cli) -> None:
    create = ("variable:create", "FOO", "--level", "project", "--value", "1", "--no-interaction")
    assert cli(*create).code == 6
    done = cli(*create, UPSUN_CLI_TOKEN=OWNER_TOKEN)
    assert (done.code, cli.simulator.request_log()["activities"]) == (0, []), done.err
    assert "must be redeployed" in done.err
    done = cli("variable:delete", "FOO", "--level", "project", "--yes", UPSUN_CLI_TOKEN=OWNER_TOKEN)
    assert (done.code, cli.simulator.variable("FOO", project=True)) == (0, None), done.err
