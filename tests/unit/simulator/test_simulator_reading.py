from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from upsun_simulator import ManualClock, Simulator, SystemClock
from upsun_simulator.documents.reference import reference

from tests.harness.simulator_client import START, Talker

if TYPE_CHECKING:
    from collections.abc import Callable


def _numbers(ask: Talker, query: str = "") -> list[str]:
    return [one["id"] for one in ask.get(f"{ask.main}/activities{query}")]


def test_activities_are_listed_newest_first_ten_at_a_time_or_as_many_as_asked(ask: Talker, clock: ManualClock) -> None:
    made = []
    for _ in range(25):
        made.append(ask.simulator.start_activity(seconds=0).id)
        clock.advance(1)
    newest_first = made[::-1]
    assert _numbers(ask) == newest_first[:10]
    assert _numbers(ask, "?count=3") == newest_first[:3]
    assert _numbers(ask, "?count=1000") == newest_first
    assert _numbers(ask, "?count=0") == newest_first
    ask.simulator.change(page_size=4)
    assert _numbers(ask) == newest_first[:4]


def _all_pages(ask: Talker, start: str = "2999-01-01") -> list[str]:
    """What the official client's loop finds: it drops by its id what a page repeats, and ends when nothing is new."""
    found: dict[str, Any] = {}
    while True:
        page = ask.get(f"{ask.main}/activities?starts_at={start}")
        fresh = [one for one in page if one["id"] not in found]
        if not fresh:
            return list(found)
        found.update((one["id"], one) for one in fresh)
        start = fresh[-1]["created_at"]


def test_paging_by_creation_time_loses_nothing_of_the_same_moment(ask: Talker, clock: ManualClock) -> None:
    made = []
    for _ in range(5):
        made += [ask.simulator.start_activity(seconds=0).id for _ in range(7)]
        clock.advance(0.25)
    assert len({one["created_at"] for one in ask.get(f"{ask.main}/activities?count=100")}) == 5
    assert _all_pages(ask) == made[::-1]


def test_starts_at_is_the_latest_moment_that_is_wanted(ask: Talker, clock: ManualClock) -> None:
    first = ask.simulator.start_activity(seconds=0).id
    clock.advance(1)
    second = ask.simulator.start_activity(seconds=0).id
    at = {one["id"]: one["created_at"] for one in ask.get(f"{ask.main}/activities")}
    assert _numbers(ask, f"?starts_at={at[second]}") == [second, first]
    assert _numbers(ask, f"?starts_at={at[first]}") == [first]


def test_starts_at_may_carry_a_plus_plainly_or_encoded(ask: Talker, clock: ManualClock) -> None:
    first = ask.simulator.start_activity(seconds=0).id
    clock.advance(10)
    ask.simulator.start_activity(seconds=0)
    plain = (START + timedelta(seconds=5)).isoformat()
    assert "+00:00" in plain
    assert _numbers(ask, f"?starts_at={plain}") == [first]
    assert _numbers(ask, f"?starts_at={quote(plain, safe='')}") == [first]


def test_activities_are_filtered_by_type_state_and_result(ask: Talker, clock: ManualClock) -> None:
    ask.back_up()
    clock.advance(20)
    ask.update()
    ask.back_up()
    assert len(_numbers(ask, "?type=environment.backup")) == 2
    assert len(_numbers(ask, "?type=environment.backup&type=environment.source-operation")) == 3
    assert len(_numbers(ask, "?type=environment.backup&state=pending&state=in_progress")) == 1
    assert len(_numbers(ask, "?result=success")) == 1
    assert _numbers(ask, "?type=environment.push") == []


@pytest.mark.parametrize("query", ["count=many", "count=-1", "starts_at=yesterday", "starts_at="])
def test_a_filter_that_cannot_be_read_is_refused(ask: Talker, query: str) -> None:
    assert ask("GET", f"{ask.main}/activities?{query}").status == 400


def test_a_list_that_lags_shows_late_what_a_single_read_shows_at_once(
    make: Callable[..., Talker], clock: ManualClock
) -> None:
    ask = make(list_lag_seconds=10)
    activity = ask.back_up()
    assert _numbers(ask) == []
    assert ask.get(f"{ask.project}/activities/{activity['id']}")["state"] == "in_progress"
    clock.advance(9.9)
    assert _numbers(ask) == []
    clock.advance(0.1)
    assert _numbers(ask) == [activity["id"]]
    assert [one["id"] for one in ask.get(f"{ask.project}/activities")] == [activity["id"]]


def test_an_activity_is_found_under_its_own_environment_only(ask: Talker) -> None:
    activity = ask.back_up()["id"]
    assert ask("GET", f"{ask.main}/activities/{activity}").status == 200
    assert ask("GET", f"{ask.project}/environments/staging/activities/{activity}").status == 404
    assert ask("GET", f"{ask.project}/activities/nothing").status == 404


def test_stray_parameters_do_not_disturb_the_read_of_an_activity(ask: Talker) -> None:
    activity = ask.back_up()["id"]
    assert ask("GET", f"{ask.project}/activities/{activity}?count=1").status == 200


def test_only_an_unfinished_activity_can_be_cancelled_by_its_link(ask: Talker, clock: ManualClock) -> None:
    activity = ask.back_up()
    assert activity["_links"]["#cancel"]["href"].endswith("/cancel")
    clock.advance(20)
    assert "#cancel" not in ask.get(f"{ask.project}/activities/{activity['id']}")["_links"]


def test_a_log_is_sealed_once_the_activity_is_over(ask: Talker, clock: ManualClock) -> None:
    path = f"{ask.project}/activities/{ask.back_up()['id']}/log"
    running = [json.loads(line) for line in ask("GET", path).text.splitlines()]
    assert [one["_id"] for one in running] == ["1"]
    clock.advance(20)
    lines = [json.loads(line) for line in ask("GET", f"{path}?start_at=0&max_items=0&max_delay=-1").text.splitlines()]
    assert lines[0] == running[0]
    assert lines[1]["data"] == {"timestamp": "2026-03-01T12:00:20.000000+00:00", "message": "Finished: success\n"}
    assert lines[2:] == [{"seal": True}]
    assert json.loads(ask("GET", f"{path}?start_at=1&max_items=1").text.splitlines()[0])["_id"] == "2"
    assert ask("GET", f"{path}?max_items=1").text.count("\n") == 1


def test_a_log_read_with_stray_or_unreadable_parameters_is_refused(ask: Talker) -> None:
    path = f"{ask.project}/activities/{ask.back_up()['id']}/log"
    assert ask("GET", f"{path}?count=1").status == 400
    assert ask("GET", f"{path}?start_at=x").status == 400


def test_everything_answers_with_and_without_the_prefix_api(ask: Talker) -> None:
    assert ask("GET", f"/api{ask.main}").text == ask("GET", ask.main).text
    assert ask("GET", "/api/users/me").status == 200
    assert {one.path for one in ask.simulator.requests} == {"/oauth2/token", ask.main, "/users/me"}
    assert f"/api{ask.main}" in {one.raw_path for one in ask.simulator.requests}


def test_an_id_with_a_slash_is_one_segment_when_encoded_and_nothing_when_not(ask: Talker) -> None:
    path = f"{ask.project}/environments/feature%2Flogin"
    assert ask.get(path)["id"] == "feature/login"
    assert ask.back_up(path)["environments"] == ["feature/login"]
    assert ask.get(f"{path}/activities")[0]["environments"] == ["feature/login"]
    assert ask("GET", f"{ask.project}/environments/feature/login").status == 404
    recorded = [one for one in ask.simulator.requests if one.raw_path == path]
    assert recorded[0].path == f"{ask.project}/environments/feature/login"


def test_a_client_in_process_that_lost_the_encoding_still_reaches_an_id_with_a_slash(sim: Simulator) -> None:
    ask = Talker(sim)
    ask("GET", "/users/me")
    seen: list[str] = []

    def start_response(status: str, _headers: object, _error: object = None) -> Any:
        seen.append(status)

    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": f"{ask.project}/environments/feature/login/activities",
        "QUERY_STRING": "count=1",
        "HTTP_AUTHORIZATION": f"Bearer {ask.bearer}",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
    }
    b"".join(sim.wsgi(environ, start_response))
    assert seen == ["200 OK"]
    assert sim.requests[-1].raw_path == f"{ask.project}/environments/feature%2Flogin/activities?count=1"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/projects", 404),
        ("GET", "/projects/other", 404),
        ("GET", "/projects/other/environments", 404),
        ("GET", "/projects/abcdefgh1234z/environments/none", 404),
        ("GET", "/projects/abcdefgh1234z/environments/none/backups", 404),
        ("GET", "/projects/abcdefgh1234z/environments/main/backups/none", 404),
        ("GET", "/projects/abcdefgh1234z/environments/main/deployments/7", 404),
        ("GET", "/projects/abcdefgh1234z/environments/main/variables/none", 404),
        ("GET", "/projects/abcdefgh1234z/variables/none", 404),
        ("GET", "/projects/abcdefgh1234z/tasks", 404),
        ("GET", "/projects/abcdefgh1234z/environment-types/none", 404),
        ("POST", "/projects/abcdefgh1234z/invitations", 403),
        ("GET", "/projects/abcdefgh1234z/integrations", 403),
        ("POST", "/projects/abcdefgh1234z", 405),
        ("PUT", "/projects/abcdefgh1234z/environments/main", 405),
        ("GET", "/ref/users?in=x&sig=x", 403),
        ("GET", "/projects/abcdefgh1234z/user-access", 403),
        ("GET", "/organizations/none", 404),
        ("GET", "/projects/abcdefgh1234z/git/commits/none", 404),
        ("GET", "/users/0b5f2c9e-0000-0000-0000-000000000000", 403),
        ("GET", "/users/0b5f2c9e-0000-0000-0000-000000000000/extended-access", 403),
        ("GET", "/ref/users?sig=x", 400),
        ("GET", "/ref/users?in=x", 400),
        ("GET", "//projects//abcdefgh1234z", 404),
        ("GET", "/projects/%ff/%00", 404),
    ],
)
def test_an_error_has_the_documented_shape(ask: Talker, method: str, path: str, status: int) -> None:
    answer = ask(method, path)
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/json"
    content = answer.content
    assert content["code"] == status
    assert {"status", "title", "message", "detail", "error"} <= set(content)


def test_a_body_that_is_not_json_is_refused(ask: Talker) -> None:
    ask("GET", "/users/me")
    headers = {"Authorization": f"Bearer {ask.bearer}"}
    assert ask.send("POST", f"{ask.main}/backup", "{", headers=headers).status == 400
    assert ask.simulator.requests[-1].body == "{"


def test_references_name_what_is_known_and_say_null_for_the_rest(ask: Talker) -> None:
    me = ask.get("/users/me")["id"]
    assert ask.get(reference("users", me, "nobody")["href"])["nobody"] is None
    assert ask.get(reference("projects", "abcdefgh1234z", "other")["href"])["other"] is None
    access = ask.get(f"/users/{me}/extended-access?filter[resource_type]=project")["items"]
    assert [row["resource_id"] for row in access] == ["abcdefgh1234z"]
    organization = access[0]["organization_id"]
    assert ask.get(reference("organizations", organization)["href"])[organization]["id"] == organization
    assert ask.get(f"/users/{me}/extended-access?filter[resource_type]=organization")["items"] == []


def test_every_answer_carries_the_simulators_date(ask: Talker, clock: ManualClock) -> None:
    assert ask("GET", "/users/me").headers["Date"] == "Sun, 01 Mar 2026 12:00:00 GMT"
    clock.advance(61)
    assert ask("GET", "/nothing").headers["Date"] == "Sun, 01 Mar 2026 12:01:01 GMT"


def test_history_can_be_given_an_age(ask: Talker) -> None:
    done = ask.simulator.start_activity(type="environment.backup", seconds=10, age=3600)
    running = ask.simulator.start_activity(seconds=60, age=30)
    assert (done.state, running.state) == ("complete", "in_progress")
    assert ask.get(f"{ask.main}/backups")[0]["created_at"] == "2026-03-01T11:00:10.000000+00:00"
    assert ask.get(f"{ask.project}/activities/{running.id}")["completion_percent"] == 50


def test_the_books_hold_requests_activities_backups_and_environments(ask: Talker, clock: ManualClock) -> None:
    ask.back_up()
    ask.update()
    clock.advance(60)
    request_log = ask.simulator.request_log()
    assert json.loads(json.dumps(request_log)) == request_log
    assert [one["path"] for one in request_log["requests"]] == [
        "/oauth2/token",
        f"{ask.main}/backup",
        f"{ask.main}/source-operation",
    ]
    assert [one["type"] for one in request_log["activities"]] == [
        "environment.backup",
        "environment.source-operation",
        "environment.push",
    ]
    assert len(request_log["backups"]) == 1
    main = request_log["environments"]["main"]
    assert main["deployed_commit"] == main["head_commit"] == main["commits"][-1]["sha"]
    assert main["commits"][-1]["by"] == request_log["activities"][1]["id"]
    assert main["deployments"][-1]["activity"] == request_log["activities"][2]["id"]


def test_whoever_names_nothing_known_is_told(sim: Simulator) -> None:
    for call in (lambda: sim.push("none"), lambda: sim.finish_activity("none"), lambda: sim.pause("none")):
        with pytest.raises(ValueError, match="there is no"):
            call()
    with pytest.raises(ValueError, match="is complete"):
        sim.cancel_activity(sim.start_activity(seconds=0).id)


def test_clocks_speak_utc_and_refuse_what_has_no_zone(clock: ManualClock) -> None:
    assert SystemClock().now().utcoffset() == timedelta(0)
    with pytest.raises(ValueError, match="no time zone"):
        clock.set(START.replace(tzinfo=None))
    with pytest.raises(ValueError, match="cannot advance"):
        clock.advance(-1)


def test_an_environment_added_later_is_as_good_as_the_others(ask: Talker) -> None:
    ask.simulator.add_environment("pr-7")
    assert ask.back_up(f"{ask.project}/environments/pr-7")["environments"] == ["pr-7"]


@pytest.mark.parametrize("name", ["trunk", "staging", "release/7"])
def test_production_may_have_any_name(make: Callable[..., Talker], name: str) -> None:
    ask = make(environment=name)
    found = ask.get(f"{ask.project}/environments")
    assert [one["id"] for one in found if one["type"] == "production"] == [name]
    assert ask.back_up(f"{ask.project}/environments/{quote(name, safe='')}")["environments"] == [name]


def test_a_dropped_backup_is_gone(ask: Talker) -> None:
    backup = ask.simulator.add_backup(restorable=False, safe=False)
    assert ask.get(f"{ask.main}/backups/{backup.id}")["restorable"] is False
    ask.simulator.drop_backup(backup.id)
    assert ask.get(f"{ask.main}/backups") == []
