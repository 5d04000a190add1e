"""The sites of the environments: what somebody sees there, and what breaks them."""

from __future__ import annotations

import http.client
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from upsun_simulator import ConnectionCut, ManualClock, Scenario, Simulator, serve

from tests.harness.simulator_client import START, Talker

if TYPE_CHECKING:
    from collections.abc import Callable


def _statuses(ask: Talker) -> tuple[int, int]:
    return ask.site("staging").status, ask.site("main").status


def _update_and_deploy(ask: Talker, clock: ManualClock, path: str, operation: str = "update") -> None:
    ask.update(path, operation)
    clock.advance(40)


def test_a_site_shows_the_commit_that_is_deployed_and_needs_no_bearer(ask: Talker, clock: ManualClock) -> None:
    first = ask.place()["deployed_commit"]
    seen = ask.site()
    assert (seen.status, seen.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert f"commit {first}<" in seen.text
    ask.update()
    clock.advance(20)
    assert first in ask.site().text, "the head moved, and the deployment is under way"
    clock.advance(20)
    assert f"commit {ask.place()['head_commit']}<" in ask.site().text
    assert first in ask.site("staging").text


@pytest.mark.parametrize("path", ["", "/", "/deep/er?x=1", "/api/health"])
def test_every_path_of_a_site_answers_and_the_books_have_it(ask: Talker, path: str) -> None:
    assert ask.site("feature/login", path).status == 200
    record = ask.simulator.requests[-1]
    assert (record.site, record.status, record.acted) == ("feature/login", 200, True)
    assert record.path == f"/_site/feature/login{path.partition('?')[0]}"
    assert ask.simulator.request_log()["requests"][-1]["site"] == "feature/login"


def test_in_process_a_site_answers_at_the_host_of_its_primary_route(ask: Talker) -> None:
    for name in ("main", "feature/login"):
        quoted = name.replace("/", "%2F")
        routes = ask.get(f"{ask.project}/environments/{quoted}/deployments/current")["routes"]
        url, plain = routes
        assert (routes[url]["original_url"], routes[plain]["original_url"]) == (
            "https://{default}/",
            "http://{default}/",
        )
        assert (routes[plain]["type"], routes[plain]["to"], routes[plain]["primary"]) == ("redirect", url, False)
        assert routes[url]["primary"] is True
        assert (routes[url]["type"], routes[url]["upstream"]) == ("upstream", "app:http")
        assert url == f"https://{ask.get(f'{ask.project}/environments/{quoted}')['machine_name']}.simulator.invalid/"
        with ask.client.get("/api/health", base_url=url) as answer:
            assert (answer.status_code, "commit " in answer.get_data(as_text=True)) == (200, True)
        record = ask.simulator.requests[-1]
        assert (record.site, record.path, record.raw_path) == (name, f"/_site/{name}/api/health", "/api/health")
    with ask.client.get("/users/me", base_url="http://other.simulator.invalid") as answer:
        assert answer.status_code == 401, "an unknown host is no site, so this is the API"
    assert ask.simulator.requests[-1].site is None


def test_there_is_no_site_of_an_environment_that_is_not_there(ask: Talker) -> None:
    assert ask.site("nowhere").status == 404
    assert ask.send("POST", "/_site/main/").status == 405


@pytest.mark.parametrize("status", [200, 204, 301, 404, 500, 503, 599])
def test_the_scenario_says_what_a_site_answers(make: Callable[..., Talker], status: int) -> None:
    assert make(site_status=status).site().status == status


@pytest.mark.parametrize("status", [199, 600, "200", True])
def test_a_status_has_to_be_one(status: object) -> None:
    with pytest.raises(ValueError, match="site_status"):
        Scenario(site_status=status)  # type: ignore[arg-type] # that is the test


@pytest.mark.parametrize("status", ["paused", "inactive", "deleting"])
def test_an_environment_that_is_not_active_serves_nothing(ask: Talker, status: str) -> None:
    for name in ("main", "staging"):
        ask.simulator.set_status(status, name)
    assert _statuses(ask) == (503, 503)
    assert "commit" not in ask.site().text


def test_a_new_environment_serves_nothing_until_it_is_up(ask: Talker, clock: ManualClock) -> None:
    ask.post(f"{ask.main}/branch", {"title": "New", "name": "new"})
    assert ask.site("new").status == 503
    clock.advance(30)
    assert ask.site("new").status == 200


@pytest.mark.parametrize("down", [False, True])
def test_a_site_may_be_down_while_it_is_deployed(
    make: Callable[..., Talker], clock: ManualClock, *, down: bool
) -> None:
    ask = make(site_down_while_deploying=down)
    during = 503 if down else 200
    for request, before in (("redeploy", 0), ("source-operation", 15)):
        ask.post(f"{ask.main}/{request}", {"operation": "update"} if before else None)
        clock.advance(before)
        assert _statuses(ask) == (200, during)
        clock.advance(20)
        assert _statuses(ask) == (200, 200)
    ask.back_up()
    assert ask.site().status == 200
    clock.advance(20)
    ask.simulator.change(deploy_mode="inclusive")
    ask.update(ask.staging)
    assert _statuses(ask) == (200, 200)
    clock.advance(16)
    assert _statuses(ask) == (during, 200)
    clock.advance(20)
    ask.post(f"{ask.staging}/merge")
    assert _statuses(ask) == (200, 200)
    clock.advance(11)
    assert _statuses(ask) == (200, during)
    clock.advance(20)
    assert _statuses(ask) == (200, 200)


@pytest.mark.parametrize(
    ("breaks", "there", "here"),
    [("never", 200, 200), ("staging", 500, 200), ("production", 200, 500), ("everywhere", 500, 500)],
)
def test_what_an_update_breaks_shows_where_its_commit_is_deployed_and_a_merge_carries_it(
    make: Callable[..., Talker], clock: ManualClock, breaks: str, there: int, here: int
) -> None:
    ask = make(update_breaks_site=breaks)
    _update_and_deploy(ask, clock, ask.staging)
    assert _statuses(ask) == (there, 200)
    # The merge makes a commit of its own: production went on meanwhile.
    ask.simulator.push("main")
    ask.post(f"{ask.staging}/merge")
    clock.advance(60)
    assert _statuses(ask) == (there, here)


def test_a_broken_update_that_was_asked_for_before_the_scenario_changed_is_broken(
    make: Callable[..., Talker], clock: ManualClock
) -> None:
    ask = make(update_breaks_site="everywhere")
    ask.update()
    ask.simulator.change(update_breaks_site="never")
    clock.advance(40)
    assert ask.site().status == 500
    _update_and_deploy(ask, clock, ask.main)
    assert ask.site().status == 200, "the next update is a good one"


@pytest.mark.parametrize("mode", ["follows", "inclusive"])
def test_a_revert_mends_the_site_whatever_the_scenario_says_of_updates(
    make: Callable[..., Talker], clock: ManualClock, mode: str
) -> None:
    ask = make(update_breaks_site="everywhere", source_operations=("update", "revert"), deploy_mode=mode)
    _update_and_deploy(ask, clock, ask.main)
    assert ask.site().status == 500
    broken = ask.place()["head_commit"]
    _update_and_deploy(ask, clock, ask.main, "revert")
    assert ask.site().status == 200
    assert ask.place()["head_commit"] != broken
    # What is mended stays mended when it travels.
    ask.post(f"{ask.staging}/synchronize", {"synchronize_code": True})
    clock.advance(60)
    assert _statuses(ask) == (200, 200)


@pytest.mark.parametrize(("outcome", "state"), [("failure", "complete"), ("cancelled", "cancelled")])
def test_a_revert_may_not_succeed(make: Callable[..., Talker], clock: ManualClock, outcome: str, state: str) -> None:
    ask = make(update_breaks_site="everywhere", source_operations=("update", "revert"), revert_outcome=outcome)
    _update_and_deploy(ask, clock, ask.main)
    head = ask.place()["head_commit"]
    _update_and_deploy(ask, clock, ask.main, "revert")
    assert (ask.place()["head_commit"], ask.site().status) == (head, 500)
    revert = ask.get(f"{ask.main}/activities")[0]
    assert (revert["state"], revert["result"]) == (state, "failure")


def test_a_merge_of_a_revert_mends_the_parent_and_one_of_other_work_does_not(
    make: Callable[..., Talker], clock: ManualClock
) -> None:
    ask = make(update_breaks_site="everywhere", source_operations=("update", "revert"))
    _update_and_deploy(ask, clock, ask.staging)
    ask.post(f"{ask.staging}/merge")
    clock.advance(60)
    ask.simulator.push("main")
    ask.simulator.push("staging")
    ask.post(f"{ask.staging}/merge")
    clock.advance(60)
    assert _statuses(ask) == (500, 500)
    ask.simulator.push("main")
    _update_and_deploy(ask, clock, ask.staging, "revert")
    ask.post(f"{ask.staging}/merge")
    clock.advance(60)
    assert _statuses(ask) == (200, 200)


def test_a_restore_with_code_mends_the_site_and_one_without_does_not(
    make: Callable[..., Talker], clock: ManualClock
) -> None:
    ask = make(update_breaks_site="production")
    backup = ask.simulator.add_backup()
    _update_and_deploy(ask, clock, ask.main)
    for code, status in ((False, 500), (True, 200)):
        ask.post(f"{ask.main}/backups/{backup.id}/restore", {"restore_code": code})
        clock.advance(40)
        assert ask.site().status == status
    assert f"commit {backup.commit_id}<" in ask.site().text
    ask.post(f"{ask.main}/redeploy")
    clock.advance(20)
    assert ask.site().status == 500, "a later deployment builds the head again"


def test_a_push_from_outside_can_break_or_mend_a_site(ask: Talker, clock: ManualClock) -> None:
    for breaks, status in (("production", 500), (None, 500), ("never", 200), (None, 200)):
        ask.simulator.push(breaks=breaks)  # type: ignore[arg-type] # mypy widens the words of the tuple
        clock.advance(20)
        assert ask.site().status == status
    with pytest.raises(ValueError, match="sometimes"):
        ask.simulator.push(breaks="sometimes")  # type: ignore[arg-type] # that is the test


def test_a_commit_that_went_through_an_integration_is_as_broken_as_it_was(
    make: Callable[..., Talker], clock: ManualClock
) -> None:
    ask = make(update_breaks_site="production", source_integration=True)
    _update_and_deploy(ask, clock, ask.main)
    clock.advance(10)
    assert ask.site().status == 500


def test_faults_hit_sites_too(ask: Talker) -> None:
    ask.simulator.add_fault("GET /_site/staging/* 502")
    ask.simulator.add_fault("GET /_site/main/* cut-before")
    assert ask.site("staging").status == 502
    with pytest.raises(ConnectionCut):
        ask.site("main")
    assert _statuses(ask) == (200, 200)


def test_on_a_socket_sites_are_below_one_path_and_at_their_hosts() -> None:
    simulator = Simulator(Scenario(), ManualClock(START))
    with serve(simulator) as server, closing(http.client.HTTPConnection("127.0.0.1", server.port)) as connection:
        machine = simulator.state.environments["staging"].machine_name
        asked: list[tuple[str, str, dict[str, str]]] = [
            ("feature/login", "/_site/feature%2Flogin/a/b", {}),
            ("main", "/_site/main", {}),
            ("staging", "/a", {"Host": f"{machine}.simulator.invalid:{server.port}"}),
        ]
        for name, path, headers in asked:
            for method in ("GET", "HEAD"):
                connection.request(method, path, headers=headers)
                answer = connection.getresponse()
                text = answer.read().decode()
                assert (answer.status, "commit " in text) == (200, method == "GET")
                assert simulator.requests[-1].site == name
