"""What is read: environments and their links, activities page by page, backups, operations, limits."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from upsun_agent.errors import BadReply

from tests.harness.api_client import HOST, MAIN, PROJECT, Desk, Scripted

Make = Callable[..., Desk]


# --- environments and their links ----------------------------------------------------------------------------------


def test_an_environment_is_read_with_the_servers_own_clock(desk: Desk) -> None:
    seen = desk.client.environment(PROJECT, "main")
    assert (seen.id, seen.type, seen.status, seen.is_dirty) == ("main", "production", "active", False)
    assert seen.server_at == desk.manual_clock.now()
    assert seen.head_commit == desk.simulator.request_log()["environments"]["main"]["head_commit"]
    assert seen.deployment is not None
    assert seen.deployment.successful is True
    assert seen.has_staged_activities is False


def test_links_keep_their_path_and_lose_their_host(make: Make) -> None:
    regional, plain = make(regional_links=True), make(regional_links=False)
    for desk, prefix in ((regional, "/api"), (plain, "")):
        links = desk.client.environment(PROJECT, "main").links
        assert links["#backup"] == f"{prefix}{MAIN}/backup"
        assert links["#source-operation"] == f"{prefix}{MAIN}/source-operation"
    assert "#backup" not in make(role="viewer").client.environment(PROJECT, "main").links


def document(**links: object) -> bytes:
    """An environment with these links."""
    own = {"self": {"href": MAIN}}
    return json.dumps({"id": "main", "type": "production", "status": "active", "_links": {**own, **links}}).encode()


def linked(desk: Desk, body: bytes) -> dict[str, str]:
    """The links that are read from that environment."""
    desk.client = desk.client_with("a-token", Scripted({MAIN: body}))
    return dict(desk.client.environment(PROJECT, "main").links)


@pytest.mark.parametrize(
    "href",
    [
        "https://evil.example",
        "//evil.example",
        "////evil.example/backup",
        "javascript:alert(1)",
        "backup",
        "",
        "/projects/../oauth2/token",
        "/projects/./backup",
        "/projects/p/%2e%2e/backup",
        "/projects/p/.%2E/backup",
        "/projects/p/%252e%252e/backup",
        "/projects/p/..%2fbackup",
        "/projects/p/..%5cbackup",
        "/projects/p/..\\backup",
        "/projects/a b/backup",
        "/projects/a\nb",
        "/projects/a\u202eb",
        "http://[::1/backup",
        "/" + "a" * 3000,
        "/projects/p/backup{?x}",
        "/projects/{project}/backup",
        "/projects/p/<backup>",
    ],
    ids=ascii,
)
def test_a_link_that_is_no_path_is_there_and_leads_nowhere(desk: Desk, href: str) -> None:
    assert linked(desk, document(**{"#backup": {"href": href}})) == {"#backup": ""}


@pytest.mark.parametrize("activity", ["..", ".", "", "a/..", "../..", "%2e%2e", "..%2f", "a\\.."], ids=ascii)
def test_an_activity_whose_id_leads_elsewhere_is_neither_read_nor_cancelled(desk: Desk, activity: str) -> None:
    before = desk.requests
    for ask in (desk.client.activity, desk.client.cancel_activity):
        with pytest.raises(BadReply, match="is not a valid name in a path"):
            ask(PROJECT, activity)
    assert desk.requests == before


@pytest.mark.parametrize("host", ["https://evil.example", "//evil.example", "http://user:pass@evil.example:81", "//"])
def test_a_link_to_another_host_is_followed_at_the_configured_host_only(desk: Desk, host: str) -> None:
    app = Scripted({MAIN: document(**{"#backup": {"href": f"{host}/taken?q=1#f"}}), "/taken": ("202 Accepted", b"{}")})
    client = desk.client_with("a-token", app)
    path = client.environment(PROJECT, "main").links["#backup"]
    assert client.post(path, {"safe": True}).status == 202
    assert [environ["HTTP_HOST"] for environ in app.seen] == [HOST.removeprefix("http://")] * 3
    assert app.seen[-1]["PATH_INFO"] == "/taken"
    assert app.seen[-1]["QUERY_STRING"] == ""


@pytest.mark.parametrize(
    "link",
    [
        {"href": "ssh://abc-main--app@ssh.eu-5.platform.sh"},
        {"href": "https://console.upsun.com"},
        {"href": "mailto:somebody@example.com"},
        {"href": "/path{?query}", "templated": True},
        [{"href": "/a"}, {"href": "/b"}],
        "text",
        None,
    ],
    ids=str,
)
def test_links_that_are_not_operations_are_not_ours_to_judge(desk: Desk, link: object) -> None:
    found = linked(desk, document(**{"#backup": {"href": "/b"}, "pf:ssh:app": link}))
    assert found == {"#backup": "/b"}


@pytest.mark.parametrize("link", [{}, {"href": None}, {"href": 7}, None, [], "text"], ids=str)
def test_an_operation_without_an_address_is_not_offered(desk: Desk, link: object) -> None:
    assert linked(desk, document(**{"#backup": link})) == {}


# --- activities -----------------------------------------------------------------------------------------------------


def crowd(desk: Desk, number: int, kind: str = "environment.cron") -> list[str]:
    """That many activities a second apart; their ids, newest first."""
    ids = []
    for _ in range(number):
        ids.append(desk.simulator.start_activity(type=kind, seconds=0).id)
        desk.manual_clock.advance(1)
    return ids[::-1]


def test_more_activities_than_one_page_holds_are_all_found(desk: Desk) -> None:
    begun = desk.manual_clock.now()
    ids = crowd(desk, 45)
    desk.client.begin(60)
    listed = desk.client.activities(PROJECT, "main", since=begun)
    assert [activity.id for activity in listed.items] == ids
    assert listed.complete is True
    assert listed.server_at == desk.manual_clock.now()
    assert desk.asked("/activities") == 5


def test_a_listing_ends_at_the_moment_from_which_it_is_asked_for(desk: Desk) -> None:
    ids = crowd(desk, 60)
    desk.client.begin(60)
    listed = desk.client.activities(PROJECT, "main", since=desk.manual_clock.now() - timedelta(seconds=20))
    assert [activity.id for activity in listed.items][:20] == ids[:20]
    assert listed.complete is True
    assert desk.asked("/activities") == 4, "with the seconds by which clocks may be apart"


def test_without_a_moment_one_page_is_enough(desk: Desk) -> None:
    crowd(desk, 15)
    desk.client.begin(60)
    assert len(desk.client.activities(PROJECT, "main").items) == 10
    assert desk.asked("/activities") == 1


def test_all_that_run_are_listed_however_many_there_are(desk: Desk) -> None:
    restore = desk.simulator.start_activity(type="environment.restore", seconds=None)
    for _ in range(25):
        desk.manual_clock.advance(1)
        desk.simulator.start_activity(type="environment.cron", seconds=None)
    desk.client.begin(60)
    listed = desk.client.activities(PROJECT, "main", incomplete=True)
    assert len(listed.items) == 26
    assert listed.items[-1].id == restore.id
    assert listed.complete is True


def test_a_listing_beyond_all_bounds_says_that_it_is_not_complete(desk: Desk) -> None:
    begun = desk.manual_clock.now()
    crowd(desk, 230)
    desk.client.begin(60)
    listed = desk.client.activities(PROJECT, "main", since=begun)
    assert listed.complete is False
    # About 200: each page begins with the item that the one before it ended with.
    assert 190 < len(listed.items) < 230


def test_an_api_that_knows_no_paging_is_not_asked_forever(desk: Desk) -> None:
    one = {"id": "a", "type": "t", "state": "complete", "created_at": "2026-03-02T03:00:00+00:00"}
    page = json.dumps([{**one, "id": f"a{number}"} for number in range(50)]).encode()
    app = Scripted({f"{MAIN}/activities": page})
    client = desk.client_with("a-token", app)
    listed = client.activities(PROJECT, "main", since=desk.manual_clock.now() - timedelta(days=1))
    assert len(listed.items) == 50
    assert len(app.seen) == 3  # the token, the page, and the same page again


def test_activities_are_asked_for_by_type_and_state(desk: Desk) -> None:
    crowd(desk, 2)
    backup = desk.simulator.start_activity(type="environment.backup", seconds=None)
    push = desk.simulator.start_activity(type="environment.push", seconds=None)
    desk.client.begin(60)
    types = ("environment.push", "environment.redeploy")
    assert [each.id for each in desk.client.activities(PROJECT, "main", types=types).items] == [push.id]
    listed = desk.client.activities(PROJECT, "main", incomplete=True)
    assert [each.id for each in listed.items] == [push.id, backup.id]
    assert {each.finished for each in listed.items} == {False}
    assert desk.client.activities(PROJECT, "staging").items == ()


def test_an_activity_says_whose_it_is_and_what_it_names(desk: Desk) -> None:
    name = desk.simulator.start_activity(type="environment.backup", user="ada", seconds=0).id
    activity = desk.client.activity(PROJECT, name)
    assert activity is not None
    assert activity.user is not None
    assert activity.payload["backup_name"] == desk.simulator.request_log()["backups"][0]["id"]
    assert (activity.state, activity.result, activity.succeeded) == ("complete", "success", True)
    assert activity.created_at == desk.manual_clock.now()


# --- the rest ---------------------------------------------------------------------------------------------------------


def test_backups_are_read_with_what_proves_them(desk: Desk) -> None:
    old = desk.simulator.add_backup(age=600, automated=True, safe=False)
    new = desk.simulator.add_backup(age=60, restorable=False)
    listed = {backup.id: backup for backup in desk.client.backups(PROJECT, "main")}
    assert set(listed) == {old.id, new.id}
    assert (listed[old.id].automated, listed[old.id].safe, listed[old.id].restorable) == (True, False, True)
    found = desk.client.backup(PROJECT, "main", new.id)
    assert found == listed[new.id]
    assert found is not None
    assert (found.status, found.restorable, found.environment) == ("CREATED", False, "main")
    assert found.created_at == desk.manual_clock.now() - timedelta(seconds=60)


def test_source_operations_are_named_with_their_app(make: Make) -> None:
    desk = make(source_operations=("update", "rebuild"))
    assert desk.client.source_operations(PROJECT, "main") == [("app", "update"), ("app", "rebuild")]


def test_the_backup_limit_is_read_by_type_of_environment(make: Make) -> None:
    assert make(backup_limit=3).client.manual_backup_limits(PROJECT)["production"] == 3


@pytest.mark.parametrize(
    "body",
    [b"{}", b"[]", b"null", b'{"data_retention": []}', b'{"data_retention": {"production": {"default_config": 7}}}'],
)
def test_settings_that_say_nothing_of_backups_are_no_error(desk: Desk, body: bytes) -> None:
    client = desk.client_with("a-token", Scripted({f"/projects/{PROJECT}/settings": body}))
    assert client.manual_backup_limits(PROJECT) == {}


@pytest.mark.parametrize(
    ("date", "believed"),
    [
        ("Mon, 02 Mar 2026 05:00:00 GMT", True),
        ("Mon, 02 Mar 2026 06:00:00 +0100", True),
        ("yesterday", False),
        ("", False),
        ("Fri, 31 Dec 9999 23:59:59 GMT", False),
        ("Fri, 31 Dec 9999 23:59:59 -2359", False),
        ("Thu, 01 Jan 1200 00:00:00 GMT", False),
    ],
)
def test_a_date_of_the_server_is_believed_where_it_can_be_one(desk: Desk, date: str, believed: object) -> None:
    app = Scripted({MAIN: document()})
    app.headers = [("Date", date)]
    seen = desk.client_with("a-token", app).environment(PROJECT, "main")
    expected = desk.manual_clock.now() + timedelta(hours=2) if believed else desk.manual_clock.now()
    assert seen.server_at == expected
