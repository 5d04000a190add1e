"""Credentials of relationships under any key, and what of a channel's address lets others in."""

from __future__ import annotations

from typing import Any

import pytest
from upsun_agent.platform.secrets import parts_of, surroundings

SECRET = "canary9credential7"
#: Where a service may keep a credential; each holds it once.
PLACES: dict[str, Any] = {
    "password": {"password": SECRET},
    "an API key": {"api_key": SECRET},
    "an API key in camel case": {"apiKey": SECRET},
    "an access key": {"access_key": SECRET},
    "an account key": {"account-key": SECRET},
    "a key alone": {"key": SECRET},
    "a key that nobody knows": {"gizmo": SECRET},
    "credentials": {"credentials": {"value": SECRET}},
    "auth in a list": {"auth": [{"user": "main"}, SECRET]},
    "nested": {"more": {"deeper": [{"deepest": {"secret": SECRET}}]}},
    "a number": {"pin": 1234567890},
    "a URL": {"url": f"mysql://main:{SECRET}@db.internal/main"},
    "a URL with one part": {"uri": f"https://{SECRET}@sentry.internal/1"},
    "a URL with a query": {"url": f"https://search.internal/?api_key={SECRET}"},
    "a DSN of PostgreSQL": {"dsn": f"host=db.internal user=main password={SECRET} dbname=main"},
    "a DSN of PostgreSQL with quotes": {"dsn": f"host=db.internal password='{SECRET}'"},
    "a DSN of PDO": {"dsn": f"mysql:host=db.internal;dbname=main;password={SECRET}"},
    "a connection string": {"connection": f"Server=db.internal;Pwd={SECRET};Database=main"},
    "options": {"options": {"ssl": {"passphrase": SECRET}}},
    "a list of addresses": {"servers": [f"amqp://main:{SECRET}@mq.internal"]},
    "an encoded password": {"url": "mysql://main:canary9%2Bcredential7@db.internal"},
}
#: The platform's own relationships: none of this is secret.
PUBLIC: dict[str, Any] = {
    "host": "database.internal",
    "hostname": "abcdefghijklmnop1234.mysql.service._.eu-3.platformsh.site",
    "port": 3306,
    "ip": "169.254.140.174",
    "instance_ips": ["240.14.106.1"],
    "scheme": "mysql",
    "path": "main",
    "username": "user",
    "service": "mysql1234database",
    "cluster": "abcdefgh1234z-main-bvxea6i",
    "rel": "mysql",
    "type": "mariadb:10.6",
    "query": {"is_master": True},
    "fragment": None,
    "epoch": 0,
    "public": False,
    "host_mapped": False,
    "url": "mysql://database.internal:3306/main",
    "version": "production12",
}


@pytest.mark.parametrize("place", PLACES)
def test_a_credential_is_known_wherever_a_relationship_holds_it(place: str) -> None:
    found = set(surroundings({}, {"service": [{**PUBLIC, **PLACES[place]}]}))
    wanted = {"a number": "1234567890", "an encoded password": "canary9+credential7"}.get(place, SECRET)
    assert wanted in found


def test_a_relationship_that_is_no_list_is_read_too() -> None:
    assert set(surroundings({}, {"a": {"password": SECRET}, "b": [[{"token": "canary2"}]]})) == {SECRET, "canary2"}


def test_what_says_where_a_service_is_stays_to_be_read() -> None:
    assert list(surroundings({}, {"database": [PUBLIC]})) == []


def test_names_of_the_container_are_no_secrets() -> None:
    environ = {
        "PLATFORM_PROJECT": "abcdefgh1234z",
        "PLATFORM_BRANCH": "production",
        "PLATFORM_APPLICATION_NAME": "main-app",
    }
    entry = {"password": "production", "token": "abcdefgh1234z", "api_key": "main-app"}
    assert list(surroundings(environ, {"database": [entry]})) == []


def test_a_relationship_without_end_is_read_in_bounds() -> None:
    deep: Any = {"password": SECRET}
    for _ in range(900):
        deep = {"more": [deep]}
    assert list(surroundings({}, {"a": deep})) == []


@pytest.mark.parametrize(
    ("address", "part"),
    [
        ("https://hooks.example.com/services/T0/B0/abcDEF123456", "/services/T0/B0/abcDEF123456"),
        ("https://hooks.example.com/services/T0/B0/abcDEF123456", "abcDEF123456"),
        ("https://chat.example.com/hook?key=abc&token=shortkey", "shortkey"),
        ("https://chat.example.com/hook?x=longer-than-twelve", "longer-than-twelve"),
        ("https://user:pa55word@chat.example.com/", "pa55word"),
    ],
)
def test_what_of_an_address_lets_others_in_is_known_alone(address: str, part: str) -> None:
    assert {address, part} <= set(parts_of(address))


def test_words_of_an_address_stay_to_be_read() -> None:
    found = set(parts_of("https://hc-ping.example.com/0a1b2c3d4e5f/nightly-update"))
    assert "nightly-update" not in found
    assert "hc-ping.example.com" not in found


@pytest.mark.parametrize("odd", ["", "no address", "https://[::1", "ftp://a/b", "http://"])
def test_an_address_that_is_none_is_hidden_as_it_is(odd: str) -> None:
    assert odd in set(parts_of(odd))
