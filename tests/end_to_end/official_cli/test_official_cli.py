"""The unmodified official CLI, in the version that the contract page describes, works against the simulator."""

from __future__ import annotations

from typing import Any

import pytest

from tests.harness import openapi_document
from tests.harness.official_cli import VERSION, Cli

pytestmark = [
    pytest.mark.official_cli,
    pytest.mark.holds_secret("file */.upsun-cli/*", reason="the official CLI keeps its session there"),
]


def _latest(cli: Cli, kind: str) -> Any:
    found = [one for one in cli.simulator.request_log()["activities"] if one["type"] == kind]
    return found[-1] if found else None


def _bearer_requests_validate(cli: Cli) -> None:
    """What the official CLI asks is also what the document describes: the ruler itself is straight."""
    if openapi_document.path().is_file():
        assert openapi_document.problems_of_requests(cli.simulator.requests) == []


def test_it_is_the_version_that_the_contract_page_describes(cli: Cli) -> None:
    assert VERSION in cli("--version").out


def test_environment_info_reads_what_the_simulator_keeps(cli: Cli) -> None:
    head = cli.simulator.request_log()["environments"]["main"]["head_commit"]
    assert cli("environment:info", "head_commit").out.strip() == head
    done = cli("environment:info", "--format=plain")
    assert done.code == 0, done.err
    assert "deployment_state" in done.out
    assert done.requests[-1].path.endswith("/environments/main/settings")


def test_an_environment_with_a_slash_in_its_id_is_found(cli: Cli) -> None:
    done = cli("backup:create", "--yes", "--no-wait", PLATFORM_BRANCH="feature/login")
    assert done.code == 0, done.err
    assert done.requests[-1].raw_path == "/api/projects/abcdefgh1234z/environments/feature%2Flogin/backup"
    assert _latest(cli, "environment.backup")["environments"] == ["feature/login"]


def test_a_backup_that_is_waited_for(cli: Cli) -> None:
    done = cli("backup:create", "--yes", "--wait")
    assert done.code == 0, done.err
    name = done.out.removeprefix("Backup name: ").strip()
    request_log = cli.simulator.request_log()
    assert [one["id"] for one in request_log["backups"]] == [name]
    assert "The activity succeeded" in done.err
    assert done.posts == ["/projects/abcdefgh1234z/environments/main/backup"]
    assert done.requests[3].body == {"safe": True}
    listed = cli("backup:list", "--format=plain", "--no-header")
    assert (listed.code, name in listed.out) == (0, True), listed.err
    _bearer_requests_validate(cli)


def test_a_backup_that_is_not_waited_for(cli: Cli) -> None:
    cli.simulator.change(backup_seconds=60)
    done = cli("backup:create", "--yes", "--no-wait", "--live")
    assert done.code == 0, done.err
    activity = _latest(cli, "environment.backup")
    assert (activity["state"], activity["parameters"]["safe"]) == ("in_progress", False)
    assert done.out.strip() == f"Backup name: {activity['payload']['backup_name']}"
    assert len(done.requests) == 4


def test_an_empty_list_of_backups(cli: Cli) -> None:
    assert cli("backup:list").code == 1


def test_a_backup_is_deleted(cli: Cli) -> None:
    backup = cli.simulator.add_backup()
    cli.simulator.change(housekeeping_seconds=0)
    done = cli("backup:delete", backup.id, "--yes", "--no-wait")
    assert done.code == 0, done.err
    assert cli.simulator.request_log()["backups"] == []


def test_a_source_operation_that_is_waited_for(cli: Cli) -> None:
    before = cli.simulator.request_log()["environments"]["main"]["head_commit"]
    done = cli("source-operation:run", "update", "--wait", "--variable", "env:CHANNEL=stable")
    assert done.code == 0, done.err
    assert "The activity succeeded" in done.err
    activity = _latest(cli, "environment.source-operation")
    assert activity["parameters"]["variables"] == {"env": {"CHANNEL": "stable"}}
    main = cli.simulator.request_log()["environments"]["main"]
    assert main["head_commit"] == activity["commit"] != before
    _bearer_requests_validate(cli)


def test_a_source_operation_that_is_not_waited_for(cli: Cli) -> None:
    done = cli("source-operation:run", "update", "--no-wait")
    assert done.code == 0, done.err
    assert done.requests[-1].body == {"operation": "update", "variables": {}}
    assert _latest(cli, "environment.source-operation")["state"] == "in_progress"


def test_source_operations_are_listed_and_an_unknown_one_is_not_asked_for(cli: Cli) -> None:
    listed = cli("source-operation:list", "--format=plain", "--no-header")
    assert (listed.code, "update" in listed.out) == (0, True), listed.err
    done = cli("source-operation:run", "nothing")
    assert (done.code, done.posts) == (1, [])


def test_activities_are_listed_page_by_page(cli: Cli) -> None:
    made = [cli.simulator.start_activity(seconds=0, age=100 - number).id for number in range(14)]
    done = cli("activity:list", "--limit=12", "--format=plain", "--no-header", "--columns=id")
    assert done.code == 0, done.err
    assert done.out.split() == made[:1:-1]
    by_type = cli("activity:list", "--type=environment.backup")
    assert by_type.code == 1, "an empty list"
    assert by_type.requests[-1].query["type"] == ["environment.backup"]


def test_an_activity_is_read_by_id_and_by_the_beginning_of_it(cli: Cli) -> None:
    activity = cli.simulator.start_activity(seconds=0)
    for name in (activity.id, activity.id[:6]):
        done = cli("activity:get", name, "--property=state")
        assert (done.code, done.out.strip()) == (0, "complete"), done.err


def test_the_log_of_a_finished_activity(cli: Cli) -> None:
    activity = cli.simulator.start_activity(seconds=0)
    done = cli("activity:log", activity.id)
    assert (done.code, "Finished: success" in done.out) == (0, True), done.err
    assert done.requests[-1].query == {"start_at": ["0"], "max_items": ["0"], "max_delay": ["-1"]}


def test_the_log_of_a_running_activity_is_followed_to_its_end(cli: Cli) -> None:
    activity = cli.simulator.start_activity(seconds=2)
    done = cli("activity:log", activity.id)
    assert (done.code, "Finished: success" in done.out) == (0, True), done.err
    assert activity.state == "complete"


def test_a_redeployment(cli: Cli) -> None:
    assert cli("environment:redeploy", "--yes", "--no-wait").code == 0
    assert _latest(cli, "environment.redeploy")


def test_a_project_that_is_not_there(cli: Cli) -> None:
    done = cli("environment:info", "--project=nothing")
    assert done.code == 1
    assert "Specified project not found" in done.err
    assert "Simulated project" in done.err, "the projects that there are"


def test_a_bad_token_ends_with_1_and_a_stale_bearer_is_replaced_once(cli: Cli) -> None:
    bad = cli("backup:create", "--yes", "--no-wait", UPSUN_CLI_TOKEN="wrong")
    assert (bad.code, bad.posts) == (1, [])
    assert "Invalid API token" in bad.err

    cli.simulator.add_fault("POST */backup expired-bearer")
    once = cli("backup:create", "--yes", "--no-wait")
    assert once.code == 0, once.err
    assert len(once.posts) == 2
    assert len(cli.simulator.request_log()["activities"]) == 1

    cli.simulator.add_fault("GET /projects/* expired-bearer x*")
    assert cli("backup:list").code == 3


@pytest.mark.parametrize("words", [("backup:create", "--yes"), ("source-operation:run", "update")])
def test_too_small_a_role_ends_with_1_and_asks_for_nothing(cli: Cli, words: tuple[str, ...]) -> None:
    cli.simulator.change(role="viewer")
    done = cli(*words)
    assert (done.code, done.posts) == (1, []), done.err
    assert cli.simulator.request_log()["activities"] == []


def test_an_operation_that_is_missing_from_the_list_only_is_looked_for_once_more(cli: Cli) -> None:
    cli.simulator.change(absent_list_links=("#backup",))
    done = cli("backup:create", "--yes", "--no-wait")
    assert done.code == 0, done.err
    assert done.requests[3].path == "/projects/abcdefgh1234z/environments/main"


@pytest.mark.parametrize("outcome", ["failure", "cancelled"])
def test_a_backup_that_does_not_succeed_ends_with_1_when_waited_for(cli: Cli, outcome: str) -> None:
    cli.simulator.change(backup_outcome=outcome)
    done = cli("backup:create", "--yes", "--wait")
    assert done.code == 1, done.err
    assert cli.simulator.request_log()["backups"] == []


@pytest.mark.parametrize(("status", "code"), [(403, 6), (409, 255), (429, 255), (500, 255), (503, 255)])
def test_an_error_of_the_api_has_its_exit_code_and_is_not_retried(cli: Cli, status: int, code: int) -> None:
    cli.simulator.add_fault(f"POST */backup {status} x*")
    done = cli("backup:create", "--yes", "--no-wait")
    assert done.code == code, done.err
    assert len(done.posts) == 1


@pytest.mark.parametrize(("kind", "backups"), [("cut-before", 1), ("reset", 1), ("cut-after", 2), ("reset-after", 2)])
def test_a_kept_connection_that_breaks_makes_it_ask_again_even_for_a_second_backup(
    cli: Cli, kind: str, backups: int
) -> None:
    # Its HTTP library repeats a request, a POST too, when a connection that served before ends without a byte.
    cli.simulator.add_fault(f"POST */backup {kind}")
    done = cli("backup:create", "--yes", "--no-wait")
    assert (done.code, len(done.posts)) == (0, 2), done.err
    assert len(cli.simulator.request_log()["activities"]) == backups


@pytest.mark.parametrize("kind", ["cut-before", "cut-after", "reset"])
def test_a_fresh_connection_that_breaks_ends_with_1(cli: Cli, kind: str) -> None:
    cli.simulator.add_fault(f"POST */backup {kind} x2")
    done = cli("backup:create", "--yes", "--no-wait")
    assert (done.code, len(done.posts)) == (1, 2), done.err


def test_answers_that_stop_in_their_head_make_it_ask_three_times_for_three_backups(cli: Cli) -> None:
    cli.simulator.add_fault("POST */backup half-headers x*")
    done = cli("backup:create", "--yes", "--no-wait")
    assert (done.code, len(done.posts)) == (1, 3), done.err
    assert len(cli.simulator.request_log()["activities"]) == 3


def test_an_answer_that_stops_in_its_body_is_a_failure_though_the_backup_was_accepted(cli: Cli) -> None:
    cli.simulator.add_fault("POST */backup half-body")
    done = cli("backup:create", "--yes", "--no-wait")
    assert (done.code, len(done.posts)) == (202, 1), done.err
    assert len(cli.simulator.request_log()["activities"]) == 1


def test_an_accepting_answer_without_a_body_passes_for_success(cli: Cli) -> None:
    cli.simulator.add_fault("POST */backup empty")
    done = cli("backup:create", "--yes", "--wait")
    assert (done.code, done.out) == (0, ""), done.err


@pytest.mark.parametrize("kind", ["html", 'json body={"half":'])
def test_an_answer_that_is_no_json_ends_with_1(cli: Cli, kind: str) -> None:
    cli.simulator.add_fault(f"POST */backup {kind}")
    assert cli("backup:create", "--yes", "--no-wait").code == 1


def test_nothing_listening_ends_with_1(cli: Cli) -> None:
    cli.server.close()
    assert cli("backup:list").code == 1
