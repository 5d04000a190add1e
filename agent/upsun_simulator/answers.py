"""Answers in the documented shapes, errors included."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from werkzeug.wrappers import Response

JSON = "application/json"


class Refusal(Exception):
    """A request that is answered with an error status."""

    def __init__(self, status: int, message: str, **body: Any) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.body = body
        self.headers: dict[str, str] = {}

    def response(self) -> Response:
        """Return the answer that carries this refusal."""
        answer = error(self.status, self.message, **self.body)
        answer.headers.update(self.headers)
        return answer


def document(content: Any, status: int = HTTPStatus.OK) -> Response:
    """Return a JSON answer."""
    return Response(json.dumps(content), status=int(status), content_type=JSON)


def error(status: int, message: str, **body: Any) -> Response:
    """Return a JSON error that satisfies both the document's `Error` and what the official CLI reads."""
    try:
        title = HTTPStatus(status).phrase
    except ValueError:
        title = "Error"
    content = {"status": title, "code": status, "title": title, "message": message, "detail": {}, "error": message}
    return document({**content, **body}, status)


def unauthorised(description: str) -> Refusal:
    """Return the refusal of a bearer token."""
    refusal = Refusal(HTTPStatus.UNAUTHORIZED, description, error="invalid_token", error_description=description)
    refusal.headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
    return refusal


class OAuthError(Refusal):
    """A refusal of the token endpoint, in the form of RFC 6749, with the hint that the vendor's server may add."""

    def response(self) -> Response:
        """Return the answer, which has only the fields of the standard."""
        answer = document(self.body, self.status)
        answer.headers.update({"Cache-Control": "no-store", **self.headers})
        return answer


def oauth_error(status: int, code: str, description: str, hint: str | None = None) -> OAuthError:
    """Return a refusal of the token endpoint.

    Args:
        status: the HTTP status.
        code: the OAuth code, such as `invalid_grant`.
        description: the sentence beside it.
        hint: the text of `error_hint`; None: there is none.
    """
    body = {"error": code, "error_description": description, **({"error_hint": hint} if hint else {})}
    return OAuthError(status, description, **body)


def challenge(description: str) -> Refusal:
    """Return the challenge that demands a login with a second factor (RFC 9470).

    The official CLI sees the word in the header, and reads `amr` and `max_age` of the body.
    """
    code = "insufficient_user_authentication"
    refusal = Refusal(HTTPStatus.UNAUTHORIZED, description, error=code, error_description=description, amr=["mfa"])
    refusal.headers["WWW-Authenticate"] = f'Bearer realm="api", error="{code}", error_description="{description}"'
    return refusal


def unknown_token(code: str) -> OAuthError:
    """Return the refusal of an API token, in one of the two forms that the official CLI recognises."""
    if code == "invalid_grant":
        return oauth_error(HTTPStatus.BAD_REQUEST, code, "Invalid API token")
    return oauth_error(
        HTTPStatus.UNAUTHORIZED, code, "The request could not be authorized.", "The API token is invalid."
    )


def unknown_client() -> OAuthError:
    """Return the refusal of a client that the token endpoint does not know."""
    return oauth_error(HTTPStatus.UNAUTHORIZED, "invalid_client", "Client authentication failed.")
