"""Only the API speaks for the API: what each answer means, whoever gives it and whatever asks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from upsun_agent.access.roles import Roles
from upsun_agent.api.client import Client
from upsun_agent.api.endpoints import Endpoints
from upsun_agent.api.errors import classify
from upsun_agent.api.http import Reply, Transport
from upsun_agent.api.people import People
from upsun_agent.api.variables import Variables
from upsun_agent.clock import SystemClock
from upsun_agent.errors import (
    AgentError,
    BadReply,
    Conflict,
    NotFound,
    NotPermitted,
    SecondFactorNeeded,
    TokenRefused,
    Uncertain,
    Unreachable,
)

from tests.harness.api_client import PROJECT, Misbehaving, answer

BEARER = answer("200 OK", b'{"access_token": "opaque-access-token", "expires_in": 900}')
HTML = b"<!doctype html><title>Blocked</title><p>Your address has no access."
STEP_UP = 'WWW-Authenticate: Bearer realm="x", error="insufficient_user_authentication", max_age=3600'
MFA = b'{"error": "insufficient_user_authentication", "error_description": "Sign in again", "amr": ["mfa"]}'

#: Answers of gateways, firewalls and sign-in pages: none of them is the API's word.
GATEWAYS = {
    "a page 400": answer("400 Bad Request", HTML, "Content-Type: text/html"),
    "a page 401": answer("401 Unauthorized", HTML, "Content-Type: text/html"),
    "a page 403": answer("403 Forbidden", HTML, "Content-Type: text/html"),
    "a page 404": answer("404 Not Found", HTML, "Content-Type: text/html"),
    "a page 409": answer("409 Conflict", HTML, "Content-Type: text/html"),
    "a page 410": answer("410 Gone", HTML, "Content-Type: text/html"),
    "a page 451": answer("451 Unavailable", HTML, "Content-Type: text/html"),
    "a page 511": answer("511 Network Authentication Required", HTML, "Content-Type: text/html"),
    "a page 200": answer("200 OK", HTML, "Content-Type: text/html"),
    "a page that says that it is JSON": answer("403 Forbidden", HTML, "Content-Type: application/json"),
    "an empty 401": answer("401 Unauthorized", b""),
    "a 401 of a proxy": answer("401 Unauthorized", b"", 'WWW-Authenticate: Basic realm="proxy"'),
    "a 401 for bearers without a reason": answer("401 Unauthorized", b"", "WWW-Authenticate: Bearer"),
    "an empty 403": answer("403 Forbidden", b""),
    "an empty 404": answer("404 Not Found", b""),
    "a text": answer("404 Not Found", b"404 page not found\n", "Content-Type: text/plain"),
    "a redirect": answer("302 Found", b"", "Location: https://login.example/"),
    "a gateway's JSON 403": answer("403 Forbidden", b'{"message": "Forbidden"}'),
    "a gateway's JSON 401": answer("401 Unauthorized", b'{"message": "Unauthorized"}'),
    "a gateway's JSON 404": answer("404 Not Found", b'{"message": "no Route matched with those values"}'),
    "an empty object": answer("404 Not Found", b"{}"),
    "an empty array": answer("403 Forbidden", b"[]"),
    "null": answer("404 Not Found", b"null"),
    "a JSON text": answer("403 Forbidden", b'"Forbidden"'),
    "an error that is an object": answer("403 Forbidden", b'{"error": {"code": 403, "message": "blocked"}}'),
    "a list of errors": answer("404 Not Found", b'{"success": false, "errors": [{"code": 7003}]}'),
    "the code of another status": answer("403 Forbidden", b'{"code": 1020, "message": "Access denied", "error": "x"}'),
    "half an error": answer("404 Not Found", b'{"error": "not fo'),
}

#: JSON that other services and gateways answer with; each is judged alone, since what it is depends on the body only.
OF_OTHERS: dict[str, tuple[int, dict[str, Any]]] = {
    "problem+json": (403, {"type": "about:blank", "title": "Forbidden", "status": 403}),
    "problem+json 404": (404, {"type": "about:blank", "title": "Not Found", "status": 404}),
    "ASP.NET": (403, {"type": "https://example.com/rfc", "title": "Forbidden", "status": 403, "traceId": "00-1"}),
    "Spring": (404, {"timestamp": "2026-11-28", "status": 404, "error": "Not Found", "path": "/projects/x"}),
    "Nest": (404, {"statusCode": 404, "message": "Cannot GET /projects", "error": "Not Found"}),
    "Rails": (404, {"status": 404, "error": "Not Found"}),
    "a code host": (404, {"message": "Not Found", "documentation_url": "https://example.com", "status": "404"}),
    "a code host's 401": (401, {"message": "Bad credentials", "documentation_url": "https://example.com"}),
    "Kubernetes": (403, {"kind": "Status", "apiVersion": "v1", "message": "forbidden: no", "code": 403}),
    "a firewall as problem+json": (403, {"title": "Error 1020: Access denied", "status": 403, "ray_id": "1"}),
    "a status in words": (403, {"status": "error", "message": "Forbidden"}),
    "a gateway that denies": (403, {"message": "User is not authorized to access this resource with a deny"}),
    "a gateway that wants a signature": (403, {"message": "'Bearer' not a valid key=value pair (missing '=')"}),
    "a gateway without a key": (401, {"error": "Authorization field missing"}),
    "a gateway without credentials": (401, {"message": "No credentials found for given 'iss'"}),
    "a subscription": (401, {"statusCode": 401, "message": "Access denied due to missing subscription key."}),
    "an app that is not there": (404, {"id": "not_found", "message": "Couldn't find that app."}),
}

READS: dict[str, Callable[[Client], object]] = {
    "environment": lambda client: client.environment(PROJECT, "main"),
    "project": lambda client: client.project(PROJECT),
    "activity": lambda client: client.activity(PROJECT, "a1"),
    "activities": lambda client: client.activities(PROJECT, "main"),
    "backup": lambda client: client.backup(PROJECT, "main", "b1"),
    "backups": lambda client: client.backups(PROJECT, "main"),
    "operations": lambda client: client.source_operations(PROJECT, "main"),
    "routes": lambda client: client.routes(PROJECT, "main"),
    "limits": lambda client: client.manual_backup_limits(PROJECT),
    "owner": lambda client: client.owner(),
    "certificate": lambda client: client.certificate("ssh-ed25519 AAAA"),
    "document": lambda client: client.read("/projects/x/settings", "settings"),
    "me": lambda client: People(client).me(),
    "tokens": lambda client: People(client).tokens("u1"),
    "members": lambda client: People(client).members(PROJECT),
    "invitations": lambda client: People(client).invitations(PROJECT),
    "variable": lambda client: Variables(client, PROJECT, "main").on_environment("env:X"),
    "project variable": lambda client: Variables(client, PROJECT, "main").on_project("env:X"),
    "apps": lambda client: Variables(client, PROJECT, "main").apps(),
}
WRITES: dict[str, Callable[[Client], object]] = {
    "create": lambda client: client.write("POST", "/x", {}, "thing"),
    "change": lambda client: client.write("PATCH", "/x", {}, "thing"),
    "cancel": lambda client: client.cancel_activity(PROJECT, "a1"),
    "invite": lambda client: People(client).invite(PROJECT, "a@example.invalid", Roles()),
    "grant": lambda client: People(client).grant(PROJECT, "u1", Roles()),
    "store": lambda client: Variables(client, PROJECT, "main").store("env:X", "v", {}, None, there=True),
}


@pytest.fixture
def client_of(misbehaving: Callable[..., Misbehaving]) -> Iterator[Callable[..., tuple[Client, Misbehaving]]]:
    """Builds a client of a server that answers the token exchange with one answer and all else with another."""
    clients: list[Client] = []

    def build(other: bytes, exchange: bytes = BEARER) -> tuple[Client, Misbehaving]:
        def behave(connection: Any, server: Misbehaving) -> None:
            connection.sendall(exchange if b"/oauth2/token" in server.heard[-1].split(b"\r\n", 1)[0] else other)

        server = misbehaving(behave)
        clients.append(Client(Transport("test"), Endpoints(server.url, server.url), "a-token", clock=SystemClock()))
        return clients[-1], server

    yield build
    for client in clients:
        client.close()


def lines(server: Misbehaving, method: str) -> list[bytes]:
    """The request lines with that method, without the token exchanges."""
    first = [each.split(b"\r\n", 1)[0] for each in server.heard]
    return [each for each in first if each.startswith(method.encode()) and b"/oauth2/token" not in each]


# --- answers of others ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GATEWAYS)
@pytest.mark.parametrize("read", READS)
def test_no_read_takes_a_gateways_answer_for_the_apis(
    client_of: Callable[..., tuple[Client, Misbehaving]], read: str, name: str
) -> None:
    client, _ = client_of(GATEWAYS[name])
    with pytest.raises(AgentError) as caught:
        READS[read](client)
    assert type(caught.value) is BadReply, caught.value
    assert caught.value.exit_code == 65


def test_a_page_of_success_has_a_remedy(client_of: Callable[..., tuple[Client, Misbehaving]]) -> None:
    client, _ = client_of(answer("200 OK", HTML, "Content-Type: text/html"))
    with pytest.raises(BadReply, match="not valid JSON") as caught:
        client.project(PROJECT)
    assert "sign-in page" in caught.value.remedy


@pytest.mark.parametrize("name", OF_OTHERS)
def test_the_error_document_of_another_service_is_not_the_apis(name: str) -> None:
    status, body = OF_OTHERS[name]
    assert classify(Reply(status, {}, json.dumps(body).encode())) == "unusable"


@pytest.mark.parametrize("name", GATEWAYS)
@pytest.mark.parametrize("write", WRITES)
def test_no_write_takes_a_gateways_answer_for_the_apis(
    client_of: Callable[..., tuple[Client, Misbehaving]], write: str, name: str
) -> None:
    client, server = client_of(GATEWAYS[name])
    with pytest.raises(Uncertain):
        WRITES[write](client)
    if write in {"create", "invite"}:
        assert len(lines(server, "POST")) == 1, "nobody knows whether it was acted on: it is not sent again"


@pytest.mark.parametrize("name", GATEWAYS)
def test_a_run_s_request_is_sent_once_and_its_gateways_answer_is_unusable(
    client_of: Callable[..., tuple[Client, Misbehaving]], name: str
) -> None:
    client, server = client_of(GATEWAYS[name])
    reply = client.post("/projects/x/environments/main/backup", {"safe": True})
    assert classify(reply) == ("done" if name == "a page 200" else "unusable")
    assert len(lines(server, "POST")) == 1


@pytest.mark.parametrize("name", GATEWAYS)
def test_a_gateways_answer_to_the_exchange_is_no_verdict_on_the_token(
    client_of: Callable[..., tuple[Client, Misbehaving]], name: str
) -> None:
    client, _ = client_of(b"", exchange=GATEWAYS[name])
    with pytest.raises(AgentError) as caught:
        client.exchange()
    assert type(caught.value) is BadReply, caught.value


def test_a_bearer_is_renewed_after_a_401_that_is_not_the_apis_too(
    client_of: Callable[..., tuple[Client, Misbehaving]],
) -> None:
    client, server = client_of(GATEWAYS["an empty 401"])
    with pytest.raises(BadReply):
        client.environment(PROJECT, "main")
    assert len(lines(server, "GET")) == 2
    assert len(server.heard) == 4


# --- answers of the API ---------------------------------------------------------------------------------------------

SHAPES: dict[str, Callable[[int, str], dict[str, Any]]] = {
    "the document's Error": lambda _, text: {"error": text},
    "what the official client reads": lambda status, text: {
        "status": "Error",
        "code": status,
        "message": text,
        "detail": {},
        "title": text,
    },
    "a problem document": lambda status, text: {"type": "about:blank", "title": text, "status": status, "detail": text},
    "a message with details": lambda _, text: {"message": text, "detail": {"error": "why"}},
    "a message that says something": lambda _, text: {"message": f"{text}: there is no such thing here"},
}
#: status -> its phrase, the meaning, the error of a read, the error of a write.
STATUSES: dict[int, tuple[str, str, type[AgentError], type[AgentError]]] = {
    400: ("Bad Request", "refused", BadReply, BadReply),
    401: ("Unauthorized", "token", TokenRefused, TokenRefused),
    402: ("Payment Required", "refused", BadReply, BadReply),
    403: ("Forbidden", "permission", NotPermitted, NotPermitted),
    404: ("Not Found", "not-found", NotFound, NotFound),
    409: ("Conflict", "conflict", BadReply, Conflict),
    410: ("Gone", "refused", BadReply, BadReply),
    422: ("Unprocessable Content", "refused", BadReply, BadReply),
    423: ("Locked", "busy", BadReply, BadReply),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("status", STATUSES)
def test_an_error_document_of_the_api_is_the_apis_word(
    client_of: Callable[..., tuple[Client, Misbehaving]], status: int, shape: str
) -> None:
    phrase, meaning, read, write = STATUSES[status]
    body = json.dumps(SHAPES[shape](status, phrase)).encode()
    client, server = client_of(answer(f"{status} {phrase}", body))
    assert classify(client.post("/x", {})) == meaning
    assert len(lines(server, "POST")) == (2 if status == 401 else 1), "with a new bearer it is sent once more"
    for attempt, error in ((READS["document"], read), (WRITES["change"], write)):
        with pytest.raises(AgentError) as caught:
            attempt(client)
        assert type(caught.value) is error
        assert phrase in str(caught.value)


@pytest.mark.parametrize("body", [b"", HTML, b'{"error": "busy"}', b'{"message": "Too Many Requests"}'])
@pytest.mark.parametrize(
    ("status", "meaning"), [(429, "limited"), *((each, "passing") for each in (408, 425, 500, 502, 503, 504))]
)
def test_not_now_means_not_now_whoever_says_it(status: int, meaning: str, body: bytes) -> None:
    assert classify(Reply(status, {}, body)) == meaning


@pytest.mark.parametrize("status", [100, 301, 304, 501, 505, 530, 999])
def test_a_status_that_the_api_does_not_document_is_unusable(status: int) -> None:
    assert classify(Reply(status, {}, b'{"error": "x"}')) == "unusable"


def test_a_bearer_that_is_refused_without_a_body_is_refused_by_its_challenge() -> None:
    headers = {"www-authenticate": 'Bearer realm="api", error="invalid_token"'}
    assert classify(Reply(401, headers, b"")) == "token"
    assert classify(Reply(401, headers, HTML)) == "unusable"
    assert classify(Reply(403, headers, b"")) == "unusable"


def test_a_write_that_is_turned_away_for_now_was_surely_not_acted_on(
    client_of: Callable[..., tuple[Client, Misbehaving]],
) -> None:
    client, _ = client_of(answer("429 Too Many Requests", HTML))
    with pytest.raises(Unreachable) as caught:
        client.write("POST", "/x", {}, "thing")
    assert type(caught.value) is Unreachable


# --- the token ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["400 Bad Request", "401 Unauthorized", "403 Forbidden"])
@pytest.mark.parametrize(
    ("error", "refused"),
    [
        ("invalid_grant", True),
        ("request_unauthorized", True),
        ("invalid_client", False),
        ("unsupported_grant_type", False),
        ("invalid_request", False),
        ("unauthorized_client", False),
        ("access_denied", False),
        ("server_error", False),
        ("temporarily_unavailable", False),
    ],
)
def test_only_the_services_own_marks_refuse_the_token(
    client_of: Callable[..., tuple[Client, Misbehaving]], status: str, error: str, *, refused: bool
) -> None:
    body = json.dumps({"error": error, "error_description": "What it says", "error_hint": "Look here"}).encode()
    client, _ = client_of(b"", exchange=answer(status, body))
    with pytest.raises(AgentError) as caught:
        client.exchange()
    assert type(caught.value) is (TokenRefused if refused else BadReply)
    assert "What it says: Look here" in str(caught.value)
    assert refused or error in str(caught.value)


def test_a_mark_without_words_refuses_the_token_too(client_of: Callable[..., tuple[Client, Misbehaving]]) -> None:
    client, _ = client_of(b"", exchange=answer("400 Bad Request", b'{"error": "invalid_grant"}'))
    with pytest.raises(TokenRefused, match="is not accepted: invalid_grant"):
        client.exchange()


# --- the second factor ----------------------------------------------------------------------------------------------

CHALLENGES = {
    "header and body": answer("401 Unauthorized", MFA, STEP_UP),
    "header alone": answer("401 Unauthorized", b"", STEP_UP),
    "header in lower case": answer("401 Unauthorized", b"{}", STEP_UP.lower()),
    "body alone": answer("401 Unauthorized", MFA),
    "header in capitals": answer(
        "401 Unauthorized", b"", STEP_UP.replace("Bearer", "BEARER").replace("insufficient_", "INSUFFICIENT_")
    ),
    "the second of two challenges": answer("401 Unauthorized", b"", "WWW-Authenticate: Basic", STEP_UP),
    "header of a 403": answer("403 Forbidden", b"", STEP_UP),
    "the methods alone": answer("401 Unauthorized", b'{"amr": ["pwd", "mfa"]}'),
    "the detail's error": answer(
        "401 Unauthorized", b'{"error": "no", "detail": {"error": "insufficient_user_authentication"}}'
    ),
    "the factor alone": answer("401 Unauthorized", b'{"error": "unauthorized", "amr": ["mfa"]}'),
    "a 403": answer("403 Forbidden", b'{"error": "Forbidden", "message": "This needs amr: mfa", "code": 403}'),
}


@pytest.mark.parametrize("challenge", CHALLENGES)
@pytest.mark.parametrize("what", [*READS, "create", "change", "cancel"])
def test_the_challenge_for_a_second_factor_has_its_remedy_everywhere(
    client_of: Callable[..., tuple[Client, Misbehaving]], what: str, challenge: str
) -> None:
    client, server = client_of(CHALLENGES[challenge])
    with pytest.raises(SecondFactorNeeded, match="second factor is required") as caught:
        {**READS, **WRITES}[what](client)
    assert "two-factor authentication" in caught.value.remedy
    assert caught.value.exit_code == 77
    assert sum(b"/oauth2/token" in each for each in server.heard) == 1, "another bearer would not help"


def test_a_401_without_the_challenge_asks_for_no_second_factor(
    client_of: Callable[..., tuple[Client, Misbehaving]],
) -> None:
    client, _ = client_of(answer("401 Unauthorized", b'{"error": "invalid_token", "amr": ["pwd"]}'))
    with pytest.raises(TokenRefused):
        client.environment(PROJECT, "main")
