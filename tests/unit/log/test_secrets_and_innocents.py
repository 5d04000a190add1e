"""Secrets by value in every form, by shape whoever they belong to, in pieces; and innocent lines byte for byte."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from upsun_agent.api.deadline import alarm
from upsun_agent.log.escapes import HELD
from upsun_agent.log.redaction import HIDDEN, Redaction, Stream, forms_of, replaced
from upsun_agent.platform.secrets import surroundings

INNOCENT = (Path(__file__).parent / "innocent.txt").read_text(encoding="utf-8")
TOKEN = 'canary+token/with=odd&chars"é'
JWT = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJjYW5hcnkiLCJleHAiOjE3NjAwMDAwMDB9.c2lnbmF0dXJlLWNhbmFyeQ"
KEY_BODY = "\n".join(["b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW"] * 5)
KEY = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{KEY_BODY}\n-----END OPENSSH PRIVATE KEY-----"


# --- by value ----------------------------------------------------------------------------------------------------

FORMS: dict[str, Callable[[str], str]] = {
    "as it is": lambda text: text,
    "URL-encoded": lambda text: quote(text, safe=""),
    "URL-encoded, slashes kept": quote,
    "as a form": quote_plus,
    "URL-encoded in lower case": lambda text: re.sub("%..", lambda hit: hit[0].lower(), quote(text, safe="")),
    "JSON": json.dumps,
    "JSON with letters as they are": lambda text: json.dumps(text, ensure_ascii=False),
    "JSON with escaped slashes": lambda text: json.dumps(text).replace("/", "\\/"),
    "JSON in JSON": lambda text: json.dumps(json.dumps(text)),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "base64 after one byte": lambda text: base64.b64encode(b":" + text.encode() + b"!").decode(),
    "base64 after two bytes": lambda text: base64.b64encode(b"u:" + text.encode() + b"!!").decode(),
    "base64 of user:password": lambda text: base64.b64encode(b"user:" + text.encode()).decode(),
    "base64 of JSON": lambda text: base64.b64encode(json.dumps(text).encode()).decode(),
    "base64 of JSON with letters as they are": lambda text: base64.b64encode(
        json.dumps(text, ensure_ascii=False).encode()
    ).decode(),
    "base64 of JSON with escaped slashes": lambda text: base64.b64encode(
        json.dumps(text).replace("/", "\\/").encode()
    ).decode(),
    "base64 of a form's value": lambda text: base64.b64encode(f"p={quote_plus(text)}".encode()).decode(),
    "base64 of user:password, URL-encoded": lambda text: base64.b64encode(
        f"u:{quote(text, safe='')}".encode()
    ).decode(),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("secret", [TOKEN, "plain-canary-token-0123456789", "e" * 41, "12345678"])
def test_a_known_secret_is_hidden_in_every_form(secret: str, form: str) -> None:
    written = f"before {FORMS[form](secret)} after"
    cleaned = Redaction([secret]).clean(written)
    assert cleaned.startswith("before ")
    assert cleaned.endswith(" after")
    assert HIDDEN in cleaned
    rest = cleaned.replace(HIDDEN, "").removeprefix("before").removesuffix("after").strip(' "\\')
    assert len(rest) <= len("dXNlcjpQ=="), f"what is left could be worked back: {rest}"


def test_a_secret_of_several_lines_is_hidden_line_by_line() -> None:
    redaction = Redaction([KEY])
    for line in KEY_BODY.split("\n"):
        assert redaction.clean(f"> {line}") == f"> {HIDDEN}"
    assert KEY_BODY.split("\n", 1)[0] not in redaction.clean(KEY.replace("\n", "\r\n"))


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\\n", "\n    "])
def test_a_long_secret_in_base64_on_lines_is_hidden(ending: str) -> None:
    secret = "canary-" + "0123456789abcdef" * 20
    lines = base64.encodebytes(b"user:" + secret.encode()).decode().split()
    cleaned = Redaction([secret]).clean(f"it is\n{ending.join(lines)}\nand this stays")
    assert len(cleaned) < 60, cleaned
    assert cleaned.endswith("\nand this stays")


def test_a_large_value_costs_no_memory_for_its_forms() -> None:
    blob = base64.b64encode(bytes(range(256)) * 400).decode()
    assert forms_of(blob) == {blob}
    assert Redaction([blob]).clean(f"x {blob}") == f"x {HIDDEN}"


@given(st.text(min_size=8, max_size=60), st.text(max_size=40), st.text(max_size=40))
@settings(max_examples=150, deadline=None)
def test_no_form_of_any_secret_survives(secret: str, before: str, after: str) -> None:
    redaction = Redaction([secret])
    for form in forms_of(secret.strip()) if len(secret.strip()) >= 8 else ():
        assert form not in redaction.clean(f"{before}\0{form}\0{after}").replace(HIDDEN, "\0")


# --- by shape ----------------------------------------------------------------------------------------------------

SHAPES = {
    "a JWT": f"got {JWT} today",
    "a JWT that was cut": f"got {JWT[:70]}",
    "a header": "Authorization: Bearer canarySecret0123456789abcdef",
    "a header in JSON": json.dumps({"Authorization": "Basic canarySecret0123456789abcdef=="}),
    "a header in capitals": "BEARER canarySecret0123456789",
    "a private key": f"key:\n{KEY}\nend",
    "a private key in JSON": json.dumps({"key": KEY}),
    "a private key in JSON in JSON": json.dumps(json.dumps({"key": KEY})),
    "a private key without end": KEY[:200],
    "an RSA key": KEY.replace("OPENSSH", "RSA"),
    "a plain key": KEY.replace("OPENSSH ", ""),
    "a private key in base64": base64.b64encode(KEY.encode()).decode(),
    "a private key in base64 that is cut": base64.b64encode(KEY.encode()).decode()[:67],
    "a URL with a password": "postgresql://main:canarySecret9@postgresql.internal:5432/main",
    "a URL with a password in JSON": r"mysql:\/\/user:canarySecret9@db.internal\/main",
    "a URL with a token": "https://canarySecret0123456789@github.com/acme/shop.git",
    "Slack": "https://hooks.slack.com/services/T00000000/B00000000/canarySecretXXXXXXXXXXXX",
    "Slack in JSON": r"https:\/\/hooks.slack.com\/services\/T00000000\/B00000000\/canarySecretXXXX",
    "healthchecks.io": "https://hc-ping.com/ca9a6700-c0de-4bad-8bad-000000000001/start",
    "a ping key": "https://hc-ping.com/canarySecret0123456789/nightly",
    "Discord": "https://discord.com/api/webhooks/123456789012345678/canarySecret-0123456789_0123456789abcdef",
    "a form": "client_id=upsun-cli&api_token=canarySecret99&x=y",
    "JSON": '{"access_token": "canarySecret99", "expires_in": 900}',
    "escaped JSON": r"{\"password\":\"canarySecret99\"}",
    "a variable": "DATABASE_PASSWORD=canarySecret99",
    "YAML": "  secret: canarySecret99",
    "GitHub": "ghp_canarySecret0123456789012345678901",
    "GitLab": "glpat-canarySecret0123456789",
    "Slack's token": "xoxb-123456789012-canarySecret",
    "a header of an API": 'curl -H "X-Api-Key: canarySecret0123456789"',
    "a header of another scheme": "authorization: ApiKey canarySecret0123456789",
    "a cookie": "Set-Cookie: PHPSESSID=canarySecret0123; path=/",
    "a secret key": "AWS_SECRET_ACCESS_KEY=canarySecret0123/456",
    "a secret key of Rails": "SECRET_KEY_BASE=canarySecret99",
    "a password of a database": "DB_PASS=canarySecret99",
    "PHP": "'password' => 'canarySecret99',",
    "XML": "<password>canarySecret99</password>",
    "an option": "--db-password canarySecret99",
    "a quoted value with marks": '{"password": "9,canarySecret&9"}',
    "a form in a URL": "api_token%3DcanarySecret99%26x%3Dy",
    "a URL with a password that is not encoded": "mysql://user:pa/canarySecret#9@db.internal/main",
    "a private key in a URL": quote(KEY, safe=""),
    "a private key of PGP": KEY.replace("OPENSSH PRIVATE KEY", "PGP PRIVATE KEY BLOCK"),
    "a private key with headers that is cut": KEY.replace("Y-----\n", "Y-----\nProc-Type: 4,ENCRYPTED\n\n", 1)[:300],
    "a private key that is quoted and cut": KEY.replace("\n", "\n> ")[:250],
    "a private key that is indented and cut": KEY.replace("\n", "\n                    ")[:250],
    "a private key in base64 on lines": base64.encodebytes(KEY.encode()).decode(),
    "OpenAI": "sk-proj-canarySecret0123456789",
    "Stripe": "rk_live_canarySecret0123456789",
    "npm": "npm_canarySecret012345678901234567890123",
    "SendGrid": "SG.canarySecret01234567.canarySecret012345678901234567890123",
    "Telegram": "https://api.telegram.org/bot123456789:canarySecret012345678901234567890/sendMessage",
    "a signing secret": "whsec_canarySecret0123456789ABCD",
}
ENCODED = base64.encodebytes(KEY.encode()).decode().split()
LEFT = ("canarySecret", "b3BlbnNzaC1r", "c2lnbmF0dXJl", "eyJzdWIi", "ca9a6700")


@pytest.mark.parametrize("name", SHAPES)
def test_what_looks_like_a_secret_is_hidden(name: str) -> None:
    cleaned = Redaction().clean(SHAPES[name])
    assert HIDDEN in cleaned
    for part in [*LEFT, *ENCODED[1:]] if "on lines" in name else LEFT:
        assert part not in cleaned
    assert base64.b64encode(b"-----BEGIN OPENSSH PRIVATE")[:20].decode() not in cleaned


def test_what_stands_around_a_shape_stays() -> None:
    clean = Redaction().clean
    assert clean(SHAPES["a URL with a password"]) == f"postgresql://main:{HIDDEN}@postgresql.internal:5432/main"
    assert clean(SHAPES["a form"]) == f"client_id=upsun-cli&api_token={HIDDEN}&x=y"
    assert json.loads(clean(SHAPES["JSON"])) == {"access_token": HIDDEN, "expires_in": 900}
    assert json.loads(clean(SHAPES["a private key in JSON"])) == {"key": HIDDEN}
    assert clean(f"a\n{KEY}\nb {KEY} c") == f"a\n{HIDDEN}\nb {HIDDEN} c"
    cut = KEY[:200]
    assert clean(f"a {cut}\n{KEY}\nb") == f"a {HIDDEN}\n{HIDDEN}\nb", "a key that is cut hides its end from none"


# --- innocent lines ----------------------------------------------------------------------------------------------


def test_two_hundred_innocent_lines_stay_byte_for_byte() -> None:
    lines = INNOCENT.splitlines()
    assert len(lines) >= 200
    redaction = Redaction([TOKEN, JWT, KEY, "another-canary-of-the-test"])
    assert [line for line in lines if redaction.clean(line) != line] == []
    assert redaction.clean(INNOCENT) == INNOCENT
    stream = redaction.stream()
    assert (
        "".join([*(stream.feed(INNOCENT[at : at + 7]) for at in range(0, len(INNOCENT), 7)), stream.end()]) == INNOCENT
    )


# --- in pieces ---------------------------------------------------------------------------------------------------


def in_pieces(redaction: Redaction, text: str, size: int, hold: int) -> str:
    stream = Stream(redaction, hold)
    return "".join([*(stream.feed(text[at : at + size]) for at in range(0, len(text), size)), stream.end()])


@pytest.mark.parametrize("size", [1, 2, 7, 64, 1000])
def test_a_secret_that_pieces_share_is_hidden(size: int) -> None:
    redaction = Redaction([TOKEN])
    texts = [TOKEN, *(FORMS[form](TOKEN) for form in FORMS), *SHAPES.values()]
    text = "\n".join(f"line {number} {each} end" for number, each in enumerate(texts * 4))
    assert in_pieces(redaction, text, size, hold=1000) == redaction.clean(text)


@given(st.lists(st.sampled_from([TOKEN, "innocent", " ", "\n", JWT, "x" * 50]), max_size=40), st.integers(1, 60))
@settings(max_examples=100, deadline=None)
def test_pieces_give_what_the_whole_gives(parts: list[str], size: int) -> None:
    redaction, text = Redaction([TOKEN]), "".join(parts)
    cleaned = in_pieces(redaction, text, size, hold=300)
    assert TOKEN not in cleaned
    assert "eyJzdWIi" not in cleaned


def test_a_stream_holds_back_no_more_than_it_must() -> None:
    stream = Stream(Redaction([TOKEN]), 100)
    shown = sum(len(stream.feed("innocent ")) for _ in range(1000))
    assert shown >= 9000 - 2 * 100 - HELD - 9


# --- time --------------------------------------------------------------------------------------------------------

MEGABYTE = 1_000_000
HARD = {
    "one letter": "a",
    "JWT beginnings": "eyJ",
    "JWT beginnings apart": "eyJabcdef. ",
    "JWT heads": "eyJabcdefgh.",
    "URL beginnings": "://",
    "URL users": "https://u:",
    "at signs": "@",
    "headers": "Authorization: Bearer ",
    "key heads": "-----BEGIN RSA PRIVATE KEY-----",
    "key beginnings": "-----BEGIN A B C D ",
    "key ends": "-----BEGIN RSA PRIVATE KEY----- - PRIVATE KEY-----",
    "key bodies": "-----BEGIN PRIVATE KEY-----\\n\\n\\n",
    "base64 of keys": "LS0tLS1CRUdJTi",
    "names": "password=",
    "names in JSON": '\\"token\\":\\"',
    "names with values": "token=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa ",
    "prefixes": "ghp_",
    "slack": "hooks.slack.com/services/",
    "backslashes": "\\",
    "spaces": "token   :  ",
    "cookies": "Cookie: a=",
    "options": "--token aaaaaaa",
    "quoted key lines": f"-----BEGIN PRIVATE KEY-----\n> {'A' * 44}\n",
    "key headers": "-----BEGIN PRIVATE KEY-----\nProc-Type: a",
    "base64 of keys on lines": f"LS0tLS1CRUdJTi{'A' * 62}\n{'A' * 76}\n",
    "lines of base64": f"{'A' * 76}\n",
    "ports": "://a:1/b",
}


@pytest.mark.parametrize("name", HARD)
def test_a_long_text_does_not_take_the_square_of_its_length(name: str) -> None:
    """No pattern looks at the same place again and again."""
    redaction = Redaction([TOKEN])
    with alarm(60):  # linear: a second or two; quadratic: an hour
        redaction.clean((HARD[name] * (2 * MEGABYTE // len(HARD[name]) + 1))[: 2 * MEGABYTE])


# --- what is secret in a container ------------------------------------------------------------------------------


def relationships(**entry: Any) -> dict[str, Any]:
    return {"database": [{"username": "main", "host": "db.internal", "path": "main", "port": 5432, **entry}]}


def test_the_secrets_of_a_container_are_known() -> None:
    found = relationships(
        password="canary-db-password",
        url="mysql://main:canary-url-password@db.internal",
        query={"is_master": True},
        api_token=7,
    )
    blob = base64.b64encode(json.dumps(found).encode()).decode()
    environ = {"PLATFORM_PROJECT_ENTROPY": "canary" * 9, "PLATFORM_RELATIONSHIPS": blob, "PLATFORM_VARIABLES": "e30="}
    assert set(surroundings(environ, found)) == {
        "canary" * 9,
        blob,
        "e30=",
        "canary-db-password",
        "canary-url-password",
    }


@pytest.mark.parametrize("odd", [{"a": 7}, {"a": [7, None, {}]}, {"a": {"password": "canary-single"}}])
def test_relationships_of_any_shape_are_read(odd: dict[str, Any]) -> None:
    assert set(surroundings({}, odd)) <= {"canary-single"}


def test_a_password_that_is_the_account_s_name_hides_no_word() -> None:
    named = {"mq": [{"username": "production", "password": "production", "url": "amqp://production:production@mq"}]}
    assert list(surroundings({}, named)) == []


def test_nothing_to_replace_gives_the_text_itself() -> None:
    assert replaced("text", []) == "text"
