"""The unmodified official CLI moves code and data between environments, and brings them up and down.

Observed here, with version 5.11.1: the links it looks for (`#synchronize`, `#merge`, `#branch`, `#activate`, `#pause`,
`#resume`, `#deploy`, `#restore`), that it reads an environment again when one is missing and then gives up, the bodies
that it sends (none with a merge, though the document requires one), what it reads on the way, its exit codes, and that
it takes the activity that each request became, also one that belongs to another environment than the one it asked
about (`environment:merge`).

Inferred, because neither the CLI nor the official document says it: the durations; which environment's queue a merge
or a branch stands in; the names in the activities' parameters; that a deployment of what is staged completes the
staged activities; that a restore with code deploys the backup's commit under the old head
(https://developer.upsun.com/docs/environments/restore).
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.harness import openapi_document
from tests.harness.official_cli import Cli

pytestmark = [
    pytest.mark.official_cli,
    pytest.mark.holds_secret("file */.upsun-cli/*", reason="the official CLI keeps its session there"),
]

STAGING = {"PLATFORM_BRANCH": "staging"}
SYNC = ("environment:synchronize", "code", "data", "--yes")
MERGE = ("environment:merge", "--yes")


def _place(cli: Cli, environment: str) -> Any:
    return cli.simulator.request_log()["environments"][environment]


def _kinds(cli: Cli) -> list[tuple[str, str | None]]:
    found = cli.simulator.request_log()["activities"]
    return [(one["type"].removeprefix("environment."), one["result"]) for one in found]


def _requests_validate(cli: Cli) -> None:
    if openapi_document.path().is_file():
        assert openapi_document.problems_of_requests(cli.simulator.requests) == []


def test_staging_is_synchronized_and_merged(cli: Cli) -> None:
    cli.simulator.change(deploy_seconds=0)
    cli.simulator.push("main")
    done = cli(*SYNC, "--wait", **STAGING)
    assert done.code == 0, done.err
    body = {"synchronize_code": True, "synchronize_data": True, "rebase": False}
    assert done.writes == [("POST", "/environments/staging/synchronize", body)]
    assert "The activity succeeded" in done.err
    assert _place(cli, "staging")["deployed_commit"] == _place(cli, "main")["head_commit"]
    assert _place(cli, "staging")["data_from"]["source"] == "main"
    cli.simulator.push("staging")
    done = cli(*MERGE, "--wait", **STAGING)
    assert (done.code, done.writes) == (0, [("POST", "/environments/staging/merge", None)]), done.err
    assert "The activity succeeded" in done.err
    assert _place(cli, "main")["deployed_commit"] == _place(cli, "staging")["head_commit"]
    if openapi_document.path().is_file():
        (problem,) = openapi_document.problems_of_requests(cli.simulator.requests)
        assert "/merge: Missing required request body" in problem, "which the platform does not insist on, then"


def test_a_rebase_and_resources_are_asked_for_as_the_document_has_it(cli: Cli) -> None:
    done = cli("environment:synchronize", "code", "resources", "--rebase", "--yes", "--no-wait", **STAGING)
    assert done.code == 0, done.err
    sent = {"synchronize_code": True, "synchronize_data": False, "synchronize_resources": True, "rebase": True}
    assert done.writes == [("POST", "/environments/staging/synchronize", sent)]
    assert _kinds(cli) == [("synchronize", None)]
    _requests_validate(cli)


def test_a_refused_synchronization_ends_with_1_and_says_why(cli: Cli) -> None:
    cli.simulator.push("staging")
    cli.simulator.change(unmerged_sync="refuse")
    done = cli(*SYNC, "--no-wait", **STAGING)
    assert (done.code, len(done.posts)) == (1, 1), done.err
    assert "1 unmerged commit" in done.err


@pytest.mark.parametrize("words", [SYNC, MERGE])
def test_production_has_no_parent_to_merge_into_or_synchronize_from(cli: Cli, words: tuple[str, ...]) -> None:
    done = cli(*words, "--no-wait")
    assert (done.code, done.posts) == (1, [])
    assert "does not have a parent" in done.err


@pytest.mark.parametrize(("words", "field"), [(SYNC, "sync_outcome"), (MERGE, "merge_outcome")])
def test_what_does_not_succeed_ends_with_1_when_waited_for(cli: Cli, words: tuple[str, ...], field: str) -> None:
    cli.simulator.change(**{field: "failure"})
    done = cli(*words, "--wait", **STAGING)
    assert (done.code, len(done.posts)) == (1, 1), done.err
    assert _kinds(cli)[-1][1] == "failure"


def test_a_branch_is_made_once(cli: Cli) -> None:
    words = ("environment:branch", "feature/new", "main", "--no-checkout", "--title=New", "--type=staging", "--yes")
    done = cli(*words, "--wait")
    assert done.code == 0, done.err
    body = {"name": "feature/new", "title": "New", "clone_parent": True, "type": "staging"}
    assert done.writes == [("POST", "/environments/main/branch", body)]
    assert "The activity succeeded" in done.err
    assert _place(cli, "feature/new")["status"] == "active"
    again = cli(*words)
    assert (again.code, again.posts, "already exists" in again.err) == (1, [], True), again.err
    _requests_validate(cli)


def test_an_environment_is_paused_resumed_and_activated(cli: Cli) -> None:
    def run(command: str) -> tuple[int, list[str], str]:
        done = cli(f"environment:{command}", "--yes", "--wait", **STAGING)
        return done.code, [path.rpartition("/")[2] for path in done.posts], _place(cli, "staging")["status"]

    assert run("resume") == (1, [], "active")
    assert run("pause") == (0, ["pause"], "paused")
    assert run("pause") == (0, [], "paused")
    assert run("activate") == (0, [], "paused"), "it only points at environment:resume"
    assert run("resume") == (0, ["resume"], "active")
    assert run("activate") == (0, [], "active")
    cli.simulator.set_status("inactive", "staging")
    assert run("pause") == (1, [], "inactive")
    cli.simulator.change(activate_outcome="failure")
    assert run("activate") == (1, ["activate"], "inactive")
    cli.simulator.change(activate_outcome="success")
    assert run("activate") == (0, ["activate"], "active")


def test_production_cannot_be_paused(cli: Cli) -> None:
    done = cli("environment:pause", "--yes")
    assert (done.code, done.posts) == (1, [])
    assert "can't be paused" in done.err


def test_what_is_staged_is_shown_and_deployed(cli: Cli) -> None:
    cli.simulator.change(manual_deployment=True, deploy_seconds=0, source_operation_seconds=0)
    nothing = cli("environment:deploy", "--yes")
    assert (nothing.code, nothing.posts) == (1, [])
    cli("source-operation:run", "update", "--no-wait")
    done = cli("environment:deploy", "--yes", "--wait")
    assert done.code == 0, done.err
    assert done.writes == [("POST", "/environments/main/deploy", {"strategy": "stopstart"})]
    assert "environment.source-operation" in done.out
    assert _place(cli, "main")["staged"] == []
    assert _place(cli, "main")["deployed_commit"] == _place(cli, "main")["head_commit"]
    cli("source-operation:run", "update", "--no-wait")
    done = cli("environment:deploy", "--yes", "--strategy=rolling", "--no-wait")
    assert done.writes == [("POST", "/environments/main/deploy", {"strategy": "rolling"})], done.err
    cli.simulator.change(rolling_deployments=False)
    cli("source-operation:run", "update", "--no-wait")
    done = cli("environment:deploy", "--yes", "--strategy=rolling", "--no-wait")
    assert (done.code, done.posts) == (1, [])


def test_a_redeployment_that_is_waited_for(cli: Cli) -> None:
    cli.simulator.change(deploy_seconds=0)
    done = cli("environment:redeploy", "--yes", "--wait")
    assert (done.code, done.writes) == (0, [("POST", "/environments/main/redeploy", None)]), done.err
    cli.simulator.change(deploy_outcome="failure")
    assert cli("environment:redeploy", "--yes", "--wait").code == 1


def test_a_backup_is_restored_with_code_and_without(cli: Cli) -> None:
    backup = cli.simulator.add_backup()
    cli.simulator.change(deploy_seconds=0)
    cli.simulator.push()
    path = f"/environments/main/backups/{backup.id}/restore"
    done = cli("backup:restore", backup.id, "--no-code", "--yes", "--wait")
    assert done.code == 0, done.err
    assert done.writes == [("POST", path, {"environment_name": "main", "restore_code": False})]
    assert _place(cli, "main")["deployed_commit"] == _place(cli, "main")["head_commit"]
    done = cli("backup:restore", "--yes", "--wait")
    assert (done.code, done.writes) == (0, [("POST", path, {"environment_name": "main"})]), done.err
    assert "The activity succeeded" in done.err
    place = _place(cli, "main")
    assert place["deployed_commit"] == backup.commit_id != place["head_commit"]
    _requests_validate(cli)


def test_a_backup_is_restored_to_another_environment_or_a_new_one(cli: Cli) -> None:
    backup = cli.simulator.add_backup()
    done = cli("backup:restore", "--target=staging", "--yes", "--no-wait")
    assert (done.code, [one[2] for one in done.writes]) == (0, [{"environment_name": "staging"}]), done.err
    done = cli("backup:restore", "--target=rescue", "--branch-from=main", "--yes", "--no-wait")
    sent = {"environment_name": "rescue", "branch_from": "main"}
    assert (done.code, [one[2] for one in done.writes]) == (0, [sent]), done.err
    restored = [_place(cli, name)["data_restored_from"]["source"] for name in ("staging", "rescue")]
    assert restored == [backup.id] * 2
    _requests_validate(cli)


def test_a_backup_that_cannot_be_restored_is_not_asked_for(cli: Cli) -> None:
    assert cli("backup:restore", "--yes").code == 1, "there is none"
    backup = cli.simulator.add_backup(restorable=False)
    done = cli("backup:restore", backup.id, "--yes")
    assert (done.code, done.posts) == (1, [])
    assert "cannot be restored" in done.err


def test_a_restore_that_does_not_succeed_ends_with_1(cli: Cli) -> None:
    cli.simulator.add_backup()
    cli.simulator.change(restore_outcome="failure")
    assert cli("backup:restore", "--yes", "--wait").code == 1
    assert _kinds(cli) == [("restore", "failure")]


@pytest.mark.parametrize("command", ["synchronize", "merge", "redeploy", "pause"])
def test_too_small_a_role_ends_with_1_and_asks_for_nothing(cli: Cli, command: str) -> None:
    cli.simulator.change(other_role="contributor")
    words = ("data",) if command == "synchronize" else ()
    done = cli(f"environment:{command}", *words, "--yes", **STAGING)
    assert (done.code, done.posts) == (1, []), done.err
