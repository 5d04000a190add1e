"""The unmodified official CLI runs runtime operations and tasks.

Observed here, with version 5.11.1: runtime operations are read from the apps of the current deployment and asked for
at its link `#operations`; tasks are read at `{environment}/tasks` and run at `.../tasks/{name}/run`, both without any
link; a task is waited for only with `--wait`; a 404 of the list ends with 255.

Inferred: that a project without the feature answers 404; who may run a task; the names in the activities' parameters.
"""

from __future__ import annotations

import pytest
from upsun_setup.runtime_operations import runtime_operations

from tests.harness import openapi_document
from tests.harness.official_cli import Cli

pytestmark = [
    pytest.mark.official_cli,
    pytest.mark.holds_secret("file */.upsun-cli/*", reason="the official CLI keeps its session there"),
]


def _requests_validate(cli: Cli) -> None:
    if openapi_document.path().is_file():
        assert openapi_document.problems_of_requests(cli.simulator.requests) == []


def test_runtime_operations_are_listed_and_run(cli: Cli) -> None:
    listed = cli("operation:list", "--format=plain", "--no-header")
    assert (listed.code, "clear-cache" in listed.out) == (0, True), listed.err
    done = cli("operation:run", "clear-cache", "--yes", "--wait")
    assert done.code == 0, done.err
    body = {"operation": "clear-cache", "service": "app"}
    assert done.writes == [("POST", "/environments/main/deployments/current/operations", body)]
    assert "The activity succeeded" in done.err
    (activity,) = cli.simulator.request_log()["activities"]
    assert activity["commands"] == [{"app": "app", "type": "environment.operation", "exit_code": 0}]
    _requests_validate(cli)


def test_the_operations_that_init_adds_are_listed_and_run(cli: Cli) -> None:
    added = runtime_operations("nightly")
    cli.simulator.change(runtime_operations=tuple(f"app:{name}={each['role']}" for name, each in added.items()))
    listed = cli("operation:list", "--format=plain", "--no-header")
    assert all(name in listed.out for name in added), listed.err
    for name in added:
        done = cli("operation:run", name, "--yes", "--wait")
        assert done.code == 0, done.err
        assert done.writes[0][2] == {"operation": name, "service": "app"}
    cli.simulator.set_permissions(["viewer", "production:contributor"])
    assert cli("operation:run", "agent-status", "--yes", "--no-wait").code == 0
    assert cli("operation:run", "agent-approve", "--yes", "--no-wait").code != 0


def test_an_operation_that_fails_or_is_not_defined_ends_with_1(cli: Cli) -> None:
    unknown = cli("operation:run", "nothing", "--yes")
    assert (unknown.code, unknown.posts) == (1, [])
    cli.simulator.change(operation_outcome="failure")
    assert cli("operation:run", "clear-cache", "--yes", "--wait").code == 1
    cli.simulator.change(runtime_operations=())
    assert cli("operation:list").code == 0
    assert cli("operation:run", "clear-cache", "--yes").code == 1


def test_a_contributor_may_run_an_operation_and_a_viewer_may_not(cli: Cli) -> None:
    cli.simulator.change(role="contributor")
    assert cli("operation:run", "clear-cache", "--yes", "--no-wait").code == 0
    cli.simulator.change(role="viewer")
    done = cli("operation:run", "clear-cache", "--yes", "--no-wait")
    assert (done.code, done.posts) == (1, []), done.err


def test_tasks_are_listed_and_run(cli: Cli) -> None:
    listed = cli("task:list", "--format=plain", "--no-header")
    assert (listed.code, "./task.sh migrate" in listed.out) == (0, True), listed.err
    done = cli("task:run", "migrate", "--yes", "--wait", "--variable=env:CHANNEL=stable")
    assert done.code == 0, done.err
    variables = {"env": {"CHANNEL": "stable"}}
    assert done.writes == [("POST", "/environments/main/tasks/migrate/run", {"variables": variables})]
    assert "The activity succeeded" in done.err
    (activity,) = cli.simulator.request_log()["activities"]
    assert (activity["type"], activity["parameters"]["variables"]) == ("environment.task", variables)
    plain = cli("task:run", "migrate", "--yes")
    assert (plain.code, [one[2] for one in plain.writes]) == (0, [{"variables": {}}]), plain.err
    assert "The activity succeeded" not in plain.err
    _requests_validate(cli)


def test_a_task_that_fails_is_not_there_or_may_not_be_run(cli: Cli) -> None:
    unknown = cli("task:run", "nothing", "--yes")
    assert (unknown.code, unknown.posts) == (1, [])
    cli.simulator.change(task_outcome="failure")
    assert cli("task:run", "migrate", "--yes", "--wait").code == 1
    cli.simulator.change(role="contributor")
    assert cli("task:run", "migrate", "--yes").code == 6
    cli.simulator.change(tasks=())
    listed = cli("task:list")
    assert (listed.code, "No tasks were found" in listed.err) == (0, True), listed.err


def test_the_url_of_an_environment_is_its_primary_route(cli: Cli) -> None:
    machine = cli.simulator.state.environments["staging"].machine_name
    done = cli("environment:url", "--pipe", PLATFORM_BRANCH="staging")
    urls = [f"{scheme}://{machine}.simulator.invalid/" for scheme in ("https", "http")]
    assert (done.code, done.out.split()) == (0, urls), done.err
    primary = cli("environment:url", "--primary", "--pipe", PLATFORM_BRANCH="staging")
    assert primary.out.split() == urls[:1], primary.err
