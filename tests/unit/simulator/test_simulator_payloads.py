"""What activities say of who asked, where, what came and what runs since: as the documented examples have it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from upsun_simulator.user import MACHINE, OWNER

from tests.harness.simulator_client import Talker

if TYPE_CHECKING:
    from collections.abc import Callable

    from upsun_simulator import ManualClock

LARGE = {"apps": 3, "services": 4, "workers": 2, "routes": 20}
MARKS = "{[,"


def _push(ask: Talker, clock: ManualClock) -> Any:
    activity = ask.simulator.push()
    clock.advance(20)
    return ask.get(f"{ask.main}/activities/{activity.id}")


def test_a_push_tells_of_its_user_its_commits_and_what_is_deployed_since(ask: Talker, clock: ManualClock) -> None:
    before = ask.get(ask.main)["head_commit"]
    push = _push(ask, clock)
    payload = push["payload"]
    assert set(payload) == {"user", "environment", "commits", "commits_count", "deployment"}
    assert set(payload["user"]) == {"id", "created_at", "updated_at", "display_name"}
    assert (payload["user"]["id"], payload["user"]["display_name"]) == (OWNER.id, "Ada Owner")
    head = ask.get(ask.main)["head_commit"]
    assert (push["parameters"]["old_commit"], push["parameters"]["new_commit"]) == (before, head)
    assert [(one["sha"], one["parents"]) for one in payload["commits"]] == [(head, [before])]
    assert set(payload["commits"][0]["author"]) == {"email", "name", "date"}
    assert payload["commits_count"] == 1
    assert payload["environment"]["head_commit"] == before, "the environment is shown as it was before"
    assert payload["deployment"]["fingerprint"] == head
    assert payload["deployment"]["project_info"]["settings"]["concurrency_limits"]["default"] == 2
    assert "_links" not in (*payload["environment"], *payload["deployment"])
    assert "Redeploying environment main" in push["log"]


def test_the_environment_of_a_payload_has_the_fields_of_the_environment(ask: Talker, clock: ManualClock) -> None:
    ask.back_up()
    clock.advance(21)
    ask.back_up()
    activity = ask.get(f"{ask.main}/activities")[0]
    whole = ask.get(ask.main)
    assert set(activity["payload"]["environment"]) == set(whole) - {"_links"}
    assert activity["payload"]["environment"]["last_backup_at"] == whole["last_backup_at"] is not None
    clock.advance(20)
    assert ask.get(f"{ask.main}/activities")[0]["payload"]["environment"]["last_backup_at"] == whole["last_backup_at"]
    assert activity["payload"]["project"]["id"] == "abcdefgh1234z"


def test_only_what_deployed_tells_of_a_deployment_and_only_at_its_end(ask: Talker, clock: ManualClock) -> None:
    ask.back_up()
    ask.post(f"{ask.main}/redeploy")
    clock.advance(39)
    seen = {one["type"]: one for one in ask.get(f"{ask.main}/activities")}
    assert ["deployment" in one["payload"] for one in seen.values()] == [False, False]
    clock.advance(1)
    assert "deployment" in ask.get(f"{ask.main}/activities?type=environment.redeploy")[0]["payload"]


def test_several_commits_of_one_push_are_all_named_newest_first(ask: Talker, clock: ManualClock) -> None:
    for _ in range(2):
        ask.simulator.push("staging")
        clock.advance(20)
    ask.simulator.change(manual_deployment=True, staging="push")
    ask.post(f"{ask.staging}/merge")
    clock.advance(30)
    push = ask.get(f"{ask.main}/activities?type=environment.push")[0]
    shas = [one["sha"] for one in push["payload"]["commits"]]
    assert shas == [one["sha"] for one in reversed(ask.place("staging")["commits"])][:2]
    assert push["payload"]["commits_count"] == 2


def test_a_commit_that_is_still_on_its_way_is_named_with_the_head_that_it_came_upon(
    make: Callable[..., Talker], clock: ManualClock
) -> None:
    ask = make(source_integration=True, integration_seconds=0, queue_seconds=5)
    before = ask.get(ask.main)["head_commit"]
    ask.update()
    clock.advance(20)
    push = ask.get(f"{ask.main}/activities?type=environment.push&state=pending")[0]
    assert [one["parents"] for one in push["payload"]["commits"]] == [[before]]


def test_a_cron_is_the_platforms_own(ask: Talker) -> None:
    one = ask.simulator.start_activity()
    seen = ask.get(f"{ask.main}/activities/{one.id}")
    assert (seen["payload"]["user"]["id"], seen["payload"]["user"]["display_name"]) == ("admin", "Upsun Bot")
    assert (seen["parameters"]["user"], seen["parameters"]["cron"]) == ("admin", "agent")
    assert seen["parameters"]["spec"]["commands"]["start"].endswith("tick")
    assert seen["text"] == "Upsun Bot ran cron **agent**"
    assert seen["description"] == '<user data-id="admin">Upsun Bot</user> ran cron <strong>agent</strong>'


def test_an_activity_is_told_in_words_with_the_ids_of_what_they_name(ask: Talker) -> None:
    activity = ask.back_up()
    assert activity["text"] == "Update Bot created a backup of Main"
    who, where = f'<user data-id="{MACHINE.id}">Update Bot</user>', '<environment data-id="main">Main</environment>'
    assert activity["description"] == f"{who} created a backup of {where}"


def test_an_activity_is_never_said_to_be_updated_and_expires_after_thirty_days(ask: Talker, clock: ManualClock) -> None:
    ask.back_up()
    clock.advance(20)
    activity = ask.get(f"{ask.main}/activities")[0]
    assert (activity["updated_at"], activity["expires_at"]) == (None, "2026-03-31T12:00:00.000000+00:00")


def _page(ask: Talker, clock: ManualClock) -> str:
    for _ in range(50):
        _push(ask, clock)
    answer = ask("GET", f"{ask.main}/activities?type=environment.push&count=50")
    assert len(answer.content) == 50
    return answer.text


def test_a_page_of_pushes_is_as_large_as_the_documented_example_makes_it(ask: Talker, clock: ManualClock) -> None:
    marks = sum(_page(ask, clock).count(mark) for mark in MARKS)
    assert 15_000 < marks < 60_000


def test_a_page_of_pushes_of_a_larger_project_has_more_than_two_megabytes(
    make: Callable[..., Talker], clock: ManualClock
) -> None:
    ask = make(**LARGE)
    text = _page(ask, clock)
    assert sum(text.count(mark) for mark in MARKS) > 100_000
    assert len(text) > 2_000_000
    deployment = ask.get(f"{ask.main}/activities")[0]["payload"]["deployment"]
    assert {name: len(deployment["webapps" if name == "apps" else name]) for name in LARGE} == LARGE


def test_a_deployment_may_write_a_long_log(make: Callable[..., Talker], clock: ManualClock) -> None:
    ask = make(log_bytes=80_000)
    push = _push(ask, clock)
    assert 80_000 < len(push["log"]) < 82_000
    lines = ask("GET", f"{ask.main}/activities/{push['id']}/log").text.splitlines()
    assert '"seal": true' in lines[-1]
    assert max(len(line) for line in lines) > 80_000


@pytest.mark.parametrize("kind", ["branch", "activate"])
def test_what_brings_an_environment_up_tells_of_the_deployment(ask: Talker, clock: ManualClock, kind: str) -> None:
    if kind == "branch":
        activity = ask.simulator.branch("fresh")
    else:
        ask.simulator.set_status("inactive", "staging")
        activity = ask.simulator.activate("staging")
    clock.advance(60)
    seen = ask.get(f"{ask.project}/activities/{activity.id}")
    assert seen["payload"]["deployment"]["id"] == "current"
