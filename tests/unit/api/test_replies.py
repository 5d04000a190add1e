"""Replies that are not what the contract says: each ends as a BadReply, whatever is wrong with it, and none passes."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from upsun_agent.api.client import Client
from upsun_agent.errors import BadReply

from tests.harness.api_client import HOST, MAIN, PROJECT, Desk, Scripted

ACTIVITY, BACKUP = f"/projects/{PROJECT}/activities/a1", f"{MAIN}/backups/b1"

ENVIRONMENT_REPLY = {
    "id": "main",
    "type": "production",
    "status": "active",
    "is_dirty": False,
    "head_commit": "abc",
    "has_staged_activities": False,
    "deployment_state": {
        "last_deployment_successful": True,
        "last_deployment_at": "2026-03-02T03:00:00+00:00",
        "last_deployment_commands": [{"app": "app", "type": "deploy", "exit_code": 0}],
    },
    "last_backup_at": "2026-03-02T03:00:00+00:00",
    "_links": {"#backup": {"href": "/b"}},
}
ACTIVITY_REPLY = {
    "id": "a1",
    "type": "environment.backup",
    "state": "complete",
    "result": "success",
    "created_at": "2026-03-02T03:00:00+00:00",
    "completed_at": "2026-03-02T03:01:00.123456+00:00",
    "parameters": {},
    "payload": {"backup_name": "b1", "user": {"id": "u1"}},
    "commands": [{"app": "app", "type": "deploy", "exit_code": 0}],
    "completion_percent": 100,
    "failure_reason": None,
    "text": "A text",
}
BACKUP_REPLY = {
    "id": "b1",
    "status": "CREATED",
    "restorable": True,
    "environment": "main",
    "created_at": "2026-03-02T03:00:00Z",
    "safe": True,
    "automated": False,
}
READS: dict[str, tuple[str, Any, Callable[[Client], Any]]] = {
    "environment": (MAIN, ENVIRONMENT_REPLY, lambda client: client.environment(PROJECT, "main")),
    "activity": (ACTIVITY, ACTIVITY_REPLY, lambda client: client.activity(PROJECT, "a1")),
    "activities": (f"{MAIN}/activities", [ACTIVITY_REPLY], lambda client: client.activities(PROJECT, "main")),
    "backup": (BACKUP, BACKUP_REPLY, lambda client: client.backup(PROJECT, "main", "b1")),
    "backups": (f"{MAIN}/backups", [BACKUP_REPLY], lambda client: client.backups(PROJECT, "main")),
    "operations": (
        f"{MAIN}/source-operations",
        [{"app": "app", "operation": "update"}],
        lambda client: client.source_operations(PROJECT, "main"),
    ),
    "project": (f"/projects/{PROJECT}", {"id": PROJECT}, lambda client: client.project(PROJECT)),
}


def reading(desk: Desk, what: str, body: bytes) -> Any:
    """What comes of a read that is answered with that body."""
    path, _, read = READS[what]
    return read(desk.client_with("a-token", Scripted({path: body})))


@pytest.mark.parametrize("what", READS)
def test_the_replies_of_this_table_are_good_before_they_are_spoiled(desk: Desk, what: str) -> None:
    assert reading(desk, what, json.dumps(READS[what][1]).encode())


BODIES = {
    "nothing": b"",
    "a page": b"<!doctype html><title>Sorry</title>",
    "half of it": b'{"id": "main", ',
    "two documents": b"{} {}",
    "a text": b'"main"',
    "a number": b"7",
    "null": b"null",
    "true": b"true",
    "NaN": b'{"id": NaN}',
    "Infinity": b"[-Infinity]",
    "a key twice": b'{"id": "main", "id": "other"}',
    "a key twice, deep down": b'[{"payload": {"a": 1, "a": 2}}]',
    "no UTF-8": b'{"id": "\xff\xfe"}',
    "a number of ten thousand digits": b'{"id": ' + b"9" * 10_000 + b"}",
    "deeper than real replies": b"[" * 60 + b"]" * 60,
    "deeper than Python": b"[" * 200_000,
    "deep objects": b'{"a":' * 100_000,
    "five megabytes": b'{"id": [' + b",".join([b'"' + b"x" * 100_000 + b'"'] * 50) + b"]}",
}


@pytest.mark.parametrize("what", READS)
@pytest.mark.parametrize("body", BODIES)
def test_a_body_that_is_not_the_document_is_a_bad_reply(desk: Desk, what: str, body: str) -> None:
    with pytest.raises(BadReply) as caught:
        reading(desk, what, BODIES[body])
    assert len(str(caught.value)) < 300
    assert caught.value.exit_code == 65


@pytest.mark.parametrize("body", [b"{}", b'{"items": []}', b'["text"]', b"[null]", b"[[]]", b"[7]"])
@pytest.mark.parametrize("what", ["activities", "backups", "operations"])
def test_a_list_of_something_else_is_a_bad_reply(desk: Desk, what: str, body: bytes) -> None:
    with pytest.raises(BadReply):
        reading(desk, what, body)


def test_a_list_beyond_all_bounds_is_a_bad_reply(desk: Desk) -> None:
    with pytest.raises(BadReply, match="more than 1000 items"):
        reading(desk, "backups", json.dumps([BACKUP_REPLY] * 1001).encode())


# --- field by field -----------------------------------------------------------------------------------------------


NOT_TEXT: list[Any] = [None, 7, True, [], {}, "", "x" * 201, "line\nbreak", "\x00", "\ud800", "\u202e"]
NOT_TEXT_OR_EMPTY = [each for each in NOT_TEXT[1:] if each != ""]  # an empty text stands for null
NOT_BOOLEAN: list[Any] = [None, 0, 1, "true", [], {}]
NOT_MOMENT: list[Any] = [
    7,
    True,
    [],
    {},
    "",
    "yesterday",
    "2026-13-01T00:00:00Z",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59-23:59",
]
#: Where a zero value of another language stands for null, these are left.
NOT_MOMENT_OR_ZERO = [each for each in NOT_MOMENT if each not in ("", "0001-01-01T00:00:00Z")]
NOT_OBJECT: list[Any] = [7, True, "text", [1]]

# the field, values that it must not have, and whether it may be left out
FIELDS: list[tuple[str, str, list[Any], bool]] = [
    ("environment", "id", NOT_TEXT, False),
    ("environment", "type", NOT_TEXT, False),
    ("environment", "status", NOT_TEXT, False),
    ("environment", "is_dirty", NOT_BOOLEAN[1:], True),
    ("environment", "has_staged_activities", NOT_BOOLEAN[1:], True),
    ("environment", "head_commit", NOT_TEXT_OR_EMPTY, True),
    ("environment", "deployment_state", NOT_OBJECT, True),
    ("environment", "deployment_state.last_deployment_successful", NOT_BOOLEAN[1:], True),
    (
        "environment",
        "deployment_state.last_deployment_commands",
        [7, True, "text", {}, [7], [{"exit_code": "1"}]],
        True,
    ),
    ("environment", "last_backup_at", NOT_MOMENT_OR_ZERO, True),
    ("environment", "deployment_state.last_deployment_at", NOT_MOMENT_OR_ZERO, True),
    ("activity", "id", NOT_TEXT, False),
    ("activity", "type", NOT_TEXT, False),
    ("activity", "state", NOT_TEXT, False),
    ("activity", "result", NOT_TEXT_OR_EMPTY, True),
    ("activity", "created_at", NOT_MOMENT, True),
    ("activity", "completed_at", NOT_MOMENT_OR_ZERO, True),
    ("activity", "payload", NOT_OBJECT[:-1], True),
    ("activity", "commands", [7, True, "text", {}, [7], [{"exit_code": "1"}], [{"exit_code": True}]], True),
    ("activity", "payload.backup_name", NOT_TEXT[1:], True),
    ("backup", "id", NOT_TEXT, False),
    ("backup", "status", NOT_TEXT, False),
    ("backup", "restorable", NOT_BOOLEAN, False),
    ("backup", "environment", NOT_TEXT, False),
    ("backup", "created_at", NOT_MOMENT, True),
    ("backup", "safe", NOT_BOOLEAN, True),
    ("backup", "automated", NOT_BOOLEAN, True),
]


def setting(value: object) -> Callable[[dict[str, Any], str], object]:
    """Return the change that gives a field this value."""
    return lambda inside, name: inside.__setitem__(name, value)


def spoiled(what: str, field: str, change: Callable[[dict[str, Any], str], object]) -> bytes:
    """The reply with one field changed."""
    reply = copy.deepcopy(READS[what][1])
    inside = reply
    *outer, last = field.split(".")
    for name in outer:
        inside = inside[name]
    change(inside, last)
    return json.dumps(reply).encode()


def refused(desk: Desk, what: str, field: str, value: object) -> bool:
    """Whether the reply with that value in the field is a bad one."""
    try:
        reading(desk, what, spoiled(what, field, lambda inside, name: inside.__setitem__(name, value)))
    except BadReply:
        return True
    return False


@pytest.mark.parametrize(("what", "field", "values", "optional"), FIELDS, ids=lambda value: str(value)[:40])
def test_a_field_of_another_kind_is_a_bad_reply(
    desk: Desk, what: str, field: str, values: list[Any], optional: object
) -> None:
    taken = [value for value in values if not refused(desk, what, field, value)]
    assert taken == [], f"taken for good as {field}"
    left_out = spoiled(what, field, lambda inside, name: inside.pop(name))
    if optional:
        assert reading(desk, what, left_out)
    else:
        with pytest.raises(BadReply, match=f"{field} is missing"):
            reading(desk, what, left_out)


INFORMS: list[tuple[str, list[Any]]] = [
    ("failure_reason", [None, 7, [], {}, "", "x" * 5000, "two\nlines", "\x1b[31mred"]),
    ("parameters", [None, 7, True, "text", [], [1]]),
    ("completion_percent", [None, "100", True, -1, 101, 99.5, [], {}]),
    ("payload", [None, []]),
    ("commands", [None, [], [{"app": "app", "type": "deploy"}], [{"app": 7, "type": None, "exit_code": 0}]]),
]


@pytest.mark.parametrize(("field", "values"), INFORMS, ids=lambda value: str(value)[:20])
def test_a_field_that_only_informs_never_makes_an_activity_unreadable(
    desk: Desk, field: str, values: list[Any]
) -> None:
    for value in values:
        body = spoiled("activity", field, setting(value))
        activity = reading(desk, "activity", body)
        assert (activity.failure_reason or "").isprintable()
        assert len(activity.failure_reason or "") <= 500
        assert activity.completion_percent in {None, 99, 100}


def test_a_null_flag_of_an_environment_is_the_careful_one(desk: Desk) -> None:
    def null(field: str) -> Any:
        return reading(
            desk, "environment", spoiled("environment", field, lambda inside, name: inside.update({name: None}))
        )

    assert null("is_dirty").is_dirty
    assert not null("has_staged_activities").has_staged_activities
    assert null("deployment_state.last_deployment_successful").deployment is None


@pytest.mark.parametrize("links", [None, {}, *NOT_OBJECT, "left out"], ids=str)
def test_an_environment_without_links_is_a_bad_reply(desk: Desk, links: object) -> None:
    def change(inside: dict[str, Any], name: str) -> None:
        inside[name] = links
        if links == "left out":
            del inside[name]

    with pytest.raises(BadReply, match="_links"):
        reading(desk, "environment", spoiled("environment", "_links", change))


@pytest.mark.parametrize("text", [None, 7, [], {"a": 1}, "line\nbreak \x1b[31m red", "x" * 10_000, "\ud800"])
def test_the_text_of_an_activity_is_made_safe_to_show(desk: Desk, text: object) -> None:
    body = spoiled("activity", "text", lambda inside, name: inside.__setitem__(name, text))
    activity = reading(desk, "activity", body)
    assert activity.text == "" or activity.text.isprintable()
    assert len(activity.text) <= 500


@pytest.mark.parametrize("user", [None, 7, "text", [], {}, {"id": None}, {"id": 7}])
def test_an_activity_of_nobody_known_is_nobodys(desk: Desk, user: object) -> None:
    body = spoiled("activity", "payload.user", lambda inside, name: inside.__setitem__(name, user))
    assert reading(desk, "activity", body).user is None


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"message": "No\\nway \\u001b[31m"}', "No way"),
        (b'{"message": "", "error": "bad", "error_description": "worse"}', "worse"),
        (b'{"error": "bad"}', "bad"),
        (b'{"message": "Bad request", "detail": "worse"}', "Bad request: worse"),
        (
            b'{"message": "Bad request", "detail": {"error": "no code to synchronize"}}',
            "Bad request: no code to synchronize",
        ),
        (
            b'{"message": "Bad request", "detail": {"name": ["too\\nlong", "odd"]}}',
            "Bad request: name: too long: name: odd",
        ),
        (b'{"message": "Bad request", "detail": [{"loc": ["body"], "msg": "wrong"}]}', "Bad request: loc: body: wrong"),
        (b'{"message": "Twice", "detail": "Twice"}', "Twice"),
        (b'{"message": {"a": 1}, "error": "bad", "detail": 7}', "bad"),
        (b'{"title": "' + b"x" * 5000 + b'"}', "x" * 500),
        (b'{"message": "long", "detail": "' + b"y " * 50_000 + b'"}', "long: " + "y " * 247),
    ],
    ids=lambda value: str(value)[:40],
)
def test_the_words_of_an_error_are_quoted_safely(desk: Desk, body: bytes, words: str) -> None:
    client = desk.client_with("a-token", Scripted({MAIN: ("400 Bad Request", body)}))
    with pytest.raises(BadReply) as caught:
        client.environment(PROJECT, "main")
    assert str(caught.value) == f"environment: unexpected status 400: {words}"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html>", ": '<html>'"),
        (b"<!doctype html><TITLE>\n Access <b>denied \x1b[31m</TITLE>", ": 'Access <b>denied'"),
        (b"", ": it is empty"),
        (b"[" * 100_000, ": '" + "[" * 80 + "'"),
        (b'{"message": 7}', ": '{\"message\": 7}'"),
        (b"Bearer opaque-access-token is blocked", ": 'Bearer [hidden] is blocked'"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_answer_that_is_not_the_apis_is_shown_safely(desk: Desk, body: bytes, words: str) -> None:
    client = desk.client_with("a-token", Scripted({MAIN: ("400 Bad Request", body)}))
    with pytest.raises(BadReply) as caught:
        client.environment(PROJECT, "main")
    assert str(caught.value) == f"environment: the answer 400 is not the API's{words}"
    assert "proxy" in caught.value.remedy


def test_no_reply_of_this_file_went_anywhere_else(desk: Desk) -> None:
    app = Scripted({MAIN: json.dumps(ENVIRONMENT_REPLY).encode()})
    desk.client_with("a-token", app).environment(PROJECT, "main")
    assert {environ["HTTP_HOST"] for environ in app.seen} == {HOST.removeprefix("http://")}
