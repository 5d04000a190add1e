"""The authentication host: tokens and SSH certificates."""

from __future__ import annotations

import base64
import binascii
from http import HTTPStatus
from typing import TYPE_CHECKING

from upsun_simulator.answers import OAuthError, Refusal, document, oauth_error, unknown_client, unknown_token
from upsun_simulator.call import FORM
from upsun_simulator.permissions import check_mfa

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from upsun_simulator.call import Call

CLIENTS = ("upsun-cli", "platform-cli", "platform-api-user")
BASIC_CLIENT = "platform-api-user"


def _refuse(error: str, description: str) -> OAuthError:
    return oauth_error(HTTPStatus.BAD_REQUEST, error, description)


def _form(call: Call) -> dict[str, str]:
    if call.request.mimetype != FORM or not isinstance(call.body, dict):
        raise _refuse("invalid_request", "The body must be a form.")
    return call.body


def _check_client(call: Call, form: dict[str, str]) -> None:
    """Check the client's name, given in the body or as the user of HTTP Basic without a password."""
    client = form.get("client_id")
    kind, _, coded = call.request.headers.get("Authorization", "").partition(" ")
    if client is None and kind.lower() == "basic":
        try:
            client, _, password = base64.b64decode(coded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            client, password = None, ""
        if password or client != BASIC_CLIENT:
            client = None
    if client not in CLIENTS:
        raise unknown_client()


def token(call: Call) -> Response:
    """Exchange an API token for a bearer."""
    form = _form(call)
    _check_client(call, form)
    grant = form.get("grant_type")
    if grant == "refresh_token":
        raise _refuse("invalid_grant", "The refresh token is invalid.")
    if grant != "api_token":
        raise _refuse("unsupported_grant_type", "The grant type is not supported.")
    api_token = form.get("api_token")
    if not api_token:
        raise _refuse("invalid_request", "The parameter api_token is missing.")
    tokens = call.platform.tokens
    if tokens.owner(api_token) is None:
        raise unknown_token(call.state.scenario.refused_token)
    seconds = call.state.scenario.bearer_seconds
    text = tokens.issue(api_token, call.now, seconds)
    answer = document({"access_token": text, "expires_in": seconds, "token_type": "bearer"})  # no secret  # nosec B105
    answer.headers["Cache-Control"] = "no-store"
    return answer


def revoke(call: Call) -> Response:
    """Revoke a token; by the standard an unknown one is fine too."""
    form = _form(call)
    if not form.get("token"):
        raise _refuse("invalid_request", "The parameter token is missing.")
    call.platform.tokens.revoke(form["token"])
    return document({})


def ssh(call: Call) -> Response:
    """Certify a public key."""
    bearer = call.bearer()
    check_mfa(call)
    scenario = call.state.scenario
    key = call.json_body().get("key")
    if not isinstance(key, str):
        raise Refusal(HTTPStatus.BAD_REQUEST, "The field key is missing.")
    try:
        certificate = call.platform.authority.certify(
            key, bearer, call.now, seconds=scenario.ssh_certificate_seconds, principals=scenario.ssh_principals
        )
    except ValueError as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"The key cannot be certified: {error}") from None
    return document({"certificate": certificate})
