"""Lists of activities as large as real ones, and larger: what is asked for can be read, or is said to be missing."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from upsun_agent.api.client import Client
from upsun_agent.api.shorten import Shortener
from upsun_agent.errors import BadReply
from upsun_agent.limits import BODY_MOST_BYTES, JSON_MARKS_MOST

from tests.harness.api_client import MAIN, PROJECT, Desk

BEGUN = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)


def push(number: int, *, log: int = 0, routes: int = 20, kind: str = "environment.push") -> dict[str, Any]:
    """A push as the platform documents it: with the whole deployment of 3 apps, 4 services, 2 workers, and its log."""
    app = {
        "name": "app",
        "type": "php:8.3",
        "disk": 2048,
        "resources": {"base_memory": 64, "memory_ratio": 128},
        "relationships": {f"r{each}": {"service": f"s{each}", "endpoint": "main"} for each in range(4)},
        "mounts": {f"/m{each}": {"source": "storage", "source_path": f"m{each}"} for each in range(6)},
        "hooks": {"build": "set -e\n" + "make\n" * 300, "deploy": "set -e\n" + "migrate\n" * 90, "post_deploy": None},
        "crons": {f"c{each}": {"spec": "* * * * *", "commands": {"start": "run", "stop": None}} for each in range(5)},
        "web": {"locations": {f"/{each}": {"root": "public", "passthru": "/index.php"} for each in range(8)}},
        "variables": {"env": {f"V{each}": [each] for each in range(30)}},
        "preflight": {"enabled": True, "ignored_rules": []},
    }
    deployment = {
        "webapps": {f"app{each}": app for each in range(3)},
        "workers": {f"worker{each}": app for each in range(2)},
        "services": {f"s{each}": {"type": "mysql:10.11", "disk": 4096, "access": {}} for each in range(4)},
        "routes": {
            f"https://r{each}.example.com/": {
                "primary": each == 0,
                "type": "upstream",
                "upstream": "app0",
                "cache": {
                    "enabled": True,
                    "default_ttl": 0,
                    "cookies": ["*"],
                    "headers": ["Accept", "Accept-Language"],
                },
                "redirects": {"expires": "-1s", "paths": {}},
                "ssi": {"enabled": False},
                "tls": {"strict_transport_security": {"enabled": None}, "min_version": None},
            }
            for each in range(routes)
        },
        "container_profiles": {f"p{each}": {str(size): {"cpu": size} for size in range(12)} for each in range(40)},
        "settings": {f"setting{each}": each for each in range(60)},
        "capabilities": {f"capability{each}": {"enabled": True} for each in range(60)},
    }
    return {
        "id": f"push{number}",
        "created_at": (BEGUN + timedelta(seconds=number)).isoformat(),
        "type": kind,
        "parameters": {},
        "state": "complete",
        "result": "success",
        "completed_at": None,
        "log": '\\W: Building "app"…\n' * (log // 20),
        "payload": {
            "user": {"id": "u1", "display_name": "Ada", "metadata": {"teams": ["x"] * 50}},
            "deployment": deployment,
            "project": {"id": PROJECT, "settings": {str(each): each for each in range(50)}},
            "commits": [{"sha": "abc", "author": {"name": "Ada"}, "message": "m" * 500}],
            "backup_name": None,
        },
    }


class Activities:
    """A list of activities as the API serves it: newest first, by ``count`` and ``starts_at``."""

    def __init__(self, items: list[Any], *, inclusive: bool = False, most: int = 1000) -> None:
        self.items = items
        self.most = most
        self.inclusive = inclusive
        self.counts: list[int] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        """Answer one request."""
        start_response("200 OK", [("Content-Type", "application/json")])
        if environ["PATH_INFO"] == "/oauth2/token":
            return [b'{"access_token": "opaque-access-token", "expires_in": 900}']
        assert environ["PATH_INFO"] == f"{MAIN}/activities"
        query = parse_qs(environ["QUERY_STRING"])
        count, before = int(query["count"][0]), query.get("starts_at", [None])[0]
        self.counts.append(count)
        found = [each for each in self.items if before is None or self._is_before(each, before)]
        return [json.dumps(found[: min(count, self.most)]).encode()]

    def _is_before(self, item: Any, before: str) -> bool:
        created = item.get("created_at") or "9999"
        return bool(created <= before if self.inclusive else created < before)


def newest_first(number: int, **options: Any) -> list[dict[str, Any]]:
    return [push(each, **options) for each in reversed(range(number))]


@pytest.fixture
def listing(desk: Desk) -> Callable[[Activities], Client]:
    """Builds a client of an API that serves these activities."""

    def build(served: Activities) -> Client:
        client = desk.client_with("a-token", served)
        client.begin(600)
        return client

    return build


def test_the_documented_kind_of_push_is_a_large_one() -> None:
    item = json.dumps(push(1))
    assert len(item) > 40_000
    assert sum(map(item.count, "{[,")) > 2_500


@pytest.mark.parametrize("log", [0, 80_000, 400_000, 3_000_000])
def test_fifty_large_pushes_with_their_logs_are_read(listing: Any, log: int) -> None:
    listed = listing(served := Activities(newest_first(50, log=log))).activities(PROJECT, "main", since=BEGUN)
    assert [each.id for each in listed.items] == [f"push{each}" for each in reversed(range(50))]
    assert listed.complete is True
    assert served.counts == [10] * 6


@pytest.mark.parametrize(("routes", "counts"), [(1_000, {10, 3}), (2_500, {10, 3, 1})])
def test_pages_that_are_too_large_are_asked_for_with_fewer_items(listing: Any, routes: int, counts: set[int]) -> None:
    item = json.dumps(push(1, routes=routes))
    assert sum(map(item.count, "{[,")) * 10 > JSON_MARKS_MOST or len(item) * 10 > BODY_MOST_BYTES
    served = Activities(newest_first(5, routes=routes))
    listed = listing(served).activities(PROJECT, "main", since=BEGUN)
    assert [each.id for each in listed.items] == ["push4", "push3", "push2", "push1", "push0"]
    assert listed.complete is True
    assert set(served.counts) == counts


def test_an_item_too_large_by_itself_leaves_a_list_that_is_not_complete(listing: Any) -> None:
    items = newest_first(5)
    items[3] = push(1, routes=20_000)
    listed = listing(Activities(items)).activities(PROJECT, "main", since=BEGUN)
    assert [each.id for each in listed.items] == ["push4", "push3", "push2"]
    assert listed.complete is False
    items[0] = push(4, routes=20_000)
    with pytest.raises(BadReply, match="the answer"):
        listing(Activities(items)).activities(PROJECT, "main", since=BEGUN)


def test_paging_that_counts_the_last_one_again_loses_none(listing: Any) -> None:
    served = Activities(newest_first(25), inclusive=True)
    listed = listing(served).activities(PROJECT, "main", since=BEGUN)
    assert len(listed.items) == 25
    assert listed.complete is True


def at_one_moment(number: int) -> list[dict[str, Any]]:
    return [{**push(each), "payload": {}, "created_at": BEGUN.isoformat()} for each in range(number)]


@pytest.mark.parametrize("inclusive", [True, False])
@pytest.mark.parametrize(("number", "before"), [(9, 0), (10, 0), (11, 5), (70, 25), (99, 0)])
def test_activities_of_one_moment_are_all_read(listing: Any, number: int, before: int, *, inclusive: bool) -> None:
    older = [{**push(-1 - each), "id": f"older{each}"} for each in range(before)]
    served = Activities([*at_one_moment(number), *older], inclusive=inclusive, most=100)
    listed = listing(served).activities(PROJECT, "main", since=BEGUN - timedelta(minutes=5))
    assert len(listed.items) == number + before
    assert listed.complete is True


@pytest.mark.parametrize("inclusive", [True, False])
@pytest.mark.parametrize("number", [100, 130, 250])
def test_more_activities_of_one_moment_than_a_page_holds_are_not_a_complete_list(
    listing: Any, number: int, *, inclusive: bool
) -> None:
    served = Activities(at_one_moment(number), inclusive=inclusive, most=100)
    listed = listing(served).activities(PROJECT, "main", since=BEGUN)
    assert len(listed.items) == 100
    assert listed.complete is False
    assert len(served.counts) < 6


@pytest.mark.parametrize(
    "spoil", [{"id": None}, {"state": 7}, {"created_at": "yesterday"}, {"payload": 7}, {"type": None}], ids=str
)
def test_an_item_that_cannot_be_read_does_not_spoil_the_list(listing: Any, spoil: dict[str, Any]) -> None:
    items = newest_first(3)
    items[1] = {**items[1], **spoil}
    wanted = ("environment.push", "environment.redeploy")
    client = listing(Activities(items))
    listed = client.activities(PROJECT, "main", types=wanted, since=BEGUN)
    assert [each.id for each in listed.items] == ["push2", "push0"]
    assert listed.complete is False, "it may be the very one that is looked for"
    with pytest.raises(BadReply):
        client.activities(PROJECT, "main", incomplete=True)


def test_an_item_of_a_kind_that_was_not_asked_for_does_not_matter(listing: Any) -> None:
    items = newest_first(3)
    items[1] = {**items[1], "type": "integration.webhook", "state": None}
    listed = listing(Activities(items)).activities(PROJECT, "main", types=("environment.push",), since=BEGUN)
    assert [each.id for each in listed.items] == ["push2", "push0"]
    assert listed.complete is True


def test_what_decides_is_kept_of_an_item_and_the_rest_is_dropped(listing: Any) -> None:
    item = {**push(1), "payload": {**push(1)["payload"], "backup_name": "b1", "operation": "update"}}
    (activity,) = listing(Activities([item])).activities(PROJECT, "main").items
    assert activity.user == "u1"
    assert (activity.payload["backup_name"], activity.payload["operation"]) == ("b1", "update")
    assert not {"deployment", "project"} & activity.payload.keys()


def test_one_activity_with_a_log_of_many_megabytes_is_read(desk: Desk) -> None:
    body = json.dumps(push(1, log=20_000_000)).encode()
    assert len(body) > 4 * BODY_MOST_BYTES

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "application/json")])
        token = b'{"access_token": "opaque-access-token", "expires_in": 900}'
        return [token if environ["PATH_INFO"] == "/oauth2/token" else body]

    activity = desk.client_with("a-token", app).activity(PROJECT, "push1")
    assert activity is not None
    assert (activity.id, activity.state) == ("push1", "complete")


# --- texts that are too long ----------------------------------------------------------------------------------------


def shortened(data: bytes, pieces: int, most: int = 20) -> bytes:
    """The document in as many pieces, cut anywhere."""
    shortener, dice = Shortener(most), random.Random(pieces)
    places = sorted(dice.sample(range(len(data) + 1), min(pieces, len(data)) - 1))
    cut = [data[begin:end] for begin, end in zip([0, *places], [*places, len(data)], strict=True)]
    return b"".join([*map(shortener.feed, cut), shortener.rest()])


def expected(value: Any) -> Any:
    if isinstance(value, dict):
        return {expected(name): expected(each) for name, each in value.items()}
    if isinstance(value, list):
        return [expected(each) for each in value]
    return "" if isinstance(value, str) and len(json.dumps(value)) - 2 > 20 else value


TEXTS = [
    "",
    "short",
    "x" * 20,
    "x" * 21,
    '"',
    "\\",
    '\\"' * 5,
    '"' * 11,
    "\\" * 11,
    "é" * 3,
    "é" * 4,
    "\n" * 30,
    "\u2028",
]


@pytest.mark.parametrize("pieces", [1, 2, 3, 7, 50, 10_000])
def test_long_texts_are_emptied_wherever_the_pieces_are_cut(pieces: int) -> None:
    value = [{"a": text, "b": [text, 1, None, {text[:5]: text}]} for text in TEXTS]
    data = json.dumps(value).encode()
    assert json.loads(shortened(data, pieces)) == expected(value)


@pytest.mark.parametrize("data", [b"<html>", b'{"half": "x', b'"' + b"x" * 19, b'"\\', b"[1, 2]", b'"" ""'])
def test_what_has_no_long_text_comes_out_as_it_is(data: bytes) -> None:
    assert shortened(data, 3) == data


def test_a_text_that_never_ends_costs_nothing() -> None:
    shortener = Shortener(100)
    assert shortener.feed(b'{"log": "') == b'{"log": "'
    assert b"".join(shortener.feed(b"x" * 65_536) for _ in range(100)) == b""
    assert shortener.rest() == b""
